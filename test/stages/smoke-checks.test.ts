/** How the answers of a guest are judged, and how a disk is found in an appliance. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bytesSource } from '../../src/formats/memory-bytes.ts';
import { listTar } from '../../src/formats/tar.ts';
import { throwAwayDisk } from '../../src/stages/images/bootable-disk.ts';
import { assertionOptions } from '../../src/stages/smoke/assertions.ts';
import { failedUnits, fileProblems, fileScript, portProblems } from '../../src/stages/smoke/checks.ts';
import { listenersText, parseListeners } from '../../src/stages/smoke/listeners.ts';
import { smokeTestStage } from '../../src/stages/smoke-test.ts';
import { noise, rawImage } from '../support/disks.ts';
import { stageContext } from '../support/stage-context.ts';

const [USER, GROUP] = ['-un', '-gn'].map((what) => execFileSync('id', [what], { encoding: 'utf8' }).trim());
let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bake-checks-'));
});
afterAll(() => rmSync(directory, { recursive: true }));
const at = (name: string) => join(directory, name);

const fileOf = (given: object) => assertionOptions.files.parse([{ path: at('file'), ...given }])[0]!;
const portOf = (given: object) => assertionOptions.ports.parse([given])[0]!;

/** What the guest's shell would print; ours does as well. */
const printed = (file: ReturnType<typeof fileOf>) =>
  execFileSync('sh', ['-c', fileScript(file)], { encoding: 'utf8' });

describe('a file', () => {
  it('is judged by type, mode, owner, group and content, everything at once', () => {
    writeFileSync(at('file'), 'one\ntwo\n', { mode: 0o640 });
    const right = fileOf({ type: 'file', mode: '640', owner: USER, group: GROUP, content: '^two$' });
    expect(fileProblems(right, printed(right))).toEqual([]);
    const wrong = fileOf({
      type: 'directory',
      mode: '0600',
      owner: 'you',
      group: 'them',
      content: '^three$',
    });
    expect(fileProblems(wrong, printed(wrong))).toEqual([
      'its type is file, expected directory',
      'its mode is 0640, expected 0600',
      `its owner is ${USER}, expected you`,
      `its group is ${GROUP}, expected them`,
      'its content does not match /^three$/',
    ]);
  });

  it('may have to be absent, and a link is followed unless a link is asserted', () => {
    execFileSync('ln', ['-sf', at('file'), at('link')]);
    const verdict = (given: object) => {
      const file = fileOf({ ...given });
      return fileProblems(file, printed(file));
    };
    expect(verdict({ path: at('gone'), exists: false })).toEqual([]);
    expect(verdict({ path: at('gone') })).toEqual(['it is not there']);
    expect(verdict({ path: at('link'), type: 'file', mode: '0640' })).toEqual([]);
    expect(verdict({ path: at('link'), type: 'link' })).toEqual([]);
    expect(verdict({ path: at('link'), exists: false })).toEqual(['it is there: a link']);
    expect(verdict({ path: '/', type: 'directory' })).toEqual([]);
  });

  it('may have a name that a shell would take apart', () => {
    const path = at("it's $(odd) *");
    writeFileSync(path, 'x');
    const file = fileOf({ path, content: '^x$' });
    expect(fileProblems(file, printed(file))).toEqual([]);
  });
});

