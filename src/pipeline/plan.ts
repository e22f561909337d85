/** From the bytes of a pipeline file to its Plan, or to every mistake in it at once. Pure: reads nothing, runs nothing. */
import { basename } from 'node:path';
import type { Failure } from '../model/failure.ts';
import { byCodeUnit } from '../model/json.ts';
import type { Pipeline } from '../model/pipeline.ts';
import type { Plan } from '../model/plan.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { type Kinds, kindsOf } from '../stages/index.ts';
import type { StageKind } from '../stages/kind.ts';
import { checkOutputs } from './check-outputs.ts';
import { STAGE_FIELDS } from './fields.ts';
import { withFormats } from './formats.ts';
import { type Cell, expandMatrix } from './matrix.ts';
import { orderOf } from './order.ts';
import { parseTree } from './parse.ts';
import { type CellBody, type PlannedCell, planCell, type Surroundings } from './plan-stage.ts';
import { Problems } from './problems.ts';
import { type ResolvedNode, resolveNode } from './resolve.ts';
import type { PipelineSource, PlanSettings } from './settings.ts';
import { decodeSource, type SourceText } from './source-text.ts';
import { type Edge, type StageIndex, StageScope } from './stage-scope.ts';
import { expandSteps, type PlannedStage } from './steps.ts';
import { validatePipeline } from './validate.ts';
import { Variables } from './variables.ts';

/** Plans a pipeline. Fails with all mistakes found, in the order of the file. */
export function planPipeline(
  given: PipelineSource,
  settings: PlanSettings,
  kinds: Kinds = kindsOf(),
): Result<Plan, readonly Failure[]> {
  const planned = planStages(given, settings, kinds);
  if (!planned.ok) return planned;
  const { stages, ...rest } = planned.value;
  return ok({ ...rest, actions: withFormats(expandSteps(stages, kinds.find)) });
}

/** A plan whose stages are whole: those that are chains of steps are one action each. */
interface StagesPlan extends Omit<Plan, 'actions'> {
  readonly stages: readonly PlannedStage[];
}

/** Plans a pipeline but for its steps; see `planPipeline`. */
export function planStages(
  given: PipelineSource,
  settings: PlanSettings,
  kinds: Kinds = kindsOf(),
): Result<StagesPlan, readonly Failure[]> {
  const decoded = decodeSource(given.file, given.bytes);
  if (!decoded.ok) return fail([decoded.failure]);
  const source = decoded.value;
  const problems = new Problems();
  const tree = parseTree(source, problems);
  if (tree === null) return fail(problems.list());
  const pipeline = validatePipeline(tree, kinds.names, given.root, source, problems);
  if (pipeline === null) return fail(problems.list());
  const constants = { name: pipeline.name, description: pipeline.description };
  const variables = new Variables(pipeline.vars, settings, constants, source, problems);
  const around: Surroundings = {
    source,
    problems,
    env: sharedEnvironment(pipeline, variables, source, problems),
    pipelineFile: basename(given.file),
    cacheDir: pipeline.cacheDir,
  };
  const stages = planCells(pipeline, kinds, variables, around);
  if (!problems.none) return fail(problems.list());
  return ok({
    name: pipeline.name,
    file: given.file,
    root: given.root,
    cacheDir: pipeline.cacheDir,
    stages,
    read: { files: settings.varFiles.map((file) => file.path), variables: variables.environment },
    warnings: [
      ...variables.unused().map((entry) => ({
        code: 'unused-variable' as const,
        location: source.locate(entry.keySpan),
        name: entry.key,
      })),
      ...variables.secretLooking.map(({ entry, origin }) => ({
        code: 'secret-in-variable' as const,
        location: source.locate(entry.keySpan),
        name: entry.key,
        origin,
      })),
    ],
  });
}

