/** Lanes for drawing a graph in text: one row per node from top to bottom, lines beside them for what is still needed below. */
import type { Graph } from './graph.ts';
import { needsOf } from './graph.ts';

interface LaneRow {
  /** The drawing, two columns per lane, without spaces at its end. */
  readonly drawing: string;
  /** The node of this row, or null for a row of lines alone. */
  readonly node: number | null;
}

interface LaneSigns {
  readonly node: string;
  readonly pass: string;
  readonly across: string;
  /** Indexed by where lines go: up, down, left, right as bits 8, 4, 2, 1. */
  readonly joints: { readonly [directions: number]: string };
}

/** For every lane the name of the node whose line it carries, null for a free one. */
type Lanes = (string | null)[];

const UP = 8;
const DOWN = 4;
const LEFT = 2;
const RIGHT = 1;

export const UNICODE_LANES: LaneSigns = {
  node: '●',
  pass: '│',
  across: '─',
  joints: {
    [UP | DOWN]: '│',
    [LEFT | RIGHT]: '─',
    [UP | DOWN | RIGHT]: '├',
    [UP | DOWN | LEFT]: '┤',
    [UP | DOWN | LEFT | RIGHT]: '┼',
    [UP | RIGHT]: '╰',
    [UP | LEFT]: '╯',
    [DOWN | LEFT]: '╮',
    [DOWN | RIGHT]: '╭',
    [DOWN | LEFT | RIGHT]: '┬',
    [UP | LEFT | RIGHT]: '┴',
  },
};

export const ASCII_LANES: LaneSigns = {
  node: '*',
  pass: '|',
  across: '-',
  joints: {
    [UP | DOWN]: '|',
    [LEFT | RIGHT]: '-',
    [UP | DOWN | RIGHT]: '+',
    [UP | DOWN | LEFT]: '+',
    [UP | DOWN | LEFT | RIGHT]: '+',
    [UP | RIGHT]: '`',
    [UP | LEFT]: "'",
    [DOWN | LEFT]: '.',
    [DOWN | RIGHT]: '.',
    [DOWN | LEFT | RIGHT]: '+',
    [UP | LEFT | RIGHT]: '+',
  },
};

/** The rows of a graph; null when it needs more than `most` lanes, because nobody can follow them. */
export function laneRows(graph: Graph, signs: LaneSigns, most: number): readonly LaneRow[] | null {
  const needs = needsOf(graph);
  const open = new Map<string, number>(graph.nodes.map((node) => [node.name, 0]));
  for (const edge of graph.edges) open.set(edge.from, (open.get(edge.from) ?? 0) + 1);
  const lanes: Lanes = [];
  const rows: LaneRow[] = [];
  for (const [index, node] of graph.nodes.entries()) {
    const before = [...lanes];
    const sources = closeSources(lanes, needs.get(node.name) ?? [], open);
    const own = ownLane(lanes, sources);
    if (own >= most) return null;
    // A stage that needs nothing must not look as if it hung on the one above.
    const apart = sources.length === 0 && index > 0;
    if (apart || sources.some((lane) => lane !== own))
      rows.push({ drawing: joinRow(before, lanes, sources, own, signs), node: null });
    lanes[own] = node.name;
    rows.push({ drawing: nodeRow(lanes, own, signs), node: index });
    if (open.get(node.name) === 0) lanes[own] = null;
    while (lanes.at(-1) === null) lanes.pop();
  }
  return rows;
}

/** The lanes of what a node needs; those that nobody below needs are closed. */
function closeSources(lanes: Lanes, needs: readonly string[], open: Map<string, number>): readonly number[] {
  return needs.map((need) => {
    const lane = lanes.indexOf(need);
    const left = (open.get(need) ?? 1) - 1;
    open.set(need, left);
    if (left === 0) lanes[lane] = null;
    return lane;
  });
}

/** The leftmost source whose line ends here goes on as the node's; else a free lane. */
function ownLane(lanes: Readonly<Lanes>, sources: readonly number[]): number {
  const ending = sources.filter((lane) => lanes[lane] === null);
  if (ending.length > 0) return Math.min(...ending);
  const free = lanes.indexOf(null);
  return free === -1 ? lanes.length : free;
}

/** Lines from all sources into the lane of the next node; lines of others pass on top. */
function joinRow(
  before: Readonly<Lanes>,
  after: Readonly<Lanes>,
  sources: readonly number[],
  own: number,
  signs: LaneSigns,
): string {
  const involved = sources.length === 0 ? [] : [...sources, own];
  const from = Math.min(...involved);
  const to = Math.max(...involved);
  let drawing = '';
  for (let lane = 0; lane < Math.max(before.length, own + 1); lane++) {
    const isInside = lane >= from && lane <= to;
    const up = (before[lane] ?? null) !== null;
    if (involved.includes(lane)) {
      const down = lane === own || after[lane] !== null;
      drawing += signs.joints[bits(up, down, lane > from, lane < to)] ?? signs.pass;
    } else if (up) drawing += signs.pass;
    else drawing += isInside ? signs.across : ' ';
    drawing += isInside && lane < to ? signs.across : ' ';
  }
  return drawing.trimEnd();
}

function bits(up: boolean, down: boolean, left: boolean, right: boolean): number {
  return (up ? UP : 0) | (down ? DOWN : 0) | (left ? LEFT : 0) | (right ? RIGHT : 0);
}

function nodeRow(lanes: Readonly<Lanes>, own: number, signs: LaneSigns): string {
  return lanes
    .map((name, lane) => (lane === own ? signs.node : name === null ? ' ' : signs.pass))
    .join(' ')
    .trimEnd();
}
