/** Random-access reading and sequential or positioned writing of bytes, so that formats need no file system. */

export interface ByteSource {
  readonly sizeBytes: number;
  /** Fills `into` from `offset`; resolves to the number of bytes read, less than its length only at the end. */
  read(into: Uint8Array, offset: number): Promise<number>;
}

export interface Appender {
  write(bytes: Uint8Array): Promise<void>;
}

export interface ByteSink extends Appender {
  /** Replaces bytes that were written before: a header whose content only the end tells. Where it appends does not move. */
  writeAt(bytes: Uint8Array, offset: number): Promise<void>;
}
