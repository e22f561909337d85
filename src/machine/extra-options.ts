/** The options of QEMU that a pipeline may add, and what each takes: a closed list, for an unknown one may read or write any file. */

/** A value of `key=value` form, in order; the first may have no key of its own. */
export type Pairs = readonly (readonly [key: string, value: string])[];

/** What an option takes after it. */
export type Takes =
  | { readonly type: 'nothing' }
  /** Nothing in it is a name of anything on the host. */
  | { readonly type: 'text' }
  /** These values alone. */
  | { readonly type: 'one-of'; readonly pattern: RegExp; readonly expected: string }
  /** The name of a file to read. */
  | { readonly type: 'file' }
  /** The same, and the option is replaced by another to which the name is only added. */
  | { readonly type: 'file-for'; readonly option: string; readonly value: string }
  | KeyedOption
  /** Not to be given at all, for this reason. */
  | { readonly type: 'refused'; readonly because: string };

/** `key=value` pairs. */
export interface KeyedOption {
  readonly type: 'keys';
  /** The key of a first value that has none. */
  readonly first: string;
  /** Keys whose values name nothing on the host. */
  readonly harmless: RegExp;
  /** Keys whose values name a file to read. */
  readonly files?: readonly string[];
  /** Values with a `/` are taken for names of files, except those of these keys; all are free of that when absent. */
  readonly slashes?: RegExp;
  /** What else is wrong with it. */
  check?(pairs: Pairs): string | null;
}

const nothing: Takes = { type: 'nothing' };
const text: Takes = { type: 'text' };
const file: Takes = { type: 'file' };
const refused = (because: string): Takes => ({ type: 'refused', because });
const oneOf = (pattern: RegExp, expected: string): Takes => ({ type: 'one-of', pattern, expected });
const ANY = /^[A-Za-z0-9._-]+$/;

const SAY_DRIVE =
  'the guest could write to the file: say `-drive` with `file=…`, `format=raw` and `readonly=on` or `snapshot=on`';
const OWN = 'bake talks to the machine itself; another way in would be open to others on this host';
const OUTSIDE = 'it reaches a part of the host that is in no fingerprint';
const WRITES = 'it writes a file of the host that is no output of a stage';
const BREAKS = 'bake could not start, watch or end the machine with it';

const none = oneOf(
  /^(?:none|null)$/,
  '`none` or `null`: bake reads the first serial port, and nobody another',
);

/** Devices that stand for something of the host. */
const HOST_DEVICES =
  /^(?:vfio|vhost|usb-host|usb-redir|usb-mtp|scsi-(?:block|generic)|ivshmem|u2f-|ccid-card-(?:emulated|passthru)|virtio-9p|guest-loader|pci-assign|kvm-pci-assign|xen-|tpm-|x-pci-proxy)/;

function lastOf(pairs: Pairs, key: string): string | undefined {
  return pairs.findLast(([name]) => name === key)?.[1];
}

const drive: KeyedOption = {
  type: 'keys',
  first: 'file',
  harmless:
    /^(?:if|bus|unit|index|media|format|readonly|read-only|snapshot|id|cache|cache\.[a-z-]+|aio|discard|detect-zeroes|werror|rerror|(?:bps|iops)[a-z_]*|throttling\.[a-z-]+)$/,
  files: ['file'],
  check(pairs) {
    if (lastOf(pairs, 'file') === undefined) return null;
    if (lastOf(pairs, 'format') !== 'raw')
      return 'say `format=raw`: other formats name files of their own, and without a format the content decides';
    const isOn = (key: string) => lastOf(pairs, key) === 'on';
    const isReadOnly = isOn('readonly') || isOn('read-only') || lastOf(pairs, 'media') === 'cdrom';
    if (!isReadOnly && !isOn('snapshot'))
      return 'the guest could write to the file: say `readonly=on`, or `snapshot=on` for changes that are thrown away';
    return null;
  },
};

const USER_NETWORK =
  /^(?:type|id|net|host|ipv[46]|ipv6-[a-z]+|restrict|hostname|dhcpstart|dns|dnssearch|domainname|hostfwd|model|mac|mtu|addr|netdev|name|vectors)$/;

