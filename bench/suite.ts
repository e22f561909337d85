/** What a suite is, and what it gives back. */
import type { Series } from './measure.ts';

export interface Bench {
  /** The checkout of bake. */
  readonly root: string;
  /** A directory for everything that is made; removed at the end. */
  readonly directory: string;
  /** Measured rounds. */
  readonly runs: number;
  /** 1 for real; less makes everything smaller, to try the bench itself: then goals are not judged. */
  readonly scale: number;
  /** HOME of what is measured; empty. */
  readonly home: string;
  /** `bake` as one would type it: Node and the bundle. */
  readonly bake: (...args: readonly string[]) => { readonly file: string; readonly args: readonly string[] };
  readonly tools: Tools;
  /** Has this done when the suite ends, however it ends; before its directory is removed. */
  atEnd(action: () => void): void;
  /** Says what goes on. */
  say(line: string): void;
}

/** Absolute paths of peers; null when one is not installed. */
export interface Tools {
  readonly ninja: string | null;
  readonly make: string | null;
  readonly openssl: string | null;
  readonly packer: string | null;
  readonly snakemake: string | null;
  readonly bazel: string | null;
  readonly dvc: string | null;
  readonly turbo: string | null;
  readonly wireit: string | null;
}

/** A goal and what was measured; the limit is that of the project's goals and is never loosened. */
export interface Verdict {
  readonly what: string;
  /** Null when a peer is not here. */
  readonly measured: number | null;
  readonly limit: number;
  /** `×`, `µs a file`, `MB`, `stages`. */
  readonly unit: string;
  /** `most`: the measured value must not be above the limit; `least`: not below. */
  readonly bound: 'most' | 'least';
}

export interface SuiteResult {
  readonly series: readonly Series[];
  readonly verdicts: readonly Verdict[];
  /** What else must be known to read the figures. */
  readonly notes: readonly string[];
}

export interface Suite {
  readonly name: string;
  readonly summary: string;
  run(bench: Bench): SuiteResult;
}

/** A goal on the ratio of two contestants' medians; the figure is null when one of them did not take part. */
export function ratioVerdict(
  series: readonly Series[],
  of: string,
  to: string,
  limit: number,
  medianOf: (series: Series) => number,
): Verdict {
  const [a, b] = [of, to].map((name) => series.find((one) => one.name === name));
  const measured = a && b ? medianOf(a) / medianOf(b) : null;
  return { what: `${of} / ${to}`, measured, limit, unit: '×', bound: 'most' };
}

export function isMet({ measured, limit, bound }: Verdict): boolean | null {
  if (measured === null) return null;
  return bound === 'most' ? measured <= limit : measured >= limit;
}
