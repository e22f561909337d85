/** The shape in which a failure is told: what happened, why, what to do, and the state of the disk. */
import type { Location } from '../model/location.ts';

/** The words for one failure. Whole sentences; no trailing line breaks, no colour, no indentation: the renderer adds those. */
export interface FailureText {
  /** What happened, in one line without a full stop at its end: it follows `error: `. */
  readonly summary: string;
  /** Why, one line each: what was expected, what was found. */
  readonly details?: readonly string[];
  /** The command as one could paste it into a shell. */
  readonly command?: string | null;
  /** Quoted material: the last lines of the output, the tail of the serial console. Shown verbatim, last lines first to survive. */
  readonly excerpts?: readonly { readonly title: string; readonly lines: readonly string[] }[];
  /** Other places in files that belong to it: the first of two duplicate keys, the links of a cycle. */
  readonly related?: readonly { readonly location: Location; readonly label: string }[];
  /** Commands and addresses to copy: each on a line of its own that is never folded. */
  readonly copied?: readonly { readonly label: string; readonly text: string }[];
  /** What to do next: "did you mean `disk`?", "declare it under `inputs:`". */
  readonly hint?: string | null;
  /** What state the disk is in: "nothing was stored". Null or absent when nothing could have changed. */
  readonly state?: string | null;
}

/** Words for one code: a sentence for docs/errors.md saying when it happens, and the text for one occurrence. */
export interface FailureWords<F> {
  readonly doc: string;
  readonly text: (failure: F) => FailureText;
}

/** Words for every code of a union of failures: one missing does not compile. */
export type Texts<F extends { readonly code: string }> = {
  readonly [C in F['code']]: FailureWords<Extract<F, { readonly code: C }>>;
};