/** `env:` of the pipeline: it is the same for all stages, so that it can use variables only. */
function sharedEnvironment(
  pipeline: Pipeline,
  variables: Variables,
  source: SourceText,
  problems: Problems,
): ReadonlyMap<string, ResolvedNode> {
  if (pipeline.env === null) return new Map();
  const scope = variables.scope('the environment of all stages');
  const resolved = resolveNode(pipeline.env, scope, source, problems);
  if (resolved?.type !== 'map') return new Map();
  STAGE_FIELDS.env.shape.read(resolved, { where: 'env', source, problems });
  return new Map(resolved.entries.map((entry) => [entry.key, entry.value]));
}

function planCells(
  pipeline: Pipeline,
  kinds: Kinds,
  variables: Variables,
  around: Surroundings,
): readonly PlannedStage[] {
  const index = indexStages(pipeline, variables, around);
  const cells: PlannedCell[] = [];
  for (const stage of pipeline.stages) {
    const kind = kinds.find(stage.kind) as StageKind;
    for (const cell of index.get(stage.name)?.values() ?? []) {
      const scope = new StageScope(cell, index, variables, around.problems);
      cells.push(planCell(stage, cell, kind, scope, around));
    }
  }
  return linkActions(cells, around);
}

function indexStages(pipeline: Pipeline, variables: Variables, around: Surroundings): StageIndex {
  const index = new Map<string, ReadonlyMap<string, Cell> | null>();
  for (const name of pipeline.broken) index.set(name, null);
  for (const stage of pipeline.stages) {
    const cells = expandMatrix(stage, variables, around.source, around.problems);
    index.set(stage.name, cells && new Map(cells.map((cell) => [cell.name, cell])));
  }
  return index;
}

/** Turns edges into needs: checks the outputs they name, finds cycles, orders, and places what nothing else uses. */
function linkActions(cells: readonly PlannedCell[], around: Surroundings): readonly PlannedStage[] {
  const { problems } = around;
  const indices = new Map(cells.map((cell, position) => [cell.name, position]));
  const needed = new Set<string>();
  const needs = cells.map((cell) => {
    const targets = new Set<number>();
    for (const edge of cell.edges) {
      needed.add(edge.action);
      const target = indices.get(edge.action) as number;
      targets.add(target);
      checkOutputExists(cells[target] as PlannedCell, edge, around);
    }
    return [...targets].sort((a, b) => a - b);
  });
  const { order, cycles } = orderOf(needs);
  for (const cycle of cycles)
    reportCycle(
      cycle.map((position) => cells[position] as PlannedCell),
      around,
    );
  const placed = cells.map((cell) => cell.body?.place ?? !needed.has(cell.name));
  checkOutputs(cells, placed, around);
  if (!problems.none) return [];
  return order.map((position) => {
    const { body } = cells[position] as PlannedCell & { readonly body: CellBody };
    const names = (needs[position] ?? []).map((target) => (cells[target] as PlannedCell).name);
    const action = { ...body.action, needs: names.sort(byCodeUnit), placed: placed[position] ?? false };
    return { action, declaredTools: body.declaredTools };
  });
}

function reportCycle(cycle: readonly PlannedCell[], around: Surroundings): void {
  const path = cycle.map((cell, at) => {
    const next = cycle[(at + 1) % cycle.length]?.name;
    const edge = cell.edges.find((candidate) => candidate.action === next);
    return { stage: cell.name, location: around.source.locate(edge?.span ?? cell.stage.nameSpan) };
  });
  const [first] = path;
  if (first) around.problems.add({ code: 'stage-cycle', location: first.location, path });
}

function checkOutputExists(target: PlannedCell, edge: Edge, around: Surroundings): void {
  if (edge.output === null || target.body === null) return;
  const known = target.body.action.outputs.map((output) => output.name);
  if (known.includes(edge.output)) return;
  around.problems.add({
    code: 'unknown-output',
    location: around.source.locate(edge.span),
    stage: target.name,
    output: edge.output,
    known,
    suggestion: around.problems.suggest(edge.output, known),
  });
}
