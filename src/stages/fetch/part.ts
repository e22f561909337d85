/** The part of a file that has arrived so far: on disk, so that another attempt or another run goes on from there. */
import type { Files } from '../../host/host.ts';
import type { HostFailure } from '../../model/failure-host.ts';
import type { Result } from '../../model/result.ts';
import { ok } from '../../model/result.ts';
import type { Checksums, Hashing } from './checksum.ts';
import { addAll, hashingFor } from './checksum.ts';

/** Where a part comes from, and by what a server recognises that it still has the same file. */
export interface Origin {
  /** Fit to be shown: without credentials. */
  readonly address: string;
  /** A strong ETag or a date for If-Range; null when the server gave neither. */
  readonly validator: string | null;
  readonly totalBytes: number | null;
  /** How the server encoded the bytes although it was asked not to; null when they are the file's own. */
  readonly encoding: string | null;
}

export interface Part {
  readonly path: string;
  readonly sizeBytes: number;
  /** Null while there is nothing. */
  readonly origin: Origin | null;
  /** Whether what is there came by more than one request: then its pieces may not belong together. */
  readonly joined: boolean;
  /** Throws away what is there and starts anew. */
  begin(origin: Origin): Promise<Result<void, HostFailure>>;
  /** What is appended from now on comes by another request than what is there. */
  join(): void;
  append(bytes: Uint8Array): Promise<Result<void, HostFailure>>;
  /** Takes a copy of a whole file that this host can read: blocks are shared where the file system can. */
  take(path: string, address: string): Promise<Result<void, HostFailure>>;
  /** Writes what is still in memory. */
  flush(): Promise<Result<void, HostFailure>>;
  /** The checksums of what has been appended, flushed or not. */
  found(): Checksums;
  clear(): Promise<Result<void, HostFailure>>;
}

/** Pieces from a socket are small: they are gathered, so that a write moves a MiB. */
const GATHERED_BYTES = 1 << 20;

/** Opens the part in `directory`, reading what an earlier attempt left, so that its checksum can go on. */
export async function openPart(
  files: Files,
  directory: string,
  wanted: Checksums,
): Promise<Result<Part, HostFailure>> {
  const made = await files.makeDirectory(directory);
  if (!made.ok) return made;
  const part = new StoredPart(files, `${directory}/part`, `${directory}/part.json`, wanted);
  const read = await part.read();
  return read.ok ? ok(part) : read;
}

class StoredPart implements Part {
  sizeBytes = 0;
  origin: Origin | null = null;
  joined = false;
  readonly path: string;
  readonly #files: Files;
  readonly #originPath: string;
  readonly #wanted: Checksums;
  #hashing: Hashing;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;

  constructor(files: Files, path: string, originPath: string, wanted: Checksums) {
    this.#files = files;
    this.path = path;
    this.#originPath = originPath;
    this.#wanted = wanted;
    this.#hashing = hashingFor(wanted);
  }

  async read(): Promise<Result<void, HostFailure>> {
    const found = this.#files.stamp(this.path);
    // What is no file, or another user's, can never be added to: it would stop every run from now on.
    const isOurs = found?.type === 'file' && this.#files.isOwn(this.path);
    const size = isOurs ? found.sizeBytes : 0;
    const origin = size > 0 ? await this.#readOrigin() : null;
    if (origin === null) return this.clear();
    const hashed = await this.#files.withReader(this.path, (source) => addAll(source, this.#hashing));
    if (!hashed.ok) return hashed;
    this.sizeBytes = size;
    this.origin = origin;
    this.joined = true;
    return ok(undefined);
  }

  async #readOrigin(): Promise<Origin | null> {
    const text = await this.#files.readText(this.#originPath);
    if (!text.ok) return null;
    try {
      const { address, validator, totalBytes, encoding } = JSON.parse(text.value) as Partial<Origin>;
      if (typeof address !== 'string') return null;
      return {
        address,
        validator: validator ?? null,
        totalBytes: totalBytes ?? null,
        encoding: encoding ?? null,
      };
    } catch {
      return null;
    }
  }

  async begin(origin: Origin): Promise<Result<void, HostFailure>> {
    const cleared = await this.clear();
    if (!cleared.ok) return cleared;
    this.origin = origin;
    return this.#files.replaceFile(this.#originPath, JSON.stringify(origin));
  }

  join(): void {
    this.joined = true;
  }

  async append(bytes: Uint8Array): Promise<Result<void, HostFailure>> {
    this.#hashing.add(bytes);
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.length;
    this.sizeBytes += bytes.length;
    return this.#gatheredBytes >= GATHERED_BYTES ? this.flush() : ok(undefined);
  }

  async flush(): Promise<Result<void, HostFailure>> {
    if (this.#gatheredBytes === 0) return ok(undefined);
    const bytes = Buffer.concat(this.#gathered);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    return this.#files.appendFile(this.path, bytes);
  }

  async take(path: string, address: string): Promise<Result<void, HostFailure>> {
    const begun = await this.begin({ address, validator: null, totalBytes: null, encoding: null });
    if (!begun.ok) return begun;
    const copied = await this.#files.copyFile(path, this.path);
    if (!copied.ok) return copied;
    const read = await this.read();
    this.joined = false;
    return read;
  }

  found(): Checksums {
    return this.#hashing.found();
  }

  async clear(): Promise<Result<void, HostFailure>> {
    this.sizeBytes = 0;
    this.origin = null;
    this.joined = false;
    this.#hashing = hashingFor(this.#wanted);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    // The part first: an origin without a part is harmless, the other way round would mislead.
    const removed = await this.#files.remove(this.path);
    return removed.ok ? this.#files.remove(this.#originPath) : removed;
  }
}
