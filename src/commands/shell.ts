/** `bake shell <stage>[@step]`: a machine at a disk that is in the cache, to look into; what is changed in it is dropped. */
import { join } from 'node:path';
import { openVnc } from '../machine/vnc.ts';
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { formatDuration } from '../report/format.ts';
import type { Standing } from '../stages/machine/standing.ts';
import type { CommandModule, Invocation } from './command.ts';
import { guestCommand } from './guest-command.ts';
import { pipelineArguments } from './load-plan.ts';
import { diskToLookInto, type Look, withLookMachine } from './look.ts';
import { printFailures } from './print-failures.ts';
import type { Project } from './wiring.ts';
import { openProject } from './wiring.ts';

const INTERRUPTED = 130;

export const run: CommandModule['run'] = async (invocation) => {
  const wrong = wrongArguments(invocation);
  if (wrong !== null) return printFailures(invocation, [wrong]);
  const project = await openProject(invocation, { touch: false, splitOutput: true });
  if (!project.ok) return printFailures(invocation, project.failure);
  const look = await diskToLookInto(project.value);
  if (!look.ok) return printFailures(invocation, look.failure);
  const ended = await lookInside(invocation, project.value, look.value);
  if (ended.ok) return invocation.signal.aborted ? INTERRUPTED : ended.value;
  return invocation.signal.aborted ? INTERRUPTED : printFailures(invocation, [ended.failure]);
};

function wrongArguments({ positionals }: Invocation): Failure | null {
  const [wanted, another] = pipelineArguments(positionals).targets;
  if (wanted === undefined) return { code: 'missing-argument', argument: '<stage>[@step]', command: 'shell' };
  return another === undefined ? null : { code: 'unexpected-argument', argument: another, command: 'shell' };
}

/** Gets a machine, hands the terminal to ssh, and throws the machine away; the exit status is that of ssh. */
async function lookInside(
  invocation: Invocation,
  project: Project,
  look: Look,
): Promise<Result<number, Failure>> {
  const { clock } = project.host;
  const startedMs = clock.monotonicMs();
  const say = sayOf(invocation);
  return await withLookMachine(invocation, project, look, say, async (standing) => {
    const took = formatDuration(clock.monotonicMs() - startedMs);
    const whose = look.isCurrent ? '' : ', as the last run left it (the files have changed since)';
    say(`${look.action.name}${whose}: ready in ${took}; what you change is lost when you leave`);
    return await handOver(invocation, standing);
  });
}

async function handOver(
  invocation: Invocation,
  { machine, guest, context }: Standing,
): Promise<Result<number, Failure>> {
  if (invocation.flags['vnc'] === true) {
    const address = await openVnc(machine.qmp, join(machine.directory, 'screen'));
    invocation.writeError(`its screen (VNC): ${address ?? 'this QEMU gives none'}\n`);
  }
  const ssh = guest.ssh();
  const { passedOn, env, cwd } = invocation;
  const terminal = passedOn.length === 0 ? ['-t'] : ['-T'];
  const ended = await context.host.processes.interact(
    'ssh',
    [...ssh.args, ...terminal, '--', `${ssh.user}@127.0.0.1`, ...guestCommand(passedOn)],
    { cwd, env: { ...ssh.env, TERM: env['TERM'] ?? 'dumb' } },
  );
  if (!ended.ok)
    return ended.failure.errno === 'ENOENT'
      ? fail({ code: 'command-not-found', command: 'ssh', package: 'openssh-client' })
      : ended;
  return ok(ended.value.exitCode ?? 1);
}

/** Somebody who waits for a prompt is told what goes on; a program that runs a command gets the output of that alone. */
function sayOf({ passedOn, flags, writeError }: Invocation): (line: string) => void {
  const isAlone = passedOn.length > 0 && flags['verbose'] !== true;
  return (line) => {
    if (!isAlone) writeError(`${line}\n`);
  };
}
