/** What a guest says on its console: lines, waits, panics, however the bytes are cut. */
import { expect, test } from 'vitest';
import { watchSerial } from '../../src/machine/serial.ts';

const NEVER = new AbortController().signal;

test('lines come whole and without colours, however the text is cut', () => {
  const lines: string[] = [];
  const serial = watchSerial((line) => lines.push(line));
  for (const piece of ['[  \x1b[0;32mOK\x1b[0m  ] Sta', 'rted x\r\r', '\nsecond\r\nunfin'])
    serial.feed(piece);
  expect(lines).toEqual(['[  OK  ] Started x', 'second']);
  expect(serial.tail(2)).toEqual(['second', 'unfin']);
});

test('a wait is over as soon as its text is there, also in a line that is not finished', async () => {
  const serial = watchSerial(() => {});
  const found = serial.waitFor(/login:/, NEVER);
  serial.feed('tiny lo');
  serial.feed('gin: ');
  expect(await found).toBe('login:');
});

test('what was said before a wait began counts, but no text counts twice', async () => {
  const serial = watchSerial(() => {});
  serial.feed('ready\n');
  expect(await serial.waitFor(/ready/, NEVER)).toBe('ready');
  const stop = new AbortController();
  const again = serial.waitFor(/ready/, stop.signal);
  serial.feed('steady\n');
  stop.abort();
  expect(await again).toBeNull();
});

test('two waits one after the other find one text after the other in the same piece', async () => {
  const serial = watchSerial(() => {});
  serial.feed('one two\n');
  expect(await serial.waitFor(/one/, NEVER)).toBe('one');
  expect(await serial.waitFor(/two/, NEVER)).toBe('two');
});

test('a kernel panic is noticed with its words', async () => {
  const serial = watchSerial(() => {});
  serial.feed('[    1.2] Kernel panic - not syn');
  serial.feed('cing: VFS: Unable to mount root fs\r\n');
  expect(await serial.panicked).toBe('Kernel panic - not syncing: VFS: Unable to mount root fs');
});

test('a guest that never ends a line does not fill the memory', () => {
  const serial = watchSerial(() => {});
  for (let round = 0; round < 100; round += 1) serial.feed('x'.repeat(100_000));
  expect(serial.tail(1)[0]?.length).toBeLessThanOrEqual(256 * 1024);
});

test('it tells how much had been said when a text was found', async () => {
  const serial = watchSerial(() => {});
  serial.feed('boot: ');
  expect(await serial.waitFor(/boot: $/, NEVER)).toBe('boot: ');
  const up = serial.waitFor(/up/, NEVER);
  serial.feed('linux\n\x1b[0mu');
  serial.feed('p');
  await up;
  expect(serial.found).toEqual([6, 18]);
});
