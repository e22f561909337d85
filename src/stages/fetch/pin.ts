/** Finds the checksum that names a file's content: stated in the pipeline, remembered in `bake.lock`, or asked for once. */
import type { Host } from '../../host/host.ts';
import type { Failure } from '../../model/failure.ts';
import type { Result } from '../../model/result.ts';
import { fail, ok } from '../../model/result.ts';
import type { LockFile, PinnedCheckout } from '../kind.ts';
import type { Checksums } from './checksum.ts';
import { checksumAddress, statedChecksum } from './checksum.ts';
import { checksumText, findChecksum, parseChecksumFile } from './checksum-file.ts';
import { localPath, shownAddress } from './source.ts';
import { unpacked } from './unpacked.ts';

/** A checksum file is a few hundred lines: more than this is something else. */
const MOST_BYTES = 4 << 20;
const ATTEMPTS = 4;
const DELAY_MS = 1000;
const SILENCE_MS = 30_000;

/** A checksum file and the names under which it may list the file that is wanted. */
export interface ChecksumFile {
  /** A URL, an absolute path, or one relative to the pipeline. */
  readonly address: string;
  readonly names: readonly string[];
  /** The same with the directories of the address, which tell files of one name apart. */
  readonly places: readonly string[];
}

/** The checksum file that `file:<address>` means; null when the text states a checksum. */
export function checksumFile(text: string, places: readonly string[]): ChecksumFile | null {
  const address = checksumAddress(text);
  const names = places.map((place) => place.slice(place.lastIndexOf('/') + 1));
  const named = places.filter((_, index) => names[index] !== '');
  return address === null
    ? null
    : { address, names: [...new Set(names.filter((name) => name !== ''))], places: named };
}

/** Whether the checksum file is one of the checkout: it says what is wanted now, and nothing need be remembered of it. */
export function isBeside({ address }: ChecksumFile): boolean {
  return !address.startsWith('/') && !address.includes('://');
}

/** The checksum that a file of the checkout states. */
export async function readFromCheckout(
  file: ChecksumFile,
  checkout: PinnedCheckout,
): Promise<Result<Checksums, Failure>> {
  const bytes = await checkout.read(file.address);
  return bytes.ok ? checksumIn(bytes.value, file, file.address) : bytes;
}

/** Under what a checksum out of a checksum file is remembered: without credentials or query, so that it can be committed. */
export function lockKey(file: ChecksumFile): string {
  const [address = ''] = (file.address.startsWith('/') ? file.address : plainUrl(file.address)).split('?');
  return `fetch-iso ${encodeURI(decodeSafely(address))} ${encodeURI(file.names[0] ?? '')}`;
}

/** What `bake.lock` remembers for a checksum file; null when it is silent. */
export function remembered(file: ChecksumFile, lock: LockFile): Checksums | null {
  const value = lock.get(lockKey(file));
  return value === null ? null : statedChecksum(value);
}

/** Asks for the checksum now. */
export async function askFor(
  file: ChecksumFile,
  host: Host,
  signal: AbortSignal,
): Promise<Result<Checksums, Failure>> {
  const bytes = await readAddress(file.address, host, signal);
  return bytes.ok ? checksumIn(bytes.value, file, shownAddress(file.address)) : bytes;
}

function checksumIn(bytes: Uint8Array, file: ChecksumFile, shown: string): Result<Checksums, Failure> {
  const text = checksumText(bytes);
  const found = findChecksum(text, file.places);
  if (found?.type === 'checksums') return ok(found.checksums);
  if (found?.type === 'ambiguous') {
    const [first] = found.lines;
    return fail({
      code: 'checksum-ambiguous',
      name: found.name,
      lines: found.lines.map(({ line, text: own }) => ({ line, text: own })),
      location: {
        file: shown,
        line: first?.line ?? 1,
        column: 1,
        length: first?.text.length ?? 1,
        text: first?.text ?? '',
      },
    });
  }
  const listed = parseChecksumFile(text).map(({ name }) => name);
  return fail({
    code: 'checksum-not-listed',
    checksumUrl: shown,
    names: file.names,
    listed: listed.filter((name) => name !== ''),
  });
}

/** `sha256:<hex>` or `sha512:<hex>`: the strongest name in the cache first. */
export function checksumWords({ sha256, sha512 }: Checksums): string {
  return sha256 === undefined ? `sha512:${sha512}` : `sha256:${sha256}`;
}

async function readAddress(
  address: string,
  host: Host,
  signal: AbortSignal,
): Promise<Result<Uint8Array, Failure>> {
  const path = localPath(address);
  if (path !== null) return host.files.readBytes(path);
  let problem = '';
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (attempt > 0) await host.clock.sleep(DELAY_MS * 2 ** (attempt - 1), signal);
    const read = await readOnce(address, host, signal);
    if ('bytes' in read) return ok(read.bytes);
    problem = read.problem;
    if (read.permanent || signal.aborted) break;
  }
  return fail({
    code: 'fetch-failed',
    troubles: [{ url: shownAddress(address), problem }],
    keptBytes: 0,
  });
}

async function readOnce(
  address: string,
  host: Host,
  signal: AbortSignal,
): Promise<{ readonly bytes: Uint8Array } | { readonly problem: string; readonly permanent: boolean }> {
  const headers = { 'user-agent': 'bake', 'accept-encoding': 'identity' };
  const answer = await host.http.get(address, { headers, silenceMs: SILENCE_MS, signal });
  if (!answer.ok) return { problem: answer.problem.text, permanent: answer.problem.permanent };
  const { response } = answer;
  if (response.status !== 200) {
    response.discard();
    return { problem: `the server answers ${response.status}`, permanent: response.status < 500 };
  }
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  const cut = await response.receive(async (bytes) => {
    pieces.push(bytes);
    sizeBytes += bytes.length;
    return sizeBytes > MOST_BYTES ? 'stop' : 'more';
  });
  if (cut !== null) return { problem: cut.text, permanent: false };
  if (sizeBytes > MOST_BYTES) return { problem: 'it is too large for a checksum file', permanent: true };
  const whole = Buffer.concat(pieces);
  const { 'content-encoding': encoding = 'identity' } = response.headers;
  const bytes =
    encoding === 'identity' || encoding === '' ? whole : await unpacked(whole, encoding, MOST_BYTES);
  if (bytes !== null) return { bytes };
  return {
    problem: `it was sent compressed (Content-Encoding: ${encoding}) and cannot be unpacked`,
    permanent: true,
  };
}

function plainUrl(address: string): string {
  const url = new URL(address);
  return `${url.protocol}//${url.host}${url.pathname}`;
}

function decodeSafely(text: string): string {
  try {
    return decodeURI(text);
  } catch {
    return text;
  }
}
