/** A located tree to a Pipeline: known keys, sound names, existing kinds. Evaluates nothing. */
import { basename } from 'node:path';
import type { MapEntry, MapNode, Node, Pipeline, PipelineStage, Span } from '../model/pipeline.ts';
import { PIPELINE_FIELDS, STAGE_FIELDS, STAGE_HEAD_FIELDS } from './fields.ts';
import { checkName, nameProblem } from './names.ts';
import type { Problems } from './problems.ts';
import { checkKeys, meantBy, type Reading, readFields, refuseType, refuseValue } from './shape.ts';
import type { SourceText } from './source-text.ts';

const STAGE_KEYS = { ...STAGE_HEAD_FIELDS, ...STAGE_FIELDS };

/** Validates a tree. Reports all mistakes; what could be understood is in the result, so that planning finds the rest. */
export function validatePipeline(
  root: Node,
  kinds: readonly string[],
  directory: string,
  source: SourceText,
  problems: Problems,
): Pipeline | null {
  const at: Reading = { where: 'pipeline', source, problems };
  if (root.type === 'scalar' && root.value === null) {
    problems.add({ code: 'pipeline-empty', location: source.locate(root) });
    return null;
  }
  if (root.type !== 'map') return refuseType(root, 'a map with `bake`, `name` and `stages`', at) ?? null;
  // `x-…` keys hold anchors for the rest of the file, as people know them from compose files.
  const entries = root.entries.filter((entry) => !entry.key.startsWith('x-'));
  checkKeys(entries, PIPELINE_FIELDS, 'a pipeline', at);
  const values = readFields(entries, PIPELINE_FIELDS, { ...at, where: '' });
  checkFormat(root, entries, source, problems);
  const vars = values.vars as MapNode | undefined;
  for (const entry of vars?.entries ?? [])
    checkName('a variable', entry.key, entry.keySpan, source, problems);
  const stages = values.stages as MapNode | undefined;
  checkStages(root, entries, stages, at);
  if (values.cache !== undefined && /^$|\p{Cc}|^~/u.test(values.cache))
    refuseValue(
      entries.find((entry) => entry.key === 'cache')?.value ?? root,
      'it is no directory: write a path relative to the pipeline file',
      { ...at, where: 'cache' },
    );
  const understood: PipelineStage[] = [];
  const broken: string[] = [];
  for (const entry of stages?.entries ?? []) {
    const stage = validateStage(entry, kinds, source, problems);
    if (stage === null) broken.push(entry.key);
    else understood.push(stage);
  }
  const named = basename(directory);
  return {
    name: values.name ?? (nameProblem(named) === null ? named : 'pipeline'),
    description: values.description ?? null,
    cacheDir: values.cache ?? null,
    vars: vars?.entries ?? [],
    env: (values.env as MapNode | undefined) ?? null,
    stages: understood,
    broken,
  };
}

/** Whether a key is not missing but written wrongly, which was reported already. */
function isMisspelt(
  key: string,
  entries: readonly MapEntry[],
  known: { readonly [key: string]: unknown },
): boolean {
  return entries.some((entry) => !Object.hasOwn(known, entry.key) && meantBy(entry.key, [key]) === key);
}

/** A pipeline without stages is unfinished, and says so. */
function checkStages(
  root: Span,
  entries: readonly MapEntry[],
  stages: MapNode | undefined,
  at: Reading,
): void {
  const entry = entries.find((candidate) => candidate.key === 'stages');
  if (!entry && !isMisspelt('stages', entries, PIPELINE_FIELDS))
    at.problems.add({
      code: 'missing-key',
      location: at.source.locate({ start: root.start, end: root.start + 1 }),
      where: 'the pipeline',
      key: 'stages',
      expected: 'a map of stages by name',
    });
  else if (entry && stages?.entries.length === 0 && at.problems.none)
    refuseValue(entry.keySpan, 'there are no stages', { ...at, where: 'stages' });
}

/** Any other format would be read wrongly, and a file without the line may be no pipeline at all. */
function checkFormat(root: Span, entries: readonly MapEntry[], source: SourceText, problems: Problems): void {
  const entry = entries.find((candidate) => candidate.key === 'bake');
  if (!entry && isMisspelt('bake', entries, PIPELINE_FIELDS)) return;
  if (!entry) {
    const location = source.locate({ start: root.start, end: root.start + 1 });
    problems.add({
      code: 'missing-key',
      location,
      where: 'the pipeline',
      key: 'bake',
      expected: '`bake: 1`, the version of the format',
    });
  } else if (entry.value.type !== 'scalar' || entry.value.value !== 1) {
    const found = entry.value.type === 'scalar' ? JSON.stringify(entry.value.value) : `a ${entry.value.type}`;
    problems.add({ code: 'unsupported-format', location: source.locate(entry.value), found });
  }
}

function validateStage(
  entry: MapEntry,
  kinds: readonly string[],
  source: SourceText,
  problems: Problems,
): PipelineStage | null {
  const { key: name, keySpan, value: body } = entry;
  const at: Reading = { where: `stages.${name}`, source, problems };
  checkName('a stage', name, keySpan, source, problems);
  if (body.type === 'scalar' && body.value === null) {
    problems.add({ code: 'stage-without-work', location: source.locate(keySpan), stage: name });
    return null;
  }
  if (body.type !== 'map') return refuseType(body, 'a map with `uses` or `run`', at) ?? null;
  checkKeys(body.entries, STAGE_KEYS, 'a stage', at);
  const find = (key: string): MapEntry | undefined => body.entries.find((candidate) => candidate.key === key);
  const [uses, run, options] = [find('uses'), find('run'), find('with')];
  const second = uses ?? options;
  if (run && second) {
    problems.add({ code: 'stage-with-two-works', location: source.locate(second.keySpan), stage: name });
    return null;
  }
  if (run) return { name, nameSpan: keySpan, kind: 'run', body };
  if (!uses) {
    if (!['uses', 'run'].some((key) => isMisspelt(key, body.entries, STAGE_KEYS)))
      problems.add({ code: 'stage-without-work', location: source.locate(keySpan), stage: name });
    return null;
  }
  const kind = validateKind(uses.value, kinds, { ...at, where: `${at.where}.uses` });
  return kind === null ? null : { name, nameSpan: keySpan, kind, body };
}

function validateKind(node: Node, kinds: readonly string[], at: Reading): string | null {
  const kind = STAGE_HEAD_FIELDS.uses.shape.read(node, at);
  if (kind === undefined) return null;
  const known = kinds.filter((candidate) => candidate !== 'run');
  if (known.includes(kind)) return kind;
  const { source, problems } = at;
  const suggestion = problems.suggest(kind, known);
  problems.add({ code: 'unknown-kind', location: source.locate(node), kind, known, suggestion });
  return null;
}
