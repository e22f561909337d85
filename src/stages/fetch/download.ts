/** Gets a file from the first mirror that has it: resumed, retried with patience, and handed on only when its checksum holds. */

import type { Failure } from '../../model/failure.ts';
import type { FetchTrouble } from '../../model/failure-fetch.ts';
import type { Result } from '../../model/result.ts';
import { fail, ok } from '../../model/result.ts';
import type { StageContext } from '../kind.ts';
import type { Checksums } from './checksum.ts';
import { mismatch } from './checksum.ts';
import type { Part } from './part.ts';
import { openPart } from './part.ts';
import { downloadProgress } from './progress.ts';
import { fileNameOf, localPath, shownAddress } from './source.ts';
import type { Transfer } from './transfer.ts';
import { transfer } from './transfer.ts';

interface Patience {
  readonly headers: { readonly [name: string]: string };
  readonly silenceMs: number;
  /** Further requests to a mirror after one that brought nothing new. */
  readonly retries: number;
  /** Before the first of them; doubled each time. */
  readonly retryDelayMs: number;
  /** See `max_size`. */
  readonly mostBytes: number;
}

type World = Pick<StageContext, 'host' | 'signal' | 'log' | 'progress'>;

/** How a mirror ended. */
type Mirror =
  | { readonly type: 'verified' }
  | { readonly type: 'useless'; readonly problem: string }
  | { readonly type: 'wrong'; readonly failure: Extract<Failure, { code: 'fetch-checksum' }> }
  | { readonly type: 'failed'; readonly failure: Failure };

const LONGEST_DELAY_MS = 30_000;

/**
 * The path of a file with the wanted checksums, left in `directory` as long as it is not whole. Mirrors are asked in
 * order; one that has another file than the wanted one is passed over.
 */
export async function download(
  mirrors: readonly string[],
  wanted: Checksums,
  patience: Patience,
  directory: string,
  world: World,
): Promise<Result<string, Failure>> {
  const opened = await openPart(world.host.files, directory, wanted);
  if (!opened.ok) return opened;
  const part = opened.value;
  // A run that was killed between the last byte and the checksum.
  if (part.sizeBytes > 0 && mismatch(wanted, part.found()) === null) return ok(part.path);
  const troubles: FetchTrouble[] = [];
  let wrong: Extract<Mirror, { type: 'wrong' }> | null = null;
  for (const address of mirrors) {
    const path = localPath(address);
    const end =
      path === null
        ? await fromMirror(address, part, wanted, patience, world)
        : await fromHere(path, part, wanted, patience.mostBytes, world);
    if (end.type === 'verified') return ok(part.path);
    if (end.type === 'failed') return fail(end.failure);
    if (end.type === 'wrong') wrong ??= end;
    const problem = end.type === 'wrong' ? `its ${end.failure.algorithm} differs` : end.problem;
    troubles.push({ url: shownAddress(address), problem });
    world.log(`${shownAddress(address)}: ${problem}`);
    if (world.signal.aborted) break;
  }
  if (wrong === null) return fail({ code: 'fetch-failed', troubles, keptBytes: part.sizeBytes });
  const { failure } = wrong;
  return fail({ ...failure, others: troubles.filter((trouble) => trouble.url !== failure.url) });
}

async function fromHere(
  path: string,
  part: Part,
  wanted: Checksums,
  mostBytes: number,
  world: World,
): Promise<Mirror> {
  const stamp = world.host.files.stampTarget(path);
  if (stamp === null) return { type: 'useless', problem: 'there is no such file' };
  if (stamp.type !== 'file') return { type: 'useless', problem: 'that is not a file' };
  if (stamp.sizeBytes > mostBytes)
    return {
      type: 'useless',
      problem: `it has ${stamp.sizeBytes} bytes, and \`max_size\` allows ${mostBytes}`,
    };
  world.progress(`copying ${path}`);
  const taken = await part.take(path, path);
  return taken.ok ? verify(part, wanted, path, null) : { type: 'failed', failure: taken.failure };
}

async function fromMirror(
  address: string,
  part: Part,
  wanted: Checksums,
  patience: Patience,
  world: World,
): Promise<Mirror> {
  const shown = shownAddress(address);
  const onProgress = downloadProgress(fileNameOf(address), part.sizeBytes, world);
  const begin = part.sizeBytes > 0 ? `, going on at byte ${part.sizeBytes}` : '';
  world.log(`fetching ${shown}${begin}`);
  let mostBytes = part.sizeBytes;
  let fruitless = 0;
  let startedAnew = false;
  for (;;) {
    const { silenceMs, headers } = patience;
    const { signal } = world;
    const end = await transfer(world.host, address, part, {
      headers,
      silenceMs,
      mostBytes: patience.mostBytes,
      signal,
      onProgress,
    });
    if (end.type === 'failed') return end;
    if (end.type === 'whole') {
      const { joined } = part;
      const verdict = await verify(part, wanted, shown, end.contentType);
      // Pieces that do not belong together are nobody's fault: then, once, all of it is asked for.
      if (verdict.type !== 'wrong' || !joined || startedAnew) return verdict;
      startedAnew = true;
      world.log(`${shown}: the pieces do not make up the wanted file, fetching all of it anew`);
      continue;
    }
    if (end.type === 'refused' || signal.aborted) return { type: 'useless', problem: end.problem };
    fruitless = part.sizeBytes > mostBytes ? 1 : fruitless + 1;
    mostBytes = Math.max(mostBytes, part.sizeBytes);
    if (fruitless > patience.retries) return { type: 'useless', problem: end.problem };
    await pause(shown, end, fruitless, patience, world);
  }
}

/** Compares the checksums; a wrong file is deleted at once. */
async function verify(
  part: Part,
  wanted: Checksums,
  url: string,
  contentType: string | null,
): Promise<Mirror> {
  const wrong = mismatch(wanted, part.found());
  if (wrong === null) return { type: 'verified' };
  const { sizeBytes } = part;
  const encoding = part.origin?.encoding ?? null;
  const cleared = await part.clear();
  if (!cleared.ok) return { type: 'failed', failure: cleared.failure };
  const failure = {
    code: 'fetch-checksum' as const,
    url,
    ...wrong,
    sizeBytes,
    contentType,
    encoding,
    others: [],
  };
  return { type: 'wrong', failure };
}

async function pause(
  shown: string,
  end: Extract<Transfer, { problem: string }>,
  fruitless: number,
  patience: Patience,
  world: World,
): Promise<void> {
  const ms = end.type === 'again' ? (end.afterMs ?? delayMs(patience.retryDelayMs, fruitless)) : 0;
  world.log(`${shown}: ${end.problem}; asking again${ms >= 1000 ? ` in ${Math.round(ms / 1000)} s` : ''}`);
  world.progress(`waiting to ask again: ${end.problem}`);
  await world.host.clock.sleep(ms, world.signal);
}

/** Doubled each time, and spread, so that many who were refused at once do not come back at once. */
function delayMs(firstMs: number, fruitless: number): number {
  const full = Math.min(firstMs * 2 ** (fruitless - 1), LONGEST_DELAY_MS);
  return full / 2 + (full / 2) * Math.random();
}
