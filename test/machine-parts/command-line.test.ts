/** QEMU's command line: the same shape gives the same words, whatever differs from run to run. */
import { describe, expect, test } from 'vitest';
import { commandLine, layersNode } from '../../src/machine/command-line.ts';
import type { DiskInterface, MachineShape, Wiring } from '../../src/machine/shape.ts';

const SHAPE: MachineShape = {
  machineType: 'pc',
  cpuModel: 'max',
  cpus: 2,
  memoryBytes: 512 * 2 ** 20,
  firmware: { type: 'bios' },
  disks: [{ layers: [{ path: '/w/disk.qcow2', format: 'qcow2' }], interface: 'virtio' }],
  cdroms: ['/w/installer.iso', '/w/seed.iso'],
  kernel: null,
  netDevice: 'virtio-net-pci',
  network: { isShut: false, forwardsSsh: true, relayedPort: 0 },
  credentials: {},
  endsAtReboot: false,
  extraArgs: [],
};
const WIRING: Wiring = {
  accelerator: 'tcg',
  node: '/usr/bin/node',
  qmpSocket: '/s/qmp',
  serialSocket: '/s/tty',
  serialLog: '/e/serial.log',
  incoming: false,
};

test('the command line of an installation', () => {
  expect(commandLine(SHAPE, WIRING)).toMatchInlineSnapshot(`
    [
      "-nodefaults",
      "-no-user-config",
      "-machine",
      "pc,dump-guest-core=off",
      "-accel",
      "tcg,thread=multi,tb-size=512",
      "-cpu",
      "max",
      "-smp",
      "2",
      "-m",
      "512M",
      "-display",
      "none",
      "-vnc",
      "none",
      "-vga",
      "std",
      "-rtc",
      "base=utc",
      "-blockdev",
      "{"driver":"qcow2","read-only":false,"discard":"unmap","detect-zeroes":"unmap","file":{"driver":"file","filename":"/w/disk.qcow2","discard":"unmap"},"backing":null,"node-name":"disk0","cache":{"direct":false,"no-flush":true}}",
      "-device",
      "virtio-blk-pci,drive=disk0,bootindex=1",
      "-blockdev",
      "{"driver":"raw","node-name":"cd0","read-only":true,"file":{"driver":"file","filename":"/w/installer.iso","read-only":true}}",
      "-device",
      "ide-cd,drive=cd0,bootindex=2",
      "-blockdev",
      "{"driver":"raw","node-name":"cd1","read-only":true,"file":{"driver":"file","filename":"/w/seed.iso","read-only":true}}",
      "-device",
      "ide-cd,drive=cd1,bootindex=3",
      "-netdev",
      "user,id=net0,hostfwd=tcp:127.0.0.1:0-:22",
      "-device",
      "virtio-net-pci,netdev=net0,mac=52:54:00:12:34:56,romfile=",
      "-device",
      "virtio-rng-pci",
      "-device",
      "vmgenid,guid=auto",
      "-device",
      "pvpanic",
      "-action",
      "panic=pause",
      "-chardev",
      "socket,id=qmp,server=off,path=/s/qmp",
      "-mon",
      "chardev=qmp,mode=control",
      "-chardev",
      "socket,id=serial0,server=off,path=/s/tty,logfile=/e/serial.log",
      "-serial",
      "chardev:serial0",
    ]
  `);
});

test('a provisioning boot: layers as explicit nodes, UEFI, a key for systemd', () => {
  const shape: MachineShape = {
    ...SHAPE,
    firmware: { type: 'uefi', code: '/ovmf/CODE.fd', variables: '/w/efivars.fd' },
    machineType: 'q35',
    disks: [
      {
        layers: [
          { path: '/c/aa', format: 'raw' },
          { path: '/c/bb', format: 'qcow2' },
          { path: '/w/over.qcow2', format: 'qcow2' },
        ],
        interface: 'scsi',
      },
    ],
    cdroms: [],
    credentials: { 'ssh.authorized_keys.root': 'ssh-ed25519 AAAA bake\n' },
    extraArgs: ['-name', 'mine'],
  };
  expect(commandLine(shape, { ...WIRING, accelerator: 'kvm' })).toMatchInlineSnapshot(`
    [
      "-nodefaults",
      "-no-user-config",
      "-machine",
      "q35,dump-guest-core=off,pflash0=firmware,pflash1=variables",
      "-accel",
      "kvm",
      "-cpu",
      "max",
      "-smp",
      "2",
      "-m",
      "512M",
      "-display",
      "none",
      "-vnc",
      "none",
      "-vga",
      "std",
      "-rtc",
      "base=utc",
      "-blockdev",
      "{"driver":"raw","node-name":"firmware","read-only":true,"file":{"driver":"file","filename":"/ovmf/CODE.fd","read-only":true}}",
      "-blockdev",
      "{"driver":"raw","node-name":"variables","file":{"driver":"file","filename":"/w/efivars.fd"}}",
      "-blockdev",
      "{"driver":"qcow2","read-only":false,"discard":"unmap","detect-zeroes":"unmap","file":{"driver":"file","filename":"/w/over.qcow2","discard":"unmap"},"backing":{"driver":"qcow2","read-only":true,"file":{"driver":"file","filename":"/c/bb","read-only":true},"backing":{"driver":"raw","read-only":true,"file":{"driver":"file","filename":"/c/aa","read-only":true}}},"node-name":"disk0","cache":{"direct":false,"no-flush":true}}",
      "-device",
      "lsi53c895a,id=controller0",
      "-device",
      "scsi-hd,bus=controller0.0,drive=disk0,bootindex=1",
      "-netdev",
      "user,id=net0,hostfwd=tcp:127.0.0.1:0-:22",
      "-device",
      "virtio-net-pci,netdev=net0,mac=52:54:00:12:34:56,romfile=",
      "-device",
      "virtio-rng-pci",
      "-device",
      "vmgenid,guid=auto",
      "-device",
      "pvpanic",
      "-action",
      "panic=pause",
      "-smbios",
      "type=11,value=io.systemd.credential.binary:ssh.authorized_keys.root=c3NoLWVkMjU1MTkgQUFBQSBiYWtlCg==",
      "-chardev",
      "socket,id=qmp,server=off,path=/s/qmp",
      "-mon",
      "chardev=qmp,mode=control",
      "-chardev",
      "socket,id=serial0,server=off,path=/s/tty,logfile=/e/serial.log",
      "-serial",
      "chardev:serial0",
      "-name",
      "mine",
    ]
  `);
});

