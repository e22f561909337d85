/** Which marks fit an installation: everything that a guest could have seen before one counts, and nothing else. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { z } from 'zod';
import type { CheckpointFacts } from '../../src/machine/checkpoint.ts';
import type { Digest } from '../../src/model/digest.ts';
import { locationOf } from '../../src/report/render-failure.ts';
import {
  fittingMarks,
  installFacts,
  markPlace,
  whyMarkUnfit,
  writeMarkRecord,
} from '../../src/stages/machine/marks.ts';
import { piecesOf } from '../../src/stages/machine/start-installer.ts';
import { qemuInstallStage } from '../../src/stages/qemu-install.ts';
import { planText } from '../support/plan-text.ts';
import { stageContext, type TestContext } from '../support/stage-context.ts';

type Given = z.input<typeof qemuInstallStage.options>;

const GIVEN: Given = {
  iso: { $file: 'one' },
  disk_size: '1GiB',
  boot_command: ['linux url=http://{{ .HTTPIP }}:{{ .HTTPPort }}/'],
  http_directory: 'http',
  http_files: { '/named': { $file: 'one' } },
  seed: { user_data: 'a: 1', files: { more: { $file: 'one' } } },
  marks: [
    { name: 'first', serial: 'one' },
    { name: 'second', serial: 'two' },
  ],
  accelerator: 'tcg',
};

/** Undefined takes an option away. */
type Changes = { readonly [name in keyof Given]?: Given[name] | undefined };

const optionsOf = (given: Changes) => qemuInstallStage.options.parse({ ...GIVEN, ...given });

const given = mkdtempSync(join(tmpdir(), 'bake-marks-'));
const inputs = { one: join(given, 'one'), other: join(given, 'other') };

beforeAll(() => {
  for (const [name, path] of Object.entries(inputs)) writeFileSync(path, name);
});
afterAll(() => rmSync(given, { recursive: true, force: true }));

async function context(): Promise<TestContext> {
  const within = await stageContext({ inputs });
  mkdirSync(join(within.files, 'http'));
  writeFileSync(join(within.files, 'http/preseed'), 'answers');
  return within;
}

const factsOf = (given: Changes, within: TestContext) => installFacts(optionsOf(given), within, 'tcg');

test('what a guest sees from its start on is a fact of it, and what comes to it later is none', async () => {
  await using within = await context();
  const facts = await factsOf({}, within);
  const record = { id: '1', port: 4000, segment: 'abc', asked: [], requests: [], found: [] };
  const unfit = async (given: Changes) =>
    whyMarkUnfit(
      { checkpoint: { facts, temporaryKey: null, hostKeys: null, session: null }, record },
      await factsOf(given, within),
      async () => null,
    );
  for (const [given, named] of [
    [{ iso: { $file: 'other' } }, 'iso'],
    [{ kernel: { $file: 'one' } }, 'kernel'],
    [{ kernel: { $file: 'one' }, initrd: { $file: 'one' } }, 'kernel, initrd'],
    [{ kernel: { from_iso: '/vmlinuz' }, append: 'quiet' }, 'append, kernel'],
    [{ seed: { ...GIVEN.seed, user_data: 'a: 2' } }, 'seed'],
    [{ seed: { ...GIVEN.seed, files: { more: { $file: 'other' } } } }, 'seed'],
    [{ seed: undefined }, 'seed'],
    [{ disk_size: '2GiB' }, 'disk_size'],
    [{ memory: '2GiB' }, 'memory'],
    [{ cpus: 1 }, 'cpus'],
    [{ net_device: 'e1000' }, 'net_device'],
    [{ extra_args: ['-device', 'usb-ehci'] }, 'extra_args'],
    [{ boot_command: ['other'] }, 'boot_command'],
    [{ boot_wait: '1s' }, 'boot_wait'],
    [{ shutdown: { by: 'reboot' } }, 'end at a reboot'],
    [{ ssh: {} }, 'temporary key'],
    [{ http_directory: undefined, http_files: {} }, 'HTTP server'],
  ] satisfies readonly (readonly [Changes, string])[])
    expect(await unfit(given), JSON.stringify(given)).toBe(`it is of a machine with other ${named}`);
  for (const given of [
    {},
    { wait_for: [{ serial: 'late' }] },
    { ssh: { password: 'known', timeout: '1m' }, run: ['true'], files: { '/etc/x': { $file: 'other' } } },
    { shutdown: { by: 'acpi', timeout: '9m' } },
    { http_files: {} },
    { boot_key_interval: '90ms' },
    { marks: [{ name: 'renamed', serial: 'one' }] },
  ] satisfies readonly Changes[])
    expect(await unfit(given), JSON.stringify(given)).toBeNull();
});

test('another QEMU, and other empty UEFI variables, are another machine', async () => {
  await using within = await context();
  const facts = await factsOf({}, within);
  const record = { id: '1', port: 0, segment: '', asked: [], requests: [], found: [] };
  const unfit = (now: CheckpointFacts) =>
    whyMarkUnfit(
      { checkpoint: { facts, temporaryKey: null, hostKeys: null, session: null }, record },
      now,
      async () => null,
    );
  expect(facts.qemu).toMatch(/^QEMU emulator version/);
  expect(await unfit({ ...facts, qemu: 'QEMU 99' })).toMatch(/^it is of QEMU emulator .* here is QEMU 99$/);
  expect(await unfit({ ...facts, efivars: `sha256:${'0'.repeat(64)}` as Digest })).toBe(
    'it belongs to other UEFI variables',
  );
});

