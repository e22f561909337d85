/** `bake cache verify`: what is damaged is found and said by the exit status, and `--repair` leaves a cache that builds what is missing. */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Checkout, Rig } from '../support/rig.ts';

const PIPELINE = `bake: 1
name: two
stages:
  disk:
    run: head -c 1200000 /dev/zero > disk.img; echo said
    outputs: { image: disk.img }
  tree:
    run: mkdir -p t/a; echo x > t/a/x
    outputs: { t: t }
`;

interface Report {
  readonly schemaVersion: number;
  readonly blobs: { readonly count: number; readonly checked: number };
  readonly results: number;
  readonly damage: readonly {
    readonly what: string;
    readonly path: string;
    readonly action: string | null;
  }[];
  readonly repaired: boolean;
}

async function verify(
  checkout: Checkout,
  ...flags: string[]
): Promise<{ code: number | null; report: Report }> {
  const ended = await checkout.bake(['cache', 'verify', '--json', ...flags]);
  return { code: ended.code, report: JSON.parse(ended.stdout) as Report };
}

/** Every file of a directory of the cache. */
function filesBelow(checkout: Checkout, directory: string): readonly string[] {
  const root = checkout.path(`cache/v1/${directory}`);
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function damage(path: string, how: string): void {
  const { atimeMs, mtimeMs } = lstatSync(path);
  const bytes = readFileSync(path);
  rmSync(path);
  if (how === 'directory') mkdirSync(path);
  else if (how === 'link') symlinkSync('/etc/passwd', path);
  else if (how !== 'gone') {
    const at = bytes.length >> 1;
    if (how === 'bit') bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(path, how === 'half' ? bytes.subarray(0, at) : how === 'empty' ? '' : bytes, {
      mode: 0o444,
    });
    chmodSync(path, 0o444);
    utimesSync(path, atimeMs / 1000, mtimeMs / 1000);
  }
}

test('a whole cache is fine, a sample reads so many', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', { 'pipeline.yaml': PIPELINE });
  expect((await here.bake(['run'])).code).toBe(0);
  const all = await verify(here);
  expect(all).toMatchObject({
    code: 0,
    report: { schemaVersion: 1, results: 2, damage: [], repaired: false },
  });
  expect(all.report.blobs.checked).toBe(all.report.blobs.count);
  expect((await verify(here, '--sample', '2')).report.blobs.checked).toBe(2);
  expect((await verify(here, '--sample', '50%')).report.blobs.checked).toBe(
    Math.ceil(all.report.blobs.count / 2),
  );
  for (const wrong of ['0', 'x', '101%', '-1', '1.5'])
    expect((await here.bake(['cache', 'verify', `--sample=${wrong}`])).code).toBe(2);
});

test.each(['bit', 'half', 'directory', 'link', 'gone'])(
  'every file of content and index that is %s is found, and repairing makes the cache whole',
  async (how) => {
    await using rig = await Rig.make();
    const here = rig.checkout('here', { 'pipeline.yaml': PIPELINE });
    expect((await here.bake(['run'])).code).toBe(0);
    const targets = [...filesBelow(here, 'content-v2'), ...filesBelow(here, 'index-v5')];
    expect(targets.length).toBeGreaterThan(8);
    // One of each sort suffices. The record first: what is built again has another one.
    const large = targets.find((path) => lstatSync(path).size === 1_200_000) as string;
    const record = targets.find((path) => readFileSync(path, 'utf8').startsWith('{"artifacts"')) as string;
    const entry = targets.find((path) => readFileSync(path, 'utf8').includes('"result:')) as string;
    for (const path of [record, entry, large]) {
      if (path === entry && how === 'gone') continue;
      damage(path, how);
      const found = await verify(here);
      expect([how, found.code]).toEqual([how, 1]);
      expect(found.report.damage.map((one) => one.path)).toContain(
        how === 'gone' ? found.report.damage[0]?.path : path,
      );
      const repaired = await verify(here, '--repair');
      expect(repaired).toMatchObject({ code: 1, report: { repaired: true } });
      expect(await verify(here)).toMatchObject({ code: 0 });
      rmSync(here.path('disk.img'));
      rmSync(here.path('t'), { recursive: true });
      expect((await here.bake(['run'])).code).toBe(0);
      expect(readFileSync(here.path('disk.img')).equals(Buffer.alloc(1_200_000))).toBe(true);
      expect(await verify(here)).toMatchObject({ code: 0 });
    }
  },
);

test('it says in words what is wrong and what to do, and an empty cache is fine', async () => {
  await using rig = await Rig.make();
  const here = rig.checkout('here', { 'pipeline.yaml': PIPELINE });
  expect(await here.bake(['cache', 'verify'])).toMatchObject({ code: 0 });
  expect((await here.bake(['run'])).code).toBe(0);
  const large = filesBelow(here, 'content-v2').find((path) => lstatSync(path).size === 1_200_000) as string;
  damage(large, 'bit');
  const found = await here.bake(['cache', 'verify']);
  expect(found.code).toBe(1);
  expect(found.stdout).toContain('disk: content sha256:');
  expect(found.stdout).toContain('`bake cache verify --repair` takes them out');
  const repaired = await here.bake(['cache', 'verify', '--repair']);
  expect(repaired.stdout).toContain('moved to the quarantine');
  expect(readdirSync(here.path('cache/v1/quarantine'))).toHaveLength(1);
});
