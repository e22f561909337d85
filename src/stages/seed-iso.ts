/** The kind `seed-iso`: a CD image by which cloud-init or an installer finds its answers. */
import { z } from 'zod';
import type { IsoFile } from '../formats/iso-tree.ts';
import { planSeedIso, writeSeedIso } from '../formats/seed-iso.ts';
import type { Failure } from '../model/failure.ts';
import { byCodeUnit } from '../model/json.ts';
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
  directories: z
    .array(z.string())
    .prefault([])
    .describe('Paths in the image that are directories even if nothing lies there'),
});

export const seedIsoStage = defineStage({
  name: 'seed-iso',
  version: 1,
  summary: 'Make a seed image for cloud-init, Kickstart or autoinstall',
  description: `The image is ISO 9660 with Joliet and Rock Ridge, written by bake itself: the same files give the same bytes, and no
other program is needed.

With the label \`cidata\` cloud-init looks for \`meta-data\` and \`user-data\`; with \`OEMDRV\` Anaconda looks for \`ks.cfg\`.
A directory given in \`files\` is put in with all that it holds, symbolic links (for Rock Ridge) and empty directories
included; the path \`.\` puts its content at the top. Names have at
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
  async pin(given, _lock, _host, _signal, checkout) {
    // Empty directories are no inputs: which there are is part of what is asked for.
    const empty = Object.entries(given.files).flatMap(([path, option]) =>
      '$file' in option ? checkout.emptyDirectories(option.$file).map((below) => insideOf(path, below)) : [],
    );
    const all = [...given.directories, ...empty].filter((path) => path !== '');
    const directories = [...new Set(all)].sort(byCodeUnit);
    return ok({ ...given, directories });
  },
  async run(given, context) {
    const sources = new Map<string, Source>();
    const directories = [...given.directories];
    for (const [path, option] of Object.entries(given.files)) {
      const added = addFiles(sources, context, path, option);
      if (!added.ok) return added;
      directories.push(...added.value);
    }
    for (const [path, text] of Object.entries(given.content)) {
      const file = `${context.scratch}/content-${sources.size}`;
      const written = await context.host.files.writeFile(file, text, { over: true });
      if (!written.ok) return written;
      const sizeBytes = Buffer.byteLength(text, 'utf8');
      sources.set(path, { path, file, sizeBytes, executable: false });
    }
    const special = [...sources.values()].find((source) => source.sizeBytes < 0);
    if (special !== undefined) return refused(`\`${special.path}\` is neither a file nor a directory`);
    if (await isUnread(given.label, sources.get('user-data'), context))
      context.warn({ code: 'user-data-unread' });
    const layout = planSeedIso(given.label, [...sources.values()], 0, directories);
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

/** What cloud-init knows user-data by: its first line, the head of a MIME message, or the mark of gzip. */
const USER_DATA =
  /^(?:#cloud-config|#!|## template: ?jinja|#include|#cloud-boothook|#part-handler|#upstart-job|content-type:|mime-version:|\u001f\u008b)/i;

/** Whether there is user-data that cloud-init would not read although the image is for it. */
async function isUnread(label: string, source: Source | undefined, context: StageContext): Promise<boolean> {
  if (label.toLowerCase() !== 'cidata' || source === undefined || source.sizeBytes === 0) return false;
  const bytes = await context.host.files.readBytes(source.file);
  if (!bytes.ok) return false;
  const head = Buffer.from(bytes.value.subarray(0, 64)).toString('latin1');
  return !USER_DATA.test(head.replace(/^\u00ef\u00bb\u00bf/, ''));
}

/** A path below a directory of the image; `.` is the image itself. */
function insideOf(path: string, below: string): string {
  return path === '.' ? below : below === '' ? path : `${path}/${below}`;
}

/** Adds what an option names; gives the directories in which there is nothing. */
function addFiles(
  sources: Map<string, Source>,
  context: StageContext,
  path: string,
  option: ArtifactOption,
): Result<readonly string[], Failure> {
  const { path: from, content } = context.input(option);
  const { files } = context.host;
  if (content.type !== 'tree') {
    const executable = content.type === 'file' && content.executable;
    sources.set(path, { path, file: from, sizeBytes: content.sizeBytes, executable });
    return ok([]);
  }
  const { entries, trouble } = files.walk(from);
  if (trouble !== null) return fail(trouble);
  const holds = new Set(
    entries.map((entry) => entry.path.slice(0, Math.max(0, entry.path.lastIndexOf('/')))),
  );
  const empty = entries.filter((entry) => entry.type === 'directory' && !holds.has(entry.path));
  for (const entry of entries) {
    if (entry.type === 'directory') continue;
    const file = `${from}/${entry.path}`;
    const inside = insideOf(path, entry.path);
    if (entry.type === 'link') {
      const link = files.readLink(file);
      if (!link.ok) return link;
      sources.set(inside, { path: inside, file, sizeBytes: 0, executable: false, link: link.value });
      continue;
    }
    const stamp = entry.type === 'file' ? files.stamp(file) : null;
    const executable = stamp !== null && (stamp.mode & 0o100) !== 0;
    sources.set(inside, { path: inside, file, sizeBytes: stamp?.sizeBytes ?? -1, executable });
  }
  return ok(empty.map((entry) => insideOf(path, entry.path)).filter((path) => path !== '.'));
}

function refused(problem: string): Result<never, Failure> {
  return fail({ code: 'stage-refused', problem, hint: null });
}
