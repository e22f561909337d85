/** `bake machine ls|ssh|stop`: the machines that were kept after a failure. */

import type { Host } from '../host/host.ts';
import { realHost } from '../host/real.ts';
import { keptMachinesDirectory } from '../incremental/state.ts';
import { endKept, type KeptMachine, keptMachines, keptSshWords } from '../machine/kept.ts';
import type { Failure } from '../model/failure.ts';
import { formatDuration } from '../report/format.ts';
import { jsonText } from '../report/printable.ts';
import { printTable } from './cache-table.ts';
import { checkoutPlace } from './checkout-place.ts';
import type { CommandModule, Invocation } from './command.ts';
import { guestCommand } from './guest-command.ts';
import { pipelineArguments } from './load-plan.ts';
import { printFailures } from './print-failures.ts';

interface Here {
  readonly host: Host;
  readonly invocation: Invocation;
  readonly directory: string;
  readonly running: readonly KeptMachine[];
  /** Ids and stages that the command line names. */
  readonly names: readonly string[];
}

const VERBS: { readonly [verb: string]: (here: Here) => Promise<number> } = { ls, ssh, stop };

export const run: CommandModule['run'] = async (invocation) => {
  const [verb, ...rest] = invocation.positionals;
  const act = verb === undefined ? undefined : VERBS[verb];
  if (act === undefined) return printFailures(invocation, [unknownVerb(verb)]);
  const host = realHost();
  const directory = machinesOf({ ...invocation, positionals: rest });
  const running = directory === null ? [] : await keptMachines(host, directory);
  const names = pipelineArguments(rest).targets;
  return act({ host, invocation, directory: directory ?? '', running, names });
};

/** Where the records of the checkout's kept machines lie; null when there is no such checkout. */
export function machinesOf(invocation: Invocation): string | null {
  const place = checkoutPlace(invocation);
  return place === null ? null : keptMachinesDirectory(place.directory);
}

function unknownVerb(verb: string | undefined): Failure {
  if (verb === undefined)
    return { code: 'missing-argument', argument: 'ls, ssh or stop', command: 'machine' };
  return { code: 'unexpected-argument', argument: verb, command: 'machine' };
}

async function ls({ host, invocation, directory, running }: Here): Promise<number> {
  if (invocation.flags['json'] === true) {
    const machines = running.map((kept) => ({
      id: kept.id,
      stage: kept.action,
      pid: kept.process.pid,
      keptAt: new Date(kept.keptAtMs).toISOString(),
      ssh: keptSshWords(directory, kept),
      vnc: kept.vnc,
    }));
    invocation.write(`${jsonText({ schemaVersion: 1, machines }, 2)}\n`);
    return 0;
  }
  if (running.length === 0) {
    invocation.write('no machine was kept\n');
    return 0;
  }
  const rows = running.map(({ id, action, process, keptAtMs, vnc }) => [
    id,
    action,
    formatDuration(host.clock.nowMs() - keptAtMs),
    String(process.pid),
    vnc ?? '',
  ]);
  invocation.write(printTable(['id', 'stage', 'kept for', 'process', 'VNC'], rows));
  return 0;
}

async function ssh({ host, invocation, directory, running, names }: Here): Promise<number> {
  const [wanted = null, another] = names;
  if (another !== undefined) {
    const failure = { code: 'unexpected-argument', argument: another, command: 'machine ssh' } as const;
    return printFailures(invocation, [failure]);
  }
  const kept = running.findLast((one) => wanted === null || isCalled(one, wanted));
  if (kept === undefined) return printFailures(invocation, [notThere(wanted, running)]);
  const [program, ...words] = keptSshWords(directory, kept) ?? [];
  if (program === undefined) {
    const failure = { code: 'kept-machine-without-login', id: kept.id, vnc: kept.vnc } as const;
    return printFailures(invocation, [failure]);
  }
  const env = Object.fromEntries(
    Object.entries(invocation.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
  const options = { cwd: invocation.cwd, env };
  const ended = await host.processes.interact(
    program,
    [...words, ...guestCommand(invocation.passedOn)],
    options,
  );
  if (!ended.ok) return printFailures(invocation, [ended.failure]);
  return ended.value.exitCode ?? 1;
}

async function stop({ host, invocation, directory, running, names }: Here): Promise<number> {
  const all = invocation.flags['all'] === true;
  if (names.length === 0 && !all) {
    const argument = 'an id, a stage or --all';
    return printFailures(invocation, [{ code: 'missing-argument', argument, command: 'machine stop' }]);
  }
  const missing = names.filter((name) => !running.some((one) => isCalled(one, name)));
  const chosen = running.filter((one) => all || names.some((name) => isCalled(one, name)));
  for (const one of chosen) {
    await endKept(host, directory, one);
    invocation.write(`ended ${one.id}, the machine of ${one.action}\n`);
  }
  if (missing.length === 0) return 0;
  return printFailures(
    invocation,
    missing.map((name) => notThere(name, running)),
  );
}

/** By its id, by its action, or by the stage that the action is a step of. */
function isCalled({ id, action }: KeptMachine, name: string): boolean {
  return id === name || action === name || action.startsWith(`${name}@`);
}

function notThere(wanted: string | null, running: readonly KeptMachine[]): Failure {
  return {
    code: 'no-kept-machine',
    wanted,
    known: running.map(({ id, action }) => `${id} (${action})`),
  };
}
