/** The real clock. */
import { onAbort } from './abort.ts';
import type { Clock } from './host.ts';

export const realClock: Clock = {
  nowMs: () => Date.now(),
  // `performance` would load a module for the same number.
  monotonicMs: () => process.uptime() * 1000,
  sleep(ms, signal) {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        forget();
        resolve();
      };
      const timer = setTimeout(done, ms);
      const forget = onAbort(signal, done);
    });
  },
};
