/** Replaces secret values in text by `***` before anyone sees the text: log file, events, tails. */

const MASK = '***';
/** Shorter values would turn ordinary text into asterisks. */
const SHORTEST = 3;

export class Masks {
  #values: string[] = [];
  #pattern: RegExp | null = null;

  /** Adds a value with its base64, URL and JSON spellings; of a value of several lines each line counts. */
  add(secret: string): void {
    for (const line of secret.split(/\r?\n/)) {
      const value = line.trim();
      if (value.length < SHORTEST) continue;
      const base64 = Buffer.from(value).toString('base64').replace(/=+$/, '');
      this.#values.push(value, base64, encodeURIComponent(value), JSON.stringify(value).slice(1, -1));
    }
    const whole = Buffer.from(secret).toString('base64').replace(/=+$/, '');
    if (secret.length >= SHORTEST) this.#values.push(whole);
    // Longest first: a value that contains another one must not leave a rest.
    const unique = [...new Set(this.#values)].sort((a, b) => b.length - a.length);
    this.#values = unique;
    this.#pattern = unique.length === 0 ? null : new RegExp(unique.map(escaped).join('|'), 'g');
  }

  /** The text without secrets. */
  apply(text: string): string {
    return this.#pattern === null ? text : text.replace(this.#pattern, MASK);
  }
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
