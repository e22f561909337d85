/** The installer of the default pipeline, made to leave a disk that starts by UEFI, and only with the variables of its installation. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const INIT = join(import.meta.dirname, '../../appliance/initrd/init');

const SECTORS = (2 * 2 ** 30) / 512;
/** The EFI system partition is the rest of the disk. */
const ROOT_SECTORS = 3_800_000;
const ESP_START = 3_803_136;
const DISK_SIGNATURE = 0x62616b65;
const ROOT = '6261ca6e-6170-4c69-a0c3-000000000001';
const GLOBAL_VARIABLES = '8be4df61-93ca-11d2-aa0d-00e098032b8c';
/** Not volatile, known while the firmware starts and while a system runs. */
const ATTRIBUTES = Buffer.of(7, 0, 0, 0);

/** What is done once the system is unpacked: a kernel where UEFI reads it, and an entry that alone knows its command line. */
const START_BY_UEFI = `step='make it start by UEFI'
release=$(ls /target/usr/lib/modules)
for module in efivarfs/efivarfs fat/fat fat/vfat nls/nls_cp437 nls/nls_ascii; do
  insmod /target/usr/lib/modules/$release/kernel/fs/$module.ko
done
mkdosfs "\${disk}2"
mkdir /esp
mount -t vfat "\${disk}2" /esp
cp /target/boot/vmlinuz-$release /esp/vmlinuz
cp /target/boot/initrd.img-$release /esp/initrd.img
umount /esp
mount -t efivarfs efivarfs /sys/firmware/efi/efivars
put() {
  printf "$2" > /tmp/variable
  # In one piece, as the kernel wants it.
  dd if=/tmp/variable of=/sys/firmware/efi/efivars/$1-${GLOBAL_VARIABLES} bs=4k
}
put Boot0BAD '${forPrintf(Buffer.concat([ATTRIBUTES, bootEntry()]))}'
put BootOrder '${forPrintf(Buffer.concat([ATTRIBUTES, Buffer.of(0xad, 0x0b)]))}'
`;

/** Writes the initial RAM disk out of that of an installer CD; for a disk of 2 GiB named `/dev/vda`. */
export function writeUefiInstaller(iso: string, directory: string, to: string): void {
  mkdirSync(directory, { recursive: true });
  const packed = join(directory, 'initrd.zst');
  const extract = ['-osirrox', 'on', '-indev', iso, '-extract', '/initrd.zst', packed];
  execFileSync('xorriso', extract, { stdio: 'ignore' });
  let init = readFileSync(INIT, 'utf8');
  init = replaceOnce(
    init,
    'start=2048, type=83, bootable\\n',
    `start=2048, size=${ROOT_SECTORS}, type=83, bootable\\ntype=ef\\n`,
  );
  init = replaceOnce(init, "step='finish'\n", `${START_BY_UEFI}step='finish'\n`);
  writeFileSync(join(directory, 'init'), init, { mode: 0o755 });
  const changed = execFileSync('cpio', ['-o', '-H', 'newc', '--quiet'], { cwd: directory, input: 'init\n' });
  const original = readFileSync(packed);
  // The kernel unpacks one archive after the other, the next at a multiple of four.
  const gap = Buffer.alloc(-original.length & 3);
  writeFileSync(to, Buffer.concat([original, gap, changed]));
}

/** EFI_LOAD_OPTION: the kernel on the second partition, with its command line. */
function bootEntry(): Buffer {
  const partition = Buffer.alloc(42);
  partition.set([4, 1, 42, 0, 2]);
  partition.writeBigUInt64LE(BigInt(ESP_START), 8);
  partition.writeBigUInt64LE(BigInt(SECTORS - ESP_START), 16);
  partition.writeUInt32LE(DISK_SIGNATURE, 24);
  partition.set([1, 1], 40);
  const name = wide('\\vmlinuz');
  const file = Buffer.concat([Buffer.of(4, 4, 4 + name.length, 0), name]);
  const path = Buffer.concat([partition, file, Buffer.of(0x7f, 0xff, 4, 0)]);
  const head = Buffer.alloc(6);
  head.writeUInt32LE(1, 0);
  head.writeUInt16LE(path.length, 4);
  const words = `root=UUID=${ROOT} ro console=ttyS0,115200 initrd=\\initrd.img`;
  return Buffer.concat([head, wide('Appliance'), path, wide(words)]);
}

function wide(text: string): Buffer {
  return Buffer.from(`${text}\0`, 'utf16le');
}

function forPrintf(bytes: Buffer): string {
  return [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
}

function replaceOnce(text: string, old: string, now: string): string {
  if (text.split(old).length !== 2) throw new Error(`the installer has changed: ${old} is not there once`);
  return text.replace(old, () => now);
}
