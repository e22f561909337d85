/** Links among the inputs: what a stage reads through one is hashed, whatever the way there. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { excludedBy, findInputs, sortedByPath } from '../../src/engine/inputs.ts';
import { followLinks } from '../../src/engine/links.ts';
import { Looks } from '../../src/engine/looks.ts';
import { realFiles } from '../../src/host/files.ts';

let base: string;
let root: string;

beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'bake-links-')));
  root = join(base, 'checkout');
  mkdirSync(root);
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

/** Paths are relative to the checkout; a text that begins with `→` makes a link. */
function make(given: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(given)) {
    const place = join(root, path);
    mkdirSync(dirname(place), { recursive: true });
    if (text.startsWith('→')) symlinkSync(text.slice(1).replace('BASE', base), place);
    else writeFileSync(place, text);
  }
}

/** What the stage gets: path → `link`, or where its content lies, as seen from the directory around the checkout. */
function staged(inputs: readonly string[], options: { asFiles?: readonly string[]; inPlace?: boolean } = {}) {
  const looks = new Looks(realFiles, root, ['out']);
  const found = findInputs(inputs, looks);
  expect(found.unmatched).toEqual([]);
  const linked = followLinks(found.files, {
    files: realFiles,
    looks,
    asFiles: new Set(options.asFiles ?? []),
    isExcluded: excludedBy(inputs),
    inPlace: options.inPlace ?? false,
  });
  const short = (path: string) => path.replace(base, 'BASE').replace('BASE/checkout/', '');
  return {
    files: Object.fromEntries(
      [...sortedByPath(linked.files)].map(([path, stamp]) => [
        short(path),
        stamp.type === 'link' ? 'link' : short(linked.places.get(path) ?? join(root, path)),
      ]),
    ),
    troubles: linked.troubles.map(({ path, problem }) => `${path}: ${problem}`),
    unreadable: linked.unreadable.map(({ path, errno }) => `${path}: ${errno}`),
    special: linked.special,
    looked: [...looks.all().keys()].map(short),
    passed: [...linked.passed.keys()].map(short),
  };
}

const FINE = { troubles: [], unreadable: [], special: [] };

