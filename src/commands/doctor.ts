/** `bake doctor`: what this host has and lacks for building machine images, and the package that has what is missing. */
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { toolPath } from '../engine/environment.ts';
import { packageOf } from '../engine/tool-packages.ts';
import type { Host } from '../host/host.ts';
import { realHost } from '../host/real.ts';
import { findAccelerator } from '../machine/accelerator.ts';
import { findFirmware } from '../machine/firmware.ts';
import { keptMachines } from '../machine/kept.ts';
import { formatSize } from '../report/format.ts';
import { jsonText } from '../report/printable.ts';
import { cacheDirectoryOf } from './cache-dir.ts';
import type { CommandModule, Invocation } from './command.ts';
import { machinesOf } from './machine.ts';

/** `missing`: a pipeline of the default kind cannot run. `note`: works, but worth knowing. */
type Verdict = 'ok' | 'note' | 'missing';

interface Finding {
  readonly name: string;
  readonly verdict: Verdict;
  /** A version, a size, or what is wrong. */
  readonly detail: string;
  /** What to install, or null. */
  readonly package: string | null;
}

/** Programs of the default pipeline, and those that only some kinds need. */
const TOOLS: readonly (readonly [name: string, versionArgument: string, needed: boolean])[] = [
  ['qemu-system-x86_64', '--version', true],
  ['qemu-img', '--version', true],
  ['ansible-playbook', '--version', true],
  ['ssh', '-V', true],
  ['ssh-keygen', '', true],
  ['mmdebstrap', '--version', true],
  ['xorriso', '-version', true],
  ['zstd', '--version', true],
  ['cpio', '--version', true],
  // Without it no extended attributes of outputs are kept.
  ['perl', '-v', false],
];

/** Less than this on a disk, and a build of the default pipeline may not fit. */
const ENOUGH_DISK_BYTES = 4 * 2 ** 30;
const ENOUGH_MEMORY_BYTES = 2 * 2 ** 30;
const MISSING_SOMETHING = 3;

export const run: CommandModule['run'] = async (invocation) => {
  const findings = await examine(realHost(), invocation);
  const ready = findings.every(({ verdict }) => verdict !== 'missing');
  const packages = [...new Set(findings.flatMap((finding) => finding.package ?? []))];
  if (invocation.flags['json'] === true) {
    invocation.write(`${jsonText({ schemaVersion: 1, ready, findings, packages }, 2)}\n`);
    return ready ? 0 : MISSING_SOMETHING;
  }
  const width = Math.max(...findings.map(({ name }) => name.length));
  const marks = { ok: 'ok     ', note: 'note   ', missing: 'MISSING' };
  for (const { name, verdict, detail } of findings)
    invocation.write(`${marks[verdict]}  ${name.padEnd(width)}  ${detail}\n`);
  if (packages.length > 0)
    invocation.write(`\nto install what is missing: apt-get install ${packages.join(' ')}\n`);
  invocation.write(
    ready ? '\nthe default pipeline can run here\n' : '\nthe default pipeline cannot run here yet\n',
  );
  return ready ? 0 : MISSING_SOMETHING;
};

async function examine(host: Host, invocation: Invocation): Promise<readonly Finding[]> {
  const scratch = await host.files.makeTemporaryDirectory(tmpdir(), 'bake-doctor-');
  try {
    const tools = await Promise.all(
      TOOLS.map(([name, argument, needed]) => tool(host, name, argument, needed)),
    );
    return [
      { name: 'node', verdict: 'ok', detail: process.versions.node, package: null },
      ...tools,
      isolinux(host),
      await accelerator(host, scratch.ok ? scratch.value : tmpdir(), invocation.signal),
      firmware(host),
      memory(host),
      ...(await disks(host, invocation)),
      ...(await kept(host, invocation)),
    ];
  } finally {
    if (scratch.ok) await host.files.remove(scratch.value);
  }
}

async function tool(host: Host, name: string, argument: string, needed: boolean): Promise<Finding> {
  const path = toolPath(host.env);
  const file = host.processes.find(name, path);
  if (file === null)
    return { name, verdict: needed ? 'missing' : 'note', detail: 'not installed', package: packageOf(name) };
  const answer =
    argument === ''
      ? null
      : await host.processes.ask(file, [argument], { env: { PATH: path }, timeoutMs: 20_000 });
  const line = answer
    ?.split('\n')
    .find((text) => /\d/.test(text))
    ?.trim();
  return { name, verdict: 'ok', detail: line ?? file, package: null };
}

