/** The time that an attempt may take, as a signal beside that of the run. */
import type { Session } from './session.ts';

/** A signal that fires at Ctrl-C and when the time is over. */
export function timeLimit(session: Session, timeoutMs: number | null) {
  // Aborting makes an exception with a stack, which a thousand stages without a limit need not pay for.
  if (timeoutMs === null) return { signal: session.signal, expired: () => false, done: () => undefined };
  const controller = new AbortController();
  let over = false;
  const stop = () => controller.abort();
  if (session.signal.aborted) stop();
  else session.signal.addEventListener('abort', stop, { once: true });
  const inTime = new AbortController();
  void session.host.clock.sleep(timeoutMs, inTime.signal).then(() => {
    if (inTime.signal.aborted) return;
    over = true;
    stop();
  });
  return {
    signal: controller.signal,
    expired: () => over,
    done() {
      inTime.abort();
      session.signal.removeEventListener('abort', stop);
    },
  };
}
