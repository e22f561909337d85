/** The tools of an action: whose versions enter its fingerprint, and how they are asked for. */
import type { PlannedTool } from '../model/plan.ts';
import type { Tool } from '../stages/kind.ts';

const VERSION = ['--version'];

/** The kind's tools, then those declared under `tools:` that are not among them. */
export function plannedTools(own: readonly Tool[], declared: readonly string[]): readonly PlannedTool[] {
  const tools = new Map<string, PlannedTool>();
  for (const { name, versionArguments = VERSION } of own) tools.set(name, { name, versionArguments });
  for (const name of declared) if (!tools.has(name)) tools.set(name, { name, versionArguments: VERSION });
  return [...tools.values()];
}
