/** QEMU's command line out of a machine's shape: pure and stable, every block node explicit, so that no path is baked into an image. */
import type { DiskFile, DiskWindow } from '../model/disk-format.ts';
import { quoteWords } from '../model/shell-words.ts';
import type { Disk, DiskInterface, Firmware, MachineShape, Network, Wiring } from './shape.ts';

export const QEMU = 'qemu-system-x86_64';

/** What a guest finds at the other end of its network: this host's loopback. */
export const HOST_ADDRESS = '10.0.2.2';

/** Where a guest whose network is shut finds its answers: QEMU relays nothing at the host's own address then. */
export const RELAY_ADDRESS = '10.0.2.100';

/** Connects what QEMU hands it with a port of loopback. QEMU starts it for every connection. */
const RELAY = `const s=require('net').connect(Number(process.argv[1]),'127.0.0.1');s.on('error',()=>process.exit(1));s.on('close',()=>process.exit());process.stdin.pipe(s).pipe(process.stdout)`;

export type Json = { readonly [key: string]: string | number | boolean | null | Json };

/** Arguments for `qemu-system-x86_64`, in a fixed order; `extraArgs` come last. */
export function commandLine(shape: MachineShape, wiring: Wiring): readonly string[] {
  return [
    '-nodefaults',
    '-no-user-config',
    ...['-machine', machineProperty(shape)],
    ...acceleratorArguments(wiring),
    ...['-cpu', shape.cpuModel],
    ...['-smp', String(shape.cpus)],
    ...['-m', `${Math.round(shape.memoryBytes / 2 ** 20)}M`],
    ...['-display', 'none'],
    // A server that does not listen: of a machine that is kept it is opened, see vnc.ts.
    ...['-vnc', 'none'],
    ...['-vga', 'std'],
    ...['-rtc', 'base=utc'],
    ...firmwareArguments(shape.firmware),
    ...kernelArguments(shape),
    ...shape.disks.flatMap(diskArguments),
    ...cdromsArguments(shape),
    // Bound to loopback and a port of the OS's choosing, which QMP tells: no race for a free one, no machine on the LAN.
    ...['-netdev', networkProperty(shape.network, wiring)],
    ...['-device', `${shape.netDevice},netdev=net0,mac=52:54:00:12:34:56,romfile=`],
    ...['-device', 'virtio-rng-pci'],
    // Another in every run of QEMU: Linux mixes it into its random numbers as soon as it changes under a running guest.
    ...['-device', 'vmgenid,guid=auto'],
    ...['-device', 'pvpanic'],
    ...['-action', `panic=pause${shape.endsAtReboot ? ',reboot=shutdown' : ''}`],
    ...Object.entries(shape.credentials).flatMap(([name, content]) => [
      '-smbios',
      `type=11,value=io.systemd.credential.binary:${name}=${Buffer.from(content).toString('base64')}`,
    ]),
    ...['-chardev', `socket,id=qmp,server=off,path=${escapeCommas(wiring.qmpSocket)}`],
    ...['-mon', 'chardev=qmp,mode=control'],
    '-chardev',
    `socket,id=serial0,server=off,path=${escapeCommas(wiring.serialSocket)},${serialLogging(wiring)}`,
    ...['-serial', 'chardev:serial0'],
    ...(wiring.incoming ? ['-incoming', 'defer'] : []),
    ...shape.extraArgs,
  ];
}

/**
 * The layers of a disk as one nested block node, for `-blockdev` and, after `json:`, as a file name for qemu-img. Driver and
 * file are said for every node, and that there is nothing below the lowest: QEMU looks at no image to find out what it is,
 * takes no name for a protocol, and follows nothing that an image says. Backing files are named here and nowhere else: a
 * layer itself does not know where its parent lies.
 */
export function layersNode(layers: readonly DiskFile[], access: 'read' | 'write'): Json {
  const top = layers.at(-1);
  if (!top) throw new Error('a disk needs at least one layer');
  const below = layers.slice(0, -1);
  const writable = access === 'write';
  const file = fileOfDisk(top, writable);
  return {
    driver: top.format,
    'read-only': !writable,
    ...(writable ? { discard: 'unmap', 'detect-zeroes': 'unmap' } : {}),
    ...(top.format === 'raw' && top.window ? { offset: top.window.offset, size: top.window.sizeBytes } : {}),
    file: top.format !== 'raw' && top.window ? windowNode(file, top.window) : file,
    ...(HAS_BACKING.has(top.format) ? { backing: below.length > 0 ? layersNode(below, 'read') : null } : {}),
  };
}

/** Drivers that would follow the name of another image in this one. */
const HAS_BACKING: ReadonlySet<string> = new Set(['qcow2', 'vmdk']);

/**
 * Not said to be writable: it follows the layer, which becomes read-only for good under a snapshot. QEMU would open it
 * anew later, by a path that it may have been moved away from.
 */
function fileOfDisk({ path }: DiskFile, writable: boolean): Json {
  return { driver: 'file', filename: path, ...(writable ? { discard: 'unmap' } : { 'read-only': true }) };
}

