/** `bake get <stage>[.<output>]`: puts outputs that are in the cache where the user wants them. */
import { basename, resolve } from 'node:path';
import type { ActionResult } from '../model/action.ts';
import type { Artifact } from '../model/artifact.ts';
import type { Failure } from '../model/failure.ts';
import type { PlannedAction } from '../model/plan.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import { formatSize } from '../report/format.ts';
import { byStage, lastOf } from '../report/stages.ts';
import type { CommandModule, Invocation } from './command.ts';
import { pipelineArguments } from './load-plan.ts';
import { printFailures } from './print-failures.ts';
import { storedResult } from './stored-result.ts';
import type { Project } from './wiring.ts';
import { openProject } from './wiring.ts';

export const run: CommandModule['run'] = async (invocation) => {
  const { targets } = pipelineArguments(invocation.positionals);
  const [wanted] = targets;
  if (wanted === undefined) {
    const failure = { code: 'missing-argument', argument: '<stage>[.<output>]', command: 'get' } as const;
    return printFailures(invocation, [failure]);
  }
  if (targets[1] !== undefined) {
    const failure = { code: 'unexpected-argument', argument: targets[1], command: 'get' } as const;
    return printFailures(invocation, [failure]);
  }
  // Outputs are put into the directory of the user's choice; the cache itself is only read.
  const project = await openProject(invocation, { touch: false, splitOutput: true });
  if (!project.ok) return printFailures(invocation, project.failure);
  const found = await artifactsOf(project.value);
  if (!found.ok) return printFailures(invocation, [found.failure]);
  const failures: Failure[] = [];
  for (const artifact of found.value) {
    const put = await putWhere(project.value, artifact, invocation, found.value.length > 1);
    if (!put.ok) failures.push(put.failure);
  }
  return failures.length === 0 ? 0 : printFailures(invocation, failures);
};

async function artifactsOf(project: Project): Promise<Result<readonly Artifact[], Failure>> {
  const found: Artifact[] = [];
  // A stage with steps has the outputs of the last one.
  for (const action of byStage(project.chosen.targets).map(lastOf)) {
    const result = await storedResult(project, action);
    if (result === null) return fail({ code: 'no-result', stage: action.name, wanted: 'result' });
    const { output } = project;
    const some = ofPlan(action, result).filter(({ name }) => output === null || name === output);
    if (output !== null && some.length === 0) {
      const known = action.outputs.map(({ name }) => name);
      return fail({ code: 'no-such-output', stage: action.name, output, known });
    }
    found.push(...some);
  }
  return ok(found);
}

/** The artifacts under the names and paths that the plan gives them; those of outputs that it no longer has are left out. */
function ofPlan(action: PlannedAction, result: ActionResult): readonly Artifact[] {
  return result.artifacts.flatMap((artifact) => {
    const output = action.outputs.find(({ name }) => name === artifact.name);
    return output === undefined ? [] : [{ ...artifact, path: output.path }];
  });
}

async function putWhere(
  project: Project,
  artifact: Artifact,
  invocation: Invocation,
  several: boolean,
): Promise<Result<void, Failure>> {
  const { session, host } = project;
  const to = invocation.flags['to'];
  if (to === '-') return pour(project, artifact, invocation.signal);
  const own = basename(artifact.path);
  const named = typeof to === 'string' ? resolve(invocation.cwd, to) : resolve(invocation.cwd, own);
  const isDirectory =
    typeof to === 'string' &&
    (several || to.endsWith('/') || host.files.stampTarget(named)?.type === 'directory');
  const place = isDirectory ? `${named}/${own}` : named;
  if (to === undefined && host.files.stamp(place) !== null) return fail({ code: 'file-exists', path: place });
  const put =
    artifact.content.type === 'layers'
      ? await session.flatten(artifact.content, place, invocation.signal)
      : await session.cache.restore(artifact.content, place, 'private');
  const sizeBytes = host.files.stamp(place)?.type === 'file' ? host.files.stamp(place)?.sizeBytes : undefined;
  if (put.ok) invocation.write(`${place}  ${formatSize(sizeBytes ?? artifact.content.sizeBytes)}\n`);
  return put;
}

async function pour(
  project: Project,
  { content, name }: Artifact,
  signal: AbortSignal,
): Promise<Result<void, Failure>> {
  const { files, env } = project.host;
  if (content.type === 'layers') {
    const aside = await files.makeTemporaryDirectory(env['TMPDIR'] ?? '/tmp', 'bake-get-');
    if (!aside.ok) return aside;
    const flat = `${aside.value}/disk`;
    const made = await project.session.flatten(content, flat, signal);
    const poured = made.ok ? await pourFile(project, flat) : made;
    await files.remove(aside.value);
    return poured;
  }
  if (content.type !== 'file') {
    const problem = `\`${name}\` is not one plain file, so it cannot go to standard output`;
    return fail({ code: 'stage-refused', problem, hint: 'give a path after `--to`' });
  }
  const { blobs } = project.session.cache;
  const { digest, sizeBytes } = content;
  // What has been written cannot be taken back.
  if (!(await blobs.isSound(digest, sizeBytes))) return fail({ code: 'blob-missing', digest });
  return pourFile(project, blobs.pathOf(digest));
}

async function pourFile({ host }: Project, path: string): Promise<Result<void, Failure>> {
  const poured = await host.files.withReader(path, async (source) => {
    const chunk = new Uint8Array(1024 * 1024);
    for (let offset = 0; ; ) {
      const count = await source.read(chunk, offset);
      if (count === 0) return;
      offset += count;
      await written(chunk.slice(0, count));
    }
  });
  return poured.ok ? ok(undefined) : poured;
}

function written(bytes: Uint8Array): Promise<void> {
  return new Promise((done) => process.stdout.write(bytes, () => done()));
}
