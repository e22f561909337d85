/** What a child prints: to a file as it comes, to lines for those who listen, kept whole when asked for. */
import type { ChildProcess } from 'node:child_process';
import { openSync, writeSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { closeAnyway, errnoOf } from './errno.ts';
import type { ProcessOptions } from './host.ts';
import { type LineSplitter, lineSplitter } from './line-splitter.ts';

interface CollectedOutput {
  /** Call when the streams have closed; gives the captured standard output. */
  end(): string;
}

/** Listens to both streams of a child that has just been started. */
export function collectOutput(child: ChildProcess, options: ProcessOptions): CollectedOutput {
  const file = options.outputFile === undefined ? null : appendingFile(options.outputFile);
  const captured: Buffer[] = [];
  const splitters: LineSplitter[] = [];
  const listen = (stream: Readable | null, name: 'stdout' | 'stderr') => {
    if (stream === null) return;
    const { onLine } = options;
    const splitter = onLine ? lineSplitter((line, cut) => onLine(line, name, cut)) : null;
    if (splitter) splitters.push(splitter);
    stream.on('data', (chunk: Buffer) => {
      file?.write(chunk);
      splitter?.push(chunk);
      if (options.capture === true && name === 'stdout') captured.push(chunk);
    });
    // A reset pipe is an end like any other.
    stream.on('error', () => undefined);
  };
  listen(child.stdout, 'stdout');
  listen(child.stderr, 'stderr');
  if (options.input !== undefined) {
    // A child need not read its input: EPIPE is its good right.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input);
  }
  return {
    end() {
      for (const splitter of splitters) splitter.end();
      file?.close();
      return Buffer.concat(captured).toString('utf8');
    },
  };
}

interface AppendingFile {
  write(chunk: Buffer): void;
  close(): void;
}

/** A log that cannot be written (full disk) is lost, but must not end what it is about; null when it cannot be opened. */
function appendingFile(path: string): AppendingFile | null {
  let descriptor: number | null = withoutTrouble(() => openSync(path, 'a'));
  if (descriptor === null) return null;
  const close = () => {
    if (descriptor !== null) closeAnyway(descriptor);
    descriptor = null;
  };
  return {
    close,
    // Written at once, so that a reader who follows the file sees it and memory stays small.
    write(chunk) {
      if (descriptor === null) return;
      const file = descriptor;
      for (let at = 0; at < chunk.length; ) {
        const written = withoutTrouble(() => writeSync(file, chunk, at));
        if (written === null) return close();
        at += written;
      }
    },
  };
}

function withoutTrouble<T>(work: () => T): T | null {
  try {
    return work();
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return null;
  }
}
