/** Tells each action what the disks are that others make for it: a format is known from who makes an artifact, and travels with the plan. */
import type { DiskContainer } from '../model/disk-format.ts';
import type { ArtifactRef, OptionValue, OptionValues, PlannedAction } from '../model/plan.ts';

/** The actions, with the formats of what their options name. */
export function withFormats(actions: readonly PlannedAction[]): readonly PlannedAction[] {
  const made = new Map<string, DiskContainer>();
  for (const { name, outputs } of actions)
    for (const output of outputs)
      if (output.format !== undefined) made.set(keyOf({ action: name, output: output.name }), output.format);
  // Walking through the options of ten thousand plain stages would be for nothing.
  if (made.size === 0) return actions;
  return actions.map((action) => {
    const formats: Record<string, DiskContainer> = {};
    for (const ref of refsIn(action.options)) {
      const format = made.get(keyOf(ref));
      if (format !== undefined) formats[keyOf(ref)] = format;
    }
    return Object.keys(formats).length === 0 ? action : { ...action, formats };
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
