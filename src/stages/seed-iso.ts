/** The kind `seed-iso`: a CD image by which cloud-init or an installer finds its answers. */
import { z } from 'zod';
import type { IsoFile } from '../formats/iso-tree.ts';
import { planSeedIso, writeSeedIso } from '../formats/seed-iso.ts';
import type { Failure } from '../model/failure.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import type { ArtifactOption, StageContext } from './kind.ts';
import { defineStage } from './kind.ts';
import { artifact } from './options.ts';

const options = z.strictObject({
  label: z
    .string()
    .regex(/^[A-Za-z0-9_ -]{1,16}$/, { error: 'expected 1 to 16 letters, digits, `_`, `-` or spaces' })
    .prefault('cidata')
    .describe('The volume’s name: `cidata` for cloud-init (NoCloud), `OEMDRV` for Kickstart'),
  files: z
    .record(z.string(), artifact())
    .prefault({})
    .describe('Path in the image → file or directory: of the checkout, or an output of another stage'),
  content: z
    .record(z.string(), z.string())
    .prefault({})
    .describe('Path in the image → text of the file, for what is too short to be a file of its own'),
});

export const seedIsoStage = defineStage({
  name: 'seed-iso',
  version: 1,
  summary: 'Make a seed image for cloud-init, Kickstart or autoinstall',
  description: `The image is ISO 9660 with Joliet and Rock Ridge, written by bake itself: the same files give the same bytes, and no
other program is needed.

With the label \`cidata\` cloud-init looks for \`meta-data\` and \`user-data\`; with \`OEMDRV\` Anaconda looks for \`ks.cfg\`.
A directory given in \`files\` is put in with all that it holds; the path \`.\` puts its content at the top. Names have at
most 64 characters. Dates in the image are all 1970-01-01.`,
  example: `bake: 1
name: seed
stages:
  seed-iso:
    uses: seed-iso
    with:
      files: { user-data: seed/user-data.yml }
      content: { meta-data: "instance-id: tiny-1\\n" }
`,
  options,
  outputs: () => ({ iso: { path: 'seed.iso', description: 'The image' } }),
  tools: () => [],
  check(given) {
    const names = [...Object.keys(given.files), ...Object.keys(given.content)];
    if (names.length === 0)
      return [{ path: [], problem: 'expected `files` or `content`: there is nothing to put in' }];
    return Object.keys(given.content)
      .filter((name) => name in given.files)
      .map((name) => ({ path: ['content', name], problem: `\`${name}\` is in \`files\` too` }));
  },
  async run(given, context) {
    const sources = new Map<string, Source>();
    for (const [path, option] of Object.entries(given.files)) {
      const added = addFiles(sources, context, path, option);
      if (!added.ok) return added;
    }
    for (const [path, text] of Object.entries(given.content)) {
      const file = `${context.scratch}/content-${sources.size}`;
      const written = await context.host.files.writeFile(file, text);
      if (!written.ok) return written;
      const sizeBytes = Buffer.byteLength(text, 'utf8');
      sources.set(path, { path, file, sizeBytes, executable: false });
    }
    const links = [...sources.values()].find((source) => source.sizeBytes < 0);
    if (links !== undefined) return refused(`\`${links.path}\` is neither a file nor a directory`);
    const layout = planSeedIso(given.label, [...sources.values()]);
    if (!layout.ok) return refused(layout.failure);
    const written = await context.host.files.withWriter(context.output('iso'), (sink) =>
      writeSeedIso<Failure>(sink, layout.value, (file, copy) =>
        context.host.files.withReader((sources.get(file.path) as Source).file, copy),
      ),
    );
    if (!written.ok) return written;
    return written.value.ok ? ok({}) : written.value;
  },
});

/** A file for the image and where it lies; `sizeBytes` is negative for what an image cannot hold. */
interface Source extends IsoFile {
  readonly file: string;
}

function addFiles(
  sources: Map<string, Source>,
  context: StageContext,
  path: string,
  option: ArtifactOption,
): Result<void, Failure> {
  const { path: from, content } = context.input(option);
  const { files } = context.host;
  if (content.type !== 'tree') {
    const executable = content.type === 'file' && content.executable;
    sources.set(path, { path, file: from, sizeBytes: content.sizeBytes, executable });
    return ok(undefined);
  }
  const { entries, trouble } = files.walk(from);
  if (trouble !== null) return fail(trouble);
  for (const entry of entries) {
    if (entry.type === 'directory') continue;
    const file = `${from}/${entry.path}`;
    const inside = path === '.' ? entry.path : `${path}/${entry.path}`;
    const stamp = entry.type === 'file' ? files.stamp(file) : null;
    const executable = stamp !== null && (stamp.mode & 0o100) !== 0;
    sources.set(inside, { path: inside, file, sizeBytes: stamp?.sizeBytes ?? -1, executable });
  }
  return ok(undefined);
}

function refused(problem: string): Result<never, Failure> {
  return fail({ code: 'stage-refused', problem, hint: null });
}
