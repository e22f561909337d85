/** Names that one process of this host can hold at a time; the kernel lets go of them when the process dies. */

export interface Claim {
  /** Tells those who watch. */
  tell(line: string): void;
  /** Lets go; those who watch are woken. */
  release(): Promise<void>;
}

export interface Claims {
  /**
   * Holds a name: `taken` when another process (or this one) does; `unsupported` where the system has no such names.
   * `greeting` is told first to everyone who watches.
   */
  take(name: string, greeting: () => string): Promise<Claim | 'taken' | 'unsupported'>;
  /** Hears what the holder tells, until the name is let go of (or nobody held it), or `signal` fires. */
  watch(name: string, onLine: (line: string) => void, signal: AbortSignal): Promise<void>;
}
