/** Collects everything that is wrong while reading goes on. */
import type { Failure } from '../model/failure.ts';
import type { PipelineFailure } from '../model/failure-pipeline.ts';
import type { Location } from '../model/location.ts';
import { suggest } from '../model/suggest.ts';

/** Suggestions search all names; a file with hundreds of mistakes is not one of misspelt names. */
const SUGGESTIONS = 50;

/** Nobody reads more; the rest shows when these are mended. */
const LIMIT = 200;

export class Problems {
  private readonly found = new Map<string, PipelineFailure>();
  private suggested = 0;

  /** Whether nothing was wrong so far. */
  get none(): boolean {
    return this.found.size === 0;
  }

  /** Adds one; a mistake that several cells of a matrix run into is one mistake. */
  add(failure: PipelineFailure): void {
    const location = locationOf(failure);
    const place = location ? `${location.file} ${location.line}:${location.column}` : '';
    // An alias that leads nowhere leaves nothing behind, and that is no second mistake.
    if (failure.code !== 'yaml-alias' && this.found.has(`yaml-alias ${place}`)) return;
    const key = location ? `${failure.code} ${place}` : JSON.stringify(failure);
    if (!this.found.has(key) && this.found.size < LIMIT) this.found.set(key, failure);
  }

  /** The known name nearest to a misspelt one. */
  suggest(word: string, known: Iterable<string>): string | null {
    this.suggested++;
    return this.suggested > SUGGESTIONS ? null : suggest(word, known);
  }

  /** All of them in the order of the file, those without a place first. */
  list(): readonly Failure[] {
    return [...this.found.values()].sort((a, b) => {
      const [left, right] = [locationOf(a), locationOf(b)];
      return (left?.line ?? 0) - (right?.line ?? 0) || (left?.column ?? 0) - (right?.column ?? 0);
    });
  }
}

function locationOf(failure: PipelineFailure): Location | null {
  return 'location' in failure ? failure.location : null;
}
