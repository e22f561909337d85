/** How it is told whether stages came out the same again, to people and to programs. */
import type { PartitionDiff } from '../formats/disk-diff.ts';
import type { Failure } from '../model/failure.ts';
import type { JsonObject } from '../model/json.ts';
import type { Style } from '../report/ansi.ts';
import { formatDuration, formatSize } from '../report/format.ts';
import type { ComparedOutput, Difference } from './compare-outputs.ts';
import { partitionLines } from './diff-words.ts';

/** What became of one action. */
export interface Rebuilt {
  readonly name: string;
  readonly durationMs: number;
  /** Why there is nothing to compare. */
  readonly failure: Failure | null;
  readonly outputs: readonly ComparedOutput[];
}

/** So many files are listed when not all are asked for. */
const SHORT = 10;

export function isSame({ failure, outputs }: Rebuilt): boolean {
  return failure === null && outputs.every(({ difference }) => difference === null);
}

/** Lines for people. */
export function rebuiltText(actions: readonly Rebuilt[], style: Style, all: boolean): string {
  const lines: string[] = [];
  for (const action of actions) {
    if (action.failure !== null) continue;
    const [word, colour] = isSame(action) ? ['the same', style.green] : ['differs', style.yellow];
    lines.push(`${style.bold(action.name)}: ${colour(word)} (${formatDuration(action.durationMs)})`);
    for (const { name, difference } of action.outputs)
      if (difference !== null) lines.push(...outputLines(name, difference, style, all));
  }
  const [same, failed] = [actions.filter(isSame).length, actions.filter(({ failure }) => failure).length];
  const counts = [
    [same, 'the same'],
    [actions.length - same - failed, actions.length - same - failed === 1 ? 'differs' : 'differ'],
    [failed, 'failed'],
  ] as const;
  const told = counts.filter(([count]) => count > 0).map(([count, words]) => `${count} ${words}`);
  return `${[...lines, told.join(', ')].join('\n')}\n`;
}

function outputLines(name: string, difference: Difference, style: Style, all: boolean): readonly string[] {
  const begin = `  ${name}:`;
  switch (difference.type) {
    case 'bytes': {
      const [was, is] = difference.sizes;
      const sizes = was === is ? `${formatSize(was)} both` : `${was} and ${is} bytes`;
      return [`${begin} first at byte ${difference.firstByte} (${sizes})`];
    }
    case 'mode':
      return [`${begin} the same bytes, but its permissions or attributes differ`];
    case 'kind':
      return [`${begin} one is a directory, the other is a file`];
    case 'files':
      return [`${begin} ${difference.files.length} paths differ`, ...fileLines(difference.files, style, all)];
    case 'disk':
      return [
        `${begin} ${diskWords(difference.partitions)}`,
        ...diskLines(difference.partitions, style, all),
      ];
  }
}

const MARKS = { added: '+', removed: '-', changed: '~' } as const;

function fileLines(
  files: Extract<Difference, { type: 'files' }>['files'],
  style: Style,
  all: boolean,
): readonly string[] {
  const lines = files.map(
    ({ path, change, firstByte }) =>
      `    ${style.yellow(MARKS[change])} ${path === '' ? '.' : path}${firstByte === null ? '' : `  first at byte ${firstByte}`}`,
  );
  return shortened(lines, all);
}

function diskWords(partitions: readonly PartitionDiff[]): string {
  const count = countOf(partitions);
  return count === 0
    ? 'no file in it differs, but other bytes of the disk do'
    : `${count} files in it differ`;
}

function countOf(partitions: readonly PartitionDiff[]): number {
  return partitions.reduce(
    (sum, { changes }) =>
      sum + (changes === null ? 0 : changes.added.length + changes.removed.length + changes.changed.length),
    0,
  );
}

function diskLines(partitions: readonly PartitionDiff[], style: Style, all: boolean): readonly string[] {
  const lines = partitions.flatMap((one) => partitionLines(one, partitions, style, all));
  return shortened(
    lines.map((line) => `  ${line}`),
    all,
  );
}

function shortened(lines: readonly string[], all: boolean): readonly string[] {
  const left = all ? 0 : lines.length - SHORT;
  return left <= 0 ? lines : [...lines.slice(0, SHORT), `    and ${left} more: \`--all\` lists them`];
}

/** The same for programs. */
export function rebuiltJson(actions: readonly Rebuilt[]): JsonObject {
  return {
    schemaVersion: 1,
    same: actions.every(isSame),
    stages: actions.map((action) => ({
      name: action.name,
      outcome: action.failure === null ? (isSame(action) ? 'same' : 'differs') : 'failed',
      durationMs: action.durationMs,
      failure: action.failure === null ? null : { code: action.failure.code },
      outputs: action.outputs.map(({ name, stored, rebuilt, difference }) => ({
        name,
        stored: stored.content.digest,
        rebuilt: rebuilt.content.digest,
        difference: difference === null ? null : differenceJson(difference),
      })),
    })),
  };
}

function differenceJson(difference: Difference): JsonObject {
  switch (difference.type) {
    case 'bytes':
      return { type: 'bytes', firstByte: difference.firstByte, sizes: difference.sizes };
    case 'mode':
    case 'kind':
      return { type: difference.type };
    case 'files':
      return { type: 'files', files: difference.files.map((file) => ({ ...file })) };
    case 'disk':
      return {
        type: 'disk',
        files: difference.partitions.flatMap(({ number, changes }) =>
          changes === null
            ? []
            : [
                ...changes.added.map(([path]) => ({ partition: number, path, change: 'added' })),
                ...changes.removed.map(([path]) => ({ partition: number, path, change: 'removed' })),
                ...changes.changed.map(({ path }) => ({ partition: number, path, change: 'changed' })),
              ],
        ),
        unread: difference.partitions.filter(({ changes }) => changes === null).map(({ number }) => number),
      };
  }
}
