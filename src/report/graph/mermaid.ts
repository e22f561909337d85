/** The graph in Mermaid, which code hosts draw inside Markdown. */
import type { Graph, GraphNode } from './graph.ts';
import { stagesOf } from './graph.ts';

const CLASSES = `  classDef fresh fill:#d7f5dd,stroke:#3a7d44,color:#111
  classDef hit fill:#d4ecf7,stroke:#2a6f97,color:#111
  classDef run fill:#ffe9b8,stroke:#a66f00,color:#111
  classDef unknown fill:#e8e8e8,stroke:#777777,color:#111
`;

/** Text inside Mermaid's quotes: entities in place of what it would read as syntax. */
function escapeText(text: string): string {
  return text.replace(/[#"<>&`|[\]{}()]/g, (sign) => `#${sign.charCodeAt(0)};`).replace(/\s+/g, ' ');
}

/** A flowchart from left to right; edges for order alone are dotted, steps of a stage are in a box. Ids are numbers, because names may be any text. */
export function graphMermaid(graph: Graph): string {
  const ids = new Map(graph.nodes.map((node, index) => [node.name, `s${index}`]));
  const line = (node: GraphNode): string => {
    const label = [node.name, node.kind, ...(node.status === null ? [] : [node.status])];
    const status = node.status === null ? '' : `:::${node.status}`;
    return `  ${ids.get(node.name)}["${label.map(escapeText).join('<br/>')}"]${status}\n`;
  };
  const nodes = stagesOf(graph).map(({ stage, isChain, nodes: own }, index) => {
    if (!isChain) return own.map(line).join('');
    return `  subgraph g${index}["${escapeText(stage)}"]\n${own.map((node) => `  ${line(node)}`).join('')}  end\n`;
  });
  const edges = graph.edges.map((edge) => {
    const arrow = edge.kind === 'order' ? '-.->' : `-->|"${escapeText(edge.outputs.join(', '))}"|`;
    return `  ${ids.get(edge.from)} ${arrow} ${ids.get(edge.to)}\n`;
  });
  const classes = graph.nodes.some((node) => node.status !== null) ? CLASSES : '';
  return `flowchart LR\n${nodes.join('')}${edges.join('')}${classes}`;
}
