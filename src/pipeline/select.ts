/** From the targets of a command line to the actions of a plan that they need. */
import type { UsageFailure } from '../model/failure-usage.ts';
import type { Plan, PlannedAction } from '../model/plan.ts';
import type { Result } from '../model/result.ts';
import { suggest } from '../model/suggest.ts';

/** What targets choose: the actions named, and everything that must be done for them, both in the order of the plan. */
export interface Selection {
  readonly targets: readonly PlannedAction[];
  readonly actions: readonly PlannedAction[];
}

/**
 * Chooses actions by target: `stage` (all cells and steps of it), `stage[arch=amd64]`, a glob such as `test-*`, `tag:x`,
 * `stage+` (it and all that depends on it), `+stage` (only what it needs). No targets: every leaf. Fails with one failure
 * per target that matches nothing.
 */
export function selectActions(
  plan: Plan,
  targets: readonly string[],
): Result<Selection, readonly UsageFailure[]> {
  const failures: UsageFailure[] = [];
  const chosen = new Set<string>();
  const dependents = dependentsOf(plan);
  const byName = new Map(plan.actions.map((action) => [action.name, action]));
  if (targets.length === 0) {
    for (const action of plan.actions) if (!dependents.has(action.name)) chosen.add(action.name);
  }
  for (const target of targets) {
    const matched = matchTarget(plan, target, byName, dependents);
    if (matched.length === 0) failures.push(unknownTarget(plan, target));
    for (const name of matched) chosen.add(name);
  }
  if (failures.length > 0) return { ok: false, failure: failures };
  const needed = reach(chosen, (name) => byName.get(name)?.needs ?? []);
  return {
    ok: true,
    value: {
      targets: plan.actions.filter((action) => chosen.has(action.name)),
      actions: plan.actions.filter((action) => needed.has(action.name)),
    },
  };
}

function matchTarget(
  plan: Plan,
  target: string,
  byName: ReadonlyMap<string, PlannedAction>,
  dependents: ReadonlyMap<string, readonly string[]>,
): readonly string[] {
  const exact = matchName(plan, target);
  if (exact.length > 0) return exact;
  if (target.endsWith('+')) {
    return [...reach(new Set(matchName(plan, target.slice(0, -1))), (name) => dependents.get(name) ?? [])];
  }
  if (target.startsWith('+')) {
    const own = new Set(matchName(plan, target.slice(1)));
    return [...reach(own, (name) => byName.get(name)?.needs ?? [])].filter((name) => !own.has(name));
  }
  return [];
}

function matchName(plan: Plan, target: string): readonly string[] {
  if (target.startsWith('tag:')) {
    const tag = target.slice('tag:'.length);
    return plan.actions.filter((action) => action.tags.includes(tag)).map((action) => action.name);
  }
  const glob = target.includes('*') || target.includes('?') ? globPattern(target) : null;
  const hit = (name: string): boolean => name === target || (glob?.test(name) ?? false);
  return plan.actions
    .filter((action) => hit(action.name) || hit(action.stage) || hit(stageNameOf(action)))
    .map((action) => action.name);
}

/** The name under `stages:`, without matrix cell and step. */
function stageNameOf(action: { readonly stage: string }): string {
  const bracket = action.stage.indexOf('[');
  return bracket < 0 ? action.stage : action.stage.slice(0, bracket);
}

function globPattern(glob: string): RegExp {
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 'u');
}

function dependentsOf(plan: Plan): ReadonlyMap<string, readonly string[]> {
  const dependents = new Map<string, string[]>();
  for (const action of plan.actions) {
    for (const need of action.needs) {
      const list = dependents.get(need);
      if (list) list.push(action.name);
      else dependents.set(need, [action.name]);
    }
  }
  return dependents;
}

function unknownTarget(plan: Plan, target: string): UsageFailure {
  const known = new Set<string>();
  for (const action of plan.actions) known.add(stageNameOf(action)).add(action.stage).add(action.name);
  for (const tag of new Set(plan.actions.flatMap((action) => action.tags))) known.add(`tag:${tag}`);
  return { code: 'unknown-target', target, known: [...known], suggestion: suggest(target, known) };
}

/** A set of names and everything that can be reached from them. */
function reach(start: ReadonlySet<string>, next: (name: string) => readonly string[]): ReadonlySet<string> {
  const seen = new Set(start);
  const queue = [...start];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    for (const other of next(name)) {
      if (seen.has(other)) continue;
      seen.add(other);
      queue.push(other);
    }
  }
  return seen;
}
