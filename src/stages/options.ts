/** Option types that every kind's schema may use: artifacts, text with references, sizes, durations. */
import { z } from 'zod';
import { DISK_FORMATS } from '../model/disk-format.ts';
import type { ArtifactOption, TextOption } from './kind.ts';

/** An output of another stage (`${{ stages.x.outputs.y }}`), or the path of a file beside the pipeline. */
export function artifact() {
  return z
    .custom<ArtifactOption>(
      (value) => typeof value === 'object' && value !== null && ('$artifact' in value || '$file' in value),
      { error: 'expected an output of another stage, or the path of a file' },
    )
    .meta({ bake: 'artifact' });
}

/** Text that may hold references to outputs of other stages. */
export function text() {
  return z
    .custom<TextOption>(
      (value) =>
        typeof value === 'string' || (typeof value === 'object' && value !== null && '$text' in value),
      { error: 'expected text' },
    )
    .meta({ bake: 'text' });
}

/** What a disk is, where nobody else knows: neither the stage that made it nor, beyond doubt, the file itself. */
export function diskFormat() {
  return z
    .enum(DISK_FORMATS)
    .optional()
    .describe(
      'What the disk is: `qcow2`, `raw`, `vmdk`, `vdi`, `vhdx` or `vpc` (VHD). A stage that makes a disk says it; a file is looked at, and one that could be two things is refused until it is said here',
    );
}

const SIZE = /^(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB|kB|MB|GB|TB|K|M|G|T)?$/;
const FACTORS: Readonly<Record<string, number>> = {
  B: 1,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
};

/** Bytes out of `2GiB`, `512M` (binary, as qemu-img reads it), `1.5GB` or a number of bytes; null when it is none of these. */
export function parseSize(value: string | number): number | null {
  const match = SIZE.exec(String(value).trim());
  if (!match) return null;
  const bytes = Number(match[1]) * (FACTORS[match[2] ?? 'B'] ?? 1);
  return Number.isSafeInteger(Math.round(bytes)) ? Math.round(bytes) : null;
}

/** A size in bytes, written `2GiB`. */
export function size() {
  return z
    .union([z.string(), z.number()])
    .transform((value, context) => {
      const bytes = parseSize(value);
      if (bytes !== null) return bytes;
      context.addIssue({ code: 'custom', message: 'expected a size such as 2GiB, 512MiB or 10GB' });
      return z.NEVER;
    })
    .meta({ bake: 'size' });
}

const DURATION =
  /^(?:(\d+(?:\.\d+)?)d)?\s*(?:(\d+(?:\.\d+)?)h)?\s*(?:(\d+(?:\.\d+)?)m(?!s))?\s*(?:(\d+(?:\.\d+)?)s)?\s*(?:(\d+)ms)?$/;

/** Milliseconds out of `90s`, `1h30m`, `500ms`, or a number of seconds; null when it is none of these. */
export function parseDuration(value: string | number): number | null {
  if (typeof value === 'number')
    return Number.isFinite(value) && value >= 0 ? Math.round(value * 1000) : null;
  const match = DURATION.exec(value.trim());
  if (!match || value.trim() === '') return null;
  const [, days = 0, hours = 0, minutes = 0, seconds = 0, milliseconds = 0] = match;
  return Math.round(
    ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60_000 +
      Number(seconds) * 1000 +
      Number(milliseconds),
  );
}

/** A duration in milliseconds, written `10m`. */
export function duration() {
  return z
    .union([z.string(), z.number()])
    .transform((value, context) => {
      const ms = parseDuration(value);
      if (ms !== null) return ms;
      context.addIssue({ code: 'custom', message: 'expected a duration such as 90s, 10m or 1h30m' });
      return z.NEVER;
    })
    .meta({ bake: 'duration' });
}
