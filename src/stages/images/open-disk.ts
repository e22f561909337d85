/**
 * The one door for disks that came from outside or out of a guest: says what each file is, looks whether it is whole and
 * alone, and describes the disk so that no program has to guess or to follow what an image says. See docs/design/formats.md.
 */
import { basename } from 'node:path';
import { checkDisk } from '../../formats/disk-check.ts';
import { article, detectFormat } from '../../formats/disk-magic.ts';
import { DamagedDisk, type DiskSource } from '../../formats/disk-source.ts';
import { SECTOR_BYTES, windowOf } from '../../formats/disk-view.ts';
import type { DiskProblem } from '../../formats/qcow2-header.ts';
import { openDisk } from '../../formats/qcow2-reader.ts';
import type { Host } from '../../host/host.ts';
import { convertDisk, type Disk, type ImageContext } from '../../machine/disk-image.ts';
import type { DiskLayer } from '../../machine/shape.ts';
import type { ByteSource } from '../../model/bytes.ts';
import type { DiskContainer, DiskFile, DiskFormat, DiskWindow } from '../../model/disk-format.ts';
import type { Failure } from '../../model/failure.ts';
import type { Result } from '../../model/result.ts';
import { fail, ok } from '../../model/result.ts';
import type { StageContext, StagedInput } from '../kind.ts';
import { diskInOva } from './ova-disk.ts';

/** What a stage was told of its disk. */
export interface Statement {
  /** Undefined when the user says nothing. */
  readonly format: DiskContainer | undefined;
  /** The option that says it, for messages; null where there is none. */
  readonly option: string | null;
  /** An appliance (OVA) stands for its first disk. */
  readonly appliances?: boolean;
}

/** Of commands, which look at what is in the cache. */
export const NO_STATEMENT: Statement = { format: undefined, option: null };

type DiskInput = Pick<StagedInput, 'path' | 'layers' | 'format' | 'named'> & {
  /** What it is called, where its path does not say it: in the cache. */
  readonly name?: string;
};

/** A disk of qcow2 and raw files, which a machine takes as it is. */
export interface NativeDisk extends Disk {
  readonly files: readonly DiskLayer[];
}

/** Whether a machine takes the disk as it is. */
function isNative(disk: Disk): disk is NativeDisk {
  return disk.files.every(({ format }) => format === 'qcow2' || format === 'raw');
}

/** Opens the door: the files of a disk, each of a known format, whole, and in need of no other. */
export async function describeDisk(
  host: Host,
  input: DiskInput,
  statement: Statement,
): Promise<Result<Disk, Failure>> {
  const files: DiskFile[] = [];
  let sizeBytes = 0;
  for (const [index, path] of input.layers.entries()) {
    const isAlone = input.layers.length === 1;
    const known = isAlone
      ? formatOf(input, statement)
      : index === 0
        ? lowestFormat(input, statement)
        : ok('qcow2' as const);
    if (!known.ok) return fail({ code: 'disk-unusable', path, problem: `it ${known.failure}` });
    const looked = await host.files.withReader(path, (source) =>
      lookAt(source, known.value, { name: isAlone ? nameOf(input, path) : null, statement }),
    );
    if (!looked.ok) return looked;
    if (!looked.value.ok) return fail({ code: 'disk-unusable', path, problem: `it ${looked.value.failure}` });
    const { format, window } = looked.value.value;
    files.push({ path, format, window });
    sizeBytes = looked.value.value.sizeBytes;
  }
  return ok({ files, sizeBytes });
}

/** What one file is said to be; null when nobody says it. Who made it knows best, and nobody contradicts that. */
function formatOf(
  { format: made }: DiskInput,
  { format: stated }: Statement,
): Result<DiskContainer | null, string> {
  if (made === undefined || stated === undefined || made === stated) return ok(stated ?? made ?? null);
  return fail(`is ${article(made)} image, as the stage that made it says, and not ${article(stated)} one`);
}

/** The lowest of several layers was accepted when the first was put on it, so that its content tells what it is. */
function lowestFormat(input: DiskInput, { format: stated }: Statement): Result<null, string> {
  if (stated === undefined || stated === 'qcow2') return ok(null);
  return fail(`is a qcow2 image in ${input.layers.length} layers, and not ${article(stated)} one`);
}

/** By which a file says what it is; an artifact lies under a number. */
function nameOf({ name, named }: DiskInput, path: string): string {
  return named === undefined ? (name ?? basename(path)) : `disk.${named}`;
}

interface Look {
  readonly name: string | null;
  readonly statement: Statement;
}

async function lookAt(
  source: ByteSource,
  known: DiskContainer | null,
  { name, statement }: Look,
): Promise<
  Result<
    { readonly format: DiskFormat; readonly sizeBytes: number; readonly window: DiskWindow | null },
    string
  >
> {
  const found = known === null ? await detectFormat(source, name) : ok(known);
  if (!found.ok) return fail(withHint(found.failure, source, statement));
  if (found.value !== 'ova') return inWindow(source, found.value, null);
  if (statement.appliances !== true)
    return fail(withHint('is a tar archive (an OVA?), where one disk is wanted', source, statement));
  const member = await diskInOva(source);
  return member.ok ? inWindow(source, 'vmdk', member.value) : member;
}

async function inWindow(source: ByteSource, format: DiskFormat, window: DiskWindow | null) {
  const checked = await checkDisk(windowOf(source, window), format);
  if (!checked.ok || window === null) return checked;
  if (window.sizeBytes % SECTOR_BYTES !== 0) return fail('holds a disk that ends amid a sector');
  return ok({ ...checked.value, window });
}

