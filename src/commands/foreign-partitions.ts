/** Partitions with file systems that bake does not read itself, listed by libguestfs where it is installed. */

import type { Cache } from '../cache/cache.ts';
import { toolPath } from '../engine/environment.ts';
import type { PartitionDiff } from '../formats/disk-diff.ts';
import type { FileFacts, FileTree } from '../formats/file-tree.ts';
import { findAccelerator } from '../machine/accelerator.ts';
import type { Content } from '../model/artifact.ts';
import type { DiskContainer, DiskFile } from '../model/disk-format.ts';
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { describeDisk, NO_STATEMENT } from '../stages/images/open-disk.ts';
import { compareListed, LISTED_TYPES, type Listed } from './listed-files.ts';
import type { Project } from './wiring.ts';

const VIRT_LS = 'virt-ls';

/** A disk of the cache, and what is known of it. */
export interface FoundDisk {
  readonly content: Content;
  /** Path of the output. */
  readonly name: string;
  /** As the kind that made it says. */
  readonly format?: DiskContainer;
}

/** Its files, where they lie. */
export function inCache(cache: Cache, { content, ...known }: FoundDisk) {
  const parts = content.type === 'layers' ? content.layers : [content];
  const layers = parts.map(({ digest }) => cache.blobs.pathOf(digest));
  return { path: layers.at(-1) ?? '', layers, ...known };
}

/** What virt-ls is run with and on. */
interface Images {
  readonly before: DiskFile;
  readonly after: DiskFile;
  readonly scratch: string;
  readonly env: { readonly [name: string]: string };
  readonly signal: AbortSignal;
}

/** Compares the partitions that nobody could compare so far; those that stay so say what would help. */
export async function readForeign(
  project: Project,
  before: FoundDisk,
  after: FoundDisk,
  partitions: readonly PartitionDiff[],
  signal: AbortSignal,
): Promise<Result<readonly PartitionDiff[], Failure>> {
  const { host } = project;
  if (partitions.every(({ problem }) => problem === null)) return ok(partitions);
  if (host.processes.find(VIRT_LS, toolPath(host.env)) === null)
    return ok(
      partitions.map((one) =>
        withProblem(
          one,
          `${VIRT_LS} (package guestfs-tools) could read more, and with --boot the system on the disk`,
        ),
      ),
    );
  const scratch = await host.files.makeTemporaryDirectory(host.env['TMPDIR'] ?? '/tmp', 'bake-diff-');
  if (!scratch.ok) return scratch;
  try {
    const was = await plainImage(project, before, `${scratch.value}/before.qcow2`, signal);
    if (!was.ok) return was;
    const is = await plainImage(project, after, `${scratch.value}/after.qcow2`, signal);
    if (!is.ok) return is;
    const env = await environment(project, scratch.value, signal);
    const images = { before: was.value, after: is.value, scratch: scratch.value, env, signal };
    const read: PartitionDiff[] = [];
    for (const one of partitions) read.push(one.problem === null ? one : await readOne(project, one, images));
    return ok(read);
  } finally {
    await host.files.remove(scratch.value);
  }
}

function withProblem(partition: PartitionDiff, more: string): PartitionDiff {
  return partition.problem === null ? partition : { ...partition, problem: `${partition.problem}; ${more}` };
}

/** One file, of a known format, that a program reads which knows of no layers. */
async function plainImage(
  { session, host }: Project,
  found: FoundDisk,
  to: string,
  signal: AbortSignal,
): Promise<Result<DiskFile, Failure>> {
  if (found.content.type === 'layers') {
    const flat = await session.flatten(found.content, to, signal);
    return flat.ok ? ok({ path: to, format: 'qcow2' }) : flat;
  }
  const disk = await describeDisk(host, inCache(session.cache, found), NO_STATEMENT);
  return disk.ok ? ok(disk.value.files[0] as DiskFile) : disk;
}

/** libguestfs takes any /dev/kvm for one that works, so it is told. What the user says of it goes first. */
async function environment({ host }: Project, scratch: string, signal: AbortSignal) {
  const { accelerator } = await findAccelerator(host, { scratch, signal });
  const own = Object.entries(host.env).filter(([name]) => /^(LIBGUESTFS|SUPERMIN)_/.test(name));
  return {
    PATH: toolPath(host.env),
    HOME: scratch,
    TMPDIR: scratch,
    LANG: 'C.UTF-8',
    LIBGUESTFS_BACKEND: 'direct',
    ...(accelerator === 'tcg' ? { LIBGUESTFS_BACKEND_SETTINGS: 'force_tcg' } : {}),
    ...(Object.fromEntries(own) as { [name: string]: string }),
  };
}

async function readOne(project: Project, partition: PartitionDiff, images: Images): Promise<PartitionDiff> {
  const device = partition.number === 0 ? '/dev/sda' : `/dev/sda${partition.number}`;
  const empty: FileTree<Listed> = new Map();
  const was = partition.inBefore ? await listing(project, images.before, device, images) : ok(empty);
  if (!was.ok) return withProblem(partition, was.failure);
  const is = partition.inAfter ? await listing(project, images.after, device, images) : ok(empty);
  if (!is.ok) return withProblem(partition, is.failure);
  return await compareListed(partition, was.value, is.value);
}

/** The failure is a part of a sentence. */
async function listing(
  { host }: Project,
  image: DiskFile,
  device: string,
  { scratch, env, signal }: Images,
): Promise<Result<FileTree<Listed>, string>> {
  const said: string[] = [];
  const args = [
    `--format=${image.format}`,
    '-a',
    image.path,
    '-m',
    device,
    '-lR',
    '--csv',
    '--uids',
    '--checksum=sha256',
    '/',
  ];
  const run = await host.processes.run(VIRT_LS, args, {
    cwd: scratch,
    env,
    signal,
    capture: true,
    onLine: (line, stream) => stream === 'stderr' && line !== '' && said.push(line),
  });
  if (run.ok && run.value.exitCode === 0) return ok(parseListing(run.value.stdout));
  return fail(`${VIRT_LS} could not read it either: ${said[0] ?? 'it did not say why'}`);
}

const TYPES: Readonly<Record<string, FileFacts['type']>> = { ...LISTED_TYPES, '-': 'file' };

/** What `virt-ls -lR --csv --uids --checksum=sha256` prints, without the root itself. */
export function parseListing(csv: string): FileTree<Listed> {
  const found = new Map<string, Listed>();
  for (const record of csvRecords(csv)) {
    const [mark = '', mode = '', size = '', uid = '', gid = '', digest = '', path = '', target = null] =
      record;
    const type = TYPES[mark];
    if (type === undefined || path === '/') continue;
    found.set(path, {
      type,
      mode: Number.parseInt(mode, 8) & 0o7777,
      uid: Number(uid),
      gid: Number(gid),
      sizeBytes: type === 'file' ? Number(size) : 0,
      target: type === 'link' ? target : null,
      digest,
    });
  }
  return found;
}

/** Records of a CSV text: quoted fields may hold commas, line breaks and doubled quotes. (RFC 4180) */
function* csvRecords(csv: string): Generator<readonly string[]> {
  let record: string[] = [];
  for (const [, quoted, plain, end] of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n|$)/g)) {
    record.push(quoted?.replaceAll('""', '"') ?? plain ?? '');
    if (end === ',') continue;
    yield record;
    record = [];
  }
}
