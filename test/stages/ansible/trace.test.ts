/** What a trace says, without a Python: which look-ups count, and when nothing can be said. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readTrace } from '../../../src/stages/ansible/trace.ts';

const MAIN = ['p', 1, ['/usr/bin/python3', '/usr/bin/ansible-playbook', 'site.yml'], '/w'];

function textOf(records: readonly unknown[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}

function read(records: readonly unknown[], ignored: readonly string[] = []) {
  const trace = readTrace(textOf([MAIN, ...records]), { ignored });
  if (!trace.ok) throw new Error(trace.failure);
  return trace.value;
}

/** `osel path`: opened, asked what it is, asked whether it is a link, listed. */
function lookups(records: readonly unknown[], ignored: readonly string[] = []): readonly string[] {
  return [...read(records, ignored).lookups]
    .map(([path, { open, stat, link, list }]) => {
      const asks = `${open ? 'o' : ''}${stat ? 's' : ''}${link ? 'k' : ''}${list ? 'l' : ''}`;
      return `${asks} ${path}`;
    })
    .sort();
}

function failure(text: string): string | null {
  const trace = readTrace(text, { ignored: [] });
  return trace.ok ? null : trace.failure;
}

describe('look-ups', () => {
  test('everything that was asked of a path is together', () => {
    expect(
      lookups([
        ['s', '/w/a'],
        ['r', '/w/a'],
        ['s', '/w/a'],
        ['k', '/w/b'],
        ['l', '/w'],
      ]),
    ).toEqual(['k /w/b', 'l /w', 'os /w/a']);
  });

  test('a write tells whether something was there', () => {
    const trace = read([['w', '/w/made']]);
    expect([lookups([['w', '/w/made']]), trace.wrote]).toEqual([['s /w/made'], ['/w/made']]);
  });

  test('paths mean the same however they are written, but `..` stays: it has a meaning after a link', () => {
    expect(
      lookups([
        ['s', '/w//a/./b/'],
        ['r', '/w/a/b/.'],
        ['s', '/w/link/../x'],
        ['l', '/'],
        ['s', '/w/a./..b/.c'],
      ]),
    ).toEqual(['l /', 'os /w/a/b', 's /w/a./..b/.c', 's /w/link/../x']);
  });

  test('a link with a slash behind it is followed', () => {
    expect(lookups([['k', '/w/link/']])).toEqual(['sk /w/link']);
  });

  test('what is ignored does not count, unless a path leads out of it', () => {
    const paths = ['/tmp/s', '/tmp/s/x', '/tmp/sx', '/tmp/s/../out', '/w/../tmp/s/in'];
    expect(
      lookups(
        paths.map((path) => ['s', path]),
        ['/tmp/s/'],
      ),
    ).toEqual(['s /tmp/s/../out', 's /tmp/sx']);
  });

  test('what comes and goes with each run does not count', () => {
    const paths = [
      '/proc/1/x',
      '/sys/block/../devices/x',
      '/dev/null',
      '/home/me/.ansible/cp/ab12',
      '/w/creds/12.ansible_lockfile',
      '/usr/share/locale/de/LC_MESSAGES/x.mo',
      '/usr/games/cowsay',
    ];
    expect(lookups(paths.map((path) => ['s', path]))).toEqual([]);
  });

  test('what counts outside of the project', () => {
    const paths = [
      '/dev/shm/project/a',
      '/etc/ansible/roles',
      '/home/me/.ansible/roles/web',
      '/usr/lib/python3/dist-packages/ansible_collections/a',
      '/usr/share/ansible/collections',
      '/w/cowsay',
    ];
    expect(lookups(paths.map((path) => ['s', path]))).toEqual(paths.map((path) => `s ${path}`));
  });

  test('what is asked of a path that the run moved or linked there is asked of where it came from', () => {
    expect(
      lookups([
        ['m', '/w/real', '/w/link'],
        ['r', '/w/link/a'],
        ['m', '/w/link', '/w/again'],
        ['l', '/w/again'],
        ['s', '/w/linked'],
      ]),
    ).toEqual(['l /w/again', 'l /w/link', 'l /w/real', 'o /w/link/a', 'o /w/real/a', 's /w/linked']);
  });

  test('also when one of both is ignored', () => {
    const records = [
      ['m', '/w/real', '/tmp/s/link'],
      ['r', '/tmp/s/link/a'],
      ['m', '/tmp/s/new', '/w/old'],
      ['r', '/w/old'],
    ];
    expect(lookups(records, ['/tmp/s'])).toEqual(['o /w/old', 'o /w/real/a']);
  });
});

