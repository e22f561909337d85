/** Options that a pipeline adds to QEMU's command line: what QEMU would read or write by them is an input, or is refused. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readExtraArgs } from '../../src/machine/extra-args.ts';
import { OPTIONS } from '../../src/machine/extra-options.ts';
import type { PlannedAction } from '../../src/model/plan.ts';
import { locationOf } from '../../src/report/render-failure.ts';
import { extraArgs, extraFacts, extraWords } from '../../src/stages/machine/extra-args.ts';
import { goodPlan, planText } from '../support/plan-text.ts';

const read = (items: readonly string[]) =>
  readExtraArgs<{ readonly name: string }>(items, (name) =>
    name.startsWith('/') || name.includes('..') ? { problem: 'which is outside' } : { name },
  );

/** The first problem, as `item: words`; null when all is well. */
function problemOf(items: readonly string[]): string | null {
  const [first] = read(items).problems;
  return first ? `${first.index}: ${first.problem}` : null;
}

describe('what touches nothing outside of the machine is left as it is', () => {
  test.each([
    ['-device', 'usb-ehci,id=ehci'],
    ['--device', 'usb-tablet'],
    ['-device', 'virtio-net-pci,netdev=n1,mac=52:54:00:00:00:01,romfile='],
    ['-device', 'pcie-root-port,id=rp0,bus=pcie.0,chassis=1'],
    ['-device', 'isa-applesmc,osk=some text'],
    ['-netdev', 'user,id=n1,net=10.9.0.0/24,restrict=on,hostfwd=tcp:127.0.0.1:0-:80'],
    ['-nic', 'user,model=e1000'],
    ['-nic', 'none'],
    ['-object', 'rng-builtin,id=r0'],
    ['-object', 'memory-backend-ram,id=m0,size=1G'],
    ['-object', 'iothread,id=t0'],
    ['-chardev', 'null,id=c0'],
    ['-smbios', 'type=1,manufacturer=A/S,product=x'],
    ['-smbios', 'type=11,value=ds=nocloud;s=http://10.0.2.2/'],
    ['-fw_cfg', 'name=opt/org.example/key,string=value'],
    ['-name', 'mine/2,process=x'],
    ['-boot', 'order=dc,menu=on'],
    ['-rtc', 'base=localtime,clock=vm'],
    ['-cpu', 'host,+vmx,-svm'],
    ['-machine', 'pc-i440fx-7.2,usb=off'],
    ['-M', 'q35,smm=on'],
    ['-smp', '4,sockets=2'],
    ['-m', '1G,slots=2,maxmem=4G'],
    ['-numa', 'node,nodeid=0,cpus=0-1'],
    ['-global', 'ICH9-LPC.disable_s3=1'],
    ['-append', 'root=/dev/vda1 quiet, please'],
    ['-serial', 'none'],
    ['-monitor', 'none'],
    ['-vga', 'virtio'],
    ['-usbdevice', 'tablet'],
    ['-k', 'de'],
    ['-usb'],
    ['-nodefaults'],
  ])('%s %s', (...items) => {
    expect(problemOf(items)).toBeNull();
    expect(read(items).words).toEqual(items);
  });
});

