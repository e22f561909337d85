/** Serves an installer's answers over HTTP on loopback: the files that the options name, and nothing else. */
import { join, normalize } from 'node:path';
import type { Digest } from '../../model/digest.ts';
import type { StageContext } from '../kind.ts';
import type { InstallOptions } from '../qemu-install.ts';

/** What is served to one machine. */
export interface Answers {
  /** 0 when there is nothing to serve. */
  readonly port: number;
  /** A line for each request so far; all are logged. */
  readonly requests: readonly string[];
  /** Paths that were asked for, whether there was an answer or not. */
  readonly asked: ReadonlySet<string>;
  close(): Promise<void>;
}

/** Answers that another machine had been given, whose memory this one has. */
interface Earlier {
  readonly port: number;
  readonly requests: readonly string[];
  readonly asked: Iterable<string>;
}

type Options = Pick<InstallOptions, 'http_directory' | 'http_files'>;

/** Whether there is anything to serve. */
export function hasAnswers({ http_directory, http_files }: Options): boolean {
  return http_directory !== undefined || Object.keys(http_files).length > 0;
}

/** Starts to serve, for a guest that goes on at the port that it knows; null when that is taken. */
export async function serveAnswers(
  options: Options,
  context: StageContext,
  earlier: Earlier = { port: 0, requests: [], asked: [] },
): Promise<Answers | null> {
  const requests = [...earlier.requests];
  const asked = new Set(earlier.asked);
  if (!hasAnswers(options)) return { port: 0, requests, asked, close: async () => undefined };
  const server = await context.host.sockets.serveFiles(
    (path) => answerTo(path, options, context),
    ({ method, path, status, sizeBytes }) => {
      const line = `${method} ${path} ${status} (${sizeBytes} bytes)`;
      asked.add(path);
      requests.push(line);
      context.log(`http: ${line}`);
    },
    earlier.port,
  );
  return server && { port: server.port, requests, asked, close: () => server.close() };
}

/** Digest of what a request for a path is answered with; null when there is nothing. */
export async function answerDigest(
  path: string,
  options: Options,
  context: Pick<StageContext, 'host' | 'files' | 'input'>,
): Promise<Digest | null> {
  const { files, hashing } = context.host;
  const file = answerTo(path, options, context);
  if (file === null || files.stampTarget(file)?.type !== 'file') return null;
  const digested = await hashing.digestFile(file);
  return digested.ok ? digested.value.digest : null;
}

/** Absolute path of the file that answers a request. */
function answerTo(
  path: string,
  { http_directory: directory, http_files }: Options,
  context: Pick<StageContext, 'files' | 'input'>,
): string | null {
  const named = Object.hasOwn(http_files, path) ? http_files[path] : undefined;
  if (named !== undefined) return context.input(named).path;
  const inside = normalize(path);
  if (directory === undefined || inside.includes('..') || inside.includes('\0')) return null;
  return join(context.files, directory, inside);
}