function windowNode(file: Json, { offset, sizeBytes }: DiskWindow): Json {
  return { driver: 'raw', 'read-only': true, offset, size: sizeBytes, file };
}

/** A core dump of QEMU would hold the guest's memory, and what is secret in it. */
function machineProperty(shape: MachineShape): string {
  const flash = shape.firmware.type === 'uefi' ? ',pflash0=firmware,pflash1=variables' : '';
  return `${shape.machineType},dump-guest-core=off${flash}`;
}

function networkProperty({ isShut, forwardsSsh, relayedPort }: Network, wiring: Wiring): string {
  const relay = quoteWords([wiring.node, '-e', RELAY, String(relayedPort)]);
  return [
    'user,id=net0',
    ...(isShut ? ['restrict=on', 'ipv6=off'] : []),
    ...(forwardsSsh ? ['hostfwd=tcp:127.0.0.1:0-:22'] : []),
    ...(isShut && relayedPort > 0
      ? [`guestfwd=tcp:${RELAY_ADDRESS}:${relayedPort}-cmd:${escapeCommas(relay)}`]
      : []),
  ].join(',');
}

function acceleratorArguments(wiring: Wiring): readonly string[] {
  return ['-accel', wiring.accelerator === 'kvm' ? 'kvm' : 'tcg,thread=multi,tb-size=512'];
}

function firmwareArguments(firmware: Firmware): readonly string[] {
  if (firmware.type === 'bios') return [];
  return [
    ...blockdev({
      driver: 'raw',
      'node-name': 'firmware',
      'read-only': true,
      file: { driver: 'file', filename: firmware.code, 'read-only': true },
    }),
    ...blockdev({
      driver: 'raw',
      'node-name': 'variables',
      file: { driver: 'file', filename: firmware.variables },
    }),
  ];
}

function kernelArguments(shape: MachineShape): readonly string[] {
  if (!shape.kernel) return [];
  const { path, initrd, append } = shape.kernel;
  return [
    ...['-kernel', path],
    ...(initrd === null ? [] : ['-initrd', initrd]),
    ...(append === '' ? [] : ['-append', append]),
  ];
}

/** A machine that is cut off is never stored, so waiting for the host's disk at every guest flush buys nothing. */
export const DISK_CACHE = { direct: false, 'no-flush': true };

const DEVICES: Readonly<Record<DiskInterface, (index: number) => readonly string[]>> = {
  virtio: () => ['virtio-blk-pci'],
  'virtio-scsi': (index) => [`virtio-scsi-pci,id=controller${index}`, `scsi-hd,bus=controller${index}.0`],
  scsi: (index) => [`lsi53c895a,id=controller${index}`, `scsi-hd,bus=controller${index}.0`],
  sata: (index) => [`ich9-ahci,id=controller${index}`, `ide-hd,bus=controller${index}.0`],
  ide: () => ['ide-hd'],
  nvme: (index) => [`nvme,serial=bake${index}`],
};

function diskArguments(disk: Disk, index: number): readonly string[] {
  const devices = DEVICES[disk.interface](index);
  return [
    ...blockdev({ ...layersNode(disk.layers, 'write'), 'node-name': `disk${index}`, cache: DISK_CACHE }),
    // The disk comes before CDs in the boot order: while it is empty the firmware falls through to the installer,
    // and once it is installed a reboot does not start the installer again, under BIOS and UEFI alike. Index 0 belongs to
    // a kernel that QEMU itself loads.
    ...devices.flatMap((device, at) => [
      '-device',
      at === devices.length - 1 ? `${device},drive=disk${index},bootindex=${index + 1}` : device,
    ]),
  ];
}

function cdromsArguments(shape: MachineShape): readonly string[] {
  const { cdroms, disks } = shape;
  // UEFI that is handed a kernel never wakes up the IDE controller of `pc`, and no Linux finds a CD there afterwards.
  const isAsleep = shape.machineType === 'pc' && shape.firmware.type === 'uefi' && shape.kernel !== null;
  const controller = isAsleep && cdroms.length > 0 ? ['-device', 'ich9-ahci,id=cds'] : [];
  const place = (index: number) => (isAsleep ? `,bus=cds.${index}` : '');
  return [
    ...controller,
    ...cdroms.flatMap((path, index) => cdromArguments(path, index, place(index), disks.length)),
  ];
}

function cdromArguments(path: string, index: number, place: string, disks: number): readonly string[] {
  return [
    ...blockdev({
      driver: 'raw',
      'node-name': `cd${index}`,
      'read-only': true,
      file: { driver: 'file', filename: path, 'read-only': true },
    }),
    ...['-device', `ide-cd${place},drive=cd${index},bootindex=${disks + index + 1}`],
  ];
}

function blockdev(node: Json): readonly string[] {
  return ['-blockdev', JSON.stringify(node)];
}

/** A guest that goes on has spoken before: what it said then may lie there already. */
function serialLogging({ serialLog, incoming }: Wiring): string {
  return `logfile=${escapeCommas(serialLog)}${incoming ? ',logappend=on' : ''}`;
}

/** In an option of QEMU's `key=value` form a comma is written twice. */
function escapeCommas(text: string): string {
  return text.replaceAll(',', ',,');
}
