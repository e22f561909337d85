/** A standard stream that may refuse what is written to it: a full disk, a quota, a terminal that is gone. That ends no work. */

export interface StandardStream {
  write(text: string): void;
  /** Why something could not be written; null while all was, or its reader just went away (`bake run | head`). */
  trouble(): string | null;
}

/** Listens to the errors of a stream from now on, whoever writes to it. */
export function standardStream(stream: NodeJS.WriteStream): StandardStream {
  let isOver = false;
  let trouble: string | null = null;
  const take = ({ code }: NodeJS.ErrnoException) => {
    isOver = true;
    if (code !== 'EPIPE') trouble ??= code ?? 'unknown';
  };
  stream.on('error', take);
  return {
    write(text) {
      if (!isOver) stream.write(text);
    },
    trouble: () => trouble,
  };
}

/** The words for standard output that refused. */
export function lostOutput(errno: string): string {
  return `bake: standard output could not be written (${errno}): what was to be said there is lost\n`;
}
