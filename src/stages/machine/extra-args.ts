/** The option `extra_args`: words for QEMU's command line, of which every file that they name is an input of the stage. */
import { z } from 'zod';
import { type ExtraWord, readExtraArgs } from '../../machine/extra-args.ts';
import type { Digest } from '../../model/digest.ts';
import type { Failure } from '../../model/failure.ts';
import type { JsonValue } from '../../model/json.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import type { ArtifactOption, StageContext, TextOption } from '../kind.ts';

/** A word as it is kept in the options of an action. */
export type ExtraArg = ExtraWord<ArtifactOption>;

/** What to say of a name that is in no fingerprint. */
const UNKNOWN =
  'which bake does not know: name a file beside the pipeline, or an output of another stage (`${{ stages.x.outputs.y }}`)';

/** Problems are told at the item of the list that they are about. */
export function extraArgs() {
  return z
    .array(
      z
        .custom<TextOption | ExtraArg>(
          (value) => typeof value === 'string' || isText(value) || isRead(value),
          {
            error: 'expected a text',
          },
        )
        .meta({ bake: 'text' }),
    )
    .transform((items, context): readonly ExtraArg[] => {
      // Those of a step were read when its stage was; a pipeline cannot write such a word.
      if (items.some(isRead)) return items as readonly ExtraArg[];
      const references: ArtifactOption[] = [];
      const plain = items.map((item) => textOf(item as TextOption, references));
      const { words, problems } = readExtraArgs<ArtifactOption>(plain, (name) => fileOf(name, references));
      for (const { index, problem } of problems)
        context.addIssue({ code: 'custom', path: [index], message: problem });
      return problems.length > 0 ? z.NEVER : words;
    });
}

/** The words with the paths of the files that they name. */
export function extraWords(
  args: readonly ExtraArg[],
  context: Pick<StageContext, 'input'>,
): Result<readonly string[], Failure> {
  const words: string[] = [];
  for (const arg of args) {
    if (typeof arg === 'string') {
      words.push(arg);
      continue;
    }
    const parts = 'whole' in arg ? [arg.whole] : arg.keyed;
    const layered = parts.find((part) => typeof part !== 'string' && context.input(part).layers.length > 1);
    if (layered !== undefined)
      return fail({
        code: 'stage-refused',
        problem: '`extra_args` names a disk in layers, which is not one file',
        hint: 'make one file of it with a `disk-convert` stage (`format: raw`)',
      });
    const isKeyed = 'keyed' in arg;
    const path = (part: ArtifactOption) => context.input(part).path.replaceAll(',', isKeyed ? ',,' : ',');
    words.push(parts.map((part) => (typeof part === 'string' ? part : path(part))).join(''));
  }
  return ok(words);
}

/** The words with the digests of the files instead of their paths: what of them a guest sees. */
export function extraFacts(args: readonly ExtraArg[], context: Pick<StageContext, 'input'>): JsonValue {
  const fact = (part: string | ArtifactOption): string | { readonly file: Digest } =>
    typeof part === 'string' ? part : { file: context.input(part).content.digest };
  return args.map((arg) => {
    if (typeof arg === 'string') return arg;
    return 'whole' in arg ? fact(arg.whole) : arg.keyed.map(fact);
  });
}

function isText(value: unknown): value is { readonly $text: readonly unknown[] } {
  return typeof value === 'object' && value !== null && '$text' in value;
}

function isRead(value: unknown): value is Exclude<ExtraArg, string> {
  if (typeof value !== 'object' || value === null) return false;
  const { keyed, whole } = value as { readonly keyed?: unknown; readonly whole?: unknown };
  const parts: readonly unknown[] = Array.isArray(keyed) ? keyed : [whole];
  return parts.some(
    (part) => typeof part === 'object' && part !== null && ('$file' in part || '$artifact' in part),
  );
}

/** The text with a number between two NULs in place of every reference: no text of a pipeline holds a NUL. */
function textOf(item: TextOption, references: ArtifactOption[]): string {
  if (typeof item === 'string') return item;
  return item.$text
    .map((part) => (typeof part === 'string' ? part : `\0${references.push({ $artifact: part }) - 1}\0`))
    .join('');
}

function fileOf(name: string, references: readonly ArtifactOption[]): ArtifactOption | { problem: string } {
  const whole = /^\0(\d+)\0$/.exec(name);
  if (whole) return references[Number(whole[1])] ?? { problem: UNKNOWN };
  if (name.includes('\0')) return { problem: 'whose whole name an output of a stage must be' };
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (name.startsWith('/') || parts.length === 0 || parts.includes('..')) return { problem: UNKNOWN };
  return { $file: parts.join('/') };
}
