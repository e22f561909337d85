/** Every key that a pipeline and a stage may have: what it means, what it may be. Validation and the JSON Schema both read this. */
import { parseDuration, parseSize } from '../stages/options.ts';
import { nameProblem } from './names.ts';
import { patternProblem } from './paths.ts';
import type { ResolvedNode } from './resolve.ts';
import {
  type Field,
  type FieldValues,
  fieldsOf,
  listOf,
  mapOf,
  oneOf,
  parsed,
  refuseType,
  type Shape,
  template,
  text,
  truth,
  wholeNumber,
} from './shape.ts';

/** Any value: read later, by whoever knows more. */
function anything(expected: string, schema: Shape<ResolvedNode>['schema']): Shape<ResolvedNode> {
  return { expected, schema, read: (node) => node };
}

function field<T>(shape: Shape<T>, doc: string): Field<T> {
  return { shape, doc };
}

const ENVIRONMENT_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Why a text cannot be the name of an environment variable, or null. */
function environmentProblem(name: string): string | null {
  if (!ENVIRONMENT_NAME.test(name))
    return 'a variable of the environment has a name of ASCII letters, digits and `_`';
  return ['HOME', 'TMPDIR', 'LANG', 'TZ', 'SOURCE_DATE_EPOCH'].includes(name)
    ? 'bake sets it itself, the same for every run'
    : null;
}

/** Only its version can be known: what PATH finds. */
function toolProblem(name: string): string | null {
  return /^[^\s/\p{Cc}]+$/u.test(name) ? null : 'a tool is the name of a program on PATH';
}

const name = (what: string): Shape<string> => text(`the name of ${what}`, nameProblem);
const environmentName = text('the name of an environment variable', (value) =>
  ENVIRONMENT_NAME.test(value) ? null : `\`${value}\` is no name of an environment variable`,
);
const positive = parsed('a duration such as 90s, 10m or 1h30m', (value) => {
  const ms = parseDuration(value);
  return ms !== null && ms > 0 ? ms : null;
});

/** `needs` may name a matrix cell. */
const need = text('the name of a stage', (value) =>
  /^[^\s]+$/u.test(value) ? null : 'it is no name of a stage',
);

const secret = fieldsOf('a secret', {
  from: field(
    environmentName,
    "The variable of bake's own environment that holds it; the same name unless said",
  ),
  version: field(text(), 'Enters the fingerprint in place of the value: change it when the secret changes'),
  in_outputs: field(
    oneOf('warn', 'error', 'ignore'),
    'What to do when the value is found in an output: `warn` (unless said) keeps the output out of the cache, `error` fails the stage, `ignore` does not look',
  ),
});

/** `secrets: [TOKEN]` or `secrets: { TOKEN: { from: CI_TOKEN, version: "3" } }`. */
type SecretList = readonly {
  readonly name: string;
  readonly from: string;
  readonly version: string | null;
  readonly inOutputs?: 'error' | 'ignore';
}[];

const secretNames = listOf(environmentName);
const secretMap = mapOf('the name of an environment variable', secret, environmentProblem);
const secrets: Shape<SecretList> = {
  expected: 'a list of names, or a map from names to `from`, `version` and `in_outputs`',
  schema: { anyOf: [secretNames.schema, secretMap.schema] },
  read(node, at) {
    if (node.type === 'map') {
      const read = secretMap.read(node, at);
      return (
        read &&
        [...read].map(([key, { value }]) => ({
          name: key,
          from: value.from ?? key,
          version: value.version ?? null,
          ...(value.in_outputs === undefined || value.in_outputs === 'warn'
            ? {}
            : { inOutputs: value.in_outputs }),
        }))
      );
    }
    const read = secretNames.read(node, { ...at });
    return read?.map(({ value }) => ({ name: value, from: value, version: null }));
  },
};

/** `dist/x`, or `{ path: dist/x, replace: true }`. */
export interface GivenOutput {
  /** Null where the kind's own path will do. */
  readonly path: string | null;
  readonly replace: boolean;
}

const outputPath = text('a path');
const outputMap = fieldsOf('an output', {
  path: field(outputPath, 'Where the stage leaves it'),
  replace: field(
    truth(),
    '`true` replaces files that lie there when the output is put beside the pipeline, though bake did not put them there',
  ),
});
const givenOutput: Shape<GivenOutput> = {
  expected: 'a path',
  schema: { anyOf: [outputPath.schema, outputMap.schema] },
  read(node, at) {
    if (node.type !== 'map') {
      const path = outputPath.read(node, at);
      return path === undefined ? undefined : { path, replace: false };
    }
    const read = outputMap.read(node, at);
    return read && { path: read.path ?? null, replace: read.replace ?? false };
  },
};

