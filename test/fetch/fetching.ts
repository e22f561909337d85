/** Runs the kind `fetch-iso` as the engine does: options parsed, checked and pinned, then run. */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { realHost } from '../../src/host/real.ts';
import type { Failure } from '../../src/model/failure.ts';
import type { Result } from '../../src/model/result.ts';
import { fetchIsoStage } from '../../src/stages/fetch-iso.ts';
import type { LockFile, PinnedCheckout, StageReturn } from '../../src/stages/kind.ts';
import type { TestContext } from '../support/stage-context.ts';

export const host = realHost();
export const IMAGE = randomBytes(3_000_000);
export const SHA256 = createHash('sha256').update(IMAGE).digest('hex');
export const SHA512 = createHash('sha512').update(IMAGE).digest('hex');
/** Quick repetition, so that tests of patience need none. */
const QUICK = { retry_delay: '1ms', stall_timeout: '10s' };

export function memoryLock(entries: { [key: string]: string } = {}): LockFile & { entries: typeof entries } {
  return {
    entries,
    get: (key) => entries[key] ?? null,
    set: (key, value) => {
      entries[key] = value;
    },
  };
}

/** A checkout without files. */
export const noneBeside: PinnedCheckout = {
  read: async (path) => host.files.readBytes(`/nonexistent/${path}`),
  emptyDirectories: () => [],
};

/** Options as the planner gives them; throws what the schema says. */
export function parsed(given: object) {
  return fetchIsoStage.options.parse({ ...QUICK, ...given });
}

export async function fetchWith(
  given: object,
  context: TestContext,
  lock: LockFile = memoryLock(),
): Promise<Result<StageReturn, Failure>> {
  const options = parsed(given);
  const problems = fetchIsoStage.check?.(options) ?? [];
  if (problems.length > 0) throw new Error(problems.map(({ problem }) => problem).join('; '));
  const pinned = await fetchIsoStage.pin?.(options, lock, host, context.signal, noneBeside);
  if (pinned === undefined || (pinned.ok && pinned.value === null)) throw new Error('not pinned');
  return pinned.ok ? fetchIsoStage.run(pinned.value as typeof options, context) : pinned;
}

/** What lies at the output: `image`, `nothing`, or `something else`. */
export function outputOf(context: TestContext): 'image' | 'nothing' | 'something else' {
  const path = context.output('iso');
  if (!existsSync(path)) return 'nothing';
  return readFileSync(path).equals(IMAGE) ? 'image' : 'something else';
}

/** The failure's code, or `ok`. */
export function codeOf(result: Result<unknown, Failure>): string {
  return result.ok ? 'ok' : result.failure.code;
}

/** Answers with the image as a good server does, with Range, ETag and If-Range. */
export function serveImage(request: IncomingMessage, response: ServerResponse): void {
  serve(request, response, IMAGE, '"v1"');
}

/** The same with any bytes and ETag. */
export function serve(request: IncomingMessage, response: ServerResponse, image: Buffer, etag: string): void {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const condition = request.headers['if-range'];
  if (start === 0 || (condition !== undefined && condition !== etag)) {
    response.writeHead(200, { etag, 'content-length': image.length }).end(image);
    return;
  }
  response.writeHead(206, {
    etag,
    'content-length': image.length - start,
    'content-range': `bytes ${start}-${image.length - 1}/${image.length}`,
  });
  response.end(image.subarray(start));
}

/** Announces the whole image, sends `bytes` of it (from where the range begins), and cuts the connection. */
export function cutAfter(
  bytes: number,
  response: ServerResponse,
  image = IMAGE,
  etag: string | null = '"v1"',
): void {
  response.writeHead(200, { 'content-length': image.length, ...(etag === null ? {} : { etag }) });
  response.write(image.subarray(0, bytes), () => response.destroy());
}
