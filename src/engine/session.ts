/** What all parts of the engine share while one command runs. */
import type { Cache } from '../cache/cache.ts';
import type { Host } from '../host/host.ts';
import type { CheckoutState } from '../incremental/state.ts';
import type { Content } from '../model/artifact.ts';
import type { Event } from '../model/event.ts';
import type { Failure } from '../model/failure.ts';
import type { Plan } from '../model/plan.ts';
import type { Result } from '../model/result.ts';
import type { StageRunner } from '../stages/kind.ts';
import type { Shelf } from './live-shelf.ts';
import type { Looks } from './looks.ts';

/** Makes one plain file out of content made of layers; a link between `root` and `to` that leads out of it is refused. */
export type Flatten = (
  content: Content,
  to: string,
  signal: AbortSignal,
  root?: string,
) => Promise<Result<void, Failure>>;

export interface Session {
  readonly plan: Plan;
  readonly host: Host;
  readonly cache: Cache;
  /** Absolute directory in which the cache keeps what belongs to this checkout. */
  readonly checkoutDirectory: string;
  readonly looks: Looks;
  readonly state: CheckoutState;
  readonly runnerOf: (kind: string) => Promise<StageRunner>;
  readonly flatten: Flatten;
  readonly shelf: Shelf;
  /** What of the user's stands where outputs are to be is replaced: the command line says so. */
  readonly replace?: boolean;
  /** An action whose result is wanted for itself: it is not stored. */
  readonly unstored?: string;
  /** See `StageContext.checkpoints`. */
  readonly checkpoints: boolean;
  /** Whether files are hashed again although they look as they did. */
  readonly verify: boolean;
  /** What the user wants of a machine whose work failed. */
  readonly afterFailure: (action: string, failure: Failure) => Promise<'end' | 'keep'>;
  readonly emit: (event: Event) => void;
  /** Fires at Ctrl-C. */
  readonly signal: AbortSignal;
}
