/** A file that lists the process groups that bake has running, so that a later run can end what a dead one left behind. */
import { openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { closeAnyway, errnoOf } from './errno.ts';
import { killRecorded, processState } from './process-group.ts';
import { endStrays } from './process-strays.ts';
import { readRegular } from './read-regular.ts';

interface ProcessRecords {
  /** Notes a group that was started within the last milliseconds. */
  add(group: number, withinMs: number): void;
  delete(group: number): void;
  /** Notes that a group is to live on. */
  release(group: number): void;
  recordIn(file: string | null): void;
  killRecorded(file: string): Promise<void>;
}

/** The watchdog does the same at once; this is for the case that it was killed too. */
export function processRecords(): ProcessRecords {
  let record: number | null = null;
  const running = new Map<number, Span>();
  const released = new Set<number>();
  const spanOf = startSpans();
  // A second line of defence: without it the watchdog is still there.
  const ignoringTrouble = (work: () => void) => {
    try {
      work();
    } catch (error) {
      if (errnoOf(error) === null) throw error;
    }
  };
  const append = (line: string) => {
    const descriptor = record;
    if (descriptor !== null) ignoringTrouble(() => void writeSync(descriptor, line));
  };
  return {
    add(group, withinMs) {
      const span = spanOf(group, withinMs);
      if (span === null) return;
      running.set(group, span);
      append(lineOf(group, span));
    },
    delete(group) {
      if (running.delete(group)) append(`- ${group}\n`);
    },
    release(group) {
      released.add(group);
      append(`! ${group}\n`);
    },
    recordIn(file) {
      const before = record;
      record = null;
      if (before !== null) closeAnyway(before);
      if (file === null) return;
      // Kept open: two lines are written for each command.
      ignoringTrouble(() => {
        record = openSync(file, 'a');
      });
      for (const [group, span] of running) append(lineOf(group, span));
      for (const group of released) append(`! ${group}\n`);
    },
    async killRecorded(file) {
      const { open, kept } = readRecord(file);
      for (const [group, span] of open) await killRecorded(group, (startedAt) => isWithin(startedAt, span));
      await endStrays({ directory: dirname(file), after: null, isSpared: (session) => kept.has(session) });
    },
  };
}

/** When a process started, in ticks since boot: between two, both included. No number of a process is used again so soon. */
interface Span {
  readonly earliest: number;
  readonly latest: number;
}

function lineOf(group: number, { earliest, latest }: Span): string {
  return `+ ${group} ${earliest} ${latest}\n`;
}

function isWithin(startedAt: string, { earliest, latest }: Span): boolean {
  return startedAt !== '' && Number(startedAt) >= earliest && Number(startedAt) <= latest;
}

const TICK_MS = 10;

/**
 * Looking at a process that is just being made takes five times as long as asking the system for its uptime, which is told in
 * the same ticks. The first process is looked at, to see whether they agree: a container may be told an uptime of its own.
 */
function startSpans(): (group: number, withinMs: number) => Span | null {
  const uptime = uptimeTicks();
  let agree: boolean | null = null;
  return (group, withinMs) => {
    const now = agree === false ? null : uptime();
    if (now === null) agree = false;
    const span = now === null ? null : { earliest: now - Math.ceil(withinMs / TICK_MS) - 1, latest: now };
    if (agree === true && span !== null) return span;
    const startedAt = processState(group)?.startedAt;
    if (startedAt === undefined || startedAt === '') return null;
    agree = span !== null && isWithin(startedAt, span);
    return { earliest: Number(startedAt), latest: Number(startedAt) };
  };
}

/** Gives the uptime; null where the system does not tell. Its file stays open. */
function uptimeTicks(): () => number | null {
  const text = Buffer.alloc(64);
  let file: number | null = null;
  return () => {
    try {
      file ??= openSync('/proc/uptime', 'r');
      const seconds = /^\d+\.\d\d /.exec(text.toString('latin1', 0, readSync(file, text, 0, text.length, 0)));
      return seconds === null ? null : Math.round((Number(seconds[0]) * 1000) / TICK_MS);
    } catch (error) {
      if (errnoOf(error) === null) throw error;
      return null;
    }
  };
}

function readRecord(file: string) {
  const open = new Map<number, Span>();
  const kept = new Set<number>();
  let text = '';
  try {
    text = readRegular(file, { noFollow: true }).toString('utf8');
  } catch (error) {
    if (errnoOf(error) === null) throw error;
  }
  for (const line of text.split('\n')) {
    const [change, group, earliest, latest = earliest] = line.split(' ');
    // 0 and 1 would mean our own group and everybody.
    if (!Number.isSafeInteger(Number(group)) || Number(group) <= 1) continue;
    if (change === '+' && earliest !== undefined)
      open.set(Number(group), { earliest: Number(earliest), latest: Number(latest) });
    if (change === '-') open.delete(Number(group));
    if (change === '!') kept.add(Number(group));
  }
  return { open, kept };
}
