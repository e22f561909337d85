/** Listening to an abort signal as often as needed: one signal of a run has a listener for every command and every wait. */
import { setMaxListeners } from 'node:events';

/** Calls `react` once when the signal fires; the function that is given back stops listening. */
export function onAbort(signal: AbortSignal | undefined, react: () => void): () => void {
  if (signal === undefined) return () => undefined;
  // Node warns at eleven listeners, taking them for a leak.
  setMaxListeners(0, signal);
  signal.addEventListener('abort', react, { once: true });
  return () => signal.removeEventListener('abort', react);
}
