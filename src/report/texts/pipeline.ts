/** Words for what can be wrong with a pipeline file. */
import type { PipelineFailure } from '../../model/failure-pipeline.ts';
import type { Texts } from '../failure-text.ts';
import { formatSize } from '../format.ts';
import { nameTexts } from './pipeline-names.ts';
import { yamlTexts } from './pipeline-yaml.ts';

/** Links of a cycle that are shown; a longer one is generated, and its beginning tells where to look. */
const LONGEST_CIRCLE = 10;

/** What YAML made of something that is no text without quotes. */
function unquoted(source: string): string {
  if (source === '') return 'there is nothing';
  const type = /^(true|false)$/i.test(source)
    ? 'a truth value'
    : /^(null|~)$/i.test(source)
      ? 'nothing'
      : 'a number';
  return `YAML reads \`${source}\` as ${type}`;
}

export const pipelineTexts: Texts<PipelineFailure> = {
  ...yamlTexts,
  ...nameTexts,
  'pipeline-not-found': {
    doc: 'There is no pipeline file at the path given, or no `pipeline.yaml` in the working directory.',
    text: (failure) => ({
      summary: `there is no pipeline file at ${failure.path}`,
      hint: 'name one (`bake run path/to/pipeline.yaml`), or write a first one with `bake init`',
    }),
  },
  'pipeline-too-large': {
    doc: 'The pipeline file is larger than bake reads.',
    text: (failure) => ({
      summary: `the file is ${formatSize(failure.sizeBytes)} large, more than the ${formatSize(failure.limitBytes)} that a pipeline may have`,
      hint: 'is it the pipeline? Use a `matrix` for stages that differ in a value, and files for long scripts',
    }),
  },
  'pipeline-not-text': {
    doc: 'The pipeline file is not a text in UTF-8.',
    text: (failure) => ({ summary: `the file is no text: ${failure.problem}` }),
  },
  'pipeline-empty': {
    doc: 'There is nothing in the pipeline file but white space.',
    text: () => ({ summary: 'the pipeline is empty', hint: '`bake init` writes a first one' }),
  },
  'missing-key': {
    doc: 'A key that must be there is not.',
    text: (failure) => ({
      summary: `${failure.where} needs \`${failure.key}\``,
      details: failure.expected === null ? [] : [`expected ${failure.expected}`],
    }),
  },
  'wrong-type': {
    doc: 'A value is of another type than it must be: a list where a text is due.',
    text: (failure) => ({
      summary: `\`${failure.where}\` cannot be ${failure.found}`,
      details: [`expected ${failure.expected}`],
    }),
  },
  'quote-text': {
    doc: 'A text is due, and without quotes YAML reads a number, a truth value or nothing: `1.0` is the number 1, `no` may be false.',
    text: (failure) => ({
      summary: `\`${failure.where}\` must be a text, but ${unquoted(failure.source)}`,
      hint:
        failure.from === null
          ? `quote it: ${JSON.stringify(failure.source)}`
          : `quote it where \`${failure.from}\` is set: ${JSON.stringify(failure.source)}`,
    }),
  },
  'bad-value': {
    doc: 'A value has the right type but cannot be used.',
    text: (failure) => ({
      summary: `\`${failure.where}\`: ${failure.problem}`,
      hint: failure.suggestion === null ? null : `did you mean \`${failure.suggestion}\`?`,
    }),
  },
  'unsupported-format': {
    doc: 'The `bake:` line asks for a version of the pipeline format that this program does not know.',
    text: (failure) => ({
      summary: `this bake does not know format ${failure.found}`,
      details: ['expected `bake: 1`'],
    }),
  },
  'stage-without-work': {
    doc: 'A stage has neither `uses` nor `run`.',
    text: (failure) => ({
      summary: `stage \`${failure.stage}\` has nothing to do`,
      details: ['expected `uses:` with the name of a kind, or `run:` with a command'],
      hint: '`bake stages` lists the kinds',
    }),
  },
  'stage-with-two-works': {
    doc: 'A stage has both `uses` and `run`, or `with` beside `run`.',
    text: (failure) => ({
      summary: `stage \`${failure.stage}\` has both \`run\` and \`uses\` or \`with\``,
      hint: 'keep `run` for a command, or `uses` and `with` for a kind; make two stages of it if both are meant',
    }),
  },
  'bad-expression': {
    doc: 'What stands in `${{ }}` names no value.',
    text: (failure) => ({ summary: `\`${failure.expression}\`: ${failure.problem}`, hint: failure.hint }),
  },
  'variable-unset': {
    doc: 'A stage uses a variable that has no value in the pipeline and was given none.',
    text: (failure) => ({
      summary: `the variable \`${failure.name}\` has no value`,
      hint: `give it one: \`--var ${failure.name}=…\`, a \`--var-file\`, or BAKE_VAR_${failure.name} in the environment`,
    }),
  },
  'variable-cycle': {
    doc: 'The value of a variable depends on itself.',
    text: (failure) => ({
      summary: `the value of \`${failure.names[0]}\` depends on itself`,
      details: [[...failure.names, failure.names[0]].join(' → ')],
    }),
  },
  'output-not-allowed': {
    doc: 'An output of another stage is used where only a plain value can stand, because it must be known before anything runs.',
    text: (failure) => ({
      summary: `\`${failure.where}\` cannot hold an output of another stage`,
      details: [
        `\`${failure.reference}\` is a file that exists only once its stage has run; this value must be known before`,
      ],
    }),
  },
  'stage-cycle': {
    doc: 'Stages need each other in a circle, so that none can be the first.',
    text: (failure) => {
      const names = failure.path.map((link) => link.stage);
      const shown = names.length > LONGEST_CIRCLE ? [...names.slice(0, LONGEST_CIRCLE), '…'] : names;
      return {
        summary:
          names.length === 1
            ? `stage \`${names[0]}\` needs itself`
            : `${names.length} stages need each other in a circle`,
        details: [[...shown, names[0]].join(' → ')],
        related: failure.path.slice(1, LONGEST_CIRCLE).map((link, index) => ({
          location: link.location,
          label: `\`${link.stage}\` needs \`${names[(index + 2) % names.length]}\``,
        })),
      };
    },
  },
  'bad-path': {
    doc: 'A path cannot be used: it is absolute, leaves its directory, or names something of bake itself.',
    text: (failure) => ({
      summary: `\`${failure.where}\`: ${failure.problem}`,
      details: [`the path is ${JSON.stringify(failure.path)}`],
    }),
  },
  'output-collision': {
    doc: 'Two outputs would be put at the same path, or one inside the other.',
    text: (failure) => ({
      summary:
        failure.path === failure.otherPath
          ? `\`${failure.stage}\` and \`${failure.otherStage}\` both write ${failure.path}`
          : `${failure.path} of \`${failure.stage}\` and ${failure.otherPath} of \`${failure.otherStage}\` lie inside each other`,
      related: [{ location: failure.other, label: `\`${failure.otherStage}\` is written here` }],
      hint:
        failure.matrixKeys.length === 0
          ? 'give one of them another path under `outputs:`'
          : `put what differs into the path under \`outputs:\`, such as \${{ matrix.${failure.matrixKeys[0]} }}`,
    }),
  },
  'input-is-output': {
    doc: 'A stage declares as input a file that another stage writes.',
    text: (failure) => ({
      summary: `${failure.path} is written by another stage and is no input file`,
      hint: `refer to the output itself: \`${failure.reference}\``,
    }),
  },
  'bad-variable-value': {
    doc: 'A value for a variable that came from outside the pipeline is of another type than its value in the pipeline.',
    text: (failure) => ({
      summary: `\`${failure.value}\` from ${failure.origin} is no value for the variable \`${failure.name}\``,
      details: [`expected ${failure.expected}, as in the pipeline`],
    }),
  },
  'secret-in-variable': {
    doc: 'A warning: the value of a variable looks like a secret. It is not masked, and may be stored with results.',
    text: ({ name, origin }) => ({
      summary: `the value of \`${name}\` from ${origin} looks like a secret; values of variables are not masked and are stored with results`,
      hint: 'put it into the environment, and list that variable under `secrets:` of the stage',
    }),
  },
  'unused-variable': {
    doc: 'A warning: no stage uses a variable.',
    text: (failure) => ({ summary: `no stage uses the variable \`${failure.name}\`` }),
  },
};
