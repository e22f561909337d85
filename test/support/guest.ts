/** Guests for tests with real machines: the installer of the default pipeline, and a kernel with a shell that does what it is told. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const BUSYBOX = '/bin/busybox';

/**
 * What the little guest does is the word `scenario=` on its kernel command line; `say=` is repeated on the console. `fetch` asks
 * `http=` for some files, in two parts, says what it got, and powers off if the last one is `good`; before that it tries `out=`.
 */
const INIT = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc
/bin/busybox mount -t proc proc /proc
scenario=silent
for word in $(/bin/busybox cat /proc/cmdline); do
  case $word in
    scenario=*) scenario=\${word#scenario=} ;;
    say=*) echo "guest: it says \${word#say=}" ;;
    http=*) http=\${word#http=} ;;
    out=*) out=\${word#out=} ;;
  esac
done
fetch() {
  got=$(/bin/busybox wget -q -O- "http://$http/$1") || got=none
  echo "guest: $1 is $got"
}
echo "guest: scenario $scenario"
case $scenario in
  panic) exit 1 ;;
  poweroff) exec /bin/busybox poweroff -f ;;
  reboot) exec /bin/busybox reboot -f ;;
  fetch)
    /bin/busybox insmod /e1000.ko
    /bin/busybox ip address add 10.0.2.15/24 dev eth0
    /bin/busybox ip link set eth0 up
    until /bin/busybox ping -c 1 -W 1 10.0.2.2 > /dev/null; do :; done
    if [ -n "$out" ]; then
      /bin/busybox wget -T 2 -q -O- "http://$out/" && got=yes || got=no
      echo "guest: it gets out: $got"
    fi
    fetch early
    fetch missing
    echo 'guest: the first part is done'
    /bin/busybox sleep 2
    fetch late
    echo 'guest: the second part is done'
    /bin/busybox sleep 2
    fetch last
    [ "$got" != good ] || exec /bin/busybox poweroff -f
    ;;
esac
while :; do /bin/busybox sleep 1000; done
`;

/** Lives as long as the bundle of this test run, and is removed with it, unless `BAKE_TEST_GUESTS` names a directory to keep. */
function directory(): string {
  const program = process.env['BAKE_TEST_PROGRAM'];
  if (program === undefined) throw new Error('the global setup has not run');
  const path = process.env['BAKE_TEST_GUESTS'] ?? join(dirname(program), 'guests');
  mkdirSync(path, { recursive: true });
  return path;
}

function once(name: string, make: (temporary: string, to: string) => void): string {
  const path = join(directory(), name);
  if (existsSync(path)) return path;
  const temporary = mkdtempSync(join(directory(), 'making-'));
  make(temporary, join(temporary, name));
  renameSync(join(temporary, name), path);
  rmSync(temporary, { recursive: true, force: true });
  return path;
}

/** The cache of all tests that build something of the default pipeline: what takes minutes is made once. */
export function defaultCache(): string {
  return join(directory(), 'cache');
}

/** Copies what the default pipeline is made of into a directory. */
export function copyDefault(checkout: string): void {
  mkdirSync(checkout, { recursive: true });
  for (const path of ['pipeline.yaml', 'appliance', 'ansible', 'scripts'])
    cpSync(join(ROOT, path), join(checkout, path), { recursive: true });
}

/** Runs the program on a copy of the default pipeline, one for each process of tests: what two need at once is built by one. */
export function bakeDefault(...args: readonly string[]): void {
  const checkout = join(directory(), `checkout-${process.pid}`);
  if (!existsSync(checkout)) copyDefault(checkout);
  execFileSync(process.execPath, [process.env['BAKE_TEST_PROGRAM'] as string, ...args], {
    cwd: checkout,
    env: { PATH: process.env['PATH'] as string, HOME: directory(), BAKE_CACHE_DIR: defaultCache() },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
}

/** The installer CD of the default pipeline: takes about a minute, once for all tests. */
export function installerIso(): string {
  return once('installer.iso', (_, to) => {
    bakeDefault('run', 'pipeline.yaml', 'installer');
    bakeDefault('get', 'pipeline.yaml', 'installer.iso', '--to', to);
  });
}

/** The kernel of the installer. */
export function kernel(): string {
  return once('vmlinuz', (_, to) => extract('/vmlinuz', to));
}

/** The initial RAM disk of the little guest: busybox and the script above. */
export function initrd(): string {
  return once('initrd-with-network-2', (temporary, to) => {
    const tree = join(temporary, 'tree');
    mkdirSync(join(tree, 'bin'), { recursive: true });
    mkdirSync(join(tree, 'dev'));
    extract('/rootfs.tar.zst', join(temporary, 'rootfs.tar.zst'));
    const e1000 = ['--wildcards', '*/ethernet/intel/e1000/e1000.ko'];
    const untar = ['-xO', '--zstd', '-f', join(temporary, 'rootfs.tar.zst'), ...e1000];
    writeFileSync(join(tree, 'e1000.ko'), execFileSync('tar', untar, { maxBuffer: 64 * 2 ** 20 }));
    execFileSync('cp', ['-L', BUSYBOX, join(tree, 'bin/busybox')]);
    writeFileSync(join(tree, 'init'), INIT);
    chmodSync(join(tree, 'init'), 0o755);
    const packed = execFileSync('cpio', ['-o', '-H', 'newc', '--quiet'], {
      cwd: tree,
      input: ['bin', 'bin/busybox', 'dev', 'e1000.ko', 'init'].join('\n'),
      maxBuffer: 64 * 2 ** 20,
    });
    writeFileSync(to, packed);
  });
}

/** A CD that starts the little guest from a prompt at which the kernel command line is typed: \`linux scenario=…\`. */
export function promptIso(): string {
  return once('prompt.iso', (temporary, to) => {
    const tree = join(temporary, 'cd');
    mkdirSync(join(tree, 'isolinux'), { recursive: true });
    execFileSync('cp', [kernel(), join(tree, 'vmlinuz')]);
    execFileSync('cp', [initrd(), join(tree, 'initrd')]);
    execFileSync('cp', [
      '/usr/lib/ISOLINUX/isolinux.bin',
      '/usr/lib/syslinux/modules/bios/ldlinux.c32',
      join(tree, 'isolinux'),
    ]);
    const lines = [
      'SERIAL 0 115200',
      'PROMPT 1',
      'TIMEOUT 0',
      'LABEL linux',
      'LINUX /vmlinuz',
      'INITRD /initrd',
      'APPEND console=ttyS0',
    ];
    writeFileSync(join(tree, 'isolinux/isolinux.cfg'), `${lines.join('\n')}\n`);
    execFileSync(
      'xorriso',
      [
        ...['-as', 'mkisofs', '-quiet', '-o', to, '-b', 'isolinux/isolinux.bin', '-c', 'isolinux/boot.cat'],
        ...['-no-emul-boot', '-boot-load-size', '4', '-boot-info-table', '-rock', tree],
      ],
      { stdio: 'ignore' },
    );
  });
}

function extract(path: string, to: string): void {
  execFileSync('xorriso', ['-osirrox', 'on', '-indev', installerIso(), '-extract', path, to], {
    stdio: 'ignore',
  });
}
