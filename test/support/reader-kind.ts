/** A kind that is watched: it does what the lines of `asks.txt` in its project say, and leaves what it saw. */
import {
  appendFileSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type Asks, moreAsks } from '../../src/model/observation.ts';
import { ok } from '../../src/model/result.ts';
import { defineStage, type StageKind } from '../../src/stages/kind.ts';

const NOTHING: Asks = { open: false, stat: false, link: false, list: false };
export const ASKS = 'asks.txt';

/** What somebody sees who does in a directory what lines say: `open a/b`, `stat a`, `link a`, `list a`. */
export function seenIn(directory: string, lines: readonly string[]): readonly string[] {
  return lines.map((line) => `${line}: ${answer(directory, line)}`);
}

function answer(directory: string, line: string): string {
  const [verb, path = ''] = line.split(' ');
  const place = join(directory, path);
  try {
    if (verb === 'open') return JSON.stringify(readFileSync(place, 'utf8'));
    if (verb === 'list') return listing(place);
    if (verb === 'link')
      return lstatSync(place).isSymbolicLink() ? `to ${readlinkSync(place)}` : kindAt(place);
    return kindAt(place);
  } catch (error) {
    // Nobody finds out whether it is the directory that is missing.
    return String((error as NodeJS.ErrnoException).code).replace('ENOTDIR', 'ENOENT');
  }
}

/** What a listing tells of each name is whether it is a file, a directory or a link, no more. */
function listing(place: string): string {
  const names = readdirSync(place).sort();
  const isLink = (name: string) => lstatSync(join(place, name)).isSymbolicLink();
  return names
    .map(
      (name) =>
        `${name}${isLink(name) ? '@' : '='}${kindAt(join(place, name)).replace('executable', 'file')}`,
    )
    .join();
}

function kindAt(place: string): string {
  try {
    const stats = statSync(place);
    if (stats.isDirectory()) return 'directory';
    return (stats.mode & 0o100) === 0 ? 'file' : 'executable';
  } catch {
    return 'nothing';
  }
}

/** The lines of a project; none where there is no list. */
export function asksIn(project: string): readonly string[] {
  try {
    return readFileSync(join(project, ASKS), 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    return [];
  }
}

const reader = defineStage({
  name: 'reader',
  version: 1,
  summary: 'Reads what it is told to',
  description: '',
  example: '',
  options: z.strictObject({
    project: z.string(),
    more: z.array(z.string()).prefault([]),
    untraced: z.boolean().prefault(false),
    writes: z.string().optional(),
    /** Absolute paths of files that somebody adds to while it runs. */
    meanwhile: z.array(z.string()).prefault([]),
  }),
  outputs: () => ({ seen: { path: 'seen.txt', description: 'What it saw' } }),
  tools: () => [],
  view: async ({ project, more }) => ok({ directories: [project, ...more], files: [], looked: [] }),
  async run({ project, untraced, writes, meanwhile }, context) {
    const own = join(context.files, project);
    const lookups = new Map<string, Asks>();
    const note = (place: string, asks: Partial<Asks>) =>
      lookups.set(place, moreAsks({ ...NOTHING, ...asks }, lookups.get(place)));
    note(`${own}/${ASKS}`, { open: true });
    const lines = asksIn(own);
    for (const line of lines) {
      const [verb = '', path = ''] = line.split(' ');
      // A listing tells the kinds of what is in it.
      note(`${own}/${path}`, { [verb]: true });
    }
    writeFileSync(context.output('seen'), seenIn(own, lines).join('\n'));
    for (const path of meanwhile) appendFileSync(path, 'more');
    if (writes !== undefined) writeFileSync(join(own, writes), 'something');
    return ok({ reads: { lookups, untraced: untraced ? ['a program'] : [] } });
  },
});

export const readerKind = reader as unknown as StageKind;
