/** Seed images, read back by xorriso in each of the three views that our writer makes. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seedIsoBytes } from '../../src/formats/seed-iso.ts';

const text = (value: string) => new Uint8Array(Buffer.from(value));

const FILES = [
  { path: 'user-data', bytes: text('#cloud-config\nhostname: tiny\n') },
  { path: 'meta-data', bytes: text('instance-id: tiny-1\n') },
  { path: 'empty', bytes: new Uint8Array(0) },
  { path: 'exact', bytes: new Uint8Array(4096).fill(7) },
  { path: 'scripts/Läte Command, with a long name.sh', bytes: text('#!/bin/sh\n'), executable: true },
  { path: 'a/b/c/d/e/f/deep.txt', bytes: new Uint8Array(5000).fill(65) },
  // Enough of them that a directory fills several sectors, and alike enough that the plain names collide.
  ...Array.from({ length: 60 }, (_, index) => ({
    path: `many/a rather long file name whose end tells it apart ${index}.conf`,
    bytes: text(`${index}`),
  })),
];

async function image(files = FILES, label = 'cidata'): Promise<Uint8Array> {
  const made = await seedIsoBytes(label, files);
  if (!made.ok) throw new Error(made.failure);
  return made.value;
}

describe('a seed image', () => {
  let directory: string;
  let iso: string;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'bake-iso-'));
    iso = join(directory, 'seed.iso');
    writeFileSync(iso, await image());
  });
  afterAll(() => {
    execFileSync('chmod', ['-R', 'u+w', directory]);
    rmSync(directory, { recursive: true });
  });

  function extract(view: string): string {
    const to = join(directory, view);
    const options = ['-read_fs', view, '-osirrox', 'on', '-indev', iso, '-extract', '/', to];
    execFileSync('xorriso', ['-abort_on', 'WARNING', ...options], { stdio: 'pipe' });
    return to;
  }

  it('gives every file back through Rock Ridge, with its name and executable bit', () => {
    const to = extract('any');
    for (const file of FILES) {
      expect(new Uint8Array(readFileSync(join(to, file.path))), file.path).toEqual(file.bytes);
      const executable = 'executable' in file;
      expect(statSync(join(to, file.path)).mode & 0o777, file.path).toBe(executable ? 0o555 : 0o444);
    }
  });

  it('gives every file back through Joliet under its own name', () => {
    const to = extract('norock');
    for (const file of FILES)
      expect(new Uint8Array(readFileSync(join(to, file.path))), file.path).toEqual(file.bytes);
  });

  it('has plain names of at most 30 characters that stay apart', () => {
    const listing = execFileSync(
      'xorriso',
      ['-read_fs', 'ecma119', '-ecma119_map', 'unmapped', '-indev', iso, '-find', '/'],
      {
        stdio: 'pipe',
        encoding: 'utf8',
      },
    );
    const names = [...listing.matchAll(/\/([^/']+)'$/gm)].map((match) => match[1] as string);
    expect(names).toContain('USER_DATA.;1');
    expect(names.filter((name) => name.startsWith('A_RATHER'))).toHaveLength(60);
    expect(new Set(names).size).toBe(names.length);
    expect(names.every((name) => /^[A-Z0-9_]+(\.[A-Z0-9_]*;1)?$/.test(name) && name.length <= 32)).toBe(true);
  });

  it('is found by its label, in the case in which it was given', () => {
    const bytes = readFileSync(iso);
    expect(bytes.subarray(16 * 2048 + 40, 16 * 2048 + 72).toString('latin1')).toBe('cidata'.padEnd(32));
    expect(execFileSync('file', [iso], { encoding: 'utf8' })).toContain(
      "ISO 9660 CD-ROM filesystem data 'cidata'",
    );
  });
});

describe('writing a seed image', () => {
  it('gives the same bytes whatever the order of the files', async () => {
    expect(await image([...FILES].reverse())).toEqual(await image());
  });

  it('gives the bytes that it always gave', async () => {
    const golden = createHash('sha256')
      .update(await image())
      .digest('hex');
    expect(golden).toMatchInlineSnapshot(
      `"0e4d9c39b9c83e9ee0f1d8239f0130d1ed0303224a7b6330275085bd0635c181"`,
    );
  });

  it.each([
    ['a label of more than 16 characters', 'a-label-that-is-too-long', 'x', /label/],
    ['a path that climbs', 'cidata', '../x', /no relative path/],
    ['an absolute path', 'cidata', '/x', /no relative path/],
    ['a name of more than 64 characters', 'cidata', 'x'.repeat(65), /longer than 64/],
    ['a ninth level', 'cidata', 'a/b/c/d/e/f/g/h', /deeper/],
  ])('refuses %s', async (_, label, path, problem) => {
    const made = await seedIsoBytes(label, [{ path, bytes: text('x') }]);
    expect(made.ok ? '' : made.failure).toMatch(problem);
  });

  it('refuses a file below a file, and one that is there twice', async () => {
    const x = { path: 'x', bytes: text('x') };
    const below = await seedIsoBytes('cidata', [x, { path: 'x/y', bytes: text('y') }]);
    expect(below.ok ? '' : below.failure).toContain('which is a file');
    const twice = await seedIsoBytes('cidata', [x, x]);
    expect(twice.ok ? '' : twice.failure).toContain('twice');
  });
});
