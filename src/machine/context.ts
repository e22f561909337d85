/** What a machine needs of whoever runs it: a part of a stage's context, which may change while the machine goes on. */
import { onAbort } from '../host/abort.ts';
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

/**
 * The context of a machine that is handed on: what it says and where its evidence goes belongs to whoever works with it
 * now; its directory, its environment and its end are its own.
 */
export class HandedContext implements MachineContext {
  readonly host: Host;
  readonly env: { readonly [name: string]: string };
  readonly scratch: string;
  /** Fires for good when whoever works with the machine must stop: it is of no use to anybody afterwards. */
  readonly signal: AbortSignal;
  #current: MachineContext;
  #release: () => void = () => {};
  readonly #end = new AbortController();

  constructor(first: MachineContext, directory: string) {
    this.host = first.host;
    // Those of the first are gone with it.
    this.env = { ...first.env, HOME: directory, TMPDIR: directory };
    this.scratch = directory;
    this.signal = this.#end.signal;
    this.#current = first;
    this.attach(first);
  }

  get evidence(): string {
    return this.#current.evidence;
  }

  /** From now on it belongs to `context`. */
  attach(context: MachineContext): void {
    this.detach();
    this.#current = context;
    if (context.signal.aborted) this.#end.abort();
    this.#release = onAbort(context.signal, () => this.#end.abort());
  }

  /** Nobody works with it: whatever happens to the one who did is none of its business any more. */
  detach(): void {
    this.#release();
    this.#release = () => {};
    this.#current = { ...this.#current, ...SILENT };
  }

  log(line: string): void {
    this.#current.log(line);
  }

  progress(activity: string, fraction?: number): void {
    this.#current.progress(activity, fraction);
  }

  mask(secret: string): void {
    this.#current.mask(secret);
  }
}

/** What is said while nobody works with a machine is said by a paused one: nothing. */
const SILENT = { log: () => {}, progress: () => {}, mask: () => {} };
