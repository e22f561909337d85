/** What a machine needs of whoever runs it: a part of a stage's context. */
import type { Host } from '../host/host.ts';

export interface MachineContext {
  readonly host: Host;
  /** The environment of every program that is started. */
  readonly env: { readonly [name: string]: string };
  /** Absolute directory for what is not needed afterwards. */
  readonly scratch: string;
  /** Absolute directory for what explains a failure: the serial log, a screenshot. */
  readonly evidence: string;
  /** Fires when everything must stop. */
  readonly signal: AbortSignal;
  log(line: string): void;
  progress(activity: string, fraction?: number): void;
  /** Hides a text in all logs from now on. */
  mask(secret: string): void;
}
