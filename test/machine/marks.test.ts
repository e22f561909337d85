/** Marks of an installation: where a later attempt goes on, where it must not, and what a kill leaves, with real machines. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { initrd, installerIso, kernel } from '../support/guest.ts';
import { Inside } from '../support/inside.ts';
import { installedDisk } from '../support/installed-disk.ts';
import { ownPath } from '../support/own-place.ts';
import { machinesBelow } from '../support/provisioning.ts';
import { type Checkout, Rig, type Run } from '../support/rig.ts';
import { without } from '../support/without.ts';

let rig: Rig;

beforeAll(async () => {
  rig = await Rig.make();
  initrd();
}, 600_000);
afterAll(() => rig[Symbol.asyncDispose]());

const PLAIN = ['--reporter', 'plain', '-v'] as const;
const MARKS = `marks:
        - { name: first, serial: the first part is done }
        - { name: second, serial: the second part is done }`;

/** A checkout in which the little guest fetches its files, and so far never gets the last one. */
function fetching(name: string): Checkout {
  const checkout = rig.checkout(name, { 'http/early': 'here', 'http/late': 'here' });
  copyFileSync(kernel(), checkout.path('vmlinuz'));
  copyFileSync(initrd(), checkout.path('initrd'));
  pipeline(checkout);
  return checkout;
}

/** The stage waits for what it is told only as soon as `last` is there. */
function pipeline(checkout: Checkout, { append = '', more = '' } = {}): void {
  checkout.write({
    'pipeline.yaml': `bake: 1
name: marks
stages:
  install:
    uses: qemu-install
    place: false
    with:
      disk_size: 64MiB
      memory: 128MiB
      net_device: e1000
      kernel: vmlinuz
      initrd: initrd
      append: "console=ttyS0 scenario=fetch http={{ .HTTPIP }}:{{ .HTTPPort }} ${append}"
      http_directory: http
      wait_for:
        - { serial: "second part is done", timeout: 2m }
        - { serial: "last is good", timeout: 8s }
      ${MARKS}
      ${more}
`,
  });
}

/** Directories of the marks in the cache of a checkout. */
function marksOf(checkout: Checkout): readonly string[] {
  const sides = ownPath(checkout.path('cache'), 'sides');
  if (!existsSync(sides)) return [];
  return readdirSync(sides).flatMap((owner) =>
    readdirSync(join(sides, owner)).map((name) => join(sides, owner, name)),
  );
}

/** Files of marks that are being saved; a bake that was killed leaves some, until the next one comes by. */
function unsavedMarks(checkout: Checkout): readonly string[] {
  const work = ownPath(checkout.path('cache'), 'work');
  if (!existsSync(work)) return [];
  return readdirSync(work, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('mark-0/disk.qcow2'),
  );
}

/** Lines of a run that tell of marks. */
function toldOf(run: Pick<Run, 'stdout'>): readonly string[] {
  return run.stdout
    .split('\n')
    .map((line) => line.replace(/^install \| /, '').replace(/ in [\d.]+ s, [\d.]+ MB$/, ''))
    .filter((line) => /^(?:the )?mark |^resumed|^installing from/.test(line));
}

const RESUMED = (name: string) => `resumed at the mark ${name}; \`bake run --force\` begins anew`;
const ANEW = 'installing from the beginning';
const BOTH_SAVED = ['mark first: saved', 'mark second: saved'];

