/** Plans one cell of a stage: resolves its values, reads its options by the kind's schema, names its outputs. */
import type { PipelineFailure } from '../model/failure-pipeline.ts';
import type { PipelineStage, Span } from '../model/pipeline.ts';
import type { OptionValues, PlannedAction, PlannedOutput, Template } from '../model/plan.ts';
import type { StageKind } from '../stages/kind.ts';
import { type FieldsRead, type GivenOutput, STAGE_FIELDS } from './fields.ts';
import type { Cell } from './matrix.ts';
import { reportIssues } from './option-issues.ts';
import { toOptionValue } from './option-values.ts';
import { normalisePath, reservedProblem } from './paths.ts';
import { plannedTools } from './planned-tools.ts';
import type { Problems } from './problems.ts';
import { type ResolvedNode, resolveNode } from './resolve.ts';
import { alternativesOf } from './schema-view.ts';
import { type PlacedEntry, type Reading, readFields, refuseValue } from './shape.ts';
import type { SourceText } from './source-text.ts';
import type { Edge, StageScope } from './stage-scope.ts';

/** What all stages of a pipeline share. */
export interface Surroundings {
  readonly source: SourceText;
  readonly problems: Problems;
  /** `env:` of the pipeline, evaluated. */
  readonly env: ReadonlyMap<string, ResolvedNode>;
  /** Name of the pipeline file in its directory. */
  readonly pipelineFile: string;
  readonly cacheDir: string | null;
}

/** What is known of a cell before others are looked at. */
export interface PlannedCell {
  readonly name: string;
  readonly stage: PipelineStage;
  readonly edges: readonly Edge[];
  /** Null when something in it is wrong, which was reported. */
  readonly body: CellBody | null;
}

/** An action that lacks only what other actions decide: its needs and whether it is a leaf. */
export interface CellBody {
  readonly action: Omit<PlannedAction, 'needs' | 'placed'>;
  /** Names under `tools:`. */
  readonly declaredTools: readonly string[];
  /** `place:` as written. */
  readonly place: boolean | null;
  /** Where each output was declared, for messages: the stage's name for one that the kind names. */
  readonly outputSpans: ReadonlyMap<string, Span>;
  readonly inputSpans: readonly (Span & { readonly pattern: string })[];
  readonly matrixKeys: readonly string[];
}

/** Plans a cell as far as it goes, and reports what is wrong in it. */
export function planCell(
  stage: PipelineStage,
  cell: Cell,
  kind: StageKind,
  scope: StageScope,
  around: Surroundings,
): PlannedCell {
  const { source, problems } = around;
  const at: Reading = { where: `stages.${stage.name}`, source, problems };
  const env = readEnvironment(stage, scope, around, at);
  const fields = readStageFields(stage, scope, at);
  const options = readOptions(stage, kind, scope, at);
  const needs = neededBy(fields.values, scope, at);
  const values = fields.values;
  const paths = readOutputs(values.outputs, around, at);
  const outputs = options && paths && nameOutputs(stage, cell, kind, options, paths, around);
  const planned = { name: cell.name, stage, edges: [...scope.edges, ...needs.edges] };
  if (env === null || options === null || outputs === null || !needs.complete || !fields.complete)
    return { ...planned, body: null };
  const declaredTools = (values.tools ?? []).map(({ value }) => value);
  const body: CellBody = {
    action: {
      ...actionHead(stage, cell, kind, options),
      ...actionFields(values),
      outputs: outputs.map((output) => plannedOutput(output, stage, source)),
      env,
      tools: plannedTools(kind.tools(options), declaredTools),
      location: source.locate(stage.nameSpan),
    },
    declaredTools,
    place: values.place ?? null,
    outputSpans: new Map(outputs.map((output) => [output.name, output.span])),
    inputSpans: (values.inputs ?? []).map(({ value, span }) => ({ pattern: value, ...span })),
    matrixKeys: [...cell.values.keys()],
  };
  return { ...planned, body };
}

/** What the kind decides. */
function actionHead(stage: PipelineStage, cell: Cell, kind: StageKind, options: OptionValues) {
  return {
    name: cell.name,
    stage: cell.name,
    stageKind: stage.kind,
    step: null,
    kind: stage.kind,
    kindVersion: kind.version,
    options,
    unhashed: kind.unhashed ?? [],
    platformSensitive: kind.platformSensitive ?? false,
    discovers: kind.inputs !== undefined,
    ...(kind.view === undefined ? {} : { traced: true as const }),
    pins: kind.pin !== undefined,
  };
}

