/** "Did you mean": the known word nearest to a misspelt one. */

/** The nearest known word, or null when none is near enough to be what was meant. */
export function suggest(word: string, known: Iterable<string>): string | null {
  const folded = word.toLowerCase();
  // A third of the word may be wrong; more than that is another word, and so is any other letter.
  let bound = folded.length < 2 ? 0 : Math.ceil(folded.length / 3);
  let best: string | null = null;
  for (const candidate of known) {
    if (Math.abs(candidate.length - folded.length) > bound) continue;
    const distance = editDistance(folded, candidate.toLowerCase(), bound);
    if (distance > bound || (best !== null && distance === bound)) continue;
    best = candidate;
    bound = distance;
    if (distance === 0) break;
  }
  return best;
}

/** Insertions, deletions, substitutions and swaps of neighbours between two words; anything above `bound` when there are more. */
function editDistance(a: string, b: string, bound: number): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    let least = row;
    for (let column = 1; column <= b.length; column++) {
      const cost = a[row - 1] === b[column - 1] ? 0 : 1;
      let value = Math.min(
        (previous[column] as number) + 1,
        (current[column - 1] as number) + 1,
        (previous[column - 1] as number) + cost,
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        value = Math.min(value, (before[column - 2] as number) + 1);
      current.push(value);
      least = Math.min(least, value);
    }
    if (least > bound) return least;
    before = previous;
    previous = current;
  }
  return previous[b.length] as number;
}
