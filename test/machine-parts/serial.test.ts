/** What a guest says on its console: lines, waits, panics, however the bytes are cut. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConsoleText, KEPT_CHARACTERS, Search } from '../../src/machine/console-search.ts';
import { watchSerial } from '../../src/machine/serial.ts';

const NEVER = new AbortController().signal;
/** The guest never falls silent. */
const BUSY = { sleep: () => new Promise<void>(() => {}) };

test('lines come whole and without colours, however the text is cut', () => {
  const lines: string[] = [];
  const serial = watchSerial((line) => lines.push(line), BUSY);
  for (const piece of ['[  \x1b[0;32mOK\x1b[0m  ] Sta', 'rted x\r\r', '\nsecond\r\nunfin'])
    serial.feed(piece);
  expect(lines).toEqual(['[  OK  ] Started x', 'second']);
  expect(serial.tail(2)).toEqual(['second', 'unfin']);
});

test('a wait is over as soon as its text is there, also in a line that is not finished', async () => {
  const serial = watchSerial(() => {}, BUSY);
  const found = serial.waitFor(/login:/, NEVER);
  serial.feed('tiny lo');
  serial.feed('gin: ');
  expect(await found).toBe('login:');
});

test('what was said before a wait began counts, but no text counts twice', async () => {
  const serial = watchSerial(() => {}, BUSY);
  serial.feed('ready\n');
  expect(await serial.waitFor(/ready/, NEVER)).toBe('ready');
  const stop = new AbortController();
  const again = serial.waitFor(/ready/, stop.signal);
  serial.feed('steady\n');
  stop.abort();
  expect(await again).toBeNull();
});

test('two waits one after the other find one text after the other in the same piece', async () => {
  const serial = watchSerial(() => {}, BUSY);
  serial.feed('one two\n');
  expect(await serial.waitFor(/one/, NEVER)).toBe('one');
  expect(await serial.waitFor(/two/, NEVER)).toBe('two');
});

test('a kernel panic is noticed with its words', async () => {
  const serial = watchSerial(() => {}, BUSY);
  serial.feed('[    1.2] Kernel panic - not syn');
  serial.feed('cing: VFS: Unable to mount root fs\r\n');
  expect(await serial.panicked).toBe('Kernel panic - not syncing: VFS: Unable to mount root fs');
});

test('a guest that never ends a line does not fill the memory', () => {
  const serial = watchSerial(() => {}, BUSY);
  for (let round = 0; round < 100; round += 1) serial.feed('x'.repeat(100_000));
  expect(serial.tail(1)[0]?.length).toBeLessThanOrEqual(256 * 1024);
});

test('it tells how much had been said when a text was found', async () => {
  const serial = watchSerial(() => {}, BUSY);
  serial.feed('boot: ');
  expect(await serial.waitFor(/boot: $/, NEVER)).toBe('boot: ');
  const up = serial.waitFor(/up/, NEVER);
  serial.feed('linux\n\x1b[0mu');
  serial.feed('p');
  await up;
  expect(serial.found).toEqual([6, 18]);
});

test('a control sequence is none of the text, however it is cut', async () => {
  for (const cut of [1, 2, 3, 4, 5]) {
    const serial = watchSerial(() => {}, BUSY);
    const said = 'log\x1b[0;1min: ';
    for (let at = 0; at < said.length; at += cut) serial.feed(said.slice(at, at + cut));
    expect(await serial.waitFor(/^login: $/m, NEVER)).toBe('login: ');
    expect(serial.tail(1)).toEqual(['login: ']);
  }
});

test('waits find the same texts however the console is cut', async () => {
  const parts = fc.constantFrom('needle', 'a', 'b\n', '\r\n', 'x12y', '\x1b[31m', ' ', 'cd', 'b\ncd');
  const patterns = fc.array(fc.constantFrom('needle', 'b\\ncd', 'x..y', 'x[\\s\\S]{2}y', '^cd', '\\bx'), {
    maxLength: 5,
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(parts, { maxLength: 200 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }),
      patterns,
      async (words, cuts, wanted) => {
        const said = words.join('');
        const pieces: string[] = [];
        for (let at = 0, turn = 0; at < said.length; turn += 1) {
          const length = cuts[turn % cuts.length] ?? 1;
          pieces.push(said.slice(at, at + length));
          at += length;
        }
        expect(await foundIn(pieces, wanted)).toEqual(await foundIn([said], wanted));
      },
    ),
    { numRuns: 150 },
  );
});

/** What waits one after the other find, of which each begins when the one before has found something. */
async function foundIn(pieces: readonly string[], patterns: readonly string[]): Promise<readonly string[]> {
  const serial = watchSerial(() => {}, BUSY);
  const stop = new AbortController();
  const found: string[] = [];
  const waiting = (async () => {
    for (const pattern of patterns) {
      const match = await serial.waitFor(new RegExp(pattern, 'm'), stop.signal);
      if (match !== null) found.push(match);
    }
  })();
  for (const piece of pieces) {
    serial.feed(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  stop.abort();
  await waiting;
  return found;
}

test('a text across many lines is found once the guest falls silent, whatever it costs', async () => {
  let quiet: () => void = () => {};
  const serial = watchSerial(() => {}, {
    sleep: () =>
      new Promise((resolve) => {
        quiet = resolve;
      }),
  });
  const found = serial.waitFor(/begin[\s\S]*end of it/, NEVER);
  serial.feed(`begin\n${'a line that says nothing\n'.repeat(8000)}`);
  for (const piece of ['x'.repeat(40), 'end ', 'of ', 'it']) serial.feed(piece);
  quiet();
  expect(await found).toMatch(/^begin\n[\s\S]*end of it$/);
});

test.each([
  ['lines', 'a line of the console, as long as most are, and with nothing in it\n', /never said/m],
  ['lines, for a pattern that spans them', 'a line of the console\n', /never[\s\S]*said/m],
  ['no line breaks at all', 'x', /never said/m],
  ['no line breaks, for a pattern that looks back', 'x', /(?<!not )ready/m],
])('searching costs in proportion to what is said: %s', (_, unit, pattern) => {
  const costOf = (characters: number, piece: number): number => {
    const text = new ConsoleText();
    const search = new Search(pattern);
    const said = unit.repeat(Math.ceil(characters / unit.length)).slice(0, characters);
    for (let at = 0; at < characters; at += piece) {
      const part = said.slice(at, at + piece);
      text.append(part);
      if (text.look(search, part.length) !== null) throw new Error('found what was never said');
    }
    return text.examined;
  };
  const million = costOf(2 ** 20, 100);
  expect(million).toBeLessThan(20 * 2 ** 20);
  expect(costOf(2 ** 22, 100)).toBeLessThan(4.5 * million);
});

test('no more is kept than patterns can be looked for in', () => {
  const text = new ConsoleText();
  const search = new Search(/^0/m);
  for (let round = 0; round < 10_000; round += 1) text.append(`${round}\n`.repeat(20));
  text.lookEverywhere(search);
  expect(text.examined).toBeLessThanOrEqual(KEPT_CHARACTERS + 1);
});
