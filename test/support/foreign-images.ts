/** Disk images of every format as strangers make them: honest ones, and ones that reach for other files, lie or break off. */
import { execFileSync } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32c } from '../../src/formats/crc32c.ts';

export function qemuImg(...args: readonly string[]): string {
  return execFileSync('qemu-img', args, { encoding: 'utf8', stdio: 'pipe' });
}

/** A VMDK descriptor of extents, in a file of 64 KiB. */
export function descriptor(path: string, extents: string, type = 'monolithicFlat', before = ''): string {
  const lines = ['version=1', 'CID=fffffffe', 'parentCID=ffffffff', `createType="${type}"`, extents];
  const text = `${before}# Disk DescriptorFile\n${lines.join('\n')}\nddb.adapterType = "ide"\n`;
  writeFileSync(path, text);
  truncateSync(path, 65_536);
  return path;
}

/** Changes the bytes it gets, or gives back others instead. */
type Change = (bytes: Buffer) => unknown;

/** A copy of an image with some bytes changed. */
function patched(from: string, to: string, change: Change): string {
  const bytes = readFileSync(from);
  const changed = change(bytes);
  writeFileSync(to, Buffer.isBuffer(changed) ? changed : bytes);
  return to;
}

/** Sets the type of a VHD in both footers, with right checksums. */
function vhdOfType(bytes: Buffer, type: number): void {
  for (const at of [0, bytes.length - 512]) {
    bytes.writeUInt32BE(type, at + 60);
    bytes.writeUInt32BE(0, at + 64);
    const sum = bytes.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
    bytes.writeUInt32BE(~sum >>> 0, at + 64);
  }
}

/** Honest images of the disk at `raw`, by name, with the format of each. */
export function honestImages(directory: string, raw: string): readonly (readonly [string, string])[] {
  const made: [string, string][] = [];
  const convert = (name: string, format: string, ...options: readonly string[]) => {
    qemuImg('convert', '-f', 'raw', '-O', format, ...options, raw, join(directory, name));
    made.push([name, format]);
  };
  convert('plain.qcow2', 'qcow2');
  convert('old.qcow2', 'qcow2', '-o', 'compat=0.10');
  convert('deflated.qcow2', 'qcow2', '-c');
  convert('zstd.qcow2', 'qcow2', '-c', '-o', 'compression_type=zstd');
  convert('small-clusters.qcow2', 'qcow2', '-o', 'cluster_size=512');
  convert('large-clusters.qcow2', 'qcow2', '-o', 'cluster_size=2M');
  convert('extended.qcow2', 'qcow2', '-o', 'extended_l2=on,cluster_size=128k');
  convert('preallocated.qcow2', 'qcow2', '-o', 'preallocation=metadata');
  convert('lazy.qcow2', 'qcow2', '-o', 'lazy_refcounts=on');
  convert('wide.qcow2', 'qcow2', '-o', 'refcount_bits=64');
  convert('snapshot.qcow2', 'qcow2');
  qemuImg('snapshot', '-c', 'before', join(directory, 'snapshot.qcow2'));
  convert('sparse.vmdk', 'vmdk');
  convert('stream.vmdk', 'vmdk', '-o', 'subformat=streamOptimized');
  convert('dynamic.vdi', 'vdi');
  convert('static.vdi', 'vdi', '-o', 'static=on');
  convert('dynamic.vhdx', 'vhdx');
  convert('fixed.vhdx', 'vhdx', '-o', 'subformat=fixed');
  convert('dynamic.vhd', 'vpc', '-o', 'force_size=on');
  convert('fixed.vhd', 'vpc', '-o', 'subformat=fixed,force_size=on');
  convert('cloud.img', 'qcow2');
  convert('no-suffix', 'vhdx');
  return made;
}

/** Images that no stage may open, with what must be said of each. All that reach for something reach for `secret`. */
export function hostileImages(directory: string, secret: string): readonly (readonly [string, RegExp])[] {
  const at = (name: string) => join(directory, name);
  const create = (name: string, format: string, ...options: readonly string[]) => {
    qemuImg('create', '-q', '-f', format, ...options, at(name), '1M');
    return at(name);
  };
  const flat = `RW 2048 FLAT "${secret}" 0`;
  const made: [string, RegExp][] = [];
  const is = (name: string, said: RegExp) => made.push([name, said]);
  for (const name of ['flat.vmdk', 'flat.img', 'flat']) {
    descriptor(at(name), flat);
    is(name, /descriptor/);
  }
  for (const name of ['flat.raw', 'flat.qcow2']) {
    descriptor(at(name), flat);
    is(name, /begins as a VMDK image/);
  }
  descriptor(at('commented.vmdk'), flat, 'monolithicFlat', '# made by hand\n\n');
  is('commented.vmdk', /descriptor/);
  descriptor(at('two-gb.vmdk'), `RW 2048 SPARSE "${secret}"`, 'twoGbMaxExtentSparse');
  is('two-gb.vmdk', /descriptor/);
  descriptor(at('vmfs.vmdk'), `RW 2048 VMFS "${secret}"`, 'vmfs');
  is('vmfs.vmdk', /descriptor/);
  descriptor(at('network.vmdk'), 'RW 2048 FLAT "nbd:127.0.0.1:10809" 0');
  is('network.vmdk', /descriptor/);
  hostileVmdks(at, create, is, secret);
  hostileQcow2s(at, create, is, secret);
  hostileOthers(at, create, is, secret);
  return made;
}

