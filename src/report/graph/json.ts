/** The graph for programs; docs/schema/graph.schema.json describes it. */
import { jsonText } from '../printable.ts';
import type { Graph } from './graph.ts';

/** JSON text with a line break at its end. */
export function graphJson(graph: Graph): string {
  const { pipeline, nodes, edges } = graph;
  return `${jsonText({ schemaVersion: 1, pipeline, nodes, edges }, 2)}\n`;
}
