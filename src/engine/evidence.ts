/** What explains a failure of a machine is written by others, QEMU among them: secrets of the stage are taken out of it before anybody is shown it. */
import type { Files } from '../host/host.ts';
import type { Failure } from '../model/failure.ts';
import { ok, type Result } from '../model/result.ts';
import { LineMasks, type Masks } from './masks.ts';

const READ_BYTES = 1 << 20;
/** What is longer without a line break is cut into lines. */
const LONGEST_LINE = 1 << 16;
const TEXTS = /\.(?:log|json|txt)$/;

/** Masks every text of a directory; what cannot be masked is removed. Pictures stay as they are. */
export async function maskEvidence(files: Files, directory: string, masks: Masks): Promise<void> {
  if (masks.secrets.size === 0) return;
  const { entries, trouble } = files.walk(directory);
  // What is not seen cannot be masked.
  if (trouble !== null) return void (await files.remove(directory));
  for (const { path, type } of entries) {
    if (type !== 'file' || !TEXTS.test(path)) continue;
    const place = `${directory}/${path}`;
    const masked = `${place}.masked`;
    const written = await writeMasked(files, place, masked, masks);
    if (!written.ok || (written.value && !(await files.rename(masked, place)).ok)) await files.remove(place);
    await files.remove(masked);
  }
}

/** Writes a text without the secrets; whether that is another text. */
async function writeMasked(
  files: Files,
  from: string,
  to: string,
  masks: Masks,
): Promise<Result<boolean, Failure>> {
  const lines = new LineMasks(masks);
  const decoder = new TextDecoder();
  let rest = '';
  let isOther = false;
  const read = await files.withReader<Result<boolean, Failure>>(from, async (source) => {
    const buffer = Buffer.alloc(READ_BYTES);
    for (let offset = 0; ; ) {
      const count = offset < source.sizeBytes ? await source.read(buffer, offset) : 0;
      offset += count;
      const isLast = count === 0;
      const pieces = (rest + decoder.decode(buffer.subarray(0, count), { stream: !isLast })).split('\n');
      rest = pieces.pop() ?? '';
      const shown = pieces.flatMap((line) => lines.add(line, false));
      if (rest !== '' && (isLast || rest.length > LONGEST_LINE)) {
        shown.push(...lines.add(rest, !isLast));
        rest = '';
      }
      if (isLast) shown.push(...lines.end());
      isOther ||= shown.some((line) => line.includes('***'));
      const written = await files.appendFile(to, shown.map((line) => `${line}\n`).join(''), { mode: 0o600 });
      if (!written.ok) return written;
      if (isLast) return ok(isOther);
    }
  });
  return read.ok ? read.value : read;
}
