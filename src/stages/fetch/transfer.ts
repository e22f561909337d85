/** One request for a file, or for the rest of it: what the answer means for the part that is already there. */
import type { Host } from '../../host/host.ts';
import type { HttpResponse } from '../../host/http.ts';
import type { Failure } from '../../model/failure.ts';
import type { Origin, Part } from './part.ts';
import { shownAddress } from './source.ts';

/** How a request ended. */
export type Transfer =
  /** The part holds as much as the server says the file has. */
  | { readonly type: 'whole'; readonly contentType: string | null }
  /** What is there cannot be continued and was thrown away: ask for all of it. */
  | { readonly type: 'anew'; readonly problem: string }
  /** Asking again may help. */
  | { readonly type: 'again'; readonly problem: string; readonly afterMs: number | null }
  /** Asking this mirror again is of no use. */
  | { readonly type: 'refused'; readonly problem: string }
  /** Another mirror would not help either. */
  | { readonly type: 'failed'; readonly failure: Failure };

interface TransferSettings {
  readonly headers: { readonly [name: string]: string };
  readonly silenceMs: number;
  readonly signal: AbortSignal;
  /** A file that is larger is not wanted, whatever its checksum. */
  readonly mostBytes: number;
  /** Called for every piece with what is there now and what it will be. */
  readonly onProgress: (sizeBytes: number, totalBytes: number | null) => void;
}

/** More than this is not worth waiting for, whatever a server asks for. */
const LONGEST_WAIT_MS = 60_000;

/** Asks `address` for what the part still lacks. */
export async function transfer(
  host: Host,
  address: string,
  part: Part,
  settings: TransferSettings,
): Promise<Transfer> {
  const answer = await host.http.get(address, {
    headers: { ...settings.headers, ...requestHeaders(address, part) },
    silenceMs: settings.silenceMs,
    signal: settings.signal,
  });
  if (!answer.ok) {
    const { text: problem, permanent } = answer.problem;
    return permanent ? { type: 'refused', problem } : { type: 'again', problem, afterMs: null };
  }
  const { response } = answer;
  if (response.status === 200) return wholeBody(host, address, part, response, settings);
  if (response.status === 206) return restOfBody(host, address, part, response, settings);
  response.discard();
  if (response.status === 416) return rangeRefused(part, response);
  return refusal(response, host.clock.nowMs());
}

function requestHeaders(address: string, part: Part): { readonly [name: string]: string } {
  // The bytes as they lie there: a compressed transfer could neither be resumed nor compared.
  const headers = { 'accept-encoding': 'identity', 'user-agent': 'bake' };
  const { origin, sizeBytes } = part;
  if (origin === null || sizeBytes === 0) return headers;
  const range = { ...headers, range: `bytes=${sizeBytes}-` };
  // A validator means something only to the server that gave it; what another mirror continues is told by the checksum.
  const same = origin.address === shownAddress(address) && origin.validator !== null;
  return same ? { ...range, 'if-range': origin.validator as string } : range;
}

async function wholeBody(
  host: Host,
  address: string,
  part: Part,
  response: HttpResponse,
  settings: TransferSettings,
): Promise<Transfer> {
  const begun = await part.begin(originOf(address, response));
  if (begun.ok) return body(host, address, part, response, settings);
  response.discard();
  return { type: 'failed', failure: begun.failure };
}

async function restOfBody(
  host: Host,
  address: string,
  part: Part,
  response: HttpResponse,
  settings: TransferSettings,
): Promise<Transfer> {
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers['content-range'] ?? '') ?? [];
  const fits = Number(start) === part.sizeBytes && total === String(part.origin?.totalBytes ?? '*');
  if (fits) {
    part.join();
    return body(host, address, part, response, settings);
  }
  response.discard();
  return startAnew(part, 'the server answered with another range than was asked for');
}

