/** Sockets on this host as interfaces: loopback TCP, Unix sockets, a small file server for guests. Nothing here listens beyond loopback. */

/** One side of an open connection. */
export interface Connection {
  /** Sends text as UTF-8; silently lost when the other side is gone. */
  write(text: string): void;
  /** Text as it comes, cut anywhere but inside a character. */
  onText(listener: (text: string) => void): void;
  /** Complete lines as they come, without their breaks. */
  onLine(listener: (line: string) => void): void;
  /** Resolves when either side has closed. */
  readonly closed: Promise<void>;
  close(): void;
}

/** A Unix socket that waits for one program to connect. */
export interface Listener {
  /** The first connection; null when `signal` fires before it comes. */
  accept(signal: AbortSignal): Promise<Connection | null>;
  /** Stops listening; an accepted connection stays open. */
  close(): void;
}

/** A request that a guest made, for the stage's log and for failure reports. */
export interface FileRequest {
  readonly method: string;
  /** The path as asked for, without the query; below the segment if it was asked for so. */
  readonly path: string;
  /** Whether it was asked for below the segment: by the guest, then, and not by somebody who found the port. */
  readonly isOwn: boolean;
  readonly status: number;
  readonly sizeBytes: number;
}

/** Where files are served. */
export interface ServedPlace {
  readonly port: number;
  /** The first part of every path. Nobody can guess it: without it there is nothing. */
  readonly segment: string;
}

/** A file to be served. */
export interface ServedFile {
  /** Absolute. */
  readonly path: string;
  /** The file itself, or the directory that it must really lie in: a link that leads out of it leads nowhere. */
  readonly within: string;
}

/** Files served over HTTP on 127.0.0.1, to programs of this user. */
export interface FileServer extends ServedPlace {
  close(): Promise<void>;
}

export interface Sockets {
  /** Connects to a Unix socket; null when nobody listens. */
  connect(path: string): Promise<Connection | null>;
  /** Listens on a new Unix socket, readable and writable by this user alone. Paths longer than 107 bytes are a bug. */
  listen(path: string): Promise<Listener>;
  /**
   * The first line that whoever listens on a loopback port says by himself (an SSH banner); null when nobody listens,
   * or nothing comes within `timeoutMs`.
   */
  greeting(port: number, timeoutMs: number): Promise<string | null>;
  /**
   * Serves the regular files that `resolve` names (or null for 404): GET, HEAD and single ranges. At a port that the OS
   * chooses and a new segment, or at a given place: null when that is taken.
   */
  serveFiles(
    resolve: (path: string) => ServedFile | null,
    onRequest: (request: FileRequest) => void,
    place?: ServedPlace | null,
  ): Promise<FileServer | null>;
}