/** What the stage says beside its options, or what holds when it says nothing. */
function actionFields(values: FieldsRead) {
  return {
    inputs: (values.inputs ?? []).map((input) => input.value),
    passEnv: (values.pass_env ?? []).map((name) => name.value),
    secrets: values.secrets ?? [],
    timeoutMs: values.timeout ?? null,
    retries: values.retries ?? 0,
    resources: {
      cpu: values.resources?.cpu ?? 1,
      memoryBytes: values.resources?.memory ?? 0,
      kvm: values.resources?.kvm ?? false,
    },
    cacheable: values.cache ?? true,
    workspace: values.workspace ?? ('isolated' as const),
    tags: (values.tags ?? []).map((tag) => tag.value),
    description: values.description ?? null,
  };
}

/** Everything of a stage but its head and its environment, which others refer to. */
function readStageFields(
  stage: PipelineStage,
  scope: StageScope,
  at: Reading,
): { readonly values: FieldsRead; readonly complete: boolean } {
  const entries = [];
  let wanted = 0;
  for (const entry of stage.body.entries) {
    if (!Object.hasOwn(STAGE_FIELDS, entry.key) || entry.key === 'env') continue;
    wanted++;
    const value = resolveNode(entry.value, scope, at.source, at.problems);
    if (value !== null) entries.push({ ...entry, value });
  }
  const values = readFields(entries, STAGE_FIELDS, at);
  return { values, complete: Object.keys(values).length === wanted };
}

/** The environment of the pipeline with that of the stage over it; `env.*` can be read from then on. */
function readEnvironment(
  stage: PipelineStage,
  scope: StageScope,
  around: Surroundings,
  at: Reading,
): { readonly [name: string]: Template } | null {
  const nodes = new Map(around.env);
  const own = stage.body.entries.find((entry) => entry.key === 'env');
  const resolved = own && resolveNode(own.value, scope, at.source, at.problems);
  if (resolved?.type === 'map') for (const { key, value } of resolved.entries) nodes.set(key, value);
  scope.setEnvironment(nodes);
  const shape = STAGE_FIELDS.env.shape;
  const env: { [name: string]: Template } = {};
  if (
    resolved === null ||
    (resolved && shape.read(resolved, { ...at, where: `${at.where}.env` }) === undefined)
  )
    return null;
  for (const [name, node] of nodes) {
    if (node.type === 'template') env[name] = node.parts;
    else if (node.type === 'reference') env[name] = [node.ref];
    else if (node.type === 'scalar') env[name] = [String(node.value)];
  }
  return env;
}

/** The options as the kind's schema gives them back. */
function readOptions(
  stage: PipelineStage,
  kind: StageKind,
  scope: StageScope,
  stageAt: Reading,
): OptionValues | null {
  const isRun = stage.kind === 'run';
  const entry = stage.body.entries.find(({ key }) => key === (isRun ? 'run' : 'with'));
  const at: Reading = { ...stageAt, where: `${stageAt.where}.with` };
  const written = entry ? resolveNode(entry.value, scope, at.source, at.problems) : null;
  if (entry && written === null) return null;
  const node = isRun && entry && written ? commandOption(written, entry.keySpan) : withOption(written);
  const taken = alternativesOf(kind.options);
  // A command's own place is `run`, and `command` is our name for it.
  const named: Reading = isRun ? { ...at, where: stageAt.where } : at;
  const value = node === null ? {} : toOptionValue(node, taken, named);
  if (isRun && written?.type === 'scalar' && String(written.value).trim() === '' && entry) {
    refuseValue(entry.value, 'the command is empty', { ...at, where: `${stageAt.where}.run` });
    return null;
  }
  const result = kind.options.safeParse(value);
  if (!result.success) {
    const what = isRun ? `stage \`${stage.name}\`` : `\`with\` of \`${stage.name}\` (${kind.name})`;
    const span = entry?.keySpan ?? stage.nameSpan;
    reportIssues(result.error.issues, { node, value, span, taken, what, at: named, command: isRun });
    return null;
  }
  const checked = kind.check?.(result.data) ?? [];
  for (const { path, problem } of checked) {
    const spot = path.reduce<ResolvedNode | null>(nodeBelow, node);
    const where = [named.where, ...path].join('.');
    refuseValue(spot ?? entry?.keySpan ?? stage.nameSpan, problem, { ...named, where });
  }
  return checked.length === 0 ? (result.data as OptionValues) : null;
}

function commandOption(node: ResolvedNode, keySpan: Span): ResolvedNode {
  return {
    type: 'map',
    entries: [{ key: 'command', keySpan, value: node }],
    start: node.start,
    end: node.end,
  };
}