test('an installation that fails late goes on at its last mark, and from the beginning if what came before differs', async () => {
  const checkout = fetching('fetching');
  const failed = await checkout.run(PLAIN);
  expect(failed.stages['install']?.failure).toMatchObject({ code: 'serial-not-seen' });
  expect(toldOf(failed)).toEqual([ANEW, ...BOTH_SAVED]);
  for (const directory of marksOf(checkout)) {
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(directory))
      expect([name, statSync(join(directory, name)).mode & 0o777]).toEqual([name, 0o600]);
  }

  // What it gets after the mark is what was wrong: it was not there, or not as it must be.
  checkout.write({ 'http/last': 'bad' });
  const again = await checkout.run(PLAIN);
  expect(toldOf(again)).toEqual([RESUMED('second')]);
  expect(again.stages['install']?.failure).toMatchObject({
    code: 'serial-not-seen',
    pattern: 'last is good',
  });
  const console = (again.stages['install']?.failure as { guest?: { serialLog?: string } } | null)?.guest;
  expect(readFileSync(console?.serialLog ?? '', 'utf8')).toMatch(
    /Linux version.*early is here.*last is bad/s,
  );

  checkout.write({ 'http/last': 'good' });
  const mended = await checkout.run(PLAIN);
  expect(toldOf(mended)).toEqual([RESUMED('second')]);
  expect(mended.outcomes, mended.stdout).toEqual({ install: 'built' });
  expect(mended.stdout.match(/GET \/\w+ \d+/g)).toEqual(['GET /last 200']);
  expect((await checkout.run(PLAIN)).outcomes).toEqual({ install: 'fresh' });

  // Between the marks: the first one still fits.
  checkout.write({ 'http/late': 'other' });
  const between = await checkout.run(PLAIN);
  expect(toldOf(between)).toEqual([
    'the mark second does not fit: /late, which the guest asked for before it, has changed',
    RESUMED('first'),
    'mark second: saved',
  ]);
  expect(between.stdout).toContain('guest: late is other');
  expect(between.outcomes).toEqual({ install: 'built' });

  // Before both of them, also what it asked for in vain.
  checkout.write({ 'http/missing': 'found' });
  const found = await checkout.run(PLAIN);
  const why = '/missing, which the guest asked for before it, was not there then';
  const unfit = (reason: string) =>
    ['second', 'first'].map((name) => `the mark ${name} does not fit: ${reason}`);
  expect(toldOf(found)).toEqual([...unfit(why), ANEW, ...BOTH_SAVED]);
  expect(found.stdout).toContain('guest: missing is found');
  pipeline(checkout, { append: 'quiet' });
  const appended = await checkout.run(PLAIN);
  expect(toldOf(appended)).toEqual([...unfit('it is of a machine with other append'), ANEW, ...BOTH_SAVED]);

  expect(toldOf(await checkout.run([...PLAIN, '--force']))[0]).toBe(ANEW);
});

test('whoever wants no marks gets none, and uses none; rm --checkpoints removes them', async () => {
  const checkout = fetching('unmarked');
  checkout.write({ 'http/last': 'good' });
  for (const [flags, more] of [
    [['--no-checkpoint'], ''],
    [[], 'checkpoint: false'],
  ] as const) {
    pipeline(checkout, { more });
    const ran = await checkout.run([...PLAIN, '--force', ...flags]);
    expect(ran.outcomes, ran.stdout).toEqual({ install: 'built' });
    expect(toldOf(ran)).toEqual([]);
    expect(marksOf(checkout)).toEqual([]);
  }
  pipeline(checkout);
  // They are no part of what is made.
  expect((await checkout.run(PLAIN)).outcomes).toEqual({ install: 'fresh' });
  await checkout.run([...PLAIN, '--force']);
  expect(marksOf(checkout)).toHaveLength(2);
  checkout.write({ 'http/last': 'bad' });
  expect(toldOf(await checkout.run([...PLAIN, '--no-checkpoint']))).toEqual([]);
  expect((await checkout.bake(['cache', 'rm', '--checkpoints'])).stdout).toMatch(/^removed 2 checkpoints/);
  expect(marksOf(checkout)).toEqual([]);
});

test('a mark that cannot be loaded is dropped, one whose port is taken is left, and both cost only time', async () => {
  const checkout = fetching('spoilt');
  await checkout.run(PLAIN);
  const [spoilt, whole] = marksOf(checkout).toSorted(
    (a, b) => statSync(join(b, 'mark.json')).mtimeMs - statSync(join(a, 'mark.json')).mtimeMs,
  );
  truncateSync(join(spoilt ?? '', 'memory.zst'), 1_000_000);
  checkout.write({ 'http/last': 'bad' });
  const ran = await checkout.run(PLAIN);
  expect(toldOf(ran).join('\n')).toMatch(
    /^the mark second is of no use: .*\nresumed at the mark first; .*\nmark second: saved$/,
  );

  const { port } = JSON.parse(readFileSync(join(whole ?? '', 'mark.json'), 'utf8')) as { port: number };
  const taken = createServer();
  await new Promise<void>((done) => void taken.listen(port, '127.0.0.1', done));
  checkout.write({ 'http/last': 'good' });
  const elsewhere = await checkout.run(PLAIN);
  taken.close();
  const why = `is of no use: the port of its HTTP server, ${port}, is taken`;
  expect(toldOf(elsewhere)).toEqual([`the mark second ${why}`, `the mark first ${why}`, ANEW, ...BOTH_SAVED]);
  expect(elsewhere.outcomes, elsewhere.stdout).toEqual({ install: 'built' });
});

