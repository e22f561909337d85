/** OVA packages: descriptor, manifest and disks in one uncompressed tar, in the order that importers insist on. (DSP0243 5.3) */
import type { ByteSink, ByteSource } from '../model/bytes.ts';
import type { Result } from '../model/result.ts';
import { ok } from '../model/result.ts';
import { bytesSource } from './memory-bytes.ts';
import { endTar, writeTarEntry } from './tar.ts';

interface OvaText {
  readonly name: string;
  readonly text: string;
}

export interface OvaDisk<F> {
  readonly name: string;
  readonly sizeBytes: number;
  /** Opens the disk and hands it to `copy`. */
  read(copy: (source: ByteSource) => Promise<void>): Promise<Result<void, F>>;
}

/** Writes descriptor first, then manifest, then the disks in the order of the descriptor's references. Stops at the first failure of a disk. */
export async function writeOva<F>(
  sink: ByteSink,
  texts: readonly OvaText[],
  disks: readonly OvaDisk<F>[],
  onBytes?: (count: number) => void,
): Promise<Result<void, F>> {
  for (const { name, text } of texts) {
    const bytes = new Uint8Array(Buffer.from(text, 'utf8'));
    await writeTarEntry(sink, { name, sizeBytes: bytes.length }, bytesSource(bytes));
  }
  for (const disk of disks) {
    const { name, sizeBytes } = disk;
    const done = await disk.read((source) => writeTarEntry(sink, { name, sizeBytes }, source, onBytes));
    if (!done.ok) return done;
  }
  await endTar(sink);
  return ok(undefined);
}
