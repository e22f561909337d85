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
  'secret-missing': {
    doc: 'A stage needs a secret that is not set in the environment of bake.',
    text: (failure) => ({
      summary: `stage \`${failure.stage}\` needs the secret \`${failure.variable}\`, which is not set`,
      hint: `set it in the environment: \`export ${failure.variable}=…\``,
      state: 'nothing was run for this stage',
    }),
  },
};