/** `with:` with nothing after it is no options. */
function withOption(node: ResolvedNode | null): ResolvedNode | null {
  return node?.type === 'scalar' && node.value === null ? null : node;
}

function nodeBelow(node: ResolvedNode | null, key: string | number): ResolvedNode | null {
  if (node?.type === 'list' && typeof key === 'number') return node.items[key] ?? node;
  if (node?.type === 'map') return node.entries.find((entry) => entry.key === String(key))?.value ?? node;
  return node;
}

/** Edges for `needs:`, as far as the names in it are right. */
function neededBy(
  values: FieldsRead,
  scope: StageScope,
  at: Reading,
): { readonly edges: readonly Edge[]; readonly complete: boolean } {
  const edges: Edge[] = [];
  let complete = true;
  for (const { value, span } of values.needs ?? []) {
    const found = scope.neededActions(value);
    if ('failure' in found) {
      at.problems.add({ ...found.failure, location: at.source.locate(span) } as PipelineFailure);
      complete = false;
    } else for (const action of found) edges.push({ action, output: null, span, raw: value });
  }
  return { edges, complete };
}

interface NamedOutput extends PlannedOutput {
  readonly span: Span;
  readonly keySpan?: Span;
}

interface OutputGiven extends Omit<NamedOutput, 'path'> {
  /** Null where the kind's own path will do. */
  readonly path: string | null;
  readonly keySpan: Span;
}

/** What is under `outputs:`; null when a path cannot be used. */
function readOutputs(
  given: ReadonlyMap<string, PlacedEntry<GivenOutput>> | undefined,
  around: Surroundings,
  at: Reading,
): readonly OutputGiven[] | null {
  const outputs: OutputGiven[] = [];
  for (const [name, { value, span, keySpan }] of given ?? []) {
    const { path, replace } = value;
    const result = path === null ? { path } : normalisePath(path);
    const problem =
      'problem' in result
        ? result.problem
        : result.path === null
          ? null
          : reservedProblem(result.path, around.pipelineFile, around.cacheDir);
    if (problem === null && 'path' in result) {
      outputs.push({ name, path: result.path, ...(replace ? { replace } : {}), span, keySpan });
      continue;
    }
    around.problems.add({
      code: 'bad-path',
      location: around.source.locate(span),
      where: `${at.where}.outputs.${name}`,
      path: path ?? '',
      problem: problem ?? '',
    });
  }
  return outputs.length === (given?.size ?? 0) ? outputs : null;
}

/** The kind's outputs at the paths that the stage gives them; for a command, those of the stage. */
function nameOutputs(
  stage: PipelineStage,
  cell: Cell,
  kind: StageKind,
  options: OptionValues,
  given: readonly OutputGiven[],
  around: Surroundings,
): readonly NamedOutput[] | null {
  if (stage.kind === 'run') return withPaths(given, cell, around);
  const own = Object.entries(kind.outputs(options)).map(([name, { path, format }]) => ({
    name,
    path,
    ...(format === undefined ? {} : { format }),
    span: stage.nameSpan,
  }));
  const known = own.map((output) => output.name);
  const unknown = given.filter((output) => !known.includes(output.name));
  for (const { name: output, keySpan } of unknown) {
    const suggestion = around.problems.suggest(output, known);
    const location = around.source.locate(keySpan);
    around.problems.add({ code: 'unknown-output', location, stage: cell.name, output, known, suggestion });
  }
  if (unknown.length > 0) return null;
  return own.map((output) => {
    const one = given.find(({ name }) => name === output.name);
    return one === undefined ? output : { ...output, ...one, path: one.path ?? output.path };
  });
}

/** A command has no paths of its own. */
function withPaths(
  given: readonly OutputGiven[],
  cell: Cell,
  around: Surroundings,
): readonly NamedOutput[] | null {
  const named = given.flatMap(({ path, ...output }) => (path === null ? [] : [{ ...output, path }]));
  for (const { name, path, keySpan } of given) {
    if (path !== null) continue;
    const location = around.source.locate(keySpan);
    const where = `stages.${cell.name}.outputs.${name}`;
    around.problems.add({ code: 'missing-key', location, key: 'path', where, expected: 'a path' });
  }
  return named.length === given.length ? named : null;
}

/** As it is planned: with its place, where that is not found from the stage's. */
function plannedOutput(
  { span, keySpan: _, ...output }: NamedOutput,
  stage: PipelineStage,
  source: SourceText,
): PlannedOutput {
  const { line, column, length } = source.locate(span);
  return line === source.locate(stage.nameSpan).line ? output : { ...output, at: [line, column, length] };
}