type At = (name: string) => string;
type Create = (name: string, format: string, ...options: readonly string[]) => string;
type Is = (name: string, said: RegExp) => void;

function hostileVmdks(at: At, create: Create, is: Is, secret: string): void {
  const sparse = create('whole.vmdk', 'vmdk');
  const text = (bytes: Buffer, from: string, to: string) => {
    const end = bytes.indexOf(0, 512);
    const changed = bytes.toString('latin1', 512, end).replace(from, to);
    bytes.fill(0, 512, 21 * 512);
    bytes.write(changed, 512, 'latin1');
  };
  patched(sparse, at('no-capacity.vmdk'), (bytes) => {
    bytes.writeBigUInt64LE(0n, 12);
    text(bytes, 'SPARSE "whole.vmdk"', `FLAT "${secret}" 0`);
  });
  is('no-capacity.vmdk', /0 bytes/);
  patched(sparse, at('parent.vmdk'), (bytes) =>
    text(bytes, 'parentCID=ffffffff', `parentCID=fffffffe\nparentFileNameHint="${secret}"`),
  );
  is('parent.vmdk', /rests on a parent/);
  patched(sparse, at('hint.vmdk'), (bytes) =>
    text(bytes, 'parentCID=ffffffff', `parentCID=ffffffff\nparentFileNameHint="${secret}"`),
  );
  is('hint.vmdk', /rests on a parent/);
  patched(sparse, at('extent.vmdk'), (bytes) => text(bytes, '"whole.vmdk"', `"${secret}"`));
  is('extent.vmdk', /extent is another file/);
  patched(sparse, at('moved-descriptor.vmdk'), (bytes) => {
    bytes.writeBigUInt64LE(40n, 28);
  });
  is('moved-descriptor.vmdk', /without a descriptor of its own/);
  patched(sparse, at('cut.vmdk'), (bytes) => bytes.subarray(0, 11_000));
  is('cut.vmdk', /cut off/);
  patched(sparse, at('huge.vmdk'), (bytes) => {
    bytes.writeBigUInt64LE(2n ** 51n, 12);
  });
  is('huge.vmdk', /64 TiB/);
  patched(sparse, at('tables.vmdk'), (bytes) => {
    bytes.writeBigUInt64LE(2n ** 36n, 12);
    bytes.writeBigUInt64LE(1n, 20);
    bytes.writeUInt32LE(1, 44);
  });
  is('tables.vmdk', /tables/);
  writeFileSync(at('esx.vmdk'), Buffer.concat([Buffer.from('COWD'), Buffer.alloc(65_536)]));
  is('esx.vmdk', /COWD/);
}

