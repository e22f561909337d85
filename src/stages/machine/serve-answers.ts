/** Serves an installer's answers over HTTP on loopback: the files that the options name, and nothing else. */
import { join, normalize } from 'node:path';
import type { ServedFile, ServedPlace } from '../../host/sockets.ts';
import type { Digest } from '../../model/digest.ts';
import type { StageContext } from '../kind.ts';
import type { InstallOptions } from '../qemu-install.ts';

/** The last requests that are told of; a guest may make any number. */
const MOST_REQUESTS = 1_000;
/** A guest that has asked for more is not saved. */
export const MOST_PATHS = 10_000;

/** What is served to one machine. */
export interface Answers extends ServedPlace {
  /** A line for each request so far; all are logged. */
  readonly requests: readonly string[];
  /** Paths that were asked for, whether there was an answer or not. */
  readonly asked: ReadonlySet<string>;
  close(): Promise<void>;
}

/** Answers that another machine had been given, whose memory this one has. */
interface Earlier extends ServedPlace {
  readonly requests: readonly string[];
  readonly asked: Iterable<string>;
}

type Options = Pick<InstallOptions, 'http_directory' | 'http_files'>;

/** Whether there is anything to serve. */
export function hasAnswers({ http_directory, http_files }: Options): boolean {
  return http_directory !== undefined || Object.keys(http_files).length > 0;
}

/** Where nothing is served. */
const NOWHERE: ServedPlace = { port: 0, segment: '' };

/** Starts to serve, for a guest that goes on at the place that it knows; null when that is taken. */
export async function serveAnswers(
  options: Options,
  context: StageContext,
  earlier: Earlier | null = null,
): Promise<Answers | null> {
  const requests = [...(earlier?.requests ?? [])];
  const asked = new Set(earlier?.asked ?? []);
  if (!hasAnswers(options)) return { ...NOWHERE, requests, asked, close: async () => undefined };
  const server = await context.host.sockets.serveFiles(
    (path) => answerTo(path, options, context),
    ({ method, path, isOwn, status, sizeBytes }) => {
      const line = `${method} ${path} ${status} (${sizeBytes} bytes)${isOwn ? '' : ', not below {{ .HTTPPath }}'}`;
      if (isOwn && asked.size <= MOST_PATHS) asked.add(path);
      requests.push(line);
      if (requests.length > MOST_REQUESTS) requests.shift();
      context.log(`http: ${line}`);
    },
    earlier,
  );
  // Whoever reads the log while the guest runs is not to know the way to its answers.
  if (server) context.mask(server.segment);
  return (
    server && { port: server.port, segment: server.segment, requests, asked, close: () => server.close() }
  );
}

/** Digest of what a request for a path is answered with; null when there is nothing. */
export async function answerDigest(
  path: string,
  options: Options,
  context: Pick<StageContext, 'host' | 'files' | 'input'>,
): Promise<Digest | null> {
  const { files, hashing } = context.host;
  const file = answerTo(path, options, context);
  const real = file === null ? null : files.realPath(file.path);
  const root = file === null ? null : files.realPath(file.within);
  if (real === null || root === null || (real !== root && !real.startsWith(`${root}/`))) return null;
  if (files.stamp(real)?.type !== 'file') return null;
  const digested = await hashing.digestFile(real);
  return digested.ok ? digested.value.digest : null;
}

/** The file that answers a request. */
function answerTo(
  path: string,
  { http_directory: directory, http_files }: Options,
  context: Pick<StageContext, 'files' | 'input'>,
): ServedFile | null {
  const named = Object.hasOwn(http_files, path) ? http_files[path] : undefined;
  if (named !== undefined) {
    const { path: file } = context.input(named);
    return { path: file, within: file };
  }
  const inside = normalize(path);
  if (directory === undefined || inside.includes('..') || inside.includes('\0')) return null;
  const within = join(context.files, directory);
  return { path: join(within, inside), within };
}
