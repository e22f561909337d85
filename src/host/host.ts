/** The only door to files, processes, clock, environment and network, as interfaces; real ones are made in host/real.ts. */
import type { ByteSink, ByteSource } from '../model/bytes.ts';
import type { Digest } from '../model/digest.ts';
import type { HostFailure } from '../model/failure-host.ts';
import type { Result } from '../model/result.ts';
import type { AppendOptions, WriteOptions } from './bytes.ts';
import type { Http } from './http.ts';
import type { LockFiles } from './lock-files.ts';
import type { PrivateState } from './private-directory.ts';
import type { ReadLimits } from './read-regular.ts';
import type { Sockets } from './sockets.ts';

/** What one `lstat` says. Two equal stamps mean an unchanged file, but for writes within the clock's grain (see cache/memo). */
export interface Stamp {
  /** `unknown`: something stands in the way of looking (no permission, a loop, a disk that fails). That is not absence; its numbers equal nothing. */
  readonly type: 'file' | 'directory' | 'link' | 'other' | 'unknown';
  /** Why it is unknown: `EACCES`, `EIO`, `ELOOP`, `ENAMETOOLONG`… */
  readonly errno?: string;
  readonly device: number;
  readonly inode: number;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly mode: number;
  readonly links: number;
  /** Bytes really occupied, less than `sizeBytes` for a sparse file. */
  readonly allocatedBytes: number;
}

/** A file that stays open. */
export interface OpenFile {
  /** The errno when it is refused. */
  append(data: string): string | null;
  close(): void;
}

/** Names in a directory. */
export interface Names {
  readonly names: readonly string[];
  /** Why these may not be all: it cannot be listed, or one of them is no UTF-8 (`EILSEQ`). Null where there is no such directory. */
  readonly trouble: HostFailure | null;
}

/** What is below a directory. */
export interface Walk {
  readonly entries: readonly { readonly path: string; readonly type: Stamp['type'] }[];
  /** The first reason why these may not be all; see `Names`. */
  readonly trouble: HostFailure | null;
}

export interface Files {
  /** Null when nothing is there. Synchronous: measured several times faster than promises for many files. */
  stamp(path: string): Stamp | null;
  /** Follows links; null when dangling or absent. */
  stampTarget(path: string): Stamp | null;
  /** Of a regular file and nothing else; what is longer than the limit (256 MiB unless said) is trouble too. */
  readText(path: string, limits?: ReadLimits): Promise<Result<string, HostFailure>>;
  readBytes(path: string, limits?: ReadLimits): Promise<Result<Uint8Array, HostFailure>>;
  /** The text of a link; the errno `EILSEQ` when it is no UTF-8. */
  readLink(path: string): Result<string, HostFailure>;
  /** Names in a directory, sorted by code unit; none where there is no directory. */
  list(path: string): Names;
  /** Every path below a directory, relative, `/` separated, sorted; links are not followed. */
  walk(path: string): Walk;
  /**
   * Every path below a directory with its stamp, sorted; links are not followed. Whatever keeps it from being all is a failure.
   * `unlock`: its owner may enter and change every directory afterwards; the stamps are those from before.
   */
  survey(
    path: string,
    options: { readonly unlock: boolean },
  ): Result<readonly { readonly path: string; readonly stamp: Stamp }[], HostFailure>;
  /** With those above it. `mode`, when given, holds for each that is made, whatever the umask says. */
  makeDirectory(path: string, mode?: number): Promise<Result<void, HostFailure>>;
  /** See host/private-directory. */
  makePrivate(chain: readonly string[], shared: number | null): Result<PrivateState, HostFailure>;
  /** Whether what is at a path, not what it leads to, belongs to this user. */
  isOwn(path: string): boolean;
  /** A part of a name that nobody can foretell. */
  randomName(): string;
  /** A new directory with a unique name. */
  makeTemporaryDirectory(parent: string, prefix: string): Promise<Result<string, HostFailure>>;
  /** Makes a new file, or with `over` writes into one that may be there; never through a link. `mode` is exact, unless it says `lessUmask`: the user's. */
  writeFile(
    path: string,
    data: string | Uint8Array,
    options?: WriteOptions,
  ): Promise<Result<void, HostFailure>>;
  /** A new file of exactly this mode, to be added to whatever becomes of its name. */
  createOpen(path: string, mode: number): Promise<Result<OpenFile, HostFailure>>;
  /**
   * Temporary name, flush, rename: readers see the old or the new bytes, never a part. `flush: false` is for what may be
   * lost by a power cut, or found broken when it is read.
   */
  replaceFile(
    path: string,
    data: string | Uint8Array,
    options?: { readonly mode?: number; readonly flush?: boolean },
  ): Promise<Result<void, HostFailure>>;
  /** Never through a link, unless it says so. */
  appendFile(
    path: string,
    data: string | Uint8Array,
    options?: AppendOptions,
  ): Promise<Result<void, HostFailure>>;
  /** Replaces bytes inside an existing file, in place; its size stays. */
  overwrite(
    path: string,
    patches: readonly { readonly offset: number; readonly bytes: Uint8Array }[],
  ): Promise<Result<void, HostFailure>>;
  rename(from: string, to: string): Promise<Result<void, HostFailure>>;
  /**
   * Reflink where the file system can, else a copy that keeps holes, to a name that is not there yet. Never shares a
   * writable inode. The mode is that of the source, or `mode` less the user's umask; `exact`: that very mode. Whatever
   * somebody puts at the name meanwhile gets none of it.
   */
  copyFile(from: string, to: string, mode?: number, exact?: boolean): Promise<Result<void, HostFailure>>;
  /** Shares the blocks with a new file of this very mode; a failure where the file system cannot. */
  clone(from: string, to: string, mode: number): Promise<Result<void, HostFailure>>;
  /**
   * Copies for a stage to a new file with exactly this mode and time, whatever those of the source are; a link in its
   * place is not followed.
   */
  stageFile(from: string, to: string, mode: number, mtimeMs: number): Promise<Result<void, HostFailure>>;
  /** A hard link. */
  link(existing: string, to: string): Promise<Result<void, HostFailure>>;
  symlink(target: string, path: string): Promise<Result<void, HostFailure>>;
  chmod(path: string, mode: number): Promise<Result<void, HostFailure>>;
  /** Sets when the file was last written (and read); that of a link itself. */
  setModified(path: string, mtimeMs: number): Promise<Result<void, HostFailure>>;
  /** Waits until what was written to the file is on the disk. */
  flush(path: string): Promise<Result<void, HostFailure>>;
  /** Removes a file or a whole tree, also a read-only one; no failure when it is not there. */
  remove(path: string): Promise<Result<void, HostFailure>>;
  /** Removes an empty directory without holding this process up: freeing its block may wait for the disk. */
  removeEmpty(path: string): Promise<Result<void, HostFailure>>;
  realPath(path: string): string | null;
  freeBytes(path: string): Promise<number | null>;
  /** How many more files the file system takes; null where it does not say, or counts none. */
  freeFiles(path: string): Promise<number | null>;
  /** `use` gets a reader of a regular file, which is closed afterwards. */
  withReader<T>(
    path: string,
    use: (source: ByteSource) => Promise<T>,
    limits?: Pick<ReadLimits, 'noFollow'>,
  ): Promise<Result<T, HostFailure>>;
  /**
   * `use` gets an appending writer to a new file, closed afterwards; it may take its time to reach the disk, which the cache
   * reckons with. ENOSPC and the like come back as a failure.
   */
  withWriter<T>(path: string, use: (sink: ByteSink) => Promise<T>): Promise<Result<T, HostFailure>>;
}

