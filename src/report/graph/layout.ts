/** Places for the boxes and bends of a drawn graph: layers from left to right, crossings reduced, long edges led around boxes. */
import type { Graph } from './graph.ts';

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Layout {
  readonly size: Size;
  /** Centre of every node's box, in the order of the graph. */
  readonly centres: readonly Point[];
  /** For every edge the centres of what it passes, from its first node to its last. */
  readonly bends: readonly (readonly Point[])[];
}

/** A box, or the place where an edge that spans several layers passes one of them. */
interface Place {
  readonly layer: number;
  readonly width: number;
  readonly height: number;
  readonly before: Place[];
  readonly after: Place[];
  y: number;
}

const LAYER_GAP = 70;
const GAP = 22;
const MARGIN = 24;
const BEND_HEIGHT = 10;
const SWEEPS = 8;

/** Lays out a graph whose nodes have the given sizes (Sugiyama's method: layers, bends, barycentres, straightening). */
export function layOut(graph: Graph, sizes: readonly Size[]): Layout {
  const indexes = new Map(graph.nodes.map((node, index) => [node.name, index]));
  const layers = layersOf(graph, indexes);
  const places = graph.nodes.map((_, index) => place(layers[index] as number, sizes[index] as Size));
  const all: Place[] = [...places];
  const chains = graph.edges.map((edge) => {
    const from = places[indexes.get(edge.from) as number] as Place;
    const to = places[indexes.get(edge.to) as number] as Place;
    const chain = [from];
    for (let layer = from.layer + 1; layer < to.layer; layer++) {
      const bend = place(layer, { width: 0, height: BEND_HEIGHT });
      all.push(bend);
      chain.push(bend);
    }
    chain.push(to);
    for (let index = 1; index < chain.length; index++) {
      (chain[index - 1] as Place).after.push(chain[index] as Place);
      (chain[index] as Place).before.push(chain[index - 1] as Place);
    }
    return chain;
  });
  const columns = columnsOf(all);
  for (const column of columns) stack(column);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const forward = sweep % 2 === 0;
    for (const column of forward ? columns : [...columns].reverse()) settle(column, forward);
  }
  return measured(columns, places, chains);
}

function place(layer: number, size: Size): Place {
  return { layer, width: size.width, height: size.height, before: [], after: [], y: 0 };
}

/** The layer of a node is the length of the longest path to it. */
function layersOf(graph: Graph, indexes: ReadonlyMap<string, number>): readonly number[] {
  const layers = graph.nodes.map(() => 0);
  const incoming = graph.nodes.map((): number[] => []);
  for (const edge of graph.edges)
    incoming[indexes.get(edge.to) as number]?.push(indexes.get(edge.from) as number);
  // Nodes come after all that they need, so one pass is enough.
  for (const [index, sources] of incoming.entries())
    layers[index] = sources.reduce((most, source) => Math.max(most, (layers[source] as number) + 1), 0);
  return layers;
}

function columnsOf(all: readonly Place[]): Place[][] {
  const columns: Place[][] = [];
  for (const one of all) {
    columns[one.layer] ??= [];
    (columns[one.layer] as Place[]).push(one);
  }
  return columns;
}

function stack(column: readonly Place[]): void {
  let top = 0;
  for (const one of column) {
    one.y = top + one.height / 2;
    top += one.height + GAP;
  }
}

/** Orders a column by the mean height of its neighbours on one side, puts every place there, and pushes apart what overlaps. */
function settle(column: Place[], forward: boolean): void {
  const wanted = new Map(
    column.map((one) => {
      const neighbours = forward ? one.before : one.after;
      const sum = neighbours.reduce((total, neighbour) => total + neighbour.y, 0);
      return [one, neighbours.length === 0 ? one.y : sum / neighbours.length];
    }),
  );
  const wish = (one: Place): number => wanted.get(one) as number;
  column.sort((a, b) => wish(a) - wish(b));
  let shift = 0;
  for (const [index, one] of column.entries()) {
    const above = column[index - 1];
    const least = above ? above.y + above.height / 2 + GAP + one.height / 2 : Number.NEGATIVE_INFINITY;
    one.y = Math.max(wish(one), least);
    shift += wish(one) - one.y;
  }
  // What was pushed down as a block goes back up by half of it: the block ends around its wishes, not below them.
  for (const one of column) one.y += shift / Math.max(1, column.length);
}

function measured(
  columns: readonly (readonly Place[])[],
  places: readonly Place[],
  chains: readonly (readonly Place[])[],
): Layout {
  const all = columns.flat();
  const top = all.reduce((least, one) => Math.min(least, one.y - one.height / 2), Number.POSITIVE_INFINITY);
  const bottom = all.reduce((most, one) => Math.max(most, one.y + one.height / 2), Number.NEGATIVE_INFINITY);
  const centresX: number[] = [];
  let x = MARGIN;
  for (const column of columns) {
    const width = column.reduce((most, one) => Math.max(most, one.width), 0);
    centresX.push(x + width / 2);
    x += width + LAYER_GAP;
  }
  const pointOf = (one: Place): Point => ({ x: centresX[one.layer] as number, y: one.y - top + MARGIN });
  return {
    size: {
      width: Math.max(2 * MARGIN, x - LAYER_GAP + MARGIN),
      height: (all.length === 0 ? 0 : bottom - top) + 2 * MARGIN,
    },
    centres: places.map(pointOf),
    bends: chains.map((chain) => chain.map(pointOf)),
  };
}
