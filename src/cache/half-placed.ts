/** Where a run makes things beside their places in a checkout, noted in its user's private state: a later run clears up what one that was killed left there. */
import { isRefused } from '../host/errno.ts';
import type { Host } from '../host/host.ts';
import { clearLeftTemporaries, isLeft, ownerName } from './destination.ts';

export interface HalfPlaced {
  /** Notes a directory of the checkout before anything is made in it. Trouble costs the clearing alone. */
  note(root: string, directory: string): Promise<void>;
  /** Clears what dead processes left half-made in a checkout. */
  clear(root: string): Promise<void>;
  /** Forgets what this process noted: it leaves nothing. */
  close(): Promise<void>;
}

/** `placeOf` gives the private directory of a checkout. */
export function halfPlacedIn(host: Host, placeOf: (root: string) => string): HalfPlaced {
  const { files } = host;
  const noted = new Set<string>();
  const lists = new Set<string>();
  const listsOf = (root: string) => `${placeOf(root)}/placing`;
  return {
    async note(root, directory) {
      if (noted.has(directory)) return;
      noted.add(directory);
      const list = `${listsOf(root)}/${ownerName(host)}`;
      if (!lists.has(list)) await files.makeDirectory(listsOf(root), 0o700);
      lists.add(list);
      await files.appendFile(list, `${JSON.stringify(directory)}\n`, { mode: 0o600 });
    },
    async clear(root) {
      for (const name of files.list(listsOf(root)).names) {
        const list = `${listsOf(root)}/${name}`;
        if (!isLeft(host, name, list)) continue;
        const text = await files.readText(list, { noFollow: true, limitBytes: MOST_BYTES });
        if (!text.ok && isRefused(text.failure)) continue;
        for (const directory of text.ok ? directoriesIn(text.value) : [])
          await clearLeftTemporaries(host, directory);
        await files.remove(list);
      }
    },
    async close() {
      for (const list of lists) await files.remove(list);
    },
  };
}

const MOST_BYTES = 16 * 1024 * 1024;

/** The last line may be cut short. */
function directoriesIn(text: string): readonly string[] {
  return text.split('\n').flatMap((line) => {
    try {
      const value: unknown = JSON.parse(line);
      return typeof value === 'string' && value.startsWith('/') ? [value] : [];
    } catch {
      return [];
    }
  });
}
