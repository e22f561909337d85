/** What a playbook needs of the checkout to be run at all, and the project that it may see: see docs/design/traces.md. */
import { posix } from 'node:path';
import type { Failure } from '../../model/failure.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import type { AnsibleOptions } from '../ansible-step.ts';
import type { InputFinder, ViewRequest } from '../kind.ts';
import {
  COLLECTIONS_PATH,
  CONFIGURATION_FILE,
  type Configuration,
  pathsOf,
  ROLES_PATH,
  readConfiguration,
} from './configuration.ts';

type Asked = Pick<AnsibleOptions, 'playbook' | 'project' | 'roles_path' | 'files' | 'requirements'>;

/** What counts whatever Ansible reads of it: files and directories that the user declares. A missing one is a failure, and so is a playbook that is none. */
export async function declaredFiles(
  { playbook, files, requirements, project }: Asked,
  finder: InputFinder,
): Promise<Result<readonly string[], Failure>> {
  const unusable = await playbookProblem(playbook, finder);
  if (unusable !== null) return fail({ code: 'playbook-unusable', playbook, problem: unusable });
  if (project !== undefined && project !== '.' && (await finder.kindOf(project)) !== 'directory')
    return refused(`\`project\` names ${project}, but there is no such directory beside the pipeline`);
  const found: string[] = [];
  for (const path of requirements === undefined ? files : [...files, requirements]) {
    const kind = await finder.kindOf(path);
    if (kind === 'file') found.push(path);
    else if (kind === 'directory') found.push(...(await finder.list(path)));
    else
      return refused(
        `\`files\` or \`requirements\` names ${path}, but there is no such file beside the pipeline`,
      );
  }
  return ok(found);
}

function refused(problem: string): Result<never, Failure> {
  return fail({ code: 'stage-refused', problem, hint: null });
}

async function playbookProblem(playbook: string, finder: InputFinder): Promise<string | null> {
  const yaml = await finder.readYaml(playbook);
  if (yaml === null) return 'there is no such file';
  if ('problem' in yaml) return yaml.problem;
  // What is encrypted, only Ansible can read.
  const isEncrypted = typeof yaml.value === 'string' && yaml.value.startsWith('$ANSIBLE_VAULT;');
  return Array.isArray(yaml.value) || isEncrypted ? null : 'a playbook is a list of plays';
}

/** The project of a playbook: its directory or the one that `project` names, `roles_path`, and what `ansible.cfg` names. */
export async function projectOf(asked: Asked, finder: InputFinder): Promise<Result<ViewRequest, Failure>> {
  const beside = posix.dirname(asked.playbook);
  const project = asked.project ?? beside;
  const candidates = configurationFiles(asked);
  const file = await firstFile(candidates, finder);
  const text = file === null ? null : await finder.readText(file);
  const named =
    file === null || text === null ? [] : directoriesIn(readConfiguration(text), posix.dirname(file));
  const directories = new Set([
    project,
    ...asked.roles_path,
    ...named,
    ...(isBelow(beside, project) ? [] : [beside]),
  ]);
  return ok({ directories: [...directories], files: file === null ? [] : [file], looked: candidates });
}

/** Where `ansible.cfg` is looked for, the first one counts: in the project, then beside the pipeline. */
export function configurationFiles({
  playbook,
  project,
}: Pick<Asked, 'playbook' | 'project'>): readonly string[] {
  const places = [project ?? posix.dirname(playbook), '.'];
  return [...new Set(places.map((place) => posix.join(place, CONFIGURATION_FILE)))];
}

async function firstFile(paths: readonly string[], finder: InputFinder): Promise<string | null> {
  for (const path of paths) if ((await finder.kindOf(path)) === 'file') return path;
  return null;
}

/** Directories of roles and collections below that of the pipeline; Ansible takes them as relative to the file. */
function directoriesIn(configuration: Configuration, beside: string): readonly string[] {
  const paths = [...pathsOf(configuration, ROLES_PATH), ...pathsOf(configuration, COLLECTIONS_PATH)];
  return paths
    .filter((path) => !/^[/~$]/.test(path))
    .map((path) => posix.join(beside, path).replace(/\/$/, ''))
    .filter((path) => !path.startsWith('..'));
}

function isBelow(path: string, directory: string): boolean {
  return directory === '.' || path === directory || path.startsWith(`${directory}/`);
}
