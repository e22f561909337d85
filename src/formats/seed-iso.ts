/** Seed images: an ISO 9660 image with Joliet and Rock Ridge, by which an installer or cloud-init finds its answers. */
import type { ByteSink, ByteSource } from '../model/bytes.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import { copyExactly } from './copy-bytes.ts';
import { SECTOR_BYTES } from './iso-fields.ts';
import type { IsoLayout } from './iso-layout.ts';
import { isoLayout } from './iso-layout.ts';
import type { IsoFile } from './iso-tree.ts';
import { isoTree } from './iso-tree.ts';
import { bytesSource, memorySink } from './memory-bytes.ts';

/**
 * Lays a seed image out. `label` is the volume name by which it is found (`cidata` for cloud-init's NoCloud, `OEMDRV` for
 * Kickstart): at most 16 characters, so that Joliet holds it whole, and written in the case given. `timeMs` is every
 * date in the image. `directories` are there even with nothing in them. The failure is one sentence: a name that the format cannot hold, a file there twice, a file over 4 GiB.
 */
export function planSeedIso(
  label: string,
  files: readonly IsoFile[],
  timeMs = 0,
  directories: readonly string[] = [],
): Result<IsoLayout, string> {
  if (!/^[A-Za-z0-9_ -]{1,16}$/.test(label))
    return fail(`the label \`${label}\` is not 1 to 16 letters, digits, \`_\`, \`-\` or spaces`);
  const tree = isoTree(files, directories);
  return tree.ok ? ok(isoLayout(tree.value, label, timeMs)) : tree;
}

/**
 * Writes a laid-out image: the same files give the same bytes. `read` opens one file, of exactly the size planned, and hands
 * it to `copy`; its first failure ends the writing.
 */
export async function writeSeedIso<F>(
  sink: ByteSink,
  layout: IsoLayout,
  read: (file: IsoFile, copy: (source: ByteSource) => Promise<void>) => Promise<Result<void, F>>,
): Promise<Result<void, F>> {
  await sink.write(layout.head);
  for (const file of layout.files) {
    const done = await read(file, (source) => copyExactly(source, file.sizeBytes, sink));
    if (!done.ok) return done;
    const over = file.sizeBytes % SECTOR_BYTES;
    if (over > 0) await sink.write(new Uint8Array(SECTOR_BYTES - over));
  }
  return ok(undefined);
}

/** A whole seed image in memory, for a few small files. */
export async function seedIsoBytes(
  label: string,
  files: readonly { readonly path: string; readonly bytes: Uint8Array; readonly executable?: boolean }[],
  timeMs = 0,
): Promise<Result<Uint8Array, string>> {
  const layout = planSeedIso(
    label,
    files.map(({ path, bytes, executable = false }) => ({ path, sizeBytes: bytes.length, executable })),
    timeMs,
  );
  if (!layout.ok) return layout;
  const contents = new Map(files.map(({ path, bytes }) => [path, bytes]));
  const sink = memorySink();
  const written = await writeSeedIso<string>(sink, layout.value, async (file, copy) =>
    ok(await copy(bytesSource(contents.get(file.path) as Uint8Array))),
  );
  return written.ok ? ok(sink.bytes()) : written;
}