test('bake or QEMU killed while a mark is being saved leaves no half of one, and the next run ends right', async () => {
  const checkout = fetching('killed');
  checkout.write({ 'http/last': 'good' });
  for (const victim of ['bake', 'QEMU']) {
    const left = unsavedMarks(checkout);
    const { running, run } = checkout.startRun(PLAIN);
    const isSaving = () => unsavedMarks(checkout).some((path) => !left.includes(path));
    await expect.poll(isSaving, { timeout: 120_000, interval: 5 }).toBe(true);
    if (victim === 'bake') running.kill('SIGKILL');
    else for (const pid of machinesBelow(checkout.directory)) process.kill(pid, 'SIGKILL');
    const ended = await run;
    expect(ended.outcomes['install'], ended.stdout).not.toBe('built');
    expect(ended.stdout).not.toContain('mark first: saved');
    await expect.poll(() => machinesBelow(checkout.directory), { timeout: 10_000 }).toEqual([]);
    expect(marksOf(checkout)).toEqual([]);
  }
  const ran = await checkout.run(PLAIN);
  expect(toldOf(ran)).toEqual([ANEW, ...BOTH_SAVED]);
  expect(ran.outcomes, ran.stdout).toEqual({ install: 'built' });
  expect(unsavedMarks(checkout)).toEqual([]);
});

/** Two whole installations are part of the long form alone, `MACHINES=all`: what resuming does is tested above. */
test.skipIf(without.allMachines)(
  'the default installer, resumed in the middle of its work, leaves the disk of an undisturbed one',
  async () => {
    const checkout = rig.checkout('installer');
    copyFileSync(installerIso(), checkout.path('installer.iso'));
    copyFileSync(installedDisk(), checkout.path('installed.qcow2'));
    const stages = (waited: string) => ({
      'pipeline.yaml': `bake: 1
name: marks
stages:
  install:
    uses: qemu-install
    with:
      iso: installer.iso
      disk_size: 2GiB
      memory: 512MiB
      wait_for: [{ serial: "${waited}" }]
      marks:
        - { name: partitioned, serial: "installer: unpacking" }
        - { name: unpacked, serial: "installer: installing the boot loader" }
  undisturbed:
    run: cp --reflink=auto installed.qcow2 undisturbed.qcow2
    inputs: [installed.qcow2]
    outputs: { disk: undisturbed.qcow2 }
  proof:
    uses: smoke-test
    with: { disk: "\${{ stages.install.outputs.disk }}", memory: 512MiB }
`,
    });
    checkout.write(stages('installer: never says this'));
    const failed = await checkout.run(PLAIN);
    expect(failed.stages['install']?.failure).toMatchObject({ code: 'guest-powered-off-early' });
    expect(toldOf(failed)).toEqual([ANEW, 'mark partitioned: saved', 'mark unpacked: saved']);

    checkout.write(stages('installer: installation complete'));
    const mended = await checkout.run(PLAIN);
    expect(mended.outcomes, mended.stdout).toEqual({
      install: 'built',
      undisturbed: 'fresh',
      proof: 'built',
    });
    expect(toldOf(mended)).toEqual([RESUMED('unpacked')]);
    const compared = await checkout.bake(['diff', 'install', 'undisturbed', '--json']);
    expect(compared.code, compared.stderr).toBe(0);
    const { partitions } = JSON.parse(compared.stdout) as { partitions: readonly unknown[] };
    expect(partitions).not.toEqual([]);
    const changed = [...JSON.stringify(partitions).matchAll(/"path":"([^"]*)"/g)].map(([, path]) => path);
    // It holds the numbers of its own blocks, which the file system hands out as it comes.
    expect(changed.filter((path) => path !== '/boot/extlinux/ldlinux.sys')).toEqual([]);
    const directory = checkout.path('inside');
    mkdirSync(directory);
    const disk = join(directory, 'disk.qcow2');
    expect((await checkout.bake(['get', 'install', '--to', disk])).code).toBe(0);
    const inside = new Inside(disk, directory);
    expect(inside.names('/boot')).toContain('extlinux');
  },
);
