/** Words for names in a pipeline that nothing has, and for names that nothing may have. */
import type { PipelineFailure } from '../../model/failure-pipeline.ts';
import type { Texts } from '../failure-text.ts';

type NameFailure = Extract<
  PipelineFailure,
  {
    readonly code:
      | 'bad-name'
      | 'unknown-key'
      | 'unknown-kind'
      | 'unknown-variable'
      | 'unknown-reference'
      | 'unknown-stage'
      | 'unknown-cell'
      | 'unknown-output'
      | 'ambiguous-cell'
      | 'undeclared-variable';
  }
>;

/** More names than this help nobody. */
const LISTED = 20;

function choices(known: readonly string[], none: string, before: string): readonly string[] {
  if (known.length === 0) return [none];
  const listed = known.slice(0, LISTED).join(', ');
  return [`${before} ${listed}${known.length > LISTED ? `, and ${known.length - LISTED} more` : ''}`];
}

function didYouMean(suggestion: string | null): string | null {
  return suggestion === null ? null : `did you mean \`${suggestion}\`?`;
}

export const nameTexts: Texts<NameFailure> = {
  'bad-name': {
    doc: 'A name (of a stage, an output, a variable…) holds something that names cannot hold.',
    text: (failure) => ({
      summary: `\`${failure.name}\` cannot be the name of ${failure.what}`,
      details: [failure.problem],
    }),
  },
  'unknown-key': {
    doc: 'A map has a key that means nothing there.',
    text: (failure) => ({
      summary: `${failure.where} has no key \`${failure.key}\``,
      details: choices(failure.known, 'it has no keys', 'known keys:'),
      hint: didYouMean(failure.suggestion),
    }),
  },
  'unknown-kind': {
    doc: 'There is no kind of the name after `uses:`.',
    text: (failure) => ({
      summary: `there is no kind \`${failure.kind}\``,
      details: choices(failure.known, '', 'known kinds:'),
      hint: didYouMean(failure.suggestion) ?? '`bake stages` describes them',
    }),
  },
  'unknown-variable': {
    doc: 'An expression names a variable that the pipeline does not declare under `vars:`.',
    text: (failure) => ({
      summary: `there is no variable \`${failure.name}\``,
      details: choices(failure.known, 'the pipeline declares none', 'declared under `vars:` are'),
      hint: didYouMean(failure.suggestion) ?? `declare it: \`vars: { ${failure.name}: … }\``,
    }),
  },
  'unknown-reference': {
    doc: 'An expression names an `env`, `matrix` or `pipeline` value that is not there.',
    text: (failure) => ({
      summary: `there is no \`${failure.reference}\``,
      details: choices(failure.known, 'nothing of the kind is declared', 'there are'),
      hint: didYouMean(failure.suggestion),
    }),
  },
  'unknown-stage': {
    doc: 'An expression or `needs` names a stage that is not there.',
    text: (failure) => ({
      summary: `there is no stage \`${failure.stage}\``,
      hint: didYouMean(failure.suggestion),
    }),
  },
  'unknown-cell': {
    doc: 'An expression or `needs` names a cell that the matrix of the stage does not have.',
    text: (failure) => ({
      summary: `stage \`${failure.stage}\` has no cell \`[${failure.cell}]\``,
      details: choices(failure.known, `\`${failure.stage}\` has no matrix`, 'its cells are'),
      hint: didYouMean(failure.suggestion),
    }),
  },
  'unknown-output': {
    doc: 'An expression or `outputs` names an output that the stage does not have.',
    text: (failure) => ({
      summary: `stage \`${failure.stage}\` has no output \`${failure.output}\``,
      details: choices(failure.known, 'it declares no outputs', 'its outputs are'),
      hint: didYouMean(failure.suggestion),
    }),
  },
  'ambiguous-cell': {
    doc: 'An expression names a stage with a matrix without saying which of its cells is meant.',
    text: (failure) => ({
      summary: `\`${failure.stage}\` is a matrix: say which of its cells is meant`,
      details: [
        `a stage whose own matrix has the same keys gets the same cell; ${failure.missing.map((key) => `\`${key}\``).join(', ')} is not known here`,
      ],
      hint: `write \`${failure.example}\``,
    }),
  },
  'undeclared-variable': {
    doc: 'A value was given for a variable that the pipeline does not declare under `vars:`.',
    text: (failure) => ({
      summary: `the pipeline has no variable \`${failure.name}\`, which ${failure.origin} sets`,
      details: choices(failure.known, 'the pipeline declares none', 'declared under `vars:` are'),
      hint: didYouMean(failure.suggestion),
    }),
  },
};
