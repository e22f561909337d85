/** Work on many things at once, results in the order in which the things came, and only so many in hand. */

/**
 * Starts `work` on up to `most` items ahead and yields what comes out, in order. When the caller stops early or anything
 * fails, it waits until nothing is running any more.
 */
export async function* inOrder<Item, Out>(
  items: AsyncIterable<Item>,
  most: number,
  work: (item: Item) => Promise<Out>,
): AsyncGenerator<Out> {
  const running: Promise<Out>[] = [];
  try {
    for await (const item of items) {
      const started = work(item);
      // Its failure is told when its turn comes; until then it must not count as unhandled.
      started.catch(() => undefined);
      running.push(started);
      if (running.length >= most) yield await (running.shift() as Promise<Out>);
    }
    while (running.length > 0) yield await (running.shift() as Promise<Out>);
  } finally {
    await Promise.allSettled(running);
  }
}
