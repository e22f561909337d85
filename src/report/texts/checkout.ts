/** Words for what the checkout or the environment lacks. */
import type { CheckoutFailure } from '../../model/failure-checkout.ts';
import type { Texts } from '../failure-text.ts';

const EXCESS = {
  'too-long': 'is longer than a path can be',
  'too-many-alternatives': 'stands for more than 1,024 patterns',
  'too-many-files': 'finds more than a million files',
} as const;

const LINKS = {
  'nothing-there': 'out of the pipeline’s directory, where nothing is',
  'holds-the-link': 'a directory that holds the pipeline or the link itself',
  'too-many-files': 'through which more than 100,000 files would be read',
} as const;

const LONGEST_SHOWN = 80;

function shortened(pattern: string): string {
  return pattern.length > LONGEST_SHOWN ? `${pattern.slice(0, LONGEST_SHOWN)}…` : pattern;
}

const MOST_NAMES = 8;

function named(files: readonly string[]): string {
  const shown = files.slice(0, MOST_NAMES).join(', ');
  return files.length > MOST_NAMES ? `${shown} and ${files.length - MOST_NAMES} more` : shown;
}

export const checkoutTexts: Texts<CheckoutFailure> = {
  'input-missing': {
    doc: 'A stage declares an input that does not exist.',
    text: (failure) => ({
      summary: `stage \`${failure.stage}\`: the input \`${failure.pattern}\` matches no file`,
      details:
        failure.nearest.length === 0 ? [] : [`files with a similar name: ${failure.nearest.join(', ')}`],
      hint: 'inputs are relative to the directory of the pipeline file; correct the path or create the file',
      state: 'nothing was run',
    }),
  },
  'input-not-a-file': {
    doc: 'A stage declares an input that is a socket, a pipe or a device.',
    text: (failure) => ({
      summary: `stage \`${failure.stage}\`: the input ${failure.path} is neither a file nor a directory nor a link`,
      state: 'nothing was run',
    }),
  },
  'input-pattern': {
    doc: 'A pattern of `inputs` is longer than a path can be, its braces stand for more than 1,024 patterns, or it finds more than a million files.',
    text: (failure) => ({
      summary: `stage \`${failure.stage}\`: the input \`${shortened(failure.pattern)}\` ${EXCESS[failure.problem]}`,
      hint: 'write it so that it names less: a directory stands for everything below it',
      state: 'nothing was run',
    }),
  },
  'input-link-leaves': {
    doc: 'A link among the inputs leads out of them, and what it leads to cannot take its place: nothing is there, or far too much.',
    text: (failure) => ({
      summary: `stage \`${failure.stage}\`: the input ${failure.path} is a link to ${failure.target}, ${LINKS[failure.problem]}`,
      hint: 'let it lead to something less, or exclude it with a pattern that begins with `!`',
      state: 'nothing was run',
    }),
  },
  'input-unreadable': {
    doc: 'A declared input, or a directory in it, cannot be looked at; or a name or a link in it is no UTF-8. It is never taken for absent or empty.',
    text: (failure) =>
      failure.errno === 'EILSEQ'
        ? {
            summary: `stage \`${failure.stage}\`: ${failure.path} among its inputs is not valid UTF-8`,
            hint: 'rename it, or exclude it with a pattern that begins with `!`',
            state: 'nothing was run',
          }
        : {
            summary: `stage \`${failure.stage}\`: the input ${failure.path} cannot be read (${failure.errno})`,
            hint: 'make it readable, or exclude it with a pattern that begins with `!`',
            state: 'nothing was run',
          },
  },
  'output-in-the-way': {
    doc: 'A file or directory that bake did not put there, or that somebody changed since, stands where an output is to be. bake never removes it by itself.',
    text: (failure) => ({
      summary: `stage \`${failure.stage}\`: ${named(failure.files)} ${failure.files.length === 1 ? 'is' : 'are'} in the way of ${failure.outputs.length === 1 ? 'its output' : 'its outputs'} ${failure.outputs.map((output) => `\`${output}\``).join(', ')}`,
      details: [
        failure.changed.length === 0
          ? 'bake did not put that there, or does not know it again'
          : `bake put ${failure.changed.length === failure.files.length ? 'that' : named(failure.changed)} there, and somebody changed it since`,
      ],
      hint: `move it, or let bake replace it: once with \`--replace\`, always with \`outputs: { ${failure.outputs[0] ?? 'name'}: { path: …, replace: true } }\``,
      state: 'nothing of it was touched',
    }),
  },
  'output-kept': {
    doc: 'Outputs that somebody had changed were put in order again. What they were is kept in the directory `.bake-kept` of the checkout.',
    text: (failure) => ({
      summary: `stage \`${failure.stage}\`: ${named(failure.files.map(({ path }) => path))} ${failure.files.length === 1 ? 'was' : 'were'} changed by somebody else; what ${failure.files.length === 1 ? 'it' : 'they'} held is kept as ${named(failure.files.map(({ as }) => as))}`,
      hint: 'edit what an output is made from instead, or copy it to another place; remove what you do not need from `.bake-kept`',
    }),
  },
  'outputs-touched': {
    doc: 'Outputs were changed or removed by somebody while the run in which they were put there went on.',
    text: (failure) => ({
      summary: `${named(failure.files)} changed after bake had put ${failure.files.length === 1 ? 'it' : 'them'} in place`,
      hint: 'the next `bake run` puts them in order again, and keeps what they are now',
    }),
  },
  'secret-missing': {
    doc: 'A stage needs a secret that is not set in the environment of bake.',
    text: (failure) => ({
      summary: `stage \`${failure.stage}\` needs the secret \`${failure.variable}\`, which is not set`,
      hint: `set it in the environment: \`export ${failure.variable}=…\``,
      state: 'nothing was run for this stage',
    }),
  },
};
