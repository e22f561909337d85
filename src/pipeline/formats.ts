/** Tells each action what the disks are that others make for it: a format is known from who makes an artifact, and travels with the plan. */
import { type DiskContainer, formatNamed } from '../model/disk-format.ts';
import type { ArtifactRef, OptionValue, OptionValues, PlannedAction } from '../model/plan.ts';

/** The actions, with what is known of the disks that their options name. */
export function withFormats(actions: readonly PlannedAction[]): readonly PlannedAction[] {
  const made = new Map<string, { readonly format?: DiskContainer; readonly named?: DiskContainer }>();
  for (const { name: action, outputs } of actions)
    for (const { name: output, path, format } of outputs) {
      const named = formatNamed(path);
      if (format !== undefined) made.set(keyOf({ action, output }), { format });
      else if (named !== null) made.set(keyOf({ action, output }), { named });
    }
  // Walking through the options of ten thousand plain stages would be for nothing.
  if (made.size === 0) return actions;
  return actions.map((action) => {
    const formats: Record<string, DiskContainer> = {};
    const names: Record<string, DiskContainer> = {};
    for (const ref of refsIn(action.options)) {
      const { format, named } = made.get(keyOf(ref)) ?? {};
      if (format !== undefined) formats[keyOf(ref)] = format;
      if (named !== undefined) names[keyOf(ref)] = named;
    }
    return {
      ...action,
      ...(Object.keys(formats).length === 0 ? {} : { formats }),
      ...(Object.keys(names).length === 0 ? {} : { named: names }),
    };
  });
}

function keyOf({ action, output }: ArtifactRef): string {
  return `${action}\n${output}`;
}

/** Artifacts that stand for a value; those amid a text are but paths. */
function* refsIn(value: OptionValue): Generator<ArtifactRef> {
  if (value === null || typeof value !== 'object' || '$text' in value || '$file' in value) return;
  if ('$artifact' in value) yield value.$artifact as ArtifactRef;
  else
    for (const member of Object.values(value as OptionValues))
      if (member !== undefined) yield* refsIn(member);
}
