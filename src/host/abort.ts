/** Listening to an abort signal as often as needed: one signal of a run has a listener for every command and every wait. */
import { setMaxListeners } from 'node:events';

/** Signals that were told already that many will listen. */
const known = new WeakSet<AbortSignal>();

/** Calls `react` once when the signal fires; the function that is given back stops listening. */
export function onAbort(signal: AbortSignal | undefined, react: () => void): () => void {
  if (signal === undefined) return () => undefined;
  // Node warns at eleven listeners, taking them for a leak.
  if (!known.has(signal)) setMaxListeners(0, signal);
  known.add(signal);
  signal.addEventListener('abort', react, { once: true });
  return () => signal.removeEventListener('abort', react);
}
