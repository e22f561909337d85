/** What the checkout or the environment lacks that a pipeline asks for: found before anything runs, exit status 2. */
import type { Location } from './location.ts';

export type CheckoutFailure =
  /** Found before anything runs: a pattern of `inputs`, or a file named in an option, that nothing matches. */
  | {
      readonly code: 'input-missing';
      readonly stage: string;
      readonly pattern: string;
      readonly nearest: readonly string[];
      readonly location: Location;
    }
  | {
      readonly code: 'input-not-a-file';
      readonly stage: string;
      readonly path: string;
      readonly location: Location;
    }
  /** A pattern of `inputs` that stands for too much. */
  | {
      readonly code: 'input-pattern';
      readonly stage: string;
      readonly pattern: string;
      readonly problem: 'too-long' | 'too-many-alternatives' | 'too-many-files';
      readonly location: Location;
    }
  /** A link among the inputs that can neither stay one in a workspace nor be replaced by what it leads to. */
  | {
      readonly code: 'input-link-leaves';
      readonly stage: string;
      readonly path: string;
      readonly target: string;
      readonly problem: 'nothing-there' | 'holds-the-link' | 'too-many-files';
      readonly location: Location;
    }
  /** What a declared input is, or what is in it, cannot be known: no permission, a loop of links, a failing disk, a name that is no UTF-8. */
  | {
      readonly code: 'input-unreadable';
      readonly stage: string;
      /** With the bytes that are no UTF-8 as `\xe9`. */
      readonly path: string;
      /** `EACCES`, `EIO`…; `EILSEQ` for a name that is no UTF-8. */
      readonly errno: string;
      readonly location: Location;
    }
  /** Files of the user stand where a stage's outputs are to be. */
  | {
      readonly code: 'output-in-the-way';
      readonly stage: string;
      readonly outputs: readonly string[];
      readonly files: readonly string[];
      /** Those of them that bake once put there, and somebody changed. */
      readonly changed: readonly string[];
      readonly location: Location;
    }
  /** A warning: what somebody had changed was put in order again, and what it was is kept. */
  | {
      readonly code: 'output-kept';
      readonly stage: string;
      readonly files: readonly { readonly path: string; readonly as: string }[];
    }
  /** A warning: somebody changed or removed outputs while the run went on. */
  | { readonly code: 'outputs-touched'; readonly files: readonly string[] }
  | {
      readonly code: 'secret-missing';
      readonly stage: string;
      readonly variable: string;
      readonly location: Location;
    };
