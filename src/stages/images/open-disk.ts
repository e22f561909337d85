/** Opens the disk that a stage was given: our own reader for raw images and qcow2 layers, qemu-img for all else. */
import { DamagedDisk, type DiskSource } from '../../formats/disk-source.ts';
import type { DiskProblem } from '../../formats/qcow2-header.ts';
import { openDisk } from '../../formats/qcow2-reader.ts';
import type { Host } from '../../host/host.ts';
import type { ByteSource } from '../../model/bytes.ts';
import type { Failure } from '../../model/failure.ts';
import type { Result } from '../../model/result.ts';
import { fail, ok } from '../../model/result.ts';
import type { StageContext, StagedInput } from '../kind.ts';

/**
 * Gives the content of a disk to `use`. A format or feature that our reader does not know goes through a sparse raw file in
 * the scratch directory, made by qemu-img; the bytes that `use` sees are the same, so nobody's fingerprint need know.
 */
export async function withDisk<T>(
  context: StageContext,
  input: StagedInput,
  use: (disk: DiskSource) => Promise<Result<T, Failure>>,
): Promise<Result<T, Failure>> {
  const direct = await tryDisk(context, input.layers, use);
  if (!('reason' in direct)) return direct;
  if (direct.reason === 'unusable') return fail(unusable(input, direct));
  context.log(`the disk has ${direct.problem}: reading it with qemu-img`);
  const raw = `${context.scratch}/disk.raw`;
  const converted = await context.exec('qemu-img', ['convert', '-O', 'raw', imageName(input.layers), raw]);
  if (!converted.ok) return converted;
  const read = await tryDisk(context, [raw], use);
  const removed = await context.host.files.remove(raw);
  if ('reason' in read) return fail(unusable(input, read));
  return read.ok && !removed.ok ? removed : read;
}

/** Makes sure that a disk reaches for no file outside of its layers, before a program gets it that would follow. */
export async function checkSelfContained(
  context: Pick<StageContext, 'host' | 'signal'>,
  input: Pick<StagedInput, 'path' | 'layers'>,
): Promise<Result<void, Failure>> {
  const tried = await tryDisk<void>(context, input.layers, () => Promise.resolve(ok(undefined)));
  if (!('reason' in tried)) return tried;
  return tried.reason === 'unusable' ? fail(unusable(input, tried)) : ok(undefined);
}

/** How qemu-img and QEMU are told of a disk: its path, or the whole chain of its layers with no path baked into them. */
export function imageName(layers: readonly string[]): string {
  const [lowest = '', ...upper] = layers;
  if (upper.length === 0) return lowest;
  type Node = { driver?: string; file: { driver: 'file'; filename: string }; backing?: Node };
  const file = (filename: string) => ({ driver: 'file' as const, filename });
  const chain = upper.reduce<Node>(
    (backing, path) => ({ driver: 'qcow2', file: file(path), backing }),
    // Without a driver QEMU looks at the lowest itself: it may be raw or qcow2.
    { file: file(lowest) },
  );
  return `json:${JSON.stringify(chain)}`;
}

function unusable(input: Pick<StagedInput, 'path'>, problem: DiskProblem): Failure {
  return { code: 'disk-unusable', path: input.path, problem: `it has ${problem.problem}` };
}

async function tryDisk<T>(
  context: Pick<StageContext, 'host' | 'signal'>,
  layers: readonly string[],
  use: (disk: DiskSource) => Promise<Result<T, Failure>>,
): Promise<Result<T, Failure> | DiskProblem> {
  let problem: DiskProblem | null = null;
  try {
    const done = await withSources(context.host, layers, async (sources) => {
      const disk = await openDisk(sources);
      if (disk.ok) return use(disk.value);
      problem = disk.failure;
      return fail<Failure>({ code: 'disk-unusable', path: layers[0] ?? '', problem: disk.failure.problem });
    });
    return problem ?? done;
  } catch (error) {
    if (error instanceof DamagedDisk)
      return fail({ code: 'disk-unusable', path: layers[0] ?? '', problem: error.message });
    if (context.signal.aborted) return fail({ code: 'stage-refused', problem: 'it was stopped', hint: null });
    throw error;
  }
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