async function rangeRefused(part: Part, response: HttpResponse): Promise<Transfer> {
  const total = /^bytes \*\/(\d+)$/.exec(response.headers['content-range'] ?? '')?.[1];
  if (part.sizeBytes > 0 && total === String(part.sizeBytes)) return { type: 'whole', contentType: null };
  if (part.sizeBytes > 0) return startAnew(part, 'the file at the server is shorter than what is there');
  return { type: 'refused', problem: 'the server answers 416' };
}

async function startAnew(part: Part, problem: string): Promise<Transfer> {
  const cleared = await part.clear();
  return cleared.ok ? { type: 'anew', problem } : { type: 'failed', failure: cleared.failure };
}

async function body(
  host: Host,
  address: string,
  part: Part,
  response: HttpResponse,
  settings: TransferSettings,
): Promise<Transfer> {
  const { mostBytes } = settings;
  const stated = part.origin?.totalBytes ?? Number(response.headers['content-length'] ?? 0) + part.sizeBytes;
  if (stated > mostBytes) {
    response.discard();
    return tooLarge(part, `it has ${stated} bytes`, mostBytes);
  }
  const full = await diskFull(host, address, part, response);
  if (full !== null) {
    response.discard();
    return { type: 'failed', failure: full };
  }
  const total = part.origin?.totalBytes ?? null;
  let failure: Failure | null = null;
  const problem = await response.receive(async (bytes) => {
    const appended = await part.append(bytes);
    if (!appended.ok) failure = appended.failure;
    settings.onProgress(part.sizeBytes, total);
    return failure === null && part.sizeBytes <= mostBytes ? 'more' : 'stop';
  });
  const flushed = failure === null ? await part.flush() : null;
  if (failure === null && flushed !== null && !flushed.ok) failure = flushed.failure;
  if (failure !== null) return { type: 'failed', failure };
  if (part.sizeBytes > mostBytes) return tooLarge(part, 'it goes on', mostBytes);
  if (problem !== null) return { type: 'again', problem: problem.text, afterMs: null };
  if (total !== null && part.sizeBytes < total)
    return {
      type: 'again',
      problem: `it ended after ${part.sizeBytes} of ${total} bytes`,
      afterMs: null,
    };
  return { type: 'whole', contentType: response.headers['content-type'] ?? null };
}

async function tooLarge(part: Part, what: string, mostBytes: number): Promise<Transfer> {
  const cleared = await part.clear();
  if (!cleared.ok) return { type: 'failed', failure: cleared.failure };
  return { type: 'refused', problem: `${what}, and \`max_size\` allows ${mostBytes}` };
}

async function diskFull(
  host: Host,
  address: string,
  part: Part,
  response: HttpResponse,
): Promise<Failure | null> {
  const neededBytes = Number(response.headers['content-length'] ?? 0);
  const directory = part.path.slice(0, part.path.lastIndexOf('/'));
  const freeBytes = await host.files.freeBytes(directory);
  if (freeBytes === null || neededBytes <= freeBytes) return null;
  return { code: 'fetch-disk-full', url: shownAddress(address), neededBytes, freeBytes, directory };
}

function originOf(address: string, response: HttpResponse): Origin {
  const { etag, 'last-modified': lastModified, 'content-length': length } = response.headers;
  const encoding = response.headers['content-encoding']?.trim().toLowerCase() ?? '';
  // A weak ETag promises the same meaning, not the same bytes.
  const strong = etag !== undefined && !etag.startsWith('W/') ? etag : null;
  return {
    address: shownAddress(address),
    validator: strong ?? lastModified ?? null,
    totalBytes: length === undefined ? null : Number(length),
    encoding: encoding === '' || encoding === 'identity' ? null : encoding,
  };
}

function refusal(response: HttpResponse, nowMs: number): Transfer {
  const problem = `the server answers ${response.status}`;
  const passing = response.status >= 500 || [408, 425, 429].includes(response.status);
  if (!passing) return { type: 'refused', problem };
  return { type: 'again', problem, afterMs: retryAfterMs(response.headers['retry-after'], nowMs) };
}

function retryAfterMs(text: string | undefined, nowMs: number): number | null {
  if (text === undefined) return null;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), LONGEST_WAIT_MS) : null;
}