test('what it was given over HTTP, or not, must be the same now; what it never asked for may be anything', async () => {
  await using within = await context();
  const options = optionsOf({});
  const facts = await factsOf({}, within);
  const { hashing } = within.host;
  const asked = [
    ['/preseed', hashing.digestBytes('answers')],
    ['/named', hashing.digestBytes('one')],
    ['/', null],
    ['/../secret', null],
    ['/none', null],
  ] as const;
  const kept = async (index: number, reached: typeof asked | []) => {
    const directory = join(within.directory, `kept-${index}`);
    mkdirSync(directory);
    writeFileSync(
      join(directory, 'checkpoint.json'),
      JSON.stringify({ format: 1, facts, temporaryKey: null, hostKeys: null, session: null }),
    );
    writeFileSync(join(directory, 'memory.zst'), '');
    await writeMarkRecord(within, directory, {
      id: '1',
      port: 1,
      segment: 'abc',
      asked: reached,
      requests: [],
      found: [],
    });
    expect(await within.ownSides.keep(markPlace(options.marks, index), directory)).toEqual({ ok: true });
  };
  await kept(0, []);
  await kept(1, asked);
  const fitting = async (given: Changes = {}) => {
    const names: string[] = [];
    for await (const { name } of fittingMarks(optionsOf(given), within, facts)) names.push(name);
    return names;
  };
  const why = () => within.lines.at(-1);

  expect(await fitting()).toEqual(['second', 'first']);
  writeFileSync(join(within.files, 'http/unasked'), 'new');
  expect(await fitting()).toEqual(['second', 'first']);

  writeFileSync(join(within.files, 'http/preseed'), 'others');
  expect(await fitting()).toEqual(['first']);
  expect(why()).toBe(
    'the mark second does not fit: /preseed, which the guest asked for before it, has changed',
  );
  writeFileSync(join(within.files, 'http/preseed'), 'answers');

  writeFileSync(join(within.files, 'http/none'), 'now');
  expect(await fitting()).toEqual(['first']);
  expect(why()).toContain('/none, which the guest asked for before it, was not there then');

  expect(await fitting({ http_files: {} })).toEqual(['first']);
  expect(why()).toContain('/named, which the guest asked for before it, is not there now');
});

test('a mark is found by the texts up to it: by no other, and under any name', async () => {
  const [first, second] = optionsOf({}).marks;
  if (first === undefined || second === undefined) throw new Error('two marks');
  const renamed = { ...first, name: 'renamed' };
  expect(markPlace([renamed, second], 1)).toBe(markPlace([first, second], 1));
  expect(markPlace([first], 0)).toBe(markPlace([first, second], 0));
  expect(markPlace([second], 0)).not.toBe(markPlace([first, second], 1));
});

test('patterns that are none and names used twice are refused, with their place', () => {
  const marks = [
    { name: 'same', serial: 'one' },
    { name: 'same', serial: '(' },
  ];
  const problems = qemuInstallStage.check?.(optionsOf({ marks })) ?? [];
  expect(problems.map(({ path }) => path)).toEqual([
    ['marks', 1, 'serial'],
    ['marks', 1, 'name'],
  ]);
});

test('what the console said is said again in pieces that end where something was found', () => {
  expect([...piecesOf('boot: linux\nup\n', [14, 6, 6, 99])]).toEqual(['boot: ', 'linux\nup', '\n']);
  expect([...piecesOf('', [3])]).toEqual([]);
  const long = 'x'.repeat(50_000);
  const pieces = [...piecesOf(long, [49_999])];
  expect(pieces.join('')).toBe(long);
  expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(16 * 1024);
});

test.each([
  'one\nline 2',
  'red \u001b[31m',
  'tab\t',
  'bell\u0007',
  'turned \u202e round',
  'separated \u2028 lines',
  '',
  'long'.repeat(20),
])('a mark named %j is refused at its place, before anything runs', (name) => {
  const marks = `[{ name: ${JSON.stringify(name)}, serial: one }]`;
  expect(problemsOf(`marks: ${marks}`)).toEqual(['5:76 bad-value']);
});

test('what cannot be saved is refused before anything runs', () => {
  const marks = 'marks: [{ name: "größer ✓", serial: one }]';
  expect(problemsOf(marks)).toEqual([]);
  expect(problemsOf(`${marks}, disk_interface: nvme`)).toEqual(['5:67 bad-value']);
  expect(problemsOf(`${marks}, disk_interface: nvme, checkpoint: false`)).toEqual([]);
  expect(problemsOf('kernel: k, firmware: uefi, disk_interface: ide')).toHaveLength(1);
  expect(problemsOf('kernel: k, firmware: uefi, disk_interface: ide, machine_type: q35')).toEqual([]);
});

/** Places and codes of what is wrong with an installation that has these options, too. */
function problemsOf(options: string): readonly string[] {
  const text = `bake: 1\nname: a\nstages:\n  install:\n    { uses: qemu-install, with: { iso: i, disk_size: 1GiB, ${options} } }\n`;
  const planned = planText(text);
  const failures = planned.ok ? [] : planned.failure;
  return failures.map((failure) => {
    const location = locationOf(failure);
    return `${location?.line}:${location?.column} ${failure.code}`;
  });
}
