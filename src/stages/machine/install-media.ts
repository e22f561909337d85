/** What an installation boots from besides the CD: a kernel, perhaps out of the CD, and a seed image with answers. */
import { join } from 'node:path';
import { seedIsoBytes } from '../../formats/seed-iso.ts';
import { type BootValues, fillPlaceholders } from '../../machine/placeholders.ts';
import type { MachineShape } from '../../machine/shape.ts';
import type { Failure } from '../../model/failure.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import type { StageContext } from '../kind.ts';
import type { InstallOptions } from '../qemu-install.ts';

/** The kernel to boot directly, or null; words such as `{{ .HTTPIP }}` are filled into its command line. */
export async function kernelOf(
  options: InstallOptions,
  context: StageContext,
  values: BootValues,
): Promise<Result<MachineShape['kernel'], Failure>> {
  if (options.kernel === undefined) return ok(null);
  const path = await fileOf(options, context, options.kernel, 'kernel');
  if (!path.ok) return path;
  const initrd = options.initrd ? await fileOf(options, context, options.initrd, 'initrd') : ok(null);
  if (!initrd.ok) return initrd;
  return ok({ path: path.value, initrd: initrd.value, append: fillPlaceholders(options.append, values) });
}

async function fileOf(
  options: InstallOptions,
  context: StageContext,
  given: NonNullable<InstallOptions['kernel']>,
  name: string,
): Promise<Result<string, Failure>> {
  if (!('from_iso' in given)) return ok(context.input(given).path);
  if (options.iso === undefined) throw new Error('`from_iso` without `iso` is refused before');
  const to = join(context.scratch, name);
  const iso = context.input(options.iso).path;
  const args = ['-osirrox', 'on', '-indev', iso, '-extract', given.from_iso, to];
  const extracted = await context.exec('xorriso', args, { quiet: true });
  return extracted.ok ? ok(to) : extracted;
}

/** Path of a CD image with the answers of `seed`, or null when there are none. */
export async function seedImage(
  { seed }: InstallOptions,
  context: StageContext,
): Promise<Result<string | null, Failure>> {
  if (!seed) return ok(null);
  const files: { path: string; bytes: Uint8Array }[] = [];
  const add = (path: string, text: string | undefined): void => {
    if (text !== undefined) files.push({ path, bytes: new TextEncoder().encode(text) });
  };
  add('user-data', seed.user_data);
  // cloud-init takes a NoCloud source for one only if both files are there.
  add('meta-data', seed.meta_data ?? (seed.user_data === undefined ? undefined : ''));
  add('network-config', seed.network_config);
  for (const [path, file] of Object.entries(seed.files)) {
    const bytes = await context.host.files.readBytes(context.input(file).path);
    if (!bytes.ok) return bytes;
    files.push({ path, bytes: bytes.value });
  }
  const image = await seedIsoBytes(seed.label, files);
  if (!image.ok)
    return fail({
      code: 'stage-refused',
      problem: `the seed image cannot be made: ${image.failure}`,
      hint: null,
    });
  const to = join(context.scratch, 'seed.iso');
  const written = await context.host.files.writeFile(to, image.value, { over: true });
  return written.ok ? ok(to) : written;
}
