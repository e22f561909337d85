/** Serves an installer's answers over HTTP on loopback: the files that the options name, and nothing else. */
import { join, normalize } from 'node:path';
import type { FileServer } from '../../host/sockets.ts';
import type { StageContext } from '../kind.ts';
import type { InstallOptions } from '../qemu-install.ts';

/** Null when there is nothing to serve. `note` gets a line for each request; all are logged. */
export async function serveAnswers(
  options: InstallOptions,
  context: StageContext,
  note: (line: string) => void,
): Promise<FileServer | null> {
  const directory = options.http_directory;
  const files = new Map(
    Object.entries(options.http_files).map(([path, file]) => [path, context.input(file).path]),
  );
  if (directory === undefined && files.size === 0) return null;
  return await context.host.sockets.serveFiles(
    (path) => {
      const named = files.get(path);
      if (named !== undefined) return named;
      const inside = normalize(path);
      if (directory === undefined || inside.includes('..') || inside.includes('\0')) return null;
      return join(context.files, directory, inside);
    },
    ({ method, path, status, sizeBytes }) => {
      const line = `${method} ${path} ${status} (${sizeBytes} bytes)`;
      note(line);
      context.log(`http: ${line}`);
    },
  );
}
