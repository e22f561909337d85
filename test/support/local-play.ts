/** A kind that runs a playbook as `ansible-step` does, with the project, the environment and the watch of that, but on this host in place of a machine. */
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ok } from '../../src/model/result.ts';
import { ansibleEnvironment } from '../../src/stages/ansible/environment.ts';
import { ansibleOptions } from '../../src/stages/ansible/options.ts';
import { declaredFiles, projectOf } from '../../src/stages/ansible/project.ts';
import { watchPython } from '../../src/stages/ansible/watch.ts';
import type { AnsibleOptions } from '../../src/stages/ansible-step.ts';
import { defineStage, type StageKind } from '../../src/stages/kind.ts';
import { checkoutPath } from '../../src/stages/machine/options.ts';

const options = z.strictObject({ playbook: checkoutPath(), ...ansibleOptions });

/** What stands in the place of the machine: a directory that playbooks know as `{{ machine }}`. */
export interface LocalMachine {
  /** Absolute path of its directory. */
  readonly root: string;
  /** The arguments of ansible-playbook, but for the playbook. */
  readonly args: readonly string[];
}

/** Makes one in a directory, which holds the inventory too. */
export function makeLocalMachine(
  directory: string,
  given: Pick<AnsibleOptions, 'groups' | 'host' | 'extra_vars' | 'tags' | 'skip_tags'>,
): LocalMachine {
  const root = join(directory, 'machine');
  mkdirSync(root, { recursive: true });
  const host = { ansible_connection: 'local', ansible_python_interpreter: '/usr/bin/python3' };
  const children = Object.fromEntries(given.groups.map((group) => [group, { hosts: { [given.host]: {} } }]));
  const inventory = join(directory, 'inventory.json');
  const variables = join(directory, 'variables.json');
  writeFileSync(inventory, JSON.stringify({ all: { hosts: { [given.host]: host }, children } }));
  writeFileSync(variables, JSON.stringify({ ...given.extra_vars, machine: root }));
  return {
    root,
    args: [
      ...['--inventory', inventory, '--extra-vars', `@${variables}`],
      ...given.tags.map((tag) => `--tags=${tag}`),
      ...given.skip_tags.map((tag) => `--skip-tags=${tag}`),
    ],
  };
}

/** All that was left on such a machine: a line for each file, link and directory, with where it lay taken out. */
export function leftOn({ root }: LocalMachine, project: string): string {
  const lines: string[] = [];
  const walk = (below: string) => {
    for (const name of readdirSync(join(root, below)).sort()) {
      const path = below === '' ? name : `${below}/${name}`;
      const place = join(root, path);
      const stats = lstatSync(place);
      if (stats.isDirectory()) {
        lines.push(`${path}/`);
        walk(path);
      } else if (stats.isSymbolicLink()) lines.push(`${path} -> ${readlinkSync(place)}`);
      else lines.push(`${path}: ${JSON.stringify(readFileSync(place, 'utf8'))}`);
    }
  };
  walk('');
  return lines.join('\n').replaceAll(root, 'MACHINE').replaceAll(project, 'PROJECT');
}

const localPlay = defineStage({
  name: 'local-play',
  version: 1,
  summary: 'Runs a playbook on this host',
  description: '',
  example: '',
  options,
  outputs: () => ({ left: { path: 'left.txt', description: 'What it left' } }),
  tools: () => [{ name: 'ansible-playbook' }],
  inputs: declaredFiles,
  view: projectOf,
  async run(given, context) {
    const ansible = await ansibleEnvironment(given as AnsibleOptions, context);
    if (!ansible.ok) return ansible;
    const { env } = ansible.value;
    const watch = await watchPython(context, env);
    if (!watch.ok) return watch;
    const machine = makeLocalMachine(join(context.scratch, 'local'), given);
    const played = await context.exec('ansible-playbook', [...machine.args, given.playbook], {
      cwd: context.files,
      env: { ...env, ...watch.value.env },
    });
    if (!played.ok) return played;
    writeFileSync(context.output('left'), leftOn(machine, context.files));
    return ok({ reads: await watch.value.finish() });
  },
});

export const localPlayKind = localPlay as unknown as StageKind;
