/** The last lines of something that may say a great deal, in little memory and in time that grows with what is said. */

export class LastLines {
  readonly #most: number;
  /** All that came before the newer ones and may still count; dropped as a whole: taking off single lines would move the others each time. */
  #older: string[] = [];
  #newer: string[] = [];
  #newerCharacters = 0;

  /** Keeps `most` characters, line ends included, and the last line however long it is. */
  constructor(most: number) {
    this.#most = most;
  }

  add(line: string): void {
    this.#newer.push(line);
    this.#newerCharacters += line.length + 1;
    if (this.#newerCharacters < this.#most) return;
    this.#older = this.#newer;
    this.#newer = [];
    this.#newerCharacters = 0;
  }

  /** The lines, each with its end. */
  text(): string {
    const lines = [...this.#older, ...this.#newer];
    let characters = 0;
    let from = lines.length;
    while (from > 0) {
      characters += (lines[from - 1] as string).length + 1;
      if (characters > this.#most && from < lines.length) break;
      from -= 1;
    }
    return lines
      .slice(from)
      .map((line) => `${line}\n`)
      .join('');
  }
}
