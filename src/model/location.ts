/** Where in a text file something was written, with the line itself, so that it can be shown without reading the file again. */

export interface Location {
  /** Path as the user would type it: relative to the working directory where possible. */
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 code units. */
  readonly column: number;
  /** How many code units the caret line underlines; at least 1. */
  readonly length: number;
  /** The whole source line without its line break. */
  readonly text: string;
}
