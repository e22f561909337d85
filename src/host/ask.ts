/** Asks a program one question and reads its answer, by execa: for what happens once and matters little in time, such as `qemu-img --version`. */
import type { AskOptions } from './host.ts';
import { endLeftovers, signalGroup } from './process-group.ts';
import { unwatch, watch } from './watchdog.ts';

/** Whoever says more than this does not answer a question. */
const LONGEST_ANSWER = 1024 * 1024;

/**
 * What it says on standard output, else on standard error, without the last line break; null when the program cannot be
 * started, is not done in time, says too much, or ends with another status than 0. Never both streams as they came: their
 * order is a matter of chance, and the answer of a program that speaks on both (xorriso) would differ from run to run.
 * `others` are the groups that are watched already.
 */
export async function ask(
  file: string,
  args: readonly string[],
  options: AskOptions,
  others: Iterable<number>,
): Promise<string | null> {
  // Its 90 ms are paid by those who ask only; stages are started without it (docs/design/processes.md).
  const { execa } = await import('execa');
  const child = execa(file, args, {
    cwd: '/',
    env: options.env,
    extendEnv: false,
    buffer: true,
    reject: false,
    stdin: 'ignore',
    maxBuffer: LONGEST_ANSWER,
    detached: true,
    cleanup: false,
  });
  const group = child.pid;
  if (group === undefined) {
    await child;
    return null;
  }
  watch(group, others);
  const timer = setTimeout(() => signalGroup(group, 'SIGKILL'), options.timeoutMs);
  const ended = await child;
  clearTimeout(timer);
  await endLeftovers(group);
  unwatch(group);
  if (ended.failed) return null;
  return ended.stdout === '' ? ended.stderr : ended.stdout;
}