const network: KeyedOption = {
  type: 'keys',
  first: 'type',
  harmless: USER_NETWORK,
  slashes: /^net$|^ipv6-/,
  check(pairs) {
    const sort = lastOf(pairs, 'type') ?? '';
    if (!['user', 'none', 'nic', 'hubport'].includes(sort))
      return `\`${sort}\` connects the guest with a part of the host that is in no fingerprint; \`user\` does not`;
    const open = pairs.find(([key, value]) => key === 'hostfwd' && !/^(?:tcp|udp):127\.0\.0\.1:/.test(value));
    return open === undefined
      ? null
      : '`hostfwd` must listen on 127.0.0.1: others on the network could get in';
  },
};

const device: KeyedOption = {
  type: 'keys',
  first: 'driver',
  harmless:
    /^(?!(?:romfile|file|filename|path|mem-path|rootdir|dir|db|hidraw|evdev|kernel|initrd|sysfsdev|logfile|backend|cert[0-9])$)[A-Za-z0-9._-]+$/,
  files: ['romfile'],
  slashes: /^(?:bus|id|serial|loadparm)$/,
  check(pairs) {
    const driver = lastOf(pairs, 'driver') ?? '';
    return HOST_DEVICES.test(driver) ? `the device \`${driver}\`: ${OUTSIDE}` : null;
  },
};

const loader: KeyedOption = { ...device, files: ['file', 'romfile'] };

/** What an option takes; `driver` is the first word of its value. */
export function takesOf(option: string, driver: string): Takes | null {
  if (option === 'device' && driver === 'loader') return loader;
  return Object.hasOwn(OPTIONS, option) ? (OPTIONS[option] ?? null) : null;
}

const HARMLESS_OBJECTS =
  /^(?:iothread|throttle-group|memory-backend-(?:ram|memfd)|rng-builtin|thread-context|can-bus|secret)$/;

