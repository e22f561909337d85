/** Puts actions into an order in which each comes after all that it needs, and finds the circles that forbid one. */

/** Cycles share edges: more than these say nothing new. */
const MOST_CYCLES = 20;

export interface Ordering {
  /** Indices in an order that works, the given one where that leaves a choice; incomplete when there are cycles. */
  readonly order: readonly number[];
  /** Each cycle as indices, every one needing the next and the last the first. */
  readonly cycles: readonly (readonly number[])[];
}

/** Depth first without recursion, as a chain may be ten thousand long; what is met again while still open closes a cycle. */
export function orderOf(needs: readonly (readonly number[])[]): Ordering {
  const order: number[] = [];
  const cycles: number[][] = [];
  const state = new Uint8Array(needs.length);
  const [open, done] = [1, 2];
  for (let root = 0; root < needs.length; root++) {
    if (state[root] !== 0) continue;
    const path: number[] = [root];
    const next: number[] = [0];
    state[root] = open;
    while (path.length > 0) {
      const current = path[path.length - 1] as number;
      const need = needs[current]?.[next[next.length - 1] as number];
      if (need === undefined) {
        state[current] = done;
        order.push(current);
        path.pop();
        next.pop();
        continue;
      }
      next[next.length - 1] = (next[next.length - 1] as number) + 1;
      if (state[need] === open && cycles.length < MOST_CYCLES) cycles.push(path.slice(path.indexOf(need)));
      if (state[need] !== 0) continue;
      state[need] = open;
      path.push(need);
      next.push(0);
    }
  }
  return { order, cycles };
}