describe('properties that matter', () => {
  test('nothing listens beyond loopback, and no port is chosen before QEMU starts', () => {
    const words = commandLine(SHAPE, WIRING).join(' ');
    expect(words).toContain('hostfwd=tcp:127.0.0.1:0-:22');
    expect(words).not.toMatch(/hostfwd=tcp::/);
  });

  test('the disk comes before the CDs, and index 0 is left to a kernel that QEMU loads', () => {
    const indexes = commandLine(SHAPE, WIRING).flatMap((word) => {
      const found = /drive=(\w+),bootindex=(\d+)/.exec(word);
      return found ? [`${found[1]}:${found[2]}`] : [];
    });
    expect(indexes).toEqual(['disk0:1', 'cd0:2', 'cd1:3']);
  });

  test('only the topmost layer is writable, and only it discards', () => {
    const node = layersNode(
      [
        { path: '/a', format: 'raw' },
        { path: '/b', format: 'qcow2' },
      ],
      'write',
    );
    expect(node['read-only']).toBe(false);
    expect(node['discard']).toBe('unmap');
    expect(node['backing']).toEqual({
      driver: 'raw',
      'read-only': true,
      file: { driver: 'file', filename: '/a', 'read-only': true },
    });
  });

  test('a comma in a path does not end an option', () => {
    const words = commandLine(SHAPE, { ...WIRING, qmpSocket: '/a,b/qmp' });
    expect(words).toContain('socket,id=qmp,server=off,path=/a,,b/qmp');
  });

  test.each<[DiskInterface, string]>([
    ['virtio', 'virtio-blk-pci,drive=disk0,bootindex=1'],
    ['virtio-scsi', 'scsi-hd,bus=controller0.0,drive=disk0,bootindex=1'],
    ['scsi', 'scsi-hd,bus=controller0.0,drive=disk0,bootindex=1'],
    ['sata', 'ide-hd,bus=controller0.0,drive=disk0,bootindex=1'],
    ['ide', 'ide-hd,drive=disk0,bootindex=1'],
    ['nvme', 'nvme,serial=bake0,drive=disk0,bootindex=1'],
  ])('a %s disk is %s', (kind, device) => {
    const layers = SHAPE.disks[0]?.layers ?? [];
    expect(commandLine({ ...SHAPE, disks: [{ layers, interface: kind }] }, WIRING)).toContain(device);
  });
});

test('UEFI that is handed a kernel gets its CDs where it need not wake anything up', () => {
  const uefi = { type: 'uefi', code: '/ovmf/CODE.fd', variables: '/w/efivars.fd' } as const;
  const kernel = { path: '/w/vmlinuz', initrd: null, append: '' };
  const drives = (shape: Partial<MachineShape>) =>
    commandLine({ ...SHAPE, firmware: uefi, kernel, ...shape }, WIRING).filter((word) =>
      /^ide-cd|ahci/.test(word),
    );
  expect(drives({ machineType: 'pc' })).toEqual([
    'ich9-ahci,id=cds',
    'ide-cd,bus=cds.0,drive=cd0,bootindex=2',
    'ide-cd,bus=cds.1,drive=cd1,bootindex=3',
  ]);
  expect(drives({ machineType: 'pc', cdroms: [] })).toEqual([]);
  const plain = ['ide-cd,drive=cd0,bootindex=2', 'ide-cd,drive=cd1,bootindex=3'];
  expect(drives({ machineType: 'q35' })).toEqual(plain);
  expect(drives({ machineType: 'pc', kernel: null })).toEqual(plain);
  expect(drives({ machineType: 'pc', firmware: { type: 'bios' } })).toEqual(plain);
});

describe('the network', () => {
  const netdev = (network: MachineShape['network']) => {
    const words = commandLine({ ...SHAPE, network }, WIRING);
    return words[words.indexOf('-netdev') + 1];
  };

  test('without a login nothing leads into the guest', () => {
    expect(netdev({ isShut: false, forwardsSsh: false, relayedPort: 0 })).toBe('user,id=net0');
  });

  test('a guest that is shut in reaches nothing, and bake still gets in', () => {
    expect(netdev({ isShut: true, forwardsSsh: true, relayedPort: 0 })).toBe(
      'user,id=net0,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:0-:22',
    );
  });

  test('its answers alone are relayed, at an address of their own', () => {
    const found = netdev({ isShut: true, forwardsSsh: false, relayedPort: 4321 });
    expect(found).toMatch(
      /^user,id=net0,restrict=on,ipv6=off,guestfwd=tcp:10\.0\.2\.100:4321-cmd:\/usr\/bin\/node -e /,
    );
    // What is open is not relayed.
    expect(netdev({ isShut: false, forwardsSsh: false, relayedPort: 4321 })).toBe('user,id=net0');
  });
});