function hostileQcow2s(at: At, create: Create, is: Is, secret: string): void {
  create('backed.qcow2', 'qcow2', '-b', secret, '-F', 'raw');
  is('backed.qcow2', /backing file/);
  create('backed.img', 'qcow2', '-b', secret, '-F', 'raw');
  is('backed.img', /backing file/);
  create('data.qcow2', 'qcow2', '-o', `data_file=${at('data')}`);
  is('data.qcow2', /another file/);
  create(
    'luks.qcow2',
    'qcow2',
    '--object',
    'secret,id=s,data=x',
    '-o',
    'encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10',
  );
  is('luks.qcow2', /encryption/);
  const raw = at('content');
  writeFileSync(raw, Buffer.alloc(2 ** 20, 7));
  qemuImg('convert', '-f', 'raw', '-O', 'qcow2', raw, at('whole.qcow2'));
  const change = (name: string, said: RegExp, how: Change) => {
    patched(at('whole.qcow2'), at(name), how);
    is(name, said);
  };
  const feature = (bits: bigint) => (bytes: Buffer) => bytes.writeBigUInt64BE(bits, 72);
  change('dirty.qcow2', /not closed/, feature(1n));
  change('corrupt.qcow2', /corrupt/, feature(2n));
  change('unknown.qcow2', /unknown incompatible features 0x20/, feature(32n));
  change('cut.qcow2', /cut off/, (bytes) => bytes.subarray(0, bytes.length - 70_000));
  change('cut-tables.qcow2', /cut off/, (bytes) => bytes.subarray(0, 200_000));
  change('cut-header.qcow2', /cut off/, (bytes) => bytes.subarray(0, 104));
  change('exbibyte.qcow2', /64 TiB/, (bytes) => bytes.writeBigUInt64BE(2n ** 60n, 24));
  change('no-disk.qcow2', /0 bytes/, (bytes) => bytes.writeBigUInt64BE(0n, 24));
  change('gigabyte-table.qcow2', /level 1 entries/, (bytes) => bytes.writeUInt32BE(2 ** 27, 36));
  change('far-table.qcow2', /cut off/, (bytes) => bytes.writeBigUInt64BE(2n ** 40n, 40));
  change('loop.qcow2', /two parts of the disk/, (bytes) => {
    const l1 = Number(bytes.readBigUInt64BE(40));
    bytes.writeBigUInt64BE(2n ** 30n, 24);
    bytes.writeUInt32BE(2, 36);
    bytes.copy(bytes, l1 + 8, l1, l1 + 8);
  });
  change('clusters.qcow2', /clusters of 2\^/, (bytes) => bytes.writeUInt32BE(30, 20));
  writeFileSync(
    at('old.img'),
    Buffer.concat([Buffer.from('QFI\xfb\0\0\0\x01', 'latin1'), Buffer.alloc(65_536)]),
  );
  is('old.img', /another version/);
  writeFileSync(at('zeros.qcow2'), Buffer.alloc(65_536));
  is('zeros.qcow2', /does not begin as a qcow2 image/);
}

function hostileOthers(at: At, create: Create, is: Is, secret: string): void {
  create('backed.qed', 'qed', '-b', secret, '-F', 'raw');
  is('backed.qed', /QED/);
  create('alone.img', 'qed');
  is('alone.img', /QED/);
  const vdi = create('whole.vdi', 'vdi');
  patched(vdi, at('parent.vdi'), (bytes) => bytes.fill(1, 440, 456));
  is('parent.vdi', /rests on a parent/);
  patched(vdi, at('cut.vdi'), (bytes) => bytes.subarray(0, 500));
  is('cut.vdi', /cut off/);
  const vhdx = create('whole.vhdx', 'vhdx');
  patched(vhdx, at('open.vhdx'), (bytes) => {
    for (const from of [64 * 1024, 128 * 1024]) {
      const header = bytes.subarray(from, from + 4096);
      header.fill(0xff, 48, 64).writeUInt32LE(0, 4);
      header.writeUInt32LE(crc32c(header), 4);
    }
  });
  is('open.vhdx', /not closed/);
  patched(vhdx, at('torn.vhdx'), (bytes) => bytes.fill(0, 64 * 1024, 3 * 64 * 1024));
  is('torn.vhdx', /without a sound header/);
  patched(vhdx, at('cut.vhdx'), (bytes) => bytes.subarray(0, 2 ** 20));
  is('cut.vhdx', /without its|cut off/);
  const vhd = create('whole.vhd', 'vpc');
  patched(vhd, at('parent.vhd'), (bytes) => vhdOfType(bytes, 4));
  is('parent.vhd', /rests on a parent/);
  patched(vhd, at('cut.vhd'), (bytes) => bytes.subarray(0, bytes.length - 300));
  is('cut.vhd', /cut off/);
  qemuImg('create', '-q', '-f', 'vpc', '-o', 'subformat=fixed', at('fixed.img'), '1M');
  is('fixed.img', /ends with the footer of a VHD/);
  writeFileSync(at('nothing.raw'), '');
  is('nothing.raw', /empty: it has 0 bytes/);
  const begin = (name: string, text: string, said: RegExp) => {
    writeFileSync(at(name), Buffer.concat([Buffer.from(text, 'latin1'), Buffer.alloc(65_536)]));
    is(name, said);
  };
  begin('luks.img', 'LUKS\xba\xbe\0\x01', /LUKS/);
  begin('parallels.img', 'WithouFreSpacExt', /Parallels/);
  begin('bochs.img', 'Bochs Virtual HD Image', /Bochs/);
  begin('cloop.img', '#!/bin/sh\n#V2.0 Format\nmodprobe cloop', /cloop/);
  begin('packed.img', '\x1f\x8b\x08', /gzip/);
  begin('packed.raw', '\xfd7zXZ\0', /xz/);
  writeFileSync(at('mac.img'), Buffer.concat([Buffer.alloc(65_536), Buffer.from('koly'), Buffer.alloc(508)]));
  is('mac.img', /DMG/);
}
