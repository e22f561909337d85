/** Inputs that the fuzzer begins with, beside the seeds: what people write, and what the programs of each format make. */
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeEntry } from '../../src/cache/index-entry.ts';
import { encodeTree } from '../../src/cache/tree.ts';
import { digestOfHex } from '../../src/model/digest.ts';
import { debugfs, extImage } from '../support/ext-image.ts';
import { qemuImg } from '../support/foreign-images.ts';
import { encodeImage } from './sparse-image.ts';

/** Those of one target. */
export function beginningsOf(target: string): readonly Uint8Array[] {
  const make = Object.hasOwn(TEXTS, target) ? TEXTS[target] : undefined;
  if (make) return make().map((text) => Buffer.from(text));
  const directory = mkdtempSync(join(tmpdir(), 'bake-fuzz-'));
  try {
    return (IMAGES[target]?.(directory) ?? []).map((path) => encodeImage(readFileSync(path)));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The pipelines of this repository: its own, its examples, and those in its guide. */
export function pipelineTexts(): readonly string[] {
  const examples = readdirSync('examples', { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `examples/${name}/pipeline.yaml`);
  const files = ['pipeline.yaml', ...examples].map((file) => readFileSync(file, 'utf8'));
  const guide = readdirSync('docs/guide')
    .filter((name) => name.endsWith('.md'))
    .flatMap((name) => [...readFileSync(`docs/guide/${name}`, 'utf8').matchAll(/```ya?ml\n(.*?)```/gs)]);
  return [...files, ...guide.map(([, text = '']) => text)];
}

const digest = digestOfHex('ab'.repeat(32));

const TEXTS: Readonly<Record<string, () => readonly string[]>> = {
  pipeline: () => [...pipelineTexts(), 'a: [x, {b: "c"}]\n', 'pipeline: {name: p}\nstages: {}\n'],
  yaml: () => [...pipelineTexts(), 'a: &x {b: 1}\nc: {<<: *x}\n', '? a\n: |-\n  b\n--- \n!!binary x\n'],
  expression: () => [
    'a ${{ vars.x }} b ${{ stages.a[x=1].outputs.o }}$${{ env.A }}',
    '${{ matrix.a }}${{ pipeline.name }}${{}} ${{ secrets.t }} ${{',
  ],
  'boot-command': () => [
    '<esc><wait5>install url=http://{{ .HTTPIP }}:{{ .HTTPPort }}/preseed.cfg<enter>',
    '<waitFor serial:/login: ?/ 5m30s><leftCtrlOn>c<leftCtrlOff><aOn><aOff><lt><f12><wait1h2m>',
  ],
  tree: () => [
    encodeTree([
      { path: 'a', type: 'directory' },
      { path: 'a/f', type: 'file', digest, sizeBytes: 3, executable: true },
      { path: 'l', type: 'link', target: '../x' },
    ]),
    `{"entries":[{"path":"","type":"directory","special":1,"attributes":{"user.a":"YQ=="}},{"path":"a","type":"file","digest":"${digest}","sizeBytes":1,"executable":false,"private":true},{"path":"b","type":"file","digest":"${digest}","sizeBytes":1,"executable":false,"private":true,"sameAs":"a"}],"format":"bake-tree-1"}`,
  ],
  result: () => [
    `{"artifacts":[{"content":{"digest":"${digest}","executable":false,"sizeBytes":1,"type":"file"},"name":"o","path":"o"},{"content":{"digest":"${digest}","layers":[{"digest":"${digest}","sizeBytes":2}],"sizeBytes":2,"type":"layers"},"name":"d","path":"d"}],"createdAt":"2026-01-02T03:04:05.000Z","durationMs":12,"fingerprint":"x","format":1,"layered":{"${digest}":[{"digest":"${digest}","sizeBytes":2}]},"log":{"digest":"${digest}","sizeBytes":3},"manifest":{"env":{"A":"1"},"format":2,"inputs":{"a":{"digest":"${digest}","executable":true},"c":{"link":"a"}},"kind":"run","kindVersion":1,"options":{"list":[1,{"x":null}]},"outputs":{"o":"o"},"platform":null,"secrets":{"T":null},"tools":{"sh":"1"}},"origin":{"action":"a","pipeline":"p"}}`,
  ],
  'index-entry': () => {
    const line = encodeEntry({ key: 'k', digest, sizeBytes: 3, time: 1, metadata: { onDisk: true } });
    return [line, line.slice(line.indexOf('\t') + 1)];
  },
};

/** A disk with little on it, 256 KiB large. */
function rawDisk(directory: string): string {
  const path = join(directory, 'disk.raw');
  writeFileSync(path, 'a boot sector');
  truncateSync(path, 2 ** 18);
  return path;
}

function converted(directory: string, format: string, choices: readonly (readonly string[])[]) {
  const raw = rawDisk(directory);
  return choices.map((options, at) => {
    const path = join(directory, `${at}.image`);
    qemuImg('convert', '-f', 'raw', '-O', format, ...options, raw, path);
    return path;
  });
}

const IMAGES: Readonly<Record<string, (directory: string) => readonly string[]>> = {
  qcow2: (directory) =>
    converted(directory, 'qcow2', [
      [],
      ['-c', '-o', 'cluster_size=4k'],
      ['-o', 'cluster_size=512'],
      ['-o', 'compat=0.10'],
      ['-o', 'extended_l2=on'],
    ]),
  vmdk: (directory) => converted(directory, 'vmdk', [[], ['-o', 'subformat=streamOptimized']]),
  vhd: (directory) => converted(directory, 'vpc', [[], ['-o', 'subformat=fixed']]),
  vhdx: (directory) => converted(directory, 'vhdx', [['-o', 'block_size=1M']]),
  vdi: (directory) => converted(directory, 'vdi', [[], ['-o', 'static=on']]),
  partitions: partitioned,
  ext: fileSystems,
};

/** One with a table of the old kind that has logical partitions, one with a GPT. */
function partitioned(directory: string): readonly string[] {
  const scripts = {
    mbr: 'label: dos\n64,64,L\n128,300,E\n130,20,L\n160,20,L\n',
    gpt: 'label: gpt\n64,64,L\n128,64,L\n',
  };
  return Object.entries(scripts).map(([name, script]) => {
    const path = join(directory, name);
    writeFileSync(path, '');
    truncateSync(path, 2 ** 18);
    const env = { ...process.env, PATH: `${process.env['PATH']}:/sbin:/usr/sbin` };
    execFileSync('sfdisk', ['-q', path], { input: script, stdio: ['pipe', 'ignore', 'ignore'], env });
    return path;
  });
}

/** Small ones: with extents, with pointers, and with a journal that holds something. */
function fileSystems(directory: string): readonly string[] {
  const tree = join(directory, 'tree');
  mkdirSync(join(tree, 'etc/deep'), { recursive: true });
  writeFileSync(join(tree, 'etc/file'), 'x'.repeat(40));
  // A byte in every block, so that there are many blocks and few bytes.
  const larger = Uint8Array.from({ length: 30_000 }, (_, at) => (at % 1024 === 0 ? 1 : 0));
  writeFileSync(join(tree, 'larger'), larger);
  symlinkSync('etc', join(tree, 'link'));
  symlinkSync('x'.repeat(70), join(tree, 'long'));
  const small = ['-N', '32', '-b', '1024'];
  const choices: Readonly<Record<string, readonly string[]>> = {
    extents: ['-t', 'ext4', '-O', '^has_journal,^resize_inode', ...small],
    pointers: ['-t', 'ext2', '-O', '^resize_inode', '-I', '128', ...small],
    wide: ['-t', 'ext4', '-O', '^has_journal,^resize_inode,64bit', ...small],
  };
  const made = Object.entries(choices).map(([name, options]) =>
    extImage(join(directory, name), tree, 1, options),
  );
  const options = ['-t', 'ext4', '-O', '^resize_inode', '-J', 'size=1', ...small];
  const journal = extImage(join(directory, 'journal'), tree, 3, options);
  writeFileSync(join(directory, 'block'), Buffer.alloc(1024, 1));
  debugfs(journal, ['jo -c', `jw -b 900 ${join(directory, 'block')}`, 'jw -r 901', 'jc'], directory);
  return [...made, journal];
}
