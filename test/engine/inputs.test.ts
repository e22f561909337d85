/** Inputs on a real file system: what patterns find, and what they never find. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findInputs, nearestTo } from '../../src/engine/inputs.ts';
import { Looks } from '../../src/engine/looks.ts';
import { realFiles } from '../../src/host/files.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'bake-inputs-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(...paths: readonly string[]): void {
  for (const path of paths) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), path);
  }
}

function find(patterns: readonly string[], apart: readonly string[] = []) {
  const found = findInputs(patterns, new Looks(realFiles, root, apart));
  return { ...found, files: [...found.files.keys()] };
}

describe('inputs', () => {
  it('are everything below a directory that is named, hidden files too', () => {
    write('app/a', 'app/.hidden', 'app/deep/.dot/b', 'other');
    expect(find(['app']).files).toEqual(['app/.hidden', 'app/a', 'app/deep/.dot/b']);
    expect(find(['app/**']).files).toEqual(['app/.hidden', 'app/a', 'app/deep/.dot/b']);
  });

  it('of a wildcard at the top leave hidden names out unless the pattern asks for them', () => {
    write('.env', '.github/x', 'a', 'b/c');
    expect(find(['**']).files).toEqual(['a', 'b/c']);
    expect(find(['*']).files).toEqual(['a', 'b/c']);
    expect(find(['.*']).files).toEqual(['.env', '.github/x']);
    expect(find(['.env']).files).toEqual(['.env']);
  });

  it('never hold .git, the cache directory or placed outputs when a wildcard finds them', () => {
    write('.git/HEAD', 'sub/.git/HEAD', 'sub/x', 'cache/v1/blob', 'dist/out.img', 'dist/kept');
    expect(find(['**', 'sub'], ['cache', 'dist/out.img']).files).toEqual(['dist/kept', 'sub/x']);
    expect(find(['.'], ['cache', 'dist/out.img']).files).toEqual(['dist/kept', 'sub/x']);
  });

  it('are taken in order: an exclusion takes away what came before it, and nothing after', () => {
    write('a/x.log', 'a/y.txt', 'a/z.log');
    expect(find(['a', '!**/*.log']).files).toEqual(['a/y.txt']);
    expect(find(['a', '!a/*.log', 'a/z.log']).files).toEqual(['a/y.txt', 'a/z.log']);
    expect(find(['a', '!a']).files).toEqual([]);
  });

  it('are not known where something cannot be looked at, unless that is excluded', () => {
    write('a/x', 'a/b/y');
    writeFileSync(Buffer.concat([Buffer.from(join(root, 'a/b/caf')), Buffer.from([0xe9])]), '');
    const strange = { path: 'a/b/caf\\xe9', errno: 'EILSEQ' };
    for (const pattern of ['a', '**', 'a/*/*', 'a/**/y'])
      expect(find([pattern]).unreadable, pattern).toEqual([strange]);
    expect(find(['a', '!a/b/caf*']).unreadable).toEqual([]);
    expect(find(['a', '!a/b']).unreadable).toEqual([]);
    expect(find(['a/x']).unreadable).toEqual([]);
    expect(find(['y'.repeat(300)])).toMatchObject({
      unmatched: [],
      unreadable: [{ path: 'y'.repeat(300), errno: 'ENAMETOOLONG' }],
    });
  });

  it('are told of when they are found, but for those that an exclusion takes away afterwards', () => {
    write('a/x.log', 'a/y.txt', 'b/z.log', 'c');
    symlinkSync('c', join(root, 'd'));
    const told: string[] = [];
    const patterns = ['a', '!a/*.log', 'b', 'a/x.log', 'd', '!b'];
    const { files } = findInputs(patterns, new Looks(realFiles, root, []), (path, stamp) =>
      told.push(`${path} ${stamp.type}`),
    );
    expect(told).toEqual(['a/y.txt file', 'a/x.log file', 'd link']);
    expect([...files.keys()]).toEqual(['a/x.log', 'a/y.txt', 'd']);
  });

  it('tell which patterns match nothing, but for exclusions', () => {
    write('a');
    expect(find(['a', 'b', 'c/*.txt', '!nothing']).unmatched).toEqual(['b', 'c/*.txt']);
  });

  it('keep links as links, also those to directories and to nowhere', () => {
    write('real/x');
    symlinkSync('real', join(root, 'to-directory'));
    symlinkSync('nowhere', join(root, 'dangling'));
    const found = findInputs(['**', 'dangling'], new Looks(realFiles, root, []));
    expect([...found.files].map(([path, stamp]) => [path, stamp.type])).toEqual([
      ['dangling', 'link'],
      ['real/x', 'file'],
      ['to-directory', 'link'],
    ]);
  });

  it('may have names with blanks, line breaks and any letters', () => {
    write('ä ö/ü\nx', "it's/[1]");
    expect(find(['ä ö', "it's"]).files).toEqual(["it's/[1]", 'ä ö/ü\nx']);
  });

  it('are sorted by code unit, whatever the locale says', () => {
    write('Z', 'a', 'É', '10', '9');
    expect(find(['*']).files).toEqual(['10', '9', 'Z', 'a', 'É']);
  });
});

describe('a missing input', () => {
  it('brings to mind the file that was meant', () => {
    write('ansible/app.yml');
    expect(nearestTo('ansible/ap.yml', new Looks(realFiles, root, []))).toEqual(['ansible/app.yml']);
    expect(nearestTo('nowhere/ap.yml', new Looks(realFiles, root, []))).toEqual([]);
  });
});