describe('a link', () => {
  it('to what is declared too stays a link: to a file, a directory, or by another link', () => {
    make({ 'in/a': '1', 'in/d/b': '2', 'in/l': '→a', 'in/e': '→d', 'in/deep/c': '→../l', 'in/all': '→.' });
    expect(staged(['in'])).toMatchObject({
      ...FINE,
      files: {
        'in/a': 'in/a',
        'in/all': 'link',
        'in/d/b': 'in/d/b',
        'in/deep/c': 'link',
        'in/e': 'link',
        'in/l': 'link',
      },
    });
  });

  it('to what is not declared is replaced by it: in the checkout, beside it, over other links', () => {
    make({ '../beside': '1', 'lib/f': '2', 'lib/g': '→f', 'in/out': '→../../beside', 'in/in': '→../lib/g' });
    const { looked, passed, ...rest } = staged(['in']);
    expect(rest).toMatchObject({ ...FINE, files: { 'in/in': 'lib/f', 'in/out': 'BASE/beside' } });
    for (const path of ['lib/f', 'lib/g', 'in/in', 'BASE/beside']) expect(looked).toContain(path);
    expect(passed).toEqual(expect.arrayContaining(['in/in', 'lib/g', 'in/out']));
  });

  it('to a directory that is not declared is replaced by all that is in it, which is looked at', () => {
    make({
      '../lib/a': '1',
      '../lib/.hidden': '2',
      '../lib/sub/b': '→../a',
      '../lib/away': '→../other',
      '../other': '3',
      'in/lib': '→../../lib',
    });
    const { looked, ...rest } = staged(['in']);
    expect(rest).toMatchObject({
      ...FINE,
      files: {
        'in/lib/.hidden': 'BASE/lib/.hidden',
        'in/lib/a': 'BASE/lib/a',
        'in/lib/away': 'BASE/other',
        'in/lib/sub/b': 'link',
      },
    });
    expect(looked).toEqual(expect.arrayContaining(['BASE/lib', 'BASE/lib/sub', 'BASE/other']));
  });

  it('that is absolute stays, and what it leads to is an input where it lies', () => {
    make({
      '../file': '1',
      '../dir/a': '2',
      '../dir/b': '→../file',
      '../dir/c': '→a',
      'in/file': '→BASE/file',
      'in/dir': '→BASE/dir',
      'in/null': '→/dev/null',
    });
    expect(staged(['in'])).toMatchObject({
      ...FINE,
      files: {
        'BASE/dir/a': 'BASE/dir/a',
        'BASE/dir/b': 'link',
        'BASE/dir/c': 'link',
        'BASE/file': 'BASE/file',
        'in/dir': 'link',
        'in/file': 'link',
        'in/null': 'link',
      },
    });
  });

  it('to nothing stays, and is looked at again; not one that leads out, for elsewhere something may be', () => {
    make({ 'in/a': '→gone', 'in/b': '→BASE/gone', 'in/loop': '→loop', 'in/c': '→a' });
    const { looked, passed, ...rest } = staged(['in']);
    expect(rest).toMatchObject({
      ...FINE,
      files: { 'in/a': 'link', 'in/b': 'link', 'in/c': 'link', 'in/loop': 'link' },
    });
    for (const absent of ['in/gone', 'BASE/gone']) {
      expect(looked).toContain(absent);
      expect(passed).toContain(absent);
    }
    make({ 'in/out': '→../../gone', 'in/far': '→../../../../../../../../../etc/no-such-file' });
    expect(staged(['in']).troubles).toEqual(['in/far: nothing-there', 'in/out: nothing-there']);
    expect(staged(['in'], { inPlace: true })).toMatchObject(FINE);
  });

  it('without end, or with far too much behind it, is refused by name', () => {
    make({
      '../lib/up': '→.',
      '../lib/over': '→../lib',
      '../top': '→.',
      'in/up': '→../..',
      'in/abs': '→BASE',
      'in/lib': '→../../lib',
    });
    make({ 'in/slash': '→/' });
    expect(staged(['in']).troubles).toEqual([
      'in/abs: holds-the-link',
      'in/lib/over: holds-the-link',
      'in/slash: holds-the-link',
      'in/up: holds-the-link',
    ]);
    expect(staged(['in/lib', '!in/lib/over'])).toMatchObject({ files: { 'in/lib/up': 'link' } });
    make({ '../one/two': '→../two', '../two/one': '→../one', 'in/one': '→../../one' });
    expect(staged(['in/one']).troubles).toEqual(['in/one/two/one: holds-the-link']);
  });

  it('that is excluded, or whose content is, does not count', () => {
    make({ '../lib/a': '1', '../lib/b': '2', 'in/lib': '→../../lib', 'in/gone': '→../../gone' });
    expect(staged(['in', '!in/lib/b', '!in/gone'])).toMatchObject({
      ...FINE,
      files: { 'in/lib/a': 'BASE/lib/a' },
    });
  });

  it('on the way of a path is gone through, and the directory that is there is made', () => {
    make({ 'real/a': '1', 'real/l': '→a', 'real/sub/b': '2', link: '→real', chain: '→link' });
    const { looked, ...rest } = staged(['chain/*', 'chain/sub']);
    expect(rest).toMatchObject({
      ...FINE,
      files: { 'chain/a': 'chain/a', 'chain/l': 'real/a', 'chain/sub/b': 'chain/sub/b' },
    });
    expect(looked).toEqual(expect.arrayContaining(['chain', 'link', 'real']));
    expect(staged(['link', 'link/a']).files).toEqual({
      'link/a': 'real/a',
      'link/l': 'link',
      'link/sub/b': 'real/sub/b',
    });
  });

  it('that an option names counts by the file it leads to', () => {
    make({ 'in/a': '1', 'in/l': '→a', 'in/d/x': '2', 'in/e': '→d' });
    expect(staged(['in'], { asFiles: ['in/l'] }).files).toMatchObject({ 'in/l': 'in/a' });
    expect(staged(['in'], { asFiles: ['in/e'] }).special).toEqual(['in/e']);
  });

  it('that cannot be followed is told of', () => {
    make({ '../f': '1', 'in/x': `→${'y'.repeat(300)}` });
    expect(staged(['in']).unreadable).toEqual(['in/x: ENAMETOOLONG']);
  });
});
