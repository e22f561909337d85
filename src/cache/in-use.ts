/**
 * What running processes rest on: one shared file for each, which says whose it is and names results, so that removal spares
 * them. Others write there too: what a file says is believed only so far as to spare something.
 */
import { isRefused } from '../host/errno.ts';
import type { Host, OpenFile } from '../host/host.ts';
import { type Fingerprint, isFingerprint } from '../model/digest.ts';
import type { HostFailure } from '../model/failure-host.ts';
import { fail, ok, type Result } from '../model/result.ts';
import type { Layout } from './layout.ts';
import { parseIdentity } from './parse-identity.ts';

/** Whether a process of another host lives cannot be seen; it renews the time of its file while it does. */
export const FOREIGN_STALE_MS = 60 * 60_000;

/** What is longer is none of ours: a line has 72 bytes. */
const LONGEST_BYTES = 64 * 1024 * 1024;
const MODE = 0o644;
/** As `Files.randomName` gives them. */
const RECORD_NAME = /^[0-9a-f]{24}$/;

/** The file of this process in one layout. */
export interface InUseRecord {
  /** Whether it is still found by its name: the cache may have been removed meanwhile. */
  isThere(): boolean;
  note(fingerprints: readonly Fingerprint[]): Result<void, HostFailure>;
  renew(): void;
  close(): Promise<void>;
}

/** Makes the file of this process. It stays open, so that it is added to whatever somebody puts in the place of its name. */
export async function openInUse(host: Host, layout: Layout): Promise<Result<InUseRecord, HostFailure>> {
  const { files } = host;
  const path = `${layout.inUse}/${files.randomName()}`;
  const opened = await files.createOpen(path, MODE);
  if (!opened.ok) return opened;
  const file = opened.value;
  const made = files.stamp(path);
  // By the clock of the file system, which is that of the blobs.
  const bornMs = made?.ctimeMs ?? host.clock.nowMs();
  const begun = append(file, path, `${JSON.stringify({ ...host.identity, bornMs })}\n`);
  if (!begun.ok) {
    file.close();
    await files.remove(path);
    return begun;
  }
  const isThere = () => files.stamp(path)?.inode === made?.inode;
  return ok({
    isThere,
    note: (fingerprints) => append(file, path, fingerprints.map((one) => `${one}\n`).join('')),
    renew() {
      if (isThere()) void files.setModified(path, host.clock.nowMs());
    },
    async close() {
      file.close();
      if (isThere()) await files.remove(path);
    },
  });
}

function append(file: OpenFile, path: string, text: string): Result<void, HostFailure> {
  const errno = file.append(text);
  return errno === null ? ok(undefined) : fail({ code: 'file-trouble', action: 'write', path, errno });
}

interface Running {
  readonly fingerprints: ReadonlySet<string>;
  /** Since when the oldest of them has been running; null: none runs. */
  readonly sinceMs: number | null;
}

/** What running processes rest on, of this host and of others. Fails when it cannot be seen which there are. */
export async function inUse(host: Host, layout: Layout): Promise<Result<Running, HostFailure>> {
  const fingerprints = new Set<string>();
  let sinceMs: number | null = null;
  const { names, trouble } = host.files.list(layout.inUse);
  if (trouble !== null && isRefused(trouble)) return fail(trouble);
  for (const name of names) {
    const found = await readRecord(host, `${layout.inUse}/${name}`);
    if (found === null || !found.isRunning) continue;
    for (const one of found.fingerprints) fingerprints.add(one);
    sinceMs = Math.min(sinceMs ?? found.bornMs, found.bornMs);
  }
  return ok({ fingerprints, sinceMs });
}

/**
 * Removes the records of dead processes, as far as they may be removed. Whoever made the directory may have put a link to one
 * of ours in its place: what has no name of a record is never touched.
 */
export async function clearInUse(host: Host, layout: Layout): Promise<void> {
  for (const name of host.files.list(layout.inUse).names) {
    if (!RECORD_NAME.test(name)) continue;
    const path = `${layout.inUse}/${name}`;
    const found = await readRecord(host, path);
    if (found !== null && !found.isRunning) await host.files.remove(path);
  }
}

/** Null for what is no file: a directory is the workspace of an earlier version, anything else is nobody's. */
async function readRecord(host: Host, path: string) {
  const { files, clock } = host;
  const stamp = files.stamp(path);
  if (stamp?.type !== 'file' && stamp?.type !== 'unknown') return null;
  const text =
    stamp.sizeBytes > LONGEST_BYTES
      ? null
      : await files.readText(path, { noFollow: true, limitBytes: LONGEST_BYTES });
  const [header = '', ...lines] = text?.ok === true ? text.value.split('\n') : [];
  const owner = parseIdentity(header);
  const alive = owner === null ? null : host.isAlive(owner);
  return {
    // Of another host, or not to be read: it counts as running while somebody renews it, or when nothing can be said.
    isRunning: alive ?? !(Math.abs(clock.nowMs() - stamp.mtimeMs) >= FOREIGN_STALE_MS),
    fingerprints: lines.filter(isFingerprint),
    // Nobody knows what one that cannot be read rests on: nothing is swept as long as it runs.
    bornMs: owner === null ? 0 : bornIn(header),
  };
}

function bornIn(header: string): number {
  const { bornMs } = JSON.parse(header) as { readonly bornMs?: unknown };
  return typeof bornMs === 'number' && Number.isFinite(bornMs) ? bornMs : 0;
}