describe('what reads a file takes one that is an input', () => {
  test.each<[readonly string[], unknown]>([
    [
      ['-kernel', 'boot/vmlinuz'],
      ['-kernel', { whole: { name: 'boot/vmlinuz' } }],
    ],
    [
      ['-initrd', 'i'],
      ['-initrd', { whole: { name: 'i' } }],
    ],
    [
      ['-dtb', 'd'],
      ['-dtb', { whole: { name: 'd' } }],
    ],
    [
      ['-bios', 'b'],
      ['-bios', { whole: { name: 'b' } }],
    ],
    [
      ['-drive', 'file=seed.iso,if=virtio,format=raw,readonly=on'],
      ['-drive', { keyed: ['file=', { name: 'seed.iso' }, ',if=virtio,format=raw,readonly=on'] }],
    ],
    [
      ['-drive', 'a,,b.img,format=raw,snapshot=on'],
      ['-drive', { keyed: ['file=', { name: 'a,b.img' }, ',format=raw,snapshot=on'] }],
    ],
    [
      ['-drive', 'if=none,id=x,media=cdrom,format=raw,file=s'],
      ['-drive', { keyed: ['if=none,id=x,media=cdrom,format=raw,file=', { name: 's' }] }],
    ],
    [
      ['-cdrom', 'seed.iso'],
      ['-drive', { keyed: ['index=2,media=cdrom,format=raw,readonly=on,file=', { name: 'seed.iso' }] }],
    ],
    [
      ['-device', 'e1000,romfile=rom.bin,mac=1'],
      ['-device', { keyed: ['e1000,romfile=', { name: 'rom.bin' }, ',mac=1'] }],
    ],
    [
      ['-device', 'loader,file=x.bin,addr=0x1000'],
      ['-device', { keyed: ['loader,file=', { name: 'x.bin' }, ',addr=0x1000'] }],
    ],
    [
      ['-fw_cfg', 'name=opt/x,file=f'],
      ['-fw_cfg', { keyed: ['name=opt/x,file=', { name: 'f' }] }],
    ],
    [
      ['-smbios', 'file=f'],
      ['-smbios', { keyed: ['file=', { name: 'f' }] }],
    ],
    [
      ['-smbios', 'type=11,path=f'],
      ['-smbios', { keyed: ['type=11,path=', { name: 'f' }] }],
    ],
    [
      ['-acpitable', 'file=f'],
      ['-acpitable', { keyed: ['file=', { name: 'f' }] }],
    ],
    [
      ['-boot', 'splash=f,menu=on'],
      ['-boot', { keyed: ['splash=', { name: 'f' }, ',menu=on'] }],
    ],
    [
      ['-machine', 'pc,firmware=f'],
      ['-machine', { keyed: ['pc,firmware=', { name: 'f' }] }],
    ],
  ])('%j', (items, words) => {
    const found = read(items);
    expect(found.problems).toEqual([]);
    expect(found.words).toEqual(words);
  });

  test.each([
    ['-kernel', '/boot/vmlinuz'],
    ['-initrd', '../initrd'],
    ['-bios', '/usr/share/bios'],
    ['-cdrom', '/seed.iso'],
    ['-drive', 'file=/abs/seed.iso,if=virtio,format=raw,readonly=on'],
    ['-drive', 'file=../seed.iso,format=raw,snapshot=on'],
    ['-device', 'e1000,romfile=/x'],
    ['-device', 'driver=loader,file=/x'],
    ['-fw_cfg', 'name=opt/x,file=/etc/passwd'],
    ['-fw_cfg', 'opt/x,file=/etc/passwd'],
    ['-smbios', 'file=/x'],
    ['-acpitable', 'data=/x'],
    ['-machine', 'kernel=/x'],
    ['-M', 'pc,firmware=/x'],
    ['-boot', 'splash=/x'],
  ])('%s %s: another is refused at its place', (...items) => {
    expect(problemOf(items)).toMatch(/^1: .*reads a file, which is outside$/);
  });
});

