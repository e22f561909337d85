/** Words for what can be wrong with a command line. */
import type { UsageFailure } from '../../model/failure-usage.ts';
import type { Texts } from '../failure-text.ts';

function didYouMean(suggestion: string | null, otherwise: string): string {
  return suggestion === null ? otherwise : `did you mean \`${suggestion}\`?`;
}

export const usageTexts: Texts<UsageFailure> = {
  'unknown-command': {
    doc: 'The first word after `bake` is no command.',
    text: (failure) => ({
      summary: `there is no command \`${failure.command}\``,
      hint: didYouMean(failure.suggestion, '`bake help` lists the commands'),
    }),
  },
  'unknown-flag': {
    doc: 'A command was given a flag that it does not have.',
    text: (failure) => ({
      summary: `\`bake ${failure.command}\` has no flag \`${failure.flag}\``,
      hint: didYouMean(failure.suggestion, `\`bake help ${failure.command}\` lists its flags`),
    }),
  },
  'bad-flag-value': {
    doc: 'The value of a flag is not of the form that it expects.',
    text: (failure) => ({
      summary: `\`${failure.value}\` is no value for \`${failure.flag}\``,
      details: [`expected ${failure.expected}`],
    }),
  },
  'unexpected-argument': {
    doc: 'A command was given an argument that it does not take.',
    text: (failure) => ({
      summary: `\`bake ${failure.command}\` takes no argument \`${failure.argument}\``,
      hint: `\`bake help ${failure.command}\` shows how it is called`,
    }),
  },
  'missing-argument': {
    doc: 'A command was called without an argument that it needs.',
    text: (failure) => ({
      summary: `\`bake ${failure.command}\` needs ${failure.argument}`,
      hint: `\`bake help ${failure.command}\` shows how it is called`,
    }),
  },
  'unknown-target': {
    doc: 'A target named on the command line is no stage of the pipeline.',
    text: (failure) => ({
      summary: `the pipeline has no stage \`${failure.target}\``,
      details: [`its stages are ${failure.known.join(', ')}`],
      hint: failure.suggestion === null ? null : `did you mean \`${failure.suggestion}\`?`,
    }),
  },
  'unknown-kind-argument': {
    doc: '`bake stages` was asked for a kind that there is not.',
    text: (failure) => ({
      summary: `there is no kind \`${failure.kind}\``,
      details: [`the kinds are ${failure.known.join(', ')}`],
      hint: didYouMean(failure.suggestion, '`bake stages` describes them'),
    }),
  },
  'raw-to-terminal': {
    doc: '`bake log --raw` was to write to a terminal, which would obey what a stage has printed.',
    text: () => ({
      summary: '`--raw` writes bytes that a terminal would obey',
      hint: 'write them to a file or a program, or leave `--raw` out',
    }),
  },
  'file-exists': {
    doc: '`bake init` and `bake get` do not overwrite a file that nobody named.',
    text: (failure) => ({
      summary: `${failure.path} is already there`,
      hint: 'name another file: `bake init other.yaml`, `bake get … --to other`',
      state: 'nothing was written',
    }),
  },
};
