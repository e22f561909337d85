/** The kind `checksums`: one file that says the digests of others, as `sha256sum -c` reads it. */
import { z } from 'zod';
import { hexOf } from '../model/digest.ts';
import { byCodeUnit } from '../model/json.ts';
import { fail, ok } from '../model/result.ts';
import { defineStage } from './kind.ts';
import { artifact } from './options.ts';

const options = z.strictObject({
  files: z
    .record(z.string().regex(/^[^\n\r\\]+$/, { error: 'expected a file name in one line' }), artifact())
    .refine((files) => Object.keys(files).length > 0, { error: 'expected at least one file' })
    .describe('Name in the list → file: of the checkout, or an output of another stage'),
});

export const checksumsStage = defineStage({
  name: 'checksums',
  version: 1,
  summary: 'Write SHA256SUMS over artifacts',
  description: `One line per file, sorted by name, in the format of \`sha256sum\`. The digests are those under which the artifacts are
cached, so nothing is read again. The file is written anew, never appended to. A stage whose output is listed is no leaf any
more: say \`place: true\` there if its output shall stay in the checkout.`,
  example: `bake: 1
name: checksums
stages:
  checksums:
    uses: checksums
    with:
      files: { tiny.ova: dist/tiny.ova }
`,
  options,
  outputs: () => ({ sums: { path: 'SHA256SUMS', description: 'The list' } }),
  tools: () => [],
  async run(given, context) {
    const lines: string[] = [];
    for (const name of Object.keys(given.files).sort(byCodeUnit)) {
      const { content } = context.input(given.files[name] as (typeof given.files)[string]);
      if (content.type !== 'file')
        return fail({
          code: 'stage-refused',
          problem: `\`${name}\` is ${content.type === 'tree' ? 'a directory' : 'a disk in layers'}, which has no sha256 of its own`,
          hint: content.type === 'tree' ? null : 'make one file of it with a `disk-convert` stage',
        });
      lines.push(`${hexOf(content.digest)}  ${name}\n`);
    }
    const written = await context.host.files.writeFile(context.output('sums'), lines.join(''), {
      over: true,
    });
    return written.ok ? ok({}) : written;
  },
});