/** Extended attributes of files and directories, links not followed; values in base64. */
export interface Attributes {
  /** Those of each path that has any; none where the host cannot tell. */
  read(paths: readonly string[]): Promise<ReadonlyMap<string, { readonly [name: string]: string }>>;
  /** Whether all of them could be set. */
  write(path: string, attributes: { readonly [name: string]: string }): Promise<boolean>;
}

export interface ProcessOptions {
  readonly cwd: string;
  /** The whole environment of the child: nothing is inherited. */
  readonly env: { readonly [name: string]: string };
  readonly input?: string;
  /** Called for every line of either stream, without its line break; one that was `cut` for its length goes on in the next. */
  readonly onLine?: (line: string, stream: 'stdout' | 'stderr', cut: boolean) => void;
  /** Keep standard output whole in the result. */
  readonly capture?: boolean;
  /** Raw bytes of both streams are appended to this file. */
  readonly outputFile?: string;
  /** Ends the whole process group: SIGTERM, then SIGKILL after `graceMs` (5 s by default). */
  readonly signal?: AbortSignal;
  readonly graceMs?: number;
  readonly timeoutMs?: number;
  /**
   * A directory that only this command and what it starts have for HOME or TMPDIR: what left its process group (a daemon) is
   * then found by that, and ended when the command has.
   */
  readonly ownDirectory?: string;
  /** Ends it in the same way when it has said nothing for so long. */
  readonly idleTimeoutMs?: number | undefined;
}

export interface AskOptions {
  /** The whole environment. */
  readonly env: { readonly [name: string]: string };
  readonly timeoutMs: number;
}

export interface ProcessEnd {
  /** Null when it was ended by a signal. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  /** It was ended because it had said nothing for too long. */
  readonly wentSilent: boolean;
  readonly stdout: string;
  /** What had left its process group and went on when it had ended. */
  readonly strays: readonly Stray[];
}

/** A process that outlived the command which started it. */
export interface Stray {
  readonly pid: number;
  /** Its command line, as it says itself, or the beginning of that. */
  readonly command: string;
  /** Whether it could be ended: one of another user cannot. */
  readonly ended: boolean;
}

export interface RunningProcess {
  readonly pid: number;
  readonly ended: Promise<ProcessEnd>;
  /** Sends a signal to the whole process group. */
  kill(signal: NodeJS.Signals): void;
  /**
   * Lets it outlive bake: from now on neither `signal` nor a time limit nor bake's own end reaches it. What it prints
   * goes to a closed pipe, which it has to stand.
   */
  release(): ProcessIdentity;
}