describe('no trace at all', () => {
  test.each([
    ['', 'did not tell'],
    [textOf([['s', '/w']]), 'did not tell'],
    [textOf([['p', 1, ['/usr/bin/python3'], '/w']]), 'did not tell'],
    // A module on this host told, but not the controller: its Python takes no PYTHONPATH.
    [textOf([['p', 2, ['/usr/bin/python3', '/tmp/AnsiballZ_ping.py'], '/w'], MAIN]), 'did not tell'],
    [textOf([['s', '/w'], MAIN]), 'did not tell'],
    [textOf([MAIN, ['!', 'OSError: full']]), 'OSError: full'],
    [textOf([MAIN]).trimEnd(), 'cut'],
    [`${textOf([MAIN])}["s","/w\n`, 'Line 2'],
    [`${textOf([MAIN])}\n`, 'Line 2'],
    [textOf([MAIN, ['z', '/w']]), 'Line 2'],
    [textOf([MAIN, ['s', 'relative']]), 'Line 2'],
    [textOf([MAIN, ['s', '/w', 1]]), 'Line 2'],
    [textOf([MAIN, ['s', 1]]), 'Line 2'],
    [textOf([MAIN, ['toString', '/w']]), 'Line 2'],
    [textOf([MAIN, ['e', ['ls'], '/w']]), 'Line 2'],
    [textOf([MAIN, ['e', 'ls', '/w', '/bin/ls']]), 'Line 2'],
    [textOf([MAIN, ['p', '1', ['a'], '/w']]), 'Line 2'],
    [textOf([MAIN, ['m', '/a']]), 'Line 2'],
    [textOf([MAIN, ['!']]), 'Line 2'],
    [textOf([MAIN, { s: '/w' }]), 'Line 2'],
    [textOf([MAIN, null]), 'Line 2'],
    [`${textOf([MAIN])}["s","/w/a\\udcffb"]\n`, 'UTF-8'],
  ])('%j', (text, problem) => {
    expect(failure(text)).toContain(problem);
  });

  test('a name that is no UTF-8 is no matter where nothing counts', () => {
    const text = `${textOf([MAIN])}["s","/tmp/a\\udcffb"]\n`;
    expect(readTrace(text, { ignored: ['/tmp'] }).ok).toBe(true);
  });

  test('links in a circle', () => {
    const records = [
      ['m', '/w/a/b', '/w/a'],
      ['m', '/w/a/c', '/w/a'],
      ['s', '/w/a/x'],
    ];
    expect(failure(textOf([MAIN, ...records]))).toContain('circles');
  });

  const path = fc
    .array(fc.constantFrom('a', '..', 'größe', '"', '\\', '\n', 'x y', ' 漢'), { minLength: 1, maxLength: 5 })
    .map((parts) => `/w/${parts.join('/')}`);
  const record = fc.oneof(
    fc.tuple(fc.constantFrom('r', 's', 'k', 'l', 'w'), path),
    fc.tuple(fc.constant('m'), path, path),
    fc.tuple(fc.constant('e'), fc.array(path), path, path),
    fc.tuple(fc.constant('p'), fc.nat(), fc.array(path), path),
  );
  const whole = fc.array(record, { maxLength: 12 }).map((records) => textOf([MAIN, ...records]));

  test('a text that was cut anywhere but after a line is none', () => {
    fc.assert(
      fc.property(whole, fc.nat(), (text, at) => {
        const cut = text.slice(0, at % text.length);
        fc.pre(!cut.endsWith('\n') && cut !== '');
        expect(failure(cut)).not.toBeNull();
      }),
    );
  });

  test('records that are torn into each other are none', () => {
    fc.assert(
      fc.property(whole, record, fc.nat(), (text, other, at) => {
        const place = at % text.length;
        fc.pre(place > 0 && text[place - 1] !== '\n');
        expect(failure(text.slice(0, place) + textOf([other]) + text.slice(place))).not.toBeNull();
      }),
    );
  });

  test('whatever the records, nothing is thrown, and what was asked is there', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('r', 's', 'k', 'l', 'w'), path), { maxLength: 30 }),
        (records) => {
          const { lookups: found, untraced } = read(records);
          expect(untraced).toEqual([]);
          expect(found.size).toBe(new Set(records.map(([, asked]) => asked)).size);
        },
      ),
    );
  });
});

test('children that are not known make it opaque, and what their words name counts', () => {
  const { untraced, lookups: found } = read([
    ['e', ['rsync', '-a', 'files/tree', 'host:/x'], '/w', '/usr/bin/rsync'],
    ['e', ['/usr/bin/python3', 'ours.py'], '/w', '/usr/bin/python3'],
    ['p', 3, ['/usr/bin/python3', 'ours.py'], '/w'],
  ]);
  expect(untraced).toEqual(['rsync -a files/tree host:/x']);
  expect(found.get('/w/files/tree')?.open).toBe(true);
});
