/** Finds out whether KVM really runs guest code here: a /dev/kvm that opens is no proof. See docs/design/machines.md, "The accelerator". */
import { join } from 'node:path';
import type { Host } from '../host/host.ts';
import { QEMU } from './command-line.ts';
import type { Accelerator } from './shape.ts';

/** A working KVM needs far less; a broken one hangs for ever. */
const PROBE_TIMEOUT_MS = 3_000;

/** `isa-debug-exit` ends QEMU with 2 × value + 1; the boot sector writes 0x10. */
const GUEST_CODE_RAN = 0x10 * 2 + 1;

export interface AcceleratorAnswer {
  readonly accelerator: Accelerator;
  /** One sentence for people: why it is this one. */
  readonly reason: string;
}

/**
 * The accelerator that works here. The answer is remembered for this boot of the host and this QEMU binary under the
 * user's cache directory, so that it costs nothing the next time; not being able to remember it does no harm.
 */
export async function findAccelerator(
  host: Host,
  options: { readonly scratch: string; readonly signal: AbortSignal; readonly fresh?: boolean },
): Promise<AcceleratorAnswer> {
  if (host.files.stampTarget('/dev/kvm') === null)
    return { accelerator: 'tcg', reason: 'this host has no /dev/kvm' };
  const path = host.env['PATH'] ?? '';
  const binary = host.processes.find(QEMU, path);
  if (binary === null) return { accelerator: 'tcg', reason: `${QEMU} is not installed` };
  const memory = memoryFile(host);
  const key = await keyOf(host, binary);
  const remembered = memory === null || options.fresh ? null : await recall(host, memory, key);
  if (remembered) return remembered;
  const answer = await probe(host, binary, options.scratch, options.signal);
  if (memory !== null && !options.signal.aborted) {
    await host.files.makeDirectory(join(memory, '..'));
    await host.files.replaceFile(memory, JSON.stringify({ key, ...answer }));
  }
  return answer;
}

function memoryFile(host: Host): string | null {
  const cacheHome = host.env['XDG_CACHE_HOME'];
  if (cacheHome) return join(cacheHome, 'bake', 'accelerator.json');
  const home = host.env['HOME'];
  return home ? join(home, '.cache', 'bake', 'accelerator.json') : null;
}

/** Another boot of the host, another QEMU or another answer to "may I open it" (a group that was joined) asks again. */
async function keyOf(host: Host, binary: string): Promise<string> {
  const bootId = await host.files.readText('/proc/sys/kernel/random/boot_id');
  const stamp = host.files.stampTarget(binary);
  const device = host.files.stampTarget('/dev/kvm');
  return [
    bootId.ok ? bootId.value.trim() : '',
    host.files.realPath(binary) ?? binary,
    ...(stamp ? [stamp.sizeBytes, stamp.mtimeMs] : []),
    ...(device ? [device.mode, device.ctimeMs] : []),
    process.getgroups?.().join(',') ?? '',
  ].join(' ');
}

async function recall(host: Host, file: string, key: string): Promise<AcceleratorAnswer | null> {
  const text = await host.files.readText(file);
  if (!text.ok) return null;
  try {
    const stored = JSON.parse(text.value) as Partial<AcceleratorAnswer> & { readonly key?: string };
    const { accelerator, reason } = stored;
    if (stored.key !== key || typeof reason !== 'string') return null;
    return accelerator === 'kvm' || accelerator === 'tcg' ? { accelerator, reason } : null;
  } catch {
    return null;
  }
}

async function probe(
  host: Host,
  binary: string,
  scratch: string,
  signal: AbortSignal,
): Promise<AcceleratorAnswer> {
  const floppy = join(scratch, 'probe.img');
  await host.files.writeFile(floppy, bootSector(), { over: true });
  const ended = await host.processes.run(
    binary,
    [
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-accel', 'kvm', '-cpu', 'max', '-m', '16M'],
      ...['-blockdev', JSON.stringify({ driver: 'raw', 'node-name': 'probe', file: fileNode(floppy) })],
      ...['-device', 'floppy,drive=probe', '-device', 'isa-debug-exit,iobase=0xf4,iosize=1'],
    ],
    {
      cwd: scratch,
      env: { PATH: host.env['PATH'] ?? '' },
      signal,
      timeoutMs: PROBE_TIMEOUT_MS,
      graceMs: 200,
    },
  );
  await host.files.remove(floppy);
  if (!ended.ok) return { accelerator: 'tcg', reason: `QEMU could not be started (${ended.failure.errno})` };
  const { exitCode, timedOut } = ended.value;
  if (exitCode === GUEST_CODE_RAN) return { accelerator: 'kvm', reason: 'KVM ran guest code' };
  return {
    accelerator: 'tcg',
    reason: timedOut
      ? '/dev/kvm is there, but a guest on it does not get anywhere'
      : '/dev/kvm is there, but QEMU cannot use it',
  };
}

function fileNode(filename: string) {
  return { driver: 'file', filename };
}

/**
 * Counts from 32 million down to 0, then tells isa-debug-exit so. Counting takes a processor some 20 ms; a KVM that has
 * no hardware to run on and emulates one instruction after the other (seen with nested clouds) does not get there in time.
 */
function bootSector(): Uint8Array {
  const sector = new Uint8Array(1_474_560);
  sector.set([
    ...[0x66, 0xb9, 0x00, 0x00, 0x00, 0x02], // mov ecx, 0x2000000
    ...[0x66, 0x49], // dec ecx
    ...[0x75, 0xfc], // jnz to the dec
    ...[0xb0, 0x10, 0xe6, 0xf4], // mov al, 0x10; out 0xf4, al
    ...[0xf4, 0xeb, 0xfd], // hlt; jmp to the hlt
  ]);
  sector.set([0x55, 0xaa], 510);
  return sector;
}
