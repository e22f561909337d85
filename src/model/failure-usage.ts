/** What can be wrong with a command line: exit status 2. */

export type UsageFailure =
  | { readonly code: 'unknown-command'; readonly command: string; readonly suggestion: string | null }
  | {
      readonly code: 'unknown-flag';
      readonly flag: string;
      readonly command: string;
      readonly suggestion: string | null;
    }
  | {
      readonly code: 'bad-flag-value';
      readonly flag: string;
      readonly value: string;
      readonly expected: string;
    }
  | { readonly code: 'unexpected-argument'; readonly argument: string; readonly command: string }
  | { readonly code: 'missing-argument'; readonly argument: string; readonly command: string }
  | {
      readonly code: 'unknown-target';
      readonly target: string;
      readonly known: readonly string[];
      readonly suggestion: string | null;
    }
  | {
      readonly code: 'unknown-kind-argument';
      readonly kind: string;
      readonly known: readonly string[];
      readonly suggestion: string | null;
    }
  /** `bake log --raw` would write to a terminal. */
  | { readonly code: 'raw-to-terminal' }
  /** `bake init` would overwrite it. */
  | { readonly code: 'file-exists'; readonly path: string };
