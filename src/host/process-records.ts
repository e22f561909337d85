/** A file that lists the process groups that bake has running, so that a later run can end what a dead one left behind. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { errnoOf } from './errno.ts';
import { killRecorded, processState } from './process-group.ts';

interface ProcessRecords {
  add(group: number): void;
  delete(group: number): void;
  recordIn(file: string | null): void;
  killRecorded(file: string): Promise<void>;
}

/** The watchdog does the same at once; this is for the case that it was killed too. */
export function processRecords(): ProcessRecords {
  let record: number | null = null;
  const running = new Map<number, string>();
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
    add(group) {
      const startedAt = processState(group)?.startedAt;
      if (startedAt === undefined) return;
      running.set(group, startedAt);
      append(`+ ${group} ${startedAt}\n`);
    },
    delete(group) {
      if (running.delete(group)) append(`- ${group}\n`);
    },
    recordIn(file) {
      const before = record;
      record = null;
      if (before !== null) closeSync(before);
      if (file === null) return;
      // Kept open: two lines are written for each command.
      ignoringTrouble(() => {
        record = openSync(file, 'a');
      });
      for (const [group, startedAt] of running) append(`+ ${group} ${startedAt}\n`);
    },
    async killRecorded(file) {
      for (const [group, startedAt] of readRecord(file)) await killRecorded(group, startedAt);
    },
  };
}

function readRecord(file: string): Map<number, string> {
  const open = new Map<number, string>();
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (errnoOf(error) === null) throw error;
  }
  for (const line of text.split('\n')) {
    const [change, group, startedAt] = line.split(' ');
    // 0 and 1 would mean our own group and everybody.
    if (!Number.isSafeInteger(Number(group)) || Number(group) <= 1) continue;
    if (change === '+' && startedAt !== undefined) open.set(Number(group), startedAt);
    if (change === '-') open.delete(Number(group));
  }
  return open;
}