describe('listeners', () => {
  const tables = `= tcp
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: 3500007F:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 2 1
   2: 0F02000A:0016 0202000A:D2F0 01 00000000:00000000 02:0009E9A9 00000000     0        0 3 4
= tcp6
   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4 1
   1: 0000000000000000FFFF00000100007F:1538 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 5 1
   2: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 6 1
= udp
  100: 0F02000A:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000   100        0 7 2
= udp6
`;
  const listeners = parseListeners(tables);

  it('are those who take what comes, once each, with where they can be reached', () => {
    expect(listenersText(listeners)).toBe('22, 53 (loopback), 68/udp, 80 (loopback), 5432 (loopback)');
    expect(listenersText([])).toBe('nothing');
  });

  it('satisfy a port, or do not', () => {
    expect(portProblems(portOf({ port: 22 }), listeners)).toEqual([]);
    expect(portProblems(portOf({ port: 80, loopback: true }), listeners)).toEqual([]);
    expect(portProblems(portOf({ port: 80 }), listeners)).toHaveLength(1);
    expect(portProblems(portOf({ port: 68 }), listeners)).toHaveLength(1);
    expect(portProblems(portOf({ port: 68, protocol: 'udp' }), listeners)).toEqual([]);
    expect(portProblems(portOf({ port: 25, open: false }), listeners)).toEqual([]);
    expect(portProblems(portOf({ port: 80, open: false }), listeners)).toHaveLength(1);
  });
});

it('units may fail by name and by pattern, others not', () => {
  const listing =
    'a.service loaded failed failed A\nfoo@1.mount loaded failed failed B\nab.service loaded failed failed C\n';
  expect(failedUnits(listing, [])).toHaveLength(3);
  expect(failedUnits(listing, ['a.service', 'foo@*.mount'])).toEqual(['ab.service has failed']);
  expect(failedUnits('', [])).toEqual([]);
});

it('says before anything runs what is no pattern, no mode and no path', () => {
  const refused = smokeTestStage.options.safeParse({
    disk: { $file: 'disk' },
    commands: [{ run: 'true', stdout: '(' }],
    files: [{ path: 'etc/passwd' }, { path: '/etc/passwd', mode: 'rw' }],
  });
  expect(refused.error?.issues.map(({ path }) => path.join('.'))).toEqual([
    'commands.0.stdout',
    'files.0.path',
    'files.1.mode',
  ]);
});

describe('a disk that is thrown away', () => {
  it('comes out of an appliance, a VMDK, a raw image, all with the same content, and takes the writes', async () => {
    const raw = rawImage(at('disk.raw'), 8 * 2 ** 20, [{ offset: 5 * 2 ** 20, bytes: noise(100_000) }]);
    const convert = (format: string, to: string, options: readonly string[] = []) =>
      execFileSync('qemu-img', ['convert', '-O', format, ...options, raw, at(to)]);
    convert('vmdk', 'disk.vmdk', ['-o', 'subformat=streamOptimized']);
    convert('qcow2', 'disk.qcow2');
    writeFileSync(at('other.ovf'), '<xml/>');
    execFileSync('tar', ['--format=ustar', '-cf', at('box.ova'), '-C', directory, 'other.ovf', 'disk.vmdk']);
    for (const name of ['disk.raw', 'disk.qcow2', 'disk.vmdk', 'box.ova']) {
      await using context = await stageContext({ inputs: { disk: at(name) } });
      const layers = await throwAwayDisk(context, context.input({ $file: 'disk' }));
      if (!layers.ok) throw new Error(JSON.stringify(layers.failure));
      const overlay = layers.value.at(-1)!.path;
      expect(overlay.startsWith(context.scratch)).toBe(true);
      const below = layers.value.slice(0, -1).map(({ path }) => path);
      expect(below).toHaveLength(1);
      expect(execFileSync('qemu-img', ['compare', below[0]!, raw], { encoding: 'utf8' })).toBe(
        'Images are identical.\n',
      );
    }
  });

  it('is not looked for behind the end of an archive', async () => {
    const bytes = execFileSync('tar', ['--format=ustar', '-cf', '-', '-C', directory, 'disk.vmdk']);
    const found = await listTar(bytesSource(bytes));
    expect(found).toMatchObject({ ok: true, value: [{ name: 'disk.vmdk', offset: 512 }] });
    const cut = await listTar(bytesSource(bytes.subarray(0, 2000)));
    expect(cut).toMatchObject({ ok: false, failure: expect.stringContaining('cut off') });
  });
});