function withHint(problem: string, source: ByteSource, { option }: Statement): string {
  if (option === null || source.sizeBytes === 0) return problem;
  return `${problem}; if these are the bytes of a disk, state \`${option}: raw\`, and if it is something else, say what`;
}

/**
 * A disk that a machine takes as it is. A fixed VHD, and what is neither qcow2 nor raw, is converted in `directory`; the
 * same bytes for the guest.
 */
export async function nativeDisk(
  context: ImageContext,
  input: DiskInput,
  statement: Statement,
  directory: string,
): Promise<Result<NativeDisk, Failure>> {
  const disk = await describeDisk(context.host, input, statement);
  if (!disk.ok) return disk;
  if (isNative(disk.value) && disk.value.files.every(({ window }) => !window)) return ok(disk.value);
  const path = `${directory}/disk.qcow2`;
  const converted = await convertDisk(context, disk.value, path, { format: 'qcow2' });
  if (!converted.ok) return converted;
  return baseDisk(context.host, { path, layers: [path], format: 'qcow2' }, NO_STATEMENT);
}

/** A disk for a machine whose result rests on it: what would have to be converted is refused, since that file is no artifact. */
export async function baseDisk(
  host: Host,
  input: DiskInput,
  statement: Statement,
): Promise<Result<NativeDisk, Failure>> {
  const disk = await describeDisk(host, input, statement);
  if (!disk.ok) return disk;
  const [lowest] = disk.value.files;
  const refuse = (why: string) =>
    fail<Failure>({
      code: 'disk-unusable',
      path: input.path,
      problem: `${why}; convert it with a \`disk-convert\` stage (\`format: qcow2\`) first`,
    });
  if (!isNative(disk.value) || lowest?.window)
    return refuse(
      `it is ${article(lowest?.window ? 'vpc' : (lowest?.format ?? 'raw'))} image, and a machine writes on top of qcow2 and raw ones alone`,
    );
  // Layers above it name no format: whoever reads them later goes by how it begins.
  const begins = await host.files.withReader(lowest?.path ?? '', (source) => detectFormat(source, null));
  if (!begins.ok) return begins;
  if (begins.value.ok && begins.value.value === lowest?.format) return ok(disk.value);
  return refuse('it is a raw disk that begins or ends like an image of another format');
}

/**
 * Gives the content of a disk to `use`. A format or feature that our reader does not know goes through a sparse raw file in
 * the scratch directory, made by qemu-img; the bytes that `use` sees are the same, so nobody's fingerprint need know.
 */
export async function withDisk<T>(
  context: StageContext,
  input: StagedInput,
  statement: Statement,
  use: (disk: DiskSource) => Promise<Result<T, Failure>>,
): Promise<Result<T, Failure>> {
  const described = await describeDisk(context.host, input, statement);
  if (!described.ok) return described;
  const direct = await readDisk(context, described.value, use);
  if (!('reason' in direct)) return direct;
  context.log(`the disk has ${direct.problem}: reading it with qemu-img`);
  const raw = `${context.scratch}/disk.raw`;
  const converted = await convertDisk(context, described.value, raw, { format: 'raw' });
  if (!converted.ok) return converted;
  const { sizeBytes } = described.value;
  const read = await readDisk(context, { files: [{ path: raw, format: 'raw' }], sizeBytes }, use);
  const removed = await context.host.files.remove(raw);
  if ('reason' in read) return fail(unusable(input.path, read));
  return read.ok && !removed.ok ? removed : read;
}

/** The failure of a disk that our reader cannot read, or should not. */
export function unusable(path: string, { problem }: DiskProblem): Failure {
  return { code: 'disk-unusable', path, problem: `it has ${problem}` };
}

/** Reads a disk that came through the door; what needs another reader is a `DiskProblem`. */
export async function readDisk<T>(
  context: Pick<StageContext, 'host' | 'signal'>,
  { files }: Disk,
  use: (disk: DiskSource) => Promise<Result<T, Failure>>,
): Promise<Result<T, Failure> | DiskProblem> {
  const [lowest] = files;
  const path = lowest?.path ?? '';
  let problem: DiskProblem | null = null;
  try {
    const done = await withSources(
      context.host,
      files.map((file) => file.path),
      async (sources) => {
        const disk = await openDisk(sources.map((source, index) => opened(source, files[index] as DiskFile)));
        if (disk.ok) return use(disk.value);
        problem = disk.failure;
        return fail(unusable(path, disk.failure));
      },
    );
    return problem ?? done;
  } catch (error) {
    if (error instanceof DamagedDisk) return fail({ code: 'disk-unusable', path, problem: error.message });
    if (context.signal.aborted) return fail({ code: 'stage-refused', problem: 'it was stopped', hint: null });
    throw error;
  }
}

function opened(source: ByteSource, { format, window }: DiskFile) {
  return { source: windowOf(source, window ?? null), format };
}

/** Opens several files, for as long as `use` runs. */
export async function withSources<T>(
  host: Host,
  paths: readonly string[],
  use: (sources: readonly ByteSource[]) => Promise<Result<T, Failure>>,
  opened: readonly ByteSource[] = [],
): Promise<Result<T, Failure>> {
  const [path, ...rest] = paths;
  if (path === undefined) return use(opened);
  const done = await host.files.withReader(path, (source) =>
    withSources(host, rest, use, [...opened, source]),
  );
  return done.ok ? done.value : done;
}
