/** The graph of a pipeline as every format of `bake graph` reads it. */
import type { PlanStatus } from '../../model/outcome.ts';
import { byStage } from '../stages.ts';

export interface GraphNode {
  /** Unique: the name of the action. */
  readonly name: string;
  readonly stage: string;
  readonly kind: string;
  /** What a run would do with it; null when nobody asked. */
  readonly status: PlanStatus | null;
  readonly reasons: readonly string[];
  readonly lastDurationMs: number | null;
  /** Its outputs are put into the checkout. */
  readonly placed: boolean;
  readonly outputs: readonly { readonly name: string; readonly path: string }[];
}

export interface GraphEdge {
  /** The one that comes before. */
  readonly from: string;
  readonly to: string;
  /** `artifact`: `to` reads outputs of `from` · `order`: it only waits for it. */
  readonly kind: 'artifact' | 'order';
  /** Names of the outputs that are read. */
  readonly outputs: readonly string[];
}

export interface Graph {
  readonly pipeline: string;
  /** Every node after all that it needs. */
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
}

/** Nodes of one stage side by side, in the order of the graph; `isChain` when they are its steps. */
export function stagesOf(
  graph: Graph,
): readonly { readonly stage: string; readonly isChain: boolean; readonly nodes: readonly GraphNode[] }[] {
  return byStage(graph.nodes).map((nodes) => {
    const [{ name, stage }] = nodes;
    return { stage, isChain: name !== stage, nodes };
  });
}

/** For every node the names of those before it, in the order of the graph. */
export function needsOf(graph: Graph): ReadonlyMap<string, readonly string[]> {
  const order = new Map(graph.nodes.map((node, index) => [node.name, index]));
  const needs = new Map<string, string[]>(graph.nodes.map((node) => [node.name, []]));
  for (const edge of graph.edges) needs.get(edge.to)?.push(edge.from);
  for (const names of needs.values()) names.sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0));
  return needs;
}
