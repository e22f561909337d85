/** The graph in the language of Graphviz. */
import type { Graph } from './graph.ts';

const FILL = { fresh: '#d7f5dd', hit: '#d4ecf7', run: '#ffe9b8', unknown: '#e8e8e8' } as const;

function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n')}"`;
}

/** A `digraph` that flows from left to right; edges for order alone are dashed. */
export function graphDot(graph: Graph): string {
  const nodes = graph.nodes.map((node) => {
    const label = [node.name, node.kind, ...(node.status === null ? [] : [node.status])].join('\n');
    const fill = node.status === null ? '#ffffff' : FILL[node.status];
    return `  ${quote(node.name)} [label=${quote(label)}, fillcolor=${quote(fill)}];\n`;
  });
  const edges = graph.edges.map((edge) => {
    const look = edge.kind === 'order' ? 'style=dashed' : `label=${quote(edge.outputs.join(', '))}`;
    return `  ${quote(edge.from)} -> ${quote(edge.to)} [${look}];\n`;
  });
  return `digraph ${quote(graph.pipeline)} {\n  rankdir=LR;\n  node [shape=box, style="rounded,filled", fontname="sans-serif"];\n  edge [fontname="sans-serif", fontsize=10];\n${nodes.join('')}${edges.join('')}}\n`;
}
