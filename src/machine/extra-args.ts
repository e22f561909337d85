/** Reads the options that a pipeline adds to QEMU's command line: what they name is a hashed input, or they are refused. */
import { suggest } from '../model/suggest.ts';
import { type KeyedOption, OPTIONS, type Takes, takesOf } from './extra-options.ts';

/** A word of the command line: text, with the names of files in it as places that are filled in later. */
export type ExtraWord<File> =
  | string
  /** Text and files; a comma in the name of one is to be written twice. */
  | { readonly keyed: readonly (string | File)[] }
  /** The file alone. */
  | { readonly whole: File };

/** What is wrong with an item of the list. */
export interface ExtraProblem {
  readonly index: number;
  readonly problem: string;
}

/** A text in which every reference stands as `\0number\0`. */
const REFERENCE = /^\0\d+\0$/;

/** Reads the list. `fileOf` makes a file out of a name or of a reference, or says what is wrong with it. */
export function readExtraArgs<File extends object>(
  items: readonly string[],
  fileOf: (name: string) => File | { readonly problem: string },
): { readonly words: readonly ExtraWord<File>[]; readonly problems: readonly ExtraProblem[] } {
  const words: ExtraWord<File>[] = [];
  const problems: ExtraProblem[] = [];
  for (let index = 0; index < items.length; index += 1) {
    const item = items[index] ?? '';
    const option = /^--?([A-Za-z0-9_][A-Za-z0-9_-]*)$/.exec(item)?.[1];
    if (option === undefined) {
      problems.push({ index, problem: noOption(item) });
      continue;
    }
    const value = items[index + 1];
    const takes = takesOf(option, driverOf(value));
    const at = takes === null || takes.type === 'nothing' || takes.type === 'refused' ? index : index + 1;
    const read = takes === null ? unknownOption(option) : readOption(item, value, takes, fileOf);
    if (typeof read === 'string') problems.push({ index: Math.min(at, items.length - 1), problem: read });
    else words.push(...read);
    // What follows a refused option belongs to it, unless it is an option itself.
    const hasValue = value !== undefined && !value.startsWith('-');
    if (takes?.type !== 'nothing' && (at > index || hasValue)) index += 1;
  }
  return { words, problems };
}

type FileOf<File> = (name: string) => File | { readonly problem: string };
type Read<File> = readonly ExtraWord<File>[] | string;

function readOption<File extends object>(
  item: string,
  value: string | undefined,
  takes: Takes,
  fileOf: FileOf<File>,
): Read<File> {
  if (takes.type === 'refused') return `\`${item}\` cannot be given: ${takes.because}`;
  if (takes.type === 'nothing') return [item];
  if (value === undefined) return `\`${item}\` needs a value`;
  if (takes.type === 'keys') return readPairs(item, value, takes, fileOf);
  if (takes.type === 'file' || takes.type === 'file-for') {
    const file = fileOf(value);
    if ('problem' in file) return `\`${item}\` reads a file, ${file.problem}`;
    return takes.type === 'file' ? [item, { whole: file }] : [takes.option, { keyed: [takes.value, file] }];
  }
  if (value.includes('\0')) return `\`${item}\` reads no file, so it cannot be given an output of a stage`;
  if (takes.type === 'one-of' && !takes.pattern.test(value))
    return `\`${item}\` takes ${takes.expected} here`;
  return [item, value];
}

function readPairs<File extends object>(
  item: string,
  value: string,
  takes: KeyedOption,
  fileOf: FileOf<File>,
): Read<File> {
  if (value.startsWith('{')) return `\`${item}\` is written as \`key=value,…\` here, not as JSON`;
  const pairs = pairsOf(value, takes.first);
  const keyed: (string | File)[] = [];
  for (const [at, [key, text, written]] of pairs.entries()) {
    const separator = at === 0 ? '' : ',';
    if (takes.files?.includes(key) && text !== '') {
      const file = fileOf(text);
      if ('problem' in file) return `\`${key}\` of \`${item}\` reads a file, ${file.problem}`;
      keyed.push(`${separator}${key}=`, file);
      continue;
    }
    const problem = pairProblem(item, key, text, takes);
    if (problem !== null) return problem;
    keyed.push(`${separator}${written}`);
  }
  const problem = takes.check?.(pairs.map(([key, text]) => [key, text] as const)) ?? null;
  if (problem !== null) return `\`${item}\`: ${problem}`;
  const isText = keyed.every((part) => typeof part === 'string');
  return [item, isText ? keyed.join('') : { keyed: joined(keyed) }];
}

function pairProblem(item: string, key: string, text: string, takes: KeyedOption): string | null {
  const isFile = takes.files?.includes(key) ?? false;
  if (!isFile && !takes.harmless.test(key))
    return `\`${key}\` of \`${item}\` is not known to touch nothing outside of the machine`;
  if (text.includes('\0'))
    return `\`${key}\` of \`${item}\` reads no file, so it cannot be given an output of a stage`;
  if (takes.slashes !== undefined && text.includes('/') && !takes.slashes.test(key))
    return `\`${key}\` of \`${item}\` looks like the name of a file, which bake would not hash`;
  return null;
}

/** QEMU's own way to read `key=value,key=value`: a comma in a value is written twice, `key` alone is `key=on`. */
function pairsOf(
  value: string,
  first: string,
): readonly (readonly [key: string, value: string, written: string])[] {
  const parts = value.match(/(?:,,|[^,])+/g) ?? [];
  return parts.map((written, at) => {
    const equals = /^[^=,]*=/.exec(written)?.[0];
    if (equals !== undefined)
      return [equals.slice(0, -1), written.slice(equals.length).replaceAll(',,', ','), written];
    const text = written.replaceAll(',,', ',');
    return at === 0 ? [first, text, written] : [text, 'on', written];
  });
}

function driverOf(value: string | undefined): string {
  return value === undefined ? '' : (pairsOf(value, 'driver').find(([key]) => key === 'driver')?.[1] ?? '');
}

function joined<File extends object>(parts: readonly (string | File)[]): readonly (string | File)[] {
  const joined: (string | File)[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (typeof part === 'string' && typeof last === 'string') joined[joined.length - 1] = last + part;
    else joined.push(part);
  }
  return joined;
}

function noOption(item: string): string {
  return REFERENCE.test(item) || !item.startsWith('-')
    ? 'expected an option such as `-device`: QEMU would take this for a disk that the guest may write to'
    : `\`${item}\` is no option of QEMU: an option and its value are two items of the list`;
}

function unknownOption(option: string): string {
  const nearest = suggest(
    option,
    Object.entries(OPTIONS).flatMap(([name, { type }]) => (type === 'refused' ? [] : [name])),
  );
  const meant = nearest === null ? '' : `; did you mean \`-${nearest}\`?`;
  return `\`-${option}\` is not among the options that are known to touch nothing outside of the machine${meant}`;
}
