/** The graph in text: lines between the stages where they can be followed, else a list that names what each one needs. */
import type { PlanStatus } from '../../model/outcome.ts';
import type { Style } from '../ansi.ts';
import { byStage, stageStatus } from '../stages.ts';
import { displayWidth, padEnd, truncate } from '../width.ts';
import type { Graph, GraphNode } from './graph.ts';
import { needsOf } from './graph.ts';
import { ASCII_LANES, laneRows, UNICODE_LANES } from './lanes.ts';

interface GraphTextSettings {
  readonly style: Style;
  readonly columns: number;
  readonly unicode: boolean;
}

/** More lines side by side than this are a curtain. */
const MOST_LANES = 12;
/** A reason cut shorter says nothing. */
const LEAST_REASON = 12;
const STATUSES: readonly PlanStatus[] = ['fresh', 'hit', 'run', 'unknown'];

function painter(status: PlanStatus | null, style: Style): (text: string) => string {
  switch (status) {
    case 'fresh':
      return style.green;
    case 'hit':
      return style.cyan;
    case 'run':
      return style.yellow;
    case 'unknown':
    case null:
      return style.dim;
  }
}

/** What fits into the rest of a line: the status in its colour, the kind, and why. */
function remarks(node: GraphNode, kinds: number, room: number, settings: GraphTextSettings): string {
  const { style, unicode } = settings;
  const ellipsis = unicode ? '…' : '~';
  const parts: string[] = [];
  let left = room;
  if (node.status !== null && left >= 9) {
    parts.push(painter(node.status, style)(padEnd(node.status, 7)));
    left -= 9;
  }
  const kind = truncate(node.kind, Math.max(0, left), ellipsis);
  const reasonRoom = left - kinds - 2;
  const why = reasonRoom < LEAST_REASON ? '' : truncate(node.reasons.join('; '), reasonRoom, ellipsis);
  parts.push(style.dim(why === '' ? kind : padEnd(kind, kinds)));
  if (why !== '') parts.push(why);
  return parts.join('  ');
}

/** Lines of text that fit `columns`, with a line break at the end of each. */
export function graphText(graph: Graph, settings: GraphTextSettings): string {
  const { style, unicode } = settings;
  const rows = laneRows(graph, unicode ? UNICODE_LANES : ASCII_LANES, MOST_LANES);
  const drawn = rows ?? graph.nodes.map((_, index) => ({ drawing: unicode ? '●' : '*', node: index }));
  const needs = rows === null ? needsOf(graph) : null;
  const drawing = Math.max(0, ...drawn.map((row) => displayWidth(row.drawing)));
  const names = Math.max(0, ...graph.nodes.map((node) => displayWidth(node.name)));
  const kinds = Math.max(0, ...graph.nodes.map((node) => displayWidth(node.kind)));
  const lines = drawn.map((row) => {
    if (row.node === null) return style.dim(row.drawing);
    const node = graph.nodes[row.node] as GraphNode;
    const paint = painter(node.status, style);
    const before = needs?.get(node.name) ?? [];
    const arrow = unicode ? '←' : '<-';
    const after = before.length === 0 ? '' : style.dim(` ${arrow} ${before.join(', ')}`);
    const head = `${paint(padEnd(row.drawing, drawing))} ${style.bold(padEnd(node.name, names))}`;
    return `${head}  ${remarks(node, kinds, settings.columns - drawing - names - 3, settings)}${after}`.trimEnd();
  });
  const stages = byStage(graph.nodes.flatMap(({ stage, status }) => (status ? [{ stage, status }] : [])));
  const statuses = stages.map(stageStatus);
  const counts = STATUSES.flatMap((status) => {
    const count = statuses.filter((one) => one === status).length;
    return count === 0 ? [] : [painter(status, style)(`${count} ${status}`)];
  });
  const title = `${style.bold(graph.pipeline)}${counts.length === 0 ? '' : `  ${counts.join(', ')}`}`;
  return `${[title, '', ...lines].join('\n')}\n`;
}
