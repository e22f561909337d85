/** Splits stages that are chains of steps into one action per step. */
import { byCodeUnit } from '../model/json.ts';
import type { ArtifactRef, OptionValue, OptionValues, PlannedAction, Template } from '../model/plan.ts';
import { PREVIOUS_STEP, type StageKind, type StepDefinition } from '../stages/kind.ts';
import { plannedTools } from './planned-tools.ts';

/** An action for each stage or cell, before those that are chains are split. */
export interface PlannedStage {
  readonly action: PlannedAction;
  /** Names under `tools:`; those of the kind are in the action too. */
  readonly declaredTools: readonly string[];
}

type KindOf = (name: string) => StageKind | undefined;

/** Puts the steps of every stage that has some in its place; what referred to the stage refers to its last step. */
export function expandSteps(stages: readonly PlannedStage[], kindOf: KindOf): readonly PlannedAction[] {
  const chains = new Map(stages.flatMap(({ action }) => chainOf(action, kindOf)));
  // Walking through all options of ten thousand plain stages would cost more than the rest of planning.
  if (chains.size === 0) return stages.map(({ action }) => action);
  const last = new Map([...chains].map(([name, steps]) => [name, stepName(name, steps.at(-1))]));
  const rename = (name: string) => last.get(name) ?? name;
  return stages.flatMap((stage) => {
    const steps = chains.get(stage.action.name);
    const actions = steps === undefined ? [stage.action] : expanded(stage, steps, kindOf);
    return actions.map((action) => withReferences(action, rename));
  });
}

function chainOf(stage: PlannedAction, kindOf: KindOf): readonly [string, readonly StepDefinition[]][] {
  const steps = kindOf(stage.kind)?.steps?.(stage.options);
  if (steps === undefined) return [];
  const names = new Set(steps.map(({ name }) => name));
  if (steps.length === 0 || names.size < steps.length)
    throw new Error(`${stage.kind}: a step of ${stage.name} is missing or has the name of another one`);
  return [[stage.name, steps]];
}

function stepName(stage: string, step: StepDefinition | undefined): string {
  return `${stage}@${step?.name}`;
}

/** One action per step: each comes after the one before; the first also after all that the stage needs. */
function expanded(
  { action: stage, declaredTools }: PlannedStage,
  steps: readonly StepDefinition[],
  kindOf: KindOf,
): readonly PlannedAction[] {
  return steps.map((step, at) => {
    const previous = at === 0 ? null : stepName(stage.name, steps[at - 1]);
    const rename = (action: string): string => {
      if (action !== PREVIOUS_STEP) return action;
      if (previous === null) throw new Error(`${stage.name}: the first step refers to one before it`);
      return previous;
    };
    const kind = internalKind(step, kindOf);
    const options = changed(optionsOf(step, kind), rename) as OptionValues;
    const isLast = at === steps.length - 1;
    const action: PlannedAction = {
      ...stage,
      name: stepName(stage.name, step),
      step: step.name,
      kind: kind.name,
      kindVersion: kind.version,
      options,
      unhashed: kind.unhashed ?? [],
      platformSensitive: kind.platformSensitive ?? false,
      discovers: kind.inputs !== undefined,
      ...(kind.view === undefined ? {} : { traced: true }),
      pins: kind.pin !== undefined,
      outputs: outputsOf(stage, kind, options, isLast),
      tools: plannedTools(kind.tools(options), declaredTools),
      placed: isLast && stage.placed,
    };
    if (previous === null) return action;
    const needs = new Set([previous, ...referredBy(action)]);
    return { ...action, needs: [...needs].sort(byCodeUnit) };
  });
}

function internalKind({ kind: name }: StepDefinition, kindOf: KindOf): StageKind {
  const kind = kindOf(name);
  if (kind?.internal !== true) throw new Error(`no internal kind: ${name}`);
  return kind;
}

/** The options of the stage were valid, so that those made of them are, but for a bug in its kind. */
function optionsOf(step: StepDefinition, kind: StageKind): OptionValues {
  const read = kind.options.safeParse(step.options);
  if (read.success) return read.data as OptionValues;
  throw new Error(`the step ${step.name} has options that ${kind.name} does not take: ${read.error.message}`);
}

/** The last step leaves what the stage leaves, at its paths; the others what their kind says. */
function outputsOf(
  stage: PlannedAction,
  kind: StageKind,
  options: OptionValues,
  isLast: boolean,
): PlannedAction['outputs'] {
  const own = Object.entries(kind.outputs(options)).map(([name, { description: _, ...output }]) => ({
    name,
    ...output,
  }));
  if (!isLast) return own;
  const names = (outputs: PlannedAction['outputs']) => outputs.map(({ name }) => name).sort(byCodeUnit);
  if (names(own).join() === names(stage.outputs).join()) return stage.outputs;
  throw new Error(`${kind.name} ends ${stage.name} without the outputs of ${stage.stageKind}`);
}

/** The actions whose outputs an action's options and environment refer to. */
function referredBy({ options, env }: PlannedAction): readonly string[] {
  const found: string[] = [];
  const note = (action: string) => {
    found.push(action);
    return action;
  };
  changed(options, note);
  for (const template of Object.values(env)) changedTemplate(template, note);
  return found;
}

function withReferences(action: PlannedAction, rename: (action: string) => string): PlannedAction {
  const env = Object.entries(action.env).map(([name, template]) => [name, changedTemplate(template, rename)]);
  return {
    ...action,
    options: changed(action.options, rename) as OptionValues,
    env: Object.fromEntries(env) as PlannedAction['env'],
    needs: action.needs.map(rename).sort(byCodeUnit),
  };
}

/** The same value with other names of actions in its references. */
function changed(value: OptionValue, rename: (action: string) => string): OptionValue {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item: OptionValue) => changed(item, rename));
  if ('$artifact' in value) return { $artifact: changedRef(value.$artifact as ArtifactRef, rename) };
  if ('$text' in value) return { $text: changedTemplate(value.$text as Template, rename) };
  // What a stage leaves open its steps may name with no value; in JSON there is no such thing.
  const members = Object.entries(value as OptionValues).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([key, member]) => [key, changed(member, rename)]));
}

function changedTemplate(template: Template, rename: (action: string) => string): Template {
  return template.map((part) => (typeof part === 'string' ? part : changedRef(part, rename)));
}

function changedRef(ref: ArtifactRef, rename: (action: string) => string): ArtifactRef {
  return { ...ref, action: rename(ref.action) };
}
