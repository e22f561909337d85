/** Runs a playbook against a machine: galaxy requirements, a check before anything is booted, one ansible-playbook. */
import { join, relative } from 'node:path';
import type { Failure } from '../../model/failure.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import type { AnsibleOptions } from '../ansible-step.ts';
import type { ReadTrace, StageContext, StageReturn } from '../kind.ts';
import type { Guest } from '../machine/guest.ts';
import { inStep } from '../machine/step.ts';
import {
  type AnsibleEnvironment,
  type AnsibleSetup,
  ansibleEnvironment,
  ansibleSetup,
} from './environment.ts';
import { type AnsibleOutput, followAnsible, missingFile } from './output.ts';
import { watchPython } from './watch.ts';

/** Exit statuses of ansible-playbook, as its manual has them. */
const HOSTS_UNREACHABLE = 4;
const TAIL_LINES = 20;

/** The whole step. */
export async function runPlaybook(
  options: AnsibleOptions,
  context: StageContext,
): Promise<Result<StageReturn, Failure>> {
  let reads: ReadTrace | null = null;
  const left = await inStep(
    options,
    context,
    async (guest, { ansible, total }) => {
      const setup = await ansibleSetup(options, context, guest, ansible);
      if (!setup.ok) return setup;
      const watch = await watchPython(context, setup.value.env);
      if (!watch.ok) return watch;
      const env = { ...setup.value.env, ...watch.value.env };
      const played = await play(total, context, options, guest, { ...setup.value, env });
      if (!played.ok) return played;
      reads = await watch.value.finish();
      // A playbook that rebooted the machine has cut bake's own connection, and Ansible keeps one in its place for a while.
      return guest.ssh().hasEnded() || (await guest.bootId()) === null
        ? await guest.logInAgain('usable', null, options.ssh.timeout)
        : ok(undefined);
    },
    () => prepare(options, context),
  );
  return left.ok && reads !== null ? ok({ ...left.value, reads }) : left;
}

interface Prepared {
  readonly ansible: AnsibleEnvironment;
  /** Tasks that are known of before the play. */
  readonly total: number;
}

async function prepare(options: AnsibleOptions, context: StageContext): Promise<Result<Prepared, Failure>> {
  const ansible = await ansibleEnvironment(options, context);
  if (!ansible.ok) return ansible;
  const { env } = ansible.value;
  const installed = await installRequirements(options, context, env);
  if (!installed.ok) return installed;
  const total = await countTasks(options, context, env);
  return total.ok ? ok({ ansible: ansible.value, total: total.value }) : total;
}

async function installRequirements(
  options: AnsibleOptions,
  context: StageContext,
  env: AnsibleSetup['env'],
): Promise<Result<void, Failure>> {
  if (options.requirements === undefined) return ok(undefined);
  context.progress(`installing ${options.requirements}`);
  const galaxy = join(context.scratch, 'ansible', 'galaxy');
  const file = join(context.files, options.requirements);
  for (const [sort, flag, place] of [
    ['role', '--roles-path', 'roles'],
    ['collection', '--collections-path', 'collections'],
  ] as const) {
    const args = [sort, 'install', '-r', file, flag, join(galaxy, place)];
    const done = await context.exec('ansible-galaxy', args, { cwd: context.files, env });
    if (!done.ok) return done;
  }
  return ok(undefined);
}

/** Reads a playbook as Ansible does, before anything is booted for it; the number of tasks it knows of by then. */
async function countTasks(
  options: AnsibleOptions,
  context: StageContext,
  env: AnsibleSetup['env'],
): Promise<Result<number, Failure>> {
  const { playbook } = options;
  context.progress(`reading ${playbook}`);
  const output = followAnsible();
  const inventory = `${options.host},`;
  const listed = await context.exec(
    'ansible-playbook',
    ['--list-tasks', '--inventory', inventory, playbook],
    {
      cwd: context.files,
      env,
      quiet: true,
      onLine: (line) => void output.line(line),
    },
  );
  // Plays are listed in the same form, but less deep.
  if (listed.ok) return ok([...listed.value.stdout.matchAll(/^ {6}\S.*\tTAGS: \[/gm)].length);
  const problem = output.error();
  if (problem === null) return listed;
  const file = missingFile(problem);
  return file === null
    ? fail({ code: 'playbook-unusable', playbook, problem })
    : fail({ code: 'ansible-input-missing', playbook, file: shown(context, file), message: problem });
}

async function play(
  total: number,
  context: StageContext,
  options: AnsibleOptions,
  guest: Guest,
  setup: AnsibleSetup,
): Promise<Result<void, Failure>> {
  const { playbook } = options;
  const output = followAnsible();
  const tail: string[] = [];
  const played = await guest.machine.during(`while ${playbook} ran`, async () =>
    ok(
      await context.exec('ansible-playbook', [...setup.args, playbook], {
        cwd: context.files,
        env: setup.env,
        timeoutMs: options.timeout,
        idleTimeoutMs: options.idle_timeout,
        // The connection that Ansible's ssh keeps after a reboot of the guest.
        leavesBehind: (command) => command.endsWith('[mux]'),
        onLine: (line) => {
          tail.push(line);
          if (tail.length > TAIL_LINES) tail.shift();
          const task = output.line(line);
          if (task === null) return;
          // Facts, handlers and dynamic includes are not among the tasks that were counted before.
          const of = Math.max(total, output.started);
          context.progress(
            `${playbook}: task ${output.started} of ${of}: ${task}`,
            (output.started - 1) / of,
          );
        },
      }),
    ),
  );
  if (!played.ok) return played;
  if (played.value.ok && !output.hasRun && options.allow_empty !== true) {
    const { unmatched } = output;
    const { groups, tags, skip_tags } = options;
    const asked = [...tags, ...skip_tags.map((tag) => `not ${tag}`)];
    return fail({ code: 'ansible-ran-nothing', playbook, unmatched, groups, tags: asked });
  }
  return played.value.ok
    ? ok(undefined)
    : fail(await failureOf(played.value.failure, playbook, context, guest, output, tail));
}

async function failureOf(
  failure: Failure,
  playbook: string,
  context: StageContext,
  guest: Guest,
  output: AnsibleOutput,
  tail: readonly string[],
): Promise<Failure> {
  if (failure.code !== 'command-failed') return failure;
  const trouble = output.trouble();
  const message = trouble?.message ?? output.error();
  if (message === null) return failure;
  const file = missingFile(message);
  if (file !== null) return { code: 'ansible-input-missing', playbook, file: shown(context, file), message };
  return {
    code: 'ansible-task-failed',
    playbook,
    task: trouble?.task ?? '',
    at: trouble?.at ? { ...trouble.at, file: shown(context, trouble.at.file) } : null,
    // Ansible names files by where they are while it runs.
    message: message.replaceAll(`${context.files}/`, ''),
    unreachable: trouble?.unreachable ?? failure.exitCode === HOSTS_UNREACHABLE,
    tail,
    guest: await guest.machine.view(),
  };
}

/** A path as the user would write it: relative to the pipeline file. */
function shown(context: StageContext, file: string): string {
  return file.startsWith(`${context.files}/`) ? relative(context.files, file) : file;
}
