/** `bake graph`: the stages and what each needs, with what a run would do with them; touches nothing but `--output`. */

import { resolve } from 'node:path';
import { referencesOf } from '../engine/options.ts';
import type { PlannedStatus } from '../engine/predict.ts';
import type { PlannedAction } from '../model/plan.ts';
import { graphDot } from '../report/graph/dot.ts';
import type { Graph, GraphEdge, GraphNode } from '../report/graph/graph.ts';
import { graphJson } from '../report/graph/json.ts';
import { graphMermaid } from '../report/graph/mermaid.ts';
import { graphSvg } from '../report/graph/svg.ts';
import { graphText } from '../report/graph/text.ts';
import { renderWarning } from '../report/render-failure.ts';
import type { CommandModule, Invocation } from './command.ts';
import { predicted } from './predicted.ts';
import { printFailures } from './print-failures.ts';
import { renderSettingsOf } from './reporters.ts';
import type { OutputStream } from './stream-choice.ts';
import type { Project } from './wiring.ts';
import { openProject } from './wiring.ts';

export const run: CommandModule['run'] = async (invocation) => {
  const project = await openProject(invocation, { touch: false });
  if (!project.ok) return printFailures(invocation, project.failure);
  const statuses = await statusesOf(invocation, project.value);
  const { plan, chosen, host } = project.value;
  const text = drawn(invocation, graphOf(plan.name, chosen.actions, statuses));
  const output = invocation.flags['output'];
  if (typeof output !== 'string') {
    invocation.write(text);
    return 0;
  }
  const written = await host.files.replaceFile(resolve(invocation.cwd, output), text);
  return written.ok ? 0 : printFailures(invocation, [written.failure]);
};

/** What a run would do; a pipeline whose inputs or tools are missing still has a shape, which is shown without it. */
async function statusesOf(
  invocation: Invocation,
  project: Project,
): Promise<ReadonlyMap<string, PlannedStatus>> {
  if (invocation.flags['no-status'] === true) return new Map();
  const statuses = await predicted(project);
  if (statuses.ok) return new Map(statuses.value.map((status) => [status.action.name, status]));
  for (const failure of statuses.failure)
    invocation.writeError(renderWarning(failure, renderSettingsOf(invocation.env)));
  return new Map();
}

function drawn(invocation: Invocation, graph: Graph): string {
  switch (invocation.flags['format']) {
    case 'json':
      return graphJson(graph);
    case 'mermaid':
      return graphMermaid(graph);
    case 'dot':
      return graphDot(graph);
    case 'svg':
      return graphSvg(graph);
    default: {
      const toFile = invocation.flags['output'] !== undefined;
      const stream: OutputStream = toFile ? {} : process.stdout;
      const settings = renderSettingsOf(toFile ? { NO_COLOR: '1' } : invocation.env, stream);
      // Who reads it from a pipe wants the reasons whole.
      return graphText(graph, stream.columns ? settings : { ...settings, columns: Number.POSITIVE_INFINITY });
    }
  }
}

/** The graph of actions; what lies outside of them is left out. */
export function graphOf(
  pipeline: string,
  actions: readonly PlannedAction[],
  statuses: ReadonlyMap<string, Pick<PlannedStatus, 'status' | 'reasons' | 'lastDurationMs'>>,
): Graph {
  const names = new Set(actions.map((action) => action.name));
  return {
    pipeline,
    nodes: actions.map((action): GraphNode => {
      const status = statuses.get(action.name);
      return {
        name: action.name,
        stage: action.stage,
        kind: action.kind,
        status: status?.status ?? null,
        reasons: status?.reasons ?? [],
        lastDurationMs: status?.lastDurationMs ?? null,
        placed: action.placed,
        outputs: action.outputs.map(({ name, path }) => ({ name, path })),
      };
    }),
    edges: actions.flatMap((action) => edgesInto(action).filter((edge) => names.has(edge.from))),
  };
}

function edgesInto(action: PlannedAction): readonly GraphEdge[] {
  const { artifacts, staged } = referencesOf(action, action.options);
  const read = new Map<string, Set<string>>(action.needs.map((name) => [name, new Set()]));
  for (const ref of [...artifacts, ...staged]) {
    const outputs = read.get(ref.action) ?? new Set();
    read.set(ref.action, outputs.add(ref.output));
  }
  return [...read].map(([from, outputs]) => ({
    from,
    to: action.name,
    kind: outputs.size > 0 ? 'artifact' : 'order',
    outputs: [...outputs],
  }));
}
