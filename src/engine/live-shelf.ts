/** What goes on from one action of a run to a later one: kept until that one takes it over, ended when none will. */
import type { Content } from '../model/artifact.ts';
import type { Digest } from '../model/digest.ts';
import type { Live } from '../stages/kind.ts';

interface Kept {
  readonly live: Live;
  /** Actions that may still take it over. */
  readonly readers: Set<string>;
}

export class Shelf {
  readonly #kept = new Map<Digest, Kept>();
  #isClosed = false;

  /** Takes over what goes on at this content; it is the caller's from then on. Null when there is nothing. */
  take({ digest }: Content): Live | null {
    const kept = this.#kept.get(digest);
    this.#kept.delete(digest);
    return kept?.live ?? null;
  }

  /** Keeps something for the actions named; what went on at the same content before is ended, as is what nobody can take. */
  async put({ digest }: Content, live: Live, readers: Iterable<string>): Promise<void> {
    const before = this.#kept.get(digest);
    const kept = { live, readers: new Set(readers) };
    const isWanted = kept.readers.size > 0 && !this.#isClosed;
    if (isWanted) this.#kept.set(digest, kept);
    await (isWanted ? before?.live : live)?.dispose();
  }

  /** Notes that an action has ended, one way or the other: what only it could have taken over is ended too. */
  async settled(action: string): Promise<void> {
    for (const [digest, { live, readers }] of [...this.#kept]) {
      if (!readers.delete(action) || readers.size > 0) continue;
      this.#kept.delete(digest);
      await live.dispose();
    }
  }

  /** Ends all that is left, and whatever comes later. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const left = [...this.#kept.values()];
    this.#kept.clear();
    await Promise.all(left.map(({ live }) => live.dispose()));
  }
}
