/** A clock that stands while a guest is paused: what bake does to the guest takes none of the time that the guest is given. */
import type { Clock } from '../host/host.ts';

/** How often a limit is looked at again that runs out while the guest is paused. */
const SHORTEST_MS = 20;
/** Timers of Node hold no more; whoever sleeps longer looks at the clock in between. */
const LONGEST_MS = 2 ** 31 - 1;

export interface GuestClock {
  stand(): void;
  goOn(): void;
  /** Resolves when the guest has had so much time, or early when `signal` fires. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** A clock that runs. */
export function guestClock(clock: Clock): GuestClock {
  let stoodMs = 0;
  let standsSince: number | null = null;
  const now = (): number => (standsSince ?? clock.monotonicMs()) - stoodMs;
  return {
    stand() {
      standsSince ??= clock.monotonicMs();
    },
    goOn() {
      if (standsSince !== null) stoodMs += clock.monotonicMs() - standsSince;
      standsSince = null;
    },
    async sleep(ms, signal) {
      const until = now() + ms;
      while (now() < until && !signal.aborted)
        await clock.sleep(Math.min(Math.max(until - now(), SHORTEST_MS), LONGEST_MS), signal);
    },
  };
}
