/** What QEMU and others wrote to explain a failure holds no secret of the stage any more. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { maskEvidence } from '../../src/engine/evidence.ts';
import { Masks } from '../../src/engine/masks.ts';
import { realHost } from '../../src/host/real.ts';

const SECRET = 'correct horse battery';
const { files } = realHost();
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bake-evidence-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function masked(text: string | Buffer, secrets: readonly string[] = [SECRET]): Promise<string> {
  const masks = new Masks();
  for (const secret of secrets) masks.add(secret);
  const place = join(directory, 'serial.log');
  writeFileSync(place, text);
  await maskEvidence(files, directory, masks);
  expect(readdirSync(directory)).toEqual(['serial.log']);
  return readFileSync(place, 'utf8');
}

test('a secret on the console is hidden, also as base64, broken by a line, and where pieces that are read meet', async () => {
  expect(await masked(`boot token=${SECRET} quiet\n`)).toBe('boot token=*** quiet\n');
  expect(await masked(`${Buffer.from(SECRET).toString('base64')}\n`)).not.toContain('Y29ycmVjd');
  expect(await masked(`correct\r\n horse battery\r\nafter\r\n`)).not.toMatch(/correct|horse/);
  for (const before of [(1 << 20) - 5, (1 << 16) - 3, 3 << 20]) {
    const text = await masked(`${'x'.repeat(before)}${SECRET}${'z'.repeat(1 << 17)}`);
    expect(text).not.toMatch(/correct|horse|battery/);
    expect([text.replaceAll(/[^x]/g, '').length, text.replaceAll(/[^z]/g, '').length]).toEqual([
      before,
      1 << 17,
    ]);
  }
});

test('what holds no secret keeps its bytes, and so does all of it when there are no secrets', async () => {
  const bytes = Buffer.from([0x61, 0xff, 0xfe, 0x0d, 0x0a, 0x1b, 0x5b, 0x33, 0x31, 0x6d, 0x62]);
  await masked(bytes);
  expect(readFileSync(join(directory, 'serial.log')).equals(bytes)).toBe(true);
  expect(await masked(`token=${SECRET}`, [])).toBe(`token=${SECRET}`);
});

test('where there is no room for the masked text, none is kept', async () => {
  writeFileSync(join(directory, 'serial.log'), SECRET);
  const full: typeof files = {
    ...files,
    appendFile: async (path) => ({
      ok: false,
      failure: { code: 'file-trouble', action: 'write', path, errno: 'ENOSPC' },
    }),
  };
  const masks = new Masks();
  masks.add(SECRET);
  await maskEvidence(full, directory, masks);
  expect(readdirSync(directory)).toEqual([]);
});

test('where it cannot be seen what was kept, none is kept', async () => {
  const place = join(directory, 'kept');
  mkdirSync(join(place, 'below'), { recursive: true });
  writeFileSync(join(place, 'below/serial.log'), SECRET);
  const failure = { code: 'file-trouble', action: 'list', path: place, errno: 'EIO' } as const;
  const masks = new Masks();
  masks.add(SECRET);
  await maskEvidence({ ...files, walk: () => ({ entries: [], trouble: failure }) }, place, masks);
  expect(readdirSync(directory)).toEqual([]);
});

test('files in directories are masked as well, readable by their user alone; pictures stay', async () => {
  mkdirSync(join(directory, 'below'));
  writeFileSync(join(directory, 'below/http.json'), `{"asked":"/${SECRET}"}\n`);
  writeFileSync(join(directory, 'screen.png'), SECRET);
  const masks = new Masks();
  masks.add(SECRET);
  await maskEvidence(files, directory, masks);
  expect(readFileSync(join(directory, 'below/http.json'), 'utf8')).toBe('{"asked":"/***"}\n');
  expect(statSync(join(directory, 'below/http.json')).mode & 0o777).toBe(0o600);
  expect(readFileSync(join(directory, 'screen.png'), 'utf8')).toBe(SECRET);
  rmSync(join(directory, 'below'), { recursive: true });
  rmSync(join(directory, 'screen.png'));
});