describe('what would write, reach the host, or take bake its machine is refused', () => {
  test.each([
    ['-drive', 'file=x.img,format=raw', /could write to the file/],
    ['-drive', 'file=x.img,format=raw,readonly=off', /could write to the file/],
    ['-drive', 'file=x.img,readonly=on', /format=raw/],
    ['-drive', 'file=x.img,format=qcow2,readonly=on', /format=raw/],
    ['-drive', 'file.driver=file,file.filename=/x,format=raw,readonly=on', /`file\.driver`/],
    ['-drive', 'driver=vvfat,dir=/etc,readonly=on', /`driver`/],
    ['-drive', 'file=x,format=raw,readonly=on,backing.file.filename=/x', /`backing/],
    ['-blockdev', 'driver=file,filename=/x,node-name=n', /snapshot=on/],
    ['-hda', 'x.img', /could write/],
    ['-hdb', 'x.img', /could write/],
    ['-hdc', 'x.img', /could write/],
    ['-hdd', 'x.img', /could write/],
    ['-fda', 'x.img', /could write/],
    ['-fdb', 'x.img', /could write/],
    ['-pflash', 'x.img', /could write/],
    ['-mtdblock', 'x.img', /could write/],
    ['-sd', 'x.img', /could write/],
    ['-option-rom', 'x.rom', /in no fingerprint/],
    ['-device', 'vfio-pci,host=01:00.0', /`vfio-pci`/],
    ['-device', 'usb-host,vendorid=1', /`usb-host`/],
    ['-device', 'usb-mtp,rootdir=x', /`rootdir`/],
    ['-device', 'vhost-user-fs-pci,chardev=c', /vhost-user-fs/],
    ['-device', 'virtio-9p-pci,fsdev=f,mount_tag=t', /virtio-9p/],
    ['-device', 'foo,prop=/dev/sda', /looks like the name of a file/],
    ['-device', '{"driver":"e1000","romfile":"/x"}', /not as JSON/],
    ['-object', '{"qom-type":"secret","file":"/x"}', /not as JSON/],
    ['-global', 'virtio-net-pci.romfile=x', /romfile/],
    ['-global', 'driver=virtio-net-pci,property=romfile,value=x', /`-device` itself/],
    ['-chardev', 'file,id=c,path=/x', /`path`/],
    ['-chardev', 'pipe,id=c,path=x', /`path`/],
    ['-chardev', 'socket,id=c,host=x,port=1', /`host`/],
    ['-chardev', 'stdio,id=c', /`stdio`/],
    ['-chardev', 'pty,id=c', /`pty`/],
    ['-chardev', 'serial,id=c,path=/dev/ttyS0', /`path`/],
    ['-chardev', 'parallel,id=c,path=/dev/lp0', /`path`/],
    ['-chardev', 'udp,id=c,port=1', /`port`/],
    ['-chardev', 'null,id=c,logfile=/x', /`logfile`/],
    ['-serial', 'file:/x', /`none` or `null`/],
    ['-serial', 'stdio', /`none` or `null`/],
    ['-serial', 'tcp::4444,server', /`none` or `null`/],
    ['-parallel', 'file:/x', /`none`/],
    ['-monitor', 'unix:/x,server', /`none`/],
    ['-qmp', 'unix:/x,server', /`none`/],
    ['-gdb', 'tcp::1234', /`none`/],
    ['-debugcon', 'file:/x', /`none`/],
    ['-netdev', 'tap,id=n,script=/x', /`script`/],
    ['-netdev', 'tap,id=n,downscript=x', /`downscript`/],
    ['-netdev', 'tap,id=n', /`tap` connects/],
    ['-netdev', 'bridge,id=n', /`bridge` connects/],
    ['-netdev', 'bridge,id=n,helper=/x', /`helper`/],
    ['-netdev', 'user,id=n,smb=/home', /`smb`/],
    ['-netdev', 'user,id=n,tftp=/srv,bootfile=x', /`tftp`/],
    ['-netdev', 'user,id=n,guestfwd=tcp:10.0.2.100:1-cmd:sh', /`guestfwd`/],
    ['-netdev', 'user,id=n,hostfwd=tcp::2222-:22', /must listen on 127\.0\.0\.1/],
    ['-netdev', 'user,id=n,hostfwd=tcp:0.0.0.0:2222-:22', /must listen on 127\.0\.0\.1/],
    ['-netdev', 'socket,id=n,listen=:1', /`listen`/],
    ['-nic', 'tap,ifname=tap0', /`ifname`/],
    ['-nic', 'user,smb=/home', /`smb`/],
    ['-net', 'user,bootp=x', /`bootp`/],
    ['-net', 'vde', /`vde` connects/],
    ['-virtfs', 'local,path=/,mount_tag=t,security_model=none', /in no fingerprint/],
    ['-fsdev', 'local,id=f,path=/', /in no fingerprint/],
    ['-object', 'memory-backend-file,id=m,size=1G,mem-path=/x', /`mem-path`/],
    ['-object', 'memory-backend-file,id=m,size=1G', /`memory-backend-file`/],
    ['-object', 'secret,id=s,file=/x', /`file`/],
    ['-object', 'tls-creds-x509,id=t,dir=/x,endpoint=server', /`dir`/],
    ['-object', 'input-linux,id=k,evdev=/dev/input/event0', /`evdev`/],
    ['-object', 'rng-random,id=r,filename=/dev/random', /`filename`/],
    ['-object', 'filter-dump,id=f,netdev=net0,file=x', /`file`/],
    ['-object', 'filter-mirror,id=f,netdev=net0,outdev=x', /`filter-mirror`/],
    ['-tpmdev', 'passthrough,id=t,path=/dev/tpm0', /in no fingerprint/],
    ['-incoming', 'exec:sh', /could not start/],
    ['-loadvm', 'x', /could not start/],
    ['-readconfig', 'x', /in no fingerprint/],
    ['-writeconfig', '/x', /writes a file/],
    ['-pidfile', '/x', /writes a file/],
    ['-D', '/x', /writes a file/],
    ['-d', 'trace:x', /writes a file/],
    ['-trace', 'file=/x', /writes a file/],
    ['-plugin', '/x.so', /in no fingerprint/],
    ['-mem-path', '/x', /in no fingerprint/],
    ['-chroot', '/x', /could not start/],
    ['-runas', 'x', /could not start/],
    ['-sandbox', 'on', /another way in/],
    ['-L', '/x', /in no fingerprint/],
    ['-dump-vmstate', 'x', /writes a file/],
    ['-vnc', ':0', /another way in/],
    ['-spice', 'port=1,x509-dir=/x', /another way in/],
    ['-display', 'gtk', /another way in/],
    ['-audiodev', 'wav,id=a,path=/x', /no sound leaves/],
    ['-icount', 'shift=1,rr=record,rrfile=x', /`rr`/],
    ['-k', '/x', /keyboard/],
    ['-machine', 'pc,dumpdtb=/x', /`dumpdtb`/],
    ['-machine', 'dump-guest-core=on', /`dump-guest-core`/],
    ['-set', 'drive.disk0.file=/x', /in no fingerprint/],
    ['-add-fd', 'fd=3,set=1', /in no fingerprint/],
    ['-semihosting-config', 'enable=on', /in no fingerprint/],
    ['-xyz', 'x', /not among the options/],
    ['-devise', 'usb-ehci', /did you mean `-device`/],
  ] as const)('%s %s', (option, value, problem) => {
    expect(problemOf([option, value])).toMatch(problem);
    // The same with two dashes, and behind something that is in order.
    expect(problemOf(['-usb', `-${option}`, value])).toMatch(problem);
  });

  test.each([
    [['-nographic'], /could not start/],
    [['-daemonize'], /could not start/],
    [['-S'], /another way in/],
    [['-no-reboot'], /could not start/],
    [['disk.img'], /take this for a disk/],
    [['-usb', 'disk.img'], /take this for a disk/],
    [['-device usb-ehci'], /two items/],
    [['-device'], /needs a value/],
    [['-'], /no option/],
    [[''], /take this for a disk/],
  ])('%j', (items, problem) => {
    expect(problemOf(items)).toMatch(problem);
  });

  test('all problems are told at once, each at its item', () => {
    const { problems } = read(['-hda', 'x', '-usb', '-drive', 'file=/x,format=raw', '-nographic', 'stray']);
    expect(problems.map(({ index }) => index)).toEqual([0, 4, 5]);
  });

  test('no text at all gets a name past that was not asked for', () => {
    const names = [
      '/etc/passwd',
      '../up',
      'file=/etc/passwd',
      'x,file=/etc/passwd',
      'json:{}',
      '{"file":"/etc/x"}',
    ];
    const options = Object.entries(OPTIONS).flatMap(([name, { type }]) =>
      ['text', 'nothing', 'refused'].includes(type) ? [] : [name],
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...options),
        fc.constantFrom('', 'e1000,', 'file=', 'a=b,', 'user,', 'loader,', 'type=11,'),
        fc.constantFrom(
          'romfile=',
          'file=',
          'path=',
          'kernel=',
          'firmware=',
          'filename=',
          'data=',
          'x.romfile=',
        ),
        fc.constantFrom(...names),
        (option, before, key, name) => {
          const { words, problems } = read([`-${option}`, `${before}${key}${name}`]);
          if (problems.length > 0) return;
          // What is left are texts that mean no file: SMBIOS strings, networks, ids.
          for (const word of words)
            if (typeof word !== 'string')
              expect(JSON.stringify(word)).not.toMatch(/"name":"(?:\/|[^"]*\.\.)/);
            else if (!['-smbios', '-fw_cfg', '-object'].includes(`-${option}`))
              expect(word).not.toMatch(/(?:romfile|file|filename|kernel|firmware|path)=[^,]*\//);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('in a pipeline', () => {
  const KINDS = {
    provision: 'disk: d, steps: [{ shell: id }]',
    'shell-provision': 'disk: d, inline: [id]',
    'ansible-provision': 'disk: d, playbooks: [p.yml]',
    'qemu-install': 'iso: i, disk_size: 1GiB',
    'smoke-test': 'disk: d',
  };
  const text = (kind: keyof typeof KINDS, args: string) =>
    `bake: 1\nname: a\nstages:\n  seed: { uses: seed-iso, with: { content: { a: b } } }\n  x:\n    uses: ${kind}\n    with: { ${KINDS[kind]}, extra_args:\n${args} }\n`;

  test.each(Object.keys(KINDS) as (keyof typeof KINDS)[])(
    '%s refuses a path of the host at its item',
    (kind) => {
      const planned = planText(
        text(kind, '      [-usb, -drive,\n       "file=/abs/seed.iso,format=raw,readonly=on"]'),
      );
      const failures = planned.ok ? [] : planned.failure;
      expect(failures.map((failure) => [failure.code, locationOf(failure)?.line])).toEqual([
        ['bad-value', 9],
      ]);
      expect(JSON.stringify(failures)).toContain(
        'name a file beside the pipeline, or an output of another stage',
      );
    },
  );

  test.each(Object.keys(KINDS) as (keyof typeof KINDS)[])(
    '%s takes files and outputs, which are inputs of it',
    (kind) => {
      const args =
        '      [-drive, "file=${{ stages.seed.outputs.iso }},format=raw,readonly=on", -fw_cfg, "opt/x,file=conf/x"]';
      const actions = goodPlan(text(kind, args)).actions.filter(({ name }) => name.startsWith('x'));
      for (const { options, needs } of actions.slice(0, 1)) {
        expect(needs).toEqual(['seed']);
        expect(options['extra_args']).toEqual([
          '-drive',
          { keyed: ['file=', { $artifact: { action: 'seed', output: 'iso' } }, ',format=raw,readonly=on'] },
          '-fw_cfg',
          { keyed: ['opt/x,file=', { $file: 'conf/x' }] },
        ] satisfies PlannedAction['options'][string]);
      }
      // Every step has the same machine.
      expect(new Set(actions.map(({ options }) => JSON.stringify(options['extra_args']))).size).toBe(1);
    },
  );

  test('a pipeline cannot write what stands for a word that was read', () => {
    for (const args of [
      '      [{ keyed: ["file=/etc/passwd"] }]',
      '      [{ whole: /etc/passwd }]',
      '      [{ whole: { $file: x } }]',
      '      [-drive, "file=a${{ stages.seed.outputs.iso }},format=raw,readonly=on"]',
      '      [-name, "${{ stages.seed.outputs.iso }}"]',
      '      ["${{ stages.seed.outputs.iso }}"]',
    ])
      expect(planText(text('smoke-test', args)).ok, args).toBe(false);
  });
});

test('words get the paths of their files, with commas as QEMU wants them, and facts their digests', () => {
  const args = extraArgs().parse(['-drive', 'file=a,format=raw,snapshot=on', '-kernel', 'k', '-usb']);
  const context = {
    input: () => ({
      path: '/w/a,b',
      layers: ['/w/a,b'],
      content: { type: 'file', digest: 'sha256:00', sizeBytes: 1, executable: false } as const,
    }),
  };
  const words = ['-drive', 'file=/w/a,,b,format=raw,snapshot=on', '-kernel', '/w/a,b', '-usb'];
  expect(extraWords(args, context as never)).toEqual({ ok: true, value: words });
  const file = { file: 'sha256:00' };
  expect(extraFacts(args, context as never)).toEqual([
    '-drive',
    ['file=', file, ',format=raw,snapshot=on'],
    '-kernel',
    file,
    '-usb',
  ]);
  const layered = { input: () => ({ ...context.input(), layers: ['/a', '/b'] }) };
  expect(extraWords(args, layered as never)).toMatchObject({ ok: false, failure: { code: 'stage-refused' } });
});