async function accelerator(host: Host, scratch: string, signal: AbortSignal): Promise<Finding> {
  const found = await findAccelerator(host, { scratch, signal, fresh: true });
  return found.accelerator === 'kvm'
    ? { name: 'accelerator', verdict: 'ok', detail: `kvm: ${found.reason}`, package: null }
    : {
        name: 'accelerator',
        verdict: 'note',
        detail: `tcg: ${found.reason}; machines run, but several times slower`,
        package: null,
      };
}

/** No program but a file: what makes the installer's CD start. */
function isolinux(host: Host): Finding {
  const file = '/usr/lib/ISOLINUX/isolinux.bin';
  const found = host.files.stampTarget(file) !== null;
  return found
    ? { name: 'isolinux', verdict: 'ok', detail: file, package: null }
    : { name: 'isolinux', verdict: 'missing', detail: 'not installed', package: packageOf('isolinux') };
}

function firmware(host: Host): Finding {
  const found = findFirmware(host.files);
  return found
    ? { name: 'UEFI firmware', verdict: 'ok', detail: found.code, package: null }
    : {
        name: 'UEFI firmware',
        verdict: 'note',
        detail: 'not installed; needed by `firmware: uefi` only',
        package: 'ovmf',
      };
}

function memory(host: Host): Finding {
  const verdict = host.memoryBytes >= ENOUGH_MEMORY_BYTES ? 'ok' : 'note';
  const detail = `${formatSize(host.memoryBytes)}, ${host.processorCount} processors`;
  return { name: 'memory', verdict, detail, package: null };
}

async function disks(host: Host, invocation: Invocation): Promise<readonly Finding[]> {
  const cache = existing(
    host,
    cacheDirectoryOf(invocation, invocation.cwd, () => null),
  );
  const findings: Finding[] = [];
  for (const [name, directory] of [
    ['cache', cache],
    ['temporary files', tmpdir()],
  ] as const) {
    const free = await host.files.freeBytes(directory);
    const tight = free !== null && free < ENOUGH_DISK_BYTES;
    const detail = `${directory}: ${free === null ? 'unknown space' : `${formatSize(free)} free`}`;
    findings.push({ name, verdict: tight ? 'note' : 'ok', detail, package: null });
  }
  const shares = await canReflink(host, cache);
  const detail = {
    yes: 'the cache puts files in place without copying them',
    no: 'this file system cannot share blocks (btrfs, XFS and bcachefs can): the cache copies or links',
    unknown: `${cache} is not writable`,
  }[shares];
  findings.push({ name: 'reflink', verdict: shares === 'yes' ? 'ok' : 'note', detail, package: null });
  return findings;
}

/** Machines of this checkout that an earlier run left to the user: they take memory. */
async function kept(host: Host, invocation: Invocation): Promise<readonly Finding[]> {
  const directory = machinesOf({ ...invocation, positionals: [] });
  const running = directory === null ? [] : await keptMachines(host, directory);
  return running.map(({ id, action, process }) => ({
    name: 'kept machine',
    verdict: 'note',
    detail: `${action} still runs as process ${process.pid}: \`bake machine stop ${id}\` ends it`,
    package: null,
  }));
}

/** The directory, or the nearest one above it that is there: `doctor` makes none. */
function existing(host: Host, directory: string): string {
  let found = directory;
  while (host.files.stampTarget(found)?.type !== 'directory' && found !== dirname(found))
    found = dirname(found);
  return found;
}

async function canReflink(host: Host, directory: string): Promise<'yes' | 'no' | 'unknown'> {
  const made = await host.files.makeTemporaryDirectory(directory, '.bake-doctor-');
  if (!made.ok) return 'unknown';
  const [from, to] = [`${made.value}/a`, `${made.value}/b`];
  await host.files.writeFile(from, 'x'.repeat(8192));
  const options = { cwd: made.value, env: { PATH: toolPath(host.env) } };
  const copied = await host.processes.run('cp', ['--reflink=always', from, to], options);
  await host.files.remove(made.value);
  return copied.ok && copied.value.exitCode === 0 ? 'yes' : 'no';
}
