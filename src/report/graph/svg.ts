/** The graph as a drawing: an SVG file of its own that follows the reader's light or dark surroundings. */
import { displayWidth } from '../width.ts';
import type { Graph, GraphEdge, GraphNode } from './graph.ts';
import type { Layout, Point, Size } from './layout.ts';
import { layOut } from './layout.ts';

const CHARACTER_WIDTH = 7.8;
const BOX_HEIGHT = 46;
const STYLE = `
  text { font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #1b1f24; text-anchor: middle }
  .kind { font-size: 11px; fill: #57606a }
  rect { fill: #ffffff; stroke: #8c959f; stroke-width: 1.2 }
  .fresh rect { fill: #dcf5e1; stroke: #3a7d44 }
  .hit rect { fill: #d9eef9; stroke: #2a6f97 }
  .run rect { fill: #ffefc9; stroke: #a66f00 }
  .unknown rect { stroke-dasharray: 4 3 }
  path { fill: none; stroke: #8c959f; stroke-width: 1.4 }
  path.order { stroke-dasharray: 4 4 }
  marker path { fill: #8c959f; stroke: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .kind { fill: #9aa4af }
    rect { fill: #161b22; stroke: #6e7681 }
    .fresh rect { fill: #12361d; stroke: #4fae63 }
    .hit rect { fill: #0f2f44; stroke: #4aa3d6 }
    .run rect { fill: #3d2f0b; stroke: #d19a2a }
  }
`;

function escapeXml(text: string): string {
  return text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '')
    .replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

function number(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function secondLine(node: GraphNode): string {
  const { kind, status } = node;
  return status === null ? kind : `${kind} · ${status}`;
}

function sizeOf(node: GraphNode): Size {
  const characters = Math.max(displayWidth(node.name), displayWidth(secondLine(node)) * 0.85);
  return { width: Math.max(90, Math.ceil(characters * CHARACTER_WIDTH) + 28), height: BOX_HEIGHT };
}

function box(node: GraphNode, size: Size, centre: Point): string {
  const title = [node.name, ...node.reasons, ...node.outputs.map(({ path }) => `→ ${path}`)].join('\n');
  const left = number(centre.x - size.width / 2);
  const top = number(centre.y - size.height / 2);
  return `  <g class="${node.status ?? 'plain'}"><title>${escapeXml(title)}</title><rect x="${left}" y="${top}" width="${number(size.width)}" height="${size.height}" rx="7"/><text x="${number(centre.x)}" y="${number(centre.y - 4)}">${escapeXml(node.name)}</text><text class="kind" x="${number(centre.x)}" y="${number(centre.y + 14)}">${escapeXml(secondLine(node))}</text></g>\n`;
}

/** A curve that leaves and enters boxes level, and passes its bends level too. */
function curve(edge: GraphEdge, bends: readonly Point[], from: Size, to: Size): string {
  const points = bends.map((point, index) => ({
    x: point.x + (index === 0 ? from.width / 2 : 0) - (index === bends.length - 1 ? to.width / 2 + 3 : 0),
    y: point.y,
  }));
  const [start, ...rest] = points as [Point, ...Point[]];
  let path = `M${number(start.x)},${number(start.y)}`;
  let before = start;
  for (const point of rest) {
    const middle = number((before.x + point.x) / 2);
    path += ` C${middle},${number(before.y)} ${middle},${number(point.y)} ${number(point.x)},${number(point.y)}`;
    before = point;
  }
  const words = edge.kind === 'order' ? 'order only' : edge.outputs.join(', ');
  const title = `${edge.from} → ${edge.to}: ${words}`;
  return `  <path class="${edge.kind}" d="${path}" marker-end="url(#arrow)"><title>${escapeXml(title)}</title></path>\n`;
}

/** The whole SVG document. The same graph gives the same bytes. */
export function graphSvg(graph: Graph): string {
  const sizes = graph.nodes.map(sizeOf);
  const layout: Layout = layOut(graph, sizes);
  const sizeByName = new Map(graph.nodes.map((node, index) => [node.name, sizes[index] as Size]));
  const edges = graph.edges.map((edge, index) =>
    curve(
      edge,
      layout.bends[index] as readonly Point[],
      sizeByName.get(edge.from) as Size,
      sizeByName.get(edge.to) as Size,
    ),
  );
  const boxes = graph.nodes.map((node, index) =>
    box(node, sizes[index] as Size, layout.centres[index] as Point),
  );
  const width = number(layout.size.width);
  const height = number(layout.size.height);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
  <title>${escapeXml(graph.pipeline)}</title>
  <style>${STYLE}  </style>
  <defs><marker id="arrow" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0,0 L8,4 L0,8 z"/></marker></defs>
${edges.join('')}${boxes.join('')}</svg>
`;
}
