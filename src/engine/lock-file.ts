/** `bake.lock` beside the pipeline file: one line per thing that only the network could tell; committed by the user, merged by git. */
import type { Cache } from '../cache/cache.ts';
import type { Host } from '../host/host.ts';
import type { Failure } from '../model/failure.ts';
import { byCodeUnit } from '../model/json.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import type { LockFile } from '../stages/kind.ts';

const HEADER = `# What only the network could tell, remembered so that it is asked once. Commit this file.
# Delete a line to have it asked again.
`;
const SEPARATOR = ' = ';

export interface StoredLockFile extends LockFile {
  /** Writes what was set since it was opened, together with what others have written meanwhile; nothing when nothing was set. */
  save(): Promise<Result<void, Failure>>;
}

/** Runs work while no other process runs work of the same name. */
export type Alone = Cache['alone'];

/** Reads the lock file at `path`; absent is empty. `shownAs` is its name in messages. Written when `alone` says that nobody else does. */
export async function openLockFile(
  host: Host,
  path: string,
  shownAs: string,
  alone: Alone,
): Promise<Result<StoredLockFile, Failure>> {
  const read = await readEntries(host, path, shownAs);
  if (!read.ok) return read;
  const entries = read.value;
  let changed = new Map<string, string>();
  let saving: Promise<Result<void, Failure>> = Promise.resolve(ok(undefined));
  const write = async (): Promise<Result<void, Failure>> => {
    if (changed.size === 0) return ok(undefined);
    const writing = changed;
    changed = new Map();
    const written = await alone(writingName(host, path), () => merge(host, path, shownAs, writing));
    if (!written.ok) changed = new Map([...writing, ...changed]);
    return written;
  };
  return ok({
    get: (key) => entries.get(key) ?? null,
    set(key, value) {
      if (entries.get(key) === value) return;
      entries.set(key, value);
      changed.set(key, value);
    },
    save() {
      // One after the other: actions finish at the same time.
      saving = saving.then(write);
      return saving;
    },
  });
}

/** The lock file as a stage sees it that is forced to ask again: silent, but writable. */
export function askingAgain(lock: LockFile): LockFile {
  return { get: () => null, set: (key, value) => lock.set(key, value) };
}

/** The whole text of a lock file: sorted, so that two branches that add lines merge without a conflict where that is possible. */
function lockFileText(entries: ReadonlyMap<string, string>): string {
  const lines = [...entries]
    .sort(([a], [b]) => byCodeUnit(a, b))
    .map(([key, value]) => key + SEPARATOR + value);
  return `${HEADER}${lines.join('\n')}${lines.length > 0 ? '\n' : ''}`;
}

async function readEntries(
  host: Host,
  path: string,
  shownAs: string,
): Promise<Result<Map<string, string>, Failure>> {
  if (host.files.stampTarget(path) === null) return ok(new Map());
  const text = await host.files.readText(path);
  if (!text.ok) return text;
  const entries = new Map<string, string>();
  for (const [index, line] of text.value.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const at = line.lastIndexOf(SEPARATOR);
    if (at <= 0)
      return fail({
        code: 'lock-file-broken',
        location: { file: shownAs, line: index + 1, column: 1, length: Math.max(1, line.length), text: line },
      });
    entries.set(line.slice(0, at), line.slice(at + SEPARATOR.length).trim());
  }
  return ok(entries);
}

async function merge(
  host: Host,
  path: string,
  shownAs: string,
  changed: ReadonlyMap<string, string>,
): Promise<Result<void, Failure>> {
  const read = await readEntries(host, path, shownAs);
  if (!read.ok) return read;
  const text = lockFileText(new Map([...read.value, ...changed]));
  return host.files.replaceFile(path, text, { mode: 0o644 });
}

/** What two that write the same file have in common, by whatever way they reach it. */
function writingName(host: Host, path: string): string {
  const directory = path.slice(0, path.lastIndexOf('/') + 1);
  return `bake.lock of ${host.files.realPath(directory) ?? directory}`;
}
