/** The graph in the language of Graphviz. */
import type { Graph, GraphNode } from './graph.ts';
import { stagesOf } from './graph.ts';

const FILL = { fresh: '#d7f5dd', hit: '#d4ecf7', run: '#ffe9b8', unknown: '#e8e8e8' } as const;

function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n')}"`;
}

/** A `digraph` that flows from left to right; edges for order alone are dashed, steps of a stage are in a box. */
export function graphDot(graph: Graph): string {
  const nodes = stagesOf(graph).map(({ stage, isChain, nodes: own }) => {
    if (!isChain) return own.map((node) => `  ${nodeLine(node)}`).join('');
    const inner = own.map((node) => `    ${nodeLine(node)}`).join('');
    const look = `    label=${quote(stage)};\n    style="rounded,dashed";\n    fontname="sans-serif";\n`;
    return `  subgraph ${quote(`cluster_${stage}`)} {\n${look}${inner}  }\n`;
  });
  const edges = graph.edges.map((edge) => {
    const look = edge.kind === 'order' ? 'style=dashed' : `label=${quote(edge.outputs.join(', '))}`;
    return `  ${quote(edge.from)} -> ${quote(edge.to)} [${look}];\n`;
  });
  return `digraph ${quote(graph.pipeline)} {\n  rankdir=LR;\n  node [shape=box, style="rounded,filled", fontname="sans-serif"];\n  edge [fontname="sans-serif", fontsize=10];\n${nodes.join('')}${edges.join('')}}\n`;
}

function nodeLine(node: GraphNode): string {
  const label = [node.name, node.kind, ...(node.status === null ? [] : [node.status])].join('\n');
  const fill = node.status === null ? '#ffffff' : FILL[node.status];
  return `${quote(node.name)} [label=${quote(label)}, fillcolor=${quote(fill)}];\n`;
}