/** By name, without the dash. */
export const OPTIONS: Readonly<Record<string, Takes>> = {
  ...Object.fromEntries(
    [
      'usb',
      'no-hpet',
      'no-acpi',
      'no-fd-bootchk',
      'nodefaults',
      'no-user-config',
      'win2k-hack',
      'only-migratable',
    ].map((name) => [name, nothing]),
  ),
  ...Object.fromEntries(
    ['name', 'uuid', 'append', 'g', 'watchdog', 'watchdog-action'].map((name) => [name, text]),
  ),
  k: oneOf(/^[a-z]{2}(?:-[a-z]{2})?$/, 'the name of a keyboard, such as `de`'),
  vga: oneOf(/^[a-z0-9-]+$/, 'the name of a card, such as `virtio`'),
  usbdevice: oneOf(/^(?:tablet|mouse|keyboard)$/, '`tablet`, `mouse` or `keyboard`'),
  serial: none,
  parallel: none,
  monitor: none,
  debugcon: none,
  qmp: none,
  gdb: none,
  audiodev: oneOf(/^none(?:,id=[A-Za-z0-9._-]+)?$/, '`none,id=…`: no sound leaves the machine'),
  kernel: file,
  initrd: file,
  dtb: file,
  bios: file,
  cdrom: { type: 'file-for', option: '-drive', value: 'index=2,media=cdrom,format=raw,readonly=on,file=' },
  drive,
  device,
  global: {
    type: 'keys',
    first: 'property',
    harmless: /^(?!.*\.(?:romfile|file|filename|path|rootdir|dir|db)$)[A-Za-z0-9._-]+$/,
    slashes: /^$/,
    check: (pairs) =>
      /^(?:romfile|file|filename|path|rootdir|dir|db)$/.test(lastOf(pairs, 'property') ?? '')
        ? 'give the file to the `-device` itself'
        : null,
  },
  fw_cfg: { type: 'keys', first: 'name', harmless: /^(?:name|string|gen_id)$/, files: ['file'] },
  acpitable: {
    type: 'keys',
    first: 'sig',
    harmless: /^(?:sig|rev|oem_id|oem_table_id|oem_rev|asl_compiler_id|asl_compiler_rev)$/,
    files: ['file', 'data'],
  },
  smbios: {
    type: 'keys',
    first: 'type',
    harmless: /^(?!file$|path$)[A-Za-z0-9._-]+$/,
    files: ['file', 'path'],
  },
  netdev: network,
  nic: network,
  net: network,
  chardev: {
    type: 'keys',
    first: 'backend',
    harmless: /^(?:backend|id|mux|size|width|height|cols|rows)$/,
    check: (pairs) =>
      ['null', 'ringbuf', 'vc'].includes(lastOf(pairs, 'backend') ?? '')
        ? null
        : `\`${lastOf(pairs, 'backend') ?? ''}\`: a character device may lead to a file, a socket or a program; \`null\`, \`ringbuf\` and \`vc\` do not`,
  },
  object: {
    type: 'keys',
    first: 'qom-type',
    harmless: /^(?!(?:file|filename|mem-path|dir|path|evdev)$)[A-Za-z0-9._-]+$/,
    slashes: /^data$/,
    check: (pairs) =>
      HARMLESS_OBJECTS.test(lastOf(pairs, 'qom-type') ?? '')
        ? null
        : `\`${lastOf(pairs, 'qom-type') ?? ''}\` is not among the objects that name nothing of the host`,
  },
  machine: machineKeys(),
  M: machineKeys(),
  accel: {
    type: 'keys',
    first: 'accel',
    harmless:
      /^(?:accel|thread|tb-size|split-wx|one-insn-per-tb|kernel-irqchip|dirty-ring-size|igd-passthru|kvm-shadow-mem|notify-vmexit|notify-window)$/,
    slashes: /^$/,
  },
  cpu: { type: 'keys', first: 'model', harmless: /^[+A-Za-z0-9._-]+$/, slashes: /^$/ },
  smp: { type: 'keys', first: 'cpus', harmless: ANY, slashes: /^$/ },
  m: { type: 'keys', first: 'size', harmless: ANY, slashes: /^$/ },
  numa: { type: 'keys', first: 'type', harmless: ANY, slashes: /^$/ },
  rtc: { type: 'keys', first: 'base', harmless: ANY, slashes: /^$/ },
  boot: {
    type: 'keys',
    first: 'order',
    harmless: /^(?:order|once|menu|splash-time|reboot-timeout|strict)$/,
    files: ['splash'],
  },
  icount: { type: 'keys', first: 'shift', harmless: /^(?:shift|align|sleep)$/ },
  overcommit: { type: 'keys', first: 'mem-lock', harmless: /^(?:mem-lock|cpu-pm)$/ },
  msg: { type: 'keys', first: 'timestamp', harmless: /^(?:timestamp|guest-name)$/ },
  ...Object.fromEntries(
    ['hda', 'hdb', 'hdc', 'hdd', 'fda', 'fdb', 'mtdblock', 'sd', 'pflash', 'blockdev'].map((name) => [
      name,
      refused(SAY_DRIVE),
    ]),
  ),
  ...Object.fromEntries(
    ['mon', 'qmp-pretty', 'vnc', 'spice', 'display', 'sandbox', 'S', 'preconfig', 's'].map((name) => [
      name,
      refused(OWN),
    ]),
  ),
  ...Object.fromEntries(
    [
      'virtfs',
      'fsdev',
      'virtfs_synth',
      'tpmdev',
      'iscsi',
      'add-fd',
      'mem-path',
      'mem-prealloc',
      'option-rom',
      'readconfig',
      'L',
      'plugin',
      'set',
      'semihosting',
      'semihosting-config',
      'prom-env',
      'xen-attach',
      'xen-domid',
      'smb',
      'tftp',
      'bootp',
      'redir',
      'audio',
      'soundhw',
      'fd',
    ].map((name) => [name, refused(OUTSIDE)]),
  ),
  ...Object.fromEntries(
    [
      'writeconfig',
      'pidfile',
      'D',
      'd',
      'trace',
      'dump-vmstate',
      'qtest',
      'qtest-log',
      'perfmap',
      'jitdump',
    ].map((name) => [name, refused(WRITES)]),
  ),
  ...Object.fromEntries(
    [
      'daemonize',
      'nographic',
      'curses',
      'chroot',
      'runas',
      'run-with',
      'incoming',
      'loadvm',
      'snapshot',
      'no-reboot',
      'no-shutdown',
      'action',
      'enable-kvm',
      'no-kvm',
      'seed',
      'async-teardown',
      'h',
      'help',
      'version',
    ].map((name) => [name, refused(BREAKS)]),
  ),
};

function machineKeys(): KeyedOption {
  return {
    type: 'keys',
    first: 'type',
    harmless:
      /^(?!(?:kernel|initrd|dtb|dumpdtb|firmware|append|pflash[0-9]|memory-backend|dump-guest-core|shim|phandle-start)$)[A-Za-z0-9._-]+$/,
    files: ['kernel', 'initrd', 'dtb', 'firmware'],
    slashes: /^$/,
  };
}