const resources = fieldsOf('`resources`', {
  cpu: field(wholeNumber(1, 1024), 'Processor slots that it takes of `--jobs`; 1 unless said'),
  memory: field(parsed('a size such as 2GiB', parseSize), 'Memory to reserve while it runs, such as `2GiB`'),
  kvm: field(truth(), 'It needs hardware virtualisation: only one such stage runs at a time'),
});

/** Keys of a stage other than `uses`, `run`, `with` and `matrix`: they may hold expressions, and are read once for every cell. */
export const STAGE_FIELDS = {
  description: field(text(), 'A sentence for people'),
  tags: field(listOf(name('a tag')), 'Names for `tag:x` targets on the command line'),
  needs: field(
    listOf(need),
    'Stages that must be done before, for order alone; a reference to an output does that by itself',
  ),
  inputs: field(
    listOf(
      text('a file, a directory or a pattern', (value) => {
        const problem = patternProblem(value);
        return problem === null ? null : `${problem} (\`${value}\`)`;
      }),
    ),
    'Files, directories and patterns (`*`, `**`, `?`, `[a-z]`, `{a,b}`, `!` excludes), relative to the pipeline file',
  ),
  outputs: field(
    mapOf('an output', givenOutput, nameProblem),
    'Names of outputs and the paths at which the stage leaves them; `{ path: …, replace: true }` lets bake replace what lies there',
  ),
  tools: field(
    listOf(text('the name of a program', toolProblem)),
    'Programs whose versions enter the fingerprint',
  ),
  env: field(
    mapOf('an environment variable', template(), environmentProblem),
    'Environment variables; their values enter the fingerprint',
  ),
  pass_env: field(
    listOf(environmentName),
    "Variables of bake's own environment that the stage sees; their values do not enter the fingerprint",
  ),
  secrets: field(
    secrets,
    "Variables of bake's own environment that the stage sees, masked in every log and never stored",
  ),
  timeout: field(positive, 'The stage fails when it takes longer, such as `10m`'),
  retries: field(wholeNumber(0, 100), 'How often to try again after a failure; 0 unless said'),
  resources: field(resources, 'What the stage needs of the machine while it runs'),
  cache: field(truth(), '`false` runs the stage every time and stores nothing'),
  place: field(truth(), '`true` puts the outputs beside the pipeline although other stages use them'),
  workspace: field(
    oneOf('isolated', 'in-place'),
    '`in-place` runs the command in the checkout itself: nothing is isolated, and the plan says so',
  ),
} as const;

/** What reading a stage's fields gives. */
export type FieldsRead = FieldValues<typeof STAGE_FIELDS>;

const command: Shape<ResolvedNode> = {
  ...anything('a command, or a list of a program and its arguments', {
    anyOf: [
      { type: 'string', minLength: 1 },
      { type: 'array', items: { type: 'string' }, minItems: 1 },
    ],
  }),
};

/** Keys of a stage that decide what it is; they are read before anything else. */
export const STAGE_HEAD_FIELDS = {
  uses: field(text('the name of a kind'), 'The kind of the stage; `bake stages` lists them'),
  with: field(anything('a map of options', { type: 'object' }), 'Options of the kind'),
  run: field(
    command,
    'A script for `/bin/sh -e`, or a list of a program and its arguments, run in a workspace of its own',
  ),
  matrix: field(
    anything('a map of lists, or a list of maps', {
      anyOf: [
        { type: 'object', additionalProperties: { type: ['array', 'string'] }, minProperties: 1 },
        { type: 'array', items: { type: 'object' }, minItems: 1 },
        { type: 'string' },
      ],
    }),
    'Fans the stage out: one cell for each combination of the values (a map of lists), or for each map of a list',
  ),
} as const;

const mapNode: Shape<ResolvedNode & { readonly type: 'map' }> = {
  expected: 'a map',
  schema: { type: 'object' },
  read: (node, at) => (node.type === 'map' ? node : refuseType(node, 'a map', at)),
};

/** Keys at the top of a pipeline. */
export const PIPELINE_FIELDS = {
  bake: field(anything('1', { const: 1 }), 'Version of the pipeline format: 1'),
  name: field(name('the pipeline'), 'Name of the pipeline; that of its directory unless said'),
  description: field(text(), 'A sentence for people'),
  vars: field(
    mapNode,
    'Variables and their values; one without a value must be given: `--var`, `--var-file`, `BAKE_VAR_<name>`',
  ),
  env: field(mapNode, 'Environment variables of every stage'),
  cache: field(text('a directory'), 'Cache directory, relative to the pipeline file; `cache` unless said'),
  stages: field(mapNode, 'The stages by name'),
} as const;