/**
 * Every child is the leader of a process group of its own that dies with bake, even when bake is ended by `kill -9`
 * (see host/processes). A program that is not there is the failure `errno: ENOENT`; when `signal` has already fired,
 * nothing is started and the failure is `errno: ECANCELED`.
 */
export interface Processes {
  /** Asks a program one question: its standard output, else its standard error; null when there is no good answer. Not for stages: no log, no signal. */
  ask(file: string, args: readonly string[], options: AskOptions): Promise<string | null>;
  start(
    file: string,
    args: readonly string[],
    options: ProcessOptions,
  ): Promise<Result<RunningProcess, HostFailure>>;
  /** Start and wait; the process group is gone when it resolves. */
  run(
    file: string,
    args: readonly string[],
    options: ProcessOptions,
  ): Promise<Result<ProcessEnd, HostFailure>>;
  /**
   * Hands this terminal, and all three streams, to a program and waits for its end. It gets Ctrl-C as bake does, and is
   * no group of its own: for what a person sits in front of, never for stages.
   */
  interact(
    file: string,
    args: readonly string[],
    options: Pick<ProcessOptions, 'cwd' | 'env'>,
  ): Promise<Result<Pick<ProcessEnd, 'exitCode' | 'signal'>, HostFailure>>;
  /** Absolute path of a program on a PATH, or null. */
  find(name: string, path: string): string | null;
  /**
   * Keeps a list of the running process groups in a file, for `killRecorded` by a later run; null lets go of the file. The
   * directories of commands (`ownDirectory`) lie beside that file.
   */
  recordIn(file: string | null): void;
  /** Kills the groups that a dead bake left in such a file, if they are still the same ones, and what left them; waits for their end. */
  killRecorded(file: string): Promise<void>;
  /** Kills the group of a released process, if it is still that very one, and waits for its end. */
  killReleased(identity: ProcessIdentity): Promise<void>;
}

export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Milliseconds from an arbitrary start, never going back. */
  monotonicMs(): number;
  /** Resolves early, without error, when `signal` fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Hashing {
  /** sha256 of a file; large files in worker threads, so that several use all cores. */
  digestFile(
    path: string,
    onProgress?: (bytes: number) => void,
  ): Promise<Result<{ readonly digest: Digest; readonly sizeBytes: number }, HostFailure>>;
  /** sha256 of many files in their order, given the size that each was seen to have; the first that cannot be read fails all. */
  digestFiles(
    paths: readonly string[],
    sizes: readonly number[],
  ): Promise<Result<readonly Digest[], HostFailure>>;
  /** For digests of small files that threads take while more files are being found. */
  digestQueue(): DigestQueue;
  digestBytes(data: string | Uint8Array): Digest;
  /** sha256 of one long text, as UTF-8, that is made piece by piece; no character is cut in two. */
  digestText(pieces: Iterable<string>): Digest;
  /** sha512 of a file, 128 hex digits: for images whose publishers give no sha256. Never names anything in the cache. */
  sha512File(path: string): Promise<Result<string, HostFailure>>;
}

export interface DigestQueue {
  /** `sizeBytes`: what the file was seen to have. Nothing is waited for. */
  add(path: string, sizeBytes: number): void;
  /** Whether there are so many by now that threads have begun. */
  isUnderway(): boolean;
  /** The digests in the order of `add`, which is not called again; null for what cannot be read whole in one go. */
  finish(): Promise<(Digest | null)[]>;
}

/** A process, so that its number cannot be mistaken for a later one's. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startedAt: string;
  /** What can see whom: host name, boot and process namespace. */
  readonly realm: string;
}

export interface Host {
  readonly files: Files;
  readonly attributes: Attributes;
  readonly processes: Processes;
  readonly clock: Clock;
  readonly hashing: Hashing;
  readonly http: Http;
  readonly sockets: Sockets;
  readonly lockFiles: LockFiles;
  /** bake's own environment. */
  readonly env: { readonly [name: string]: string | undefined };
  /** `linux/x64`. */
  readonly platform: string;
  readonly hostName: string;
  readonly pid: number;
  /** Names this very process among all of all times and hosts; see `isAlive`. */
  readonly identity: ProcessIdentity;
  /** Another after every start of the machine; empty when the system does not tell. */
  readonly bootId: string;
  /** Whether a process still lives: null when that cannot be seen from here (another host or container). */
  isAlive(identity: ProcessIdentity): boolean | null;
  /** Whether a process that lives here was stopped (Ctrl-Z, a debugger) and does nothing until somebody lets it go on. */
  isStopped(identity: ProcessIdentity): boolean;
  /** Whether this process was started by that one, or by one that it started, and so on. */
  isAncestor(identity: ProcessIdentity): boolean;
  /** Whether a process that lives here is that user's. */
  runsAs(identity: ProcessIdentity, uid: number): boolean;
  /** The umask that bake was started with: it holds for what is put into the checkout. */
  readonly userUmask: number;
  /** Sets the umask of this process and all children to 022: what stages make must not depend on who runs them. */
  useStageUmask(): void;
  readonly processorCount: number;
  readonly memoryBytes: number;
}
