/** The kind `fetch-iso`: an image from the network, this host or another stage, named by its content and never by its address. */
import { z } from 'zod';
import { hexOf } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import type { Checksums } from './fetch/checksum.ts';
import { checksumText, hex, mismatch, statedChecksum } from './fetch/checksum.ts';
import { download } from './fetch/download.ts';
import type { ChecksumFile } from './fetch/pin.ts';
import {
  askFor,
  checksumFile,
  checksumWords,
  isBeside,
  lockKey,
  readFromCheckout,
  remembered,
} from './fetch/pin.ts';
import { address, pathOf, secretsOf, secretsOfHeaders, shownAddress, source } from './fetch/source.ts';
import type { ArtifactOption, StageContext, StageReturn } from './kind.ts';
import { defineStage } from './kind.ts';
import { duration, size } from './options.ts';

const options = z.strictObject({
  url: source()
    .optional()
    .describe(
      'Where the image is: an https, http or file URL, an absolute path, the path of a file beside the pipeline, or an output of another stage',
    ),
  urls: z
    .array(address())
    .min(1)
    .optional()
    .describe('Mirrors instead of `url`, asked in this order; a mirror that fails is passed over'),
  sha256: hex('sha256').optional().describe('The sha256 of the image, 64 hex digits'),
  sha512: hex('sha512').optional().describe('The sha512 of the image, 128 hex digits'),
  checksum: checksumText()
    .optional()
    .describe(
      'Instead of the two above: `sha256:<hex>`, `sha512:<hex>`, or `file:<address>` of a checksum file, which is asked once and then remembered in `bake.lock`',
    ),
  filename: z
    .string()
    .regex(/^(?!\.{1,2}$)[^/\p{Cc}]+$/u, { error: 'expected the name of a file, without directories' })
    .optional()
    .describe('What the output is called, and what the image is called in a checksum file'),
  headers: z
    .record(z.string(), z.string())
    .prefault({})
    .describe('Request headers, sent to the addresses given here and not to where they redirect'),
  retries: z
    .int()
    .min(0)
    .prefault(4)
    .describe('How often a mirror is asked again after a request that brought nothing new'),
  retry_delay: duration()
    .prefault('1s')
    .describe('Pause before the first repetition, doubled with each further one'),
  max_size: size()
    .prefault('256GiB')
    .describe('More than this is not fetched, whatever a server says or sends'),
  stall_timeout: duration().prefault('60s').describe('Silence after which a connection is given up'),
});

type Options = z.output<typeof options>;

export const fetchIsoStage = defineStage({
  name: 'fetch-iso',
  version: 1,
  summary: 'Fetch an image from mirrors, this host or another stage, and verify it',
  description: `The result is named by the checksum: another mirror with the same checksum downloads nothing, and an image
that was replaced at its origin is an error, never a silent swap.

An image from outside of the checkout needs a checksum. \`checksum: file:https://…/SHA256SUMS\` reads it out of a checksum
file (GNU or BSD format) at the first run and writes it to \`bake.lock\` beside the pipeline: commit that file. From then
on the checksum file is not asked again; delete the line, or run with \`--force\`, to accept a new image. A checksum file
beside the pipeline (\`checksum: file:SHA256SUMS\`) is read by every run, and nothing is remembered of it. Where a
checksum file has several files of one name, the directories of the address decide.

A download that breaks off is resumed, also by the next run. Files of the checkout and outputs of other stages are
taken as they are: their own digest enters the fingerprint, and a checksum is optional.`,
  example: `bake: 1
name: installer
stages:
  fetch-iso:
    uses: fetch-iso
    with:
      urls:
        - https://cdimage.debian.org/cdimage/archive/12.5.0/amd64/iso-cd/debian-12.5.0-amd64-netinst.iso
      checksum: file:https://cdimage.debian.org/cdimage/archive/12.5.0/amd64/iso-cd/SHA256SUMS
`,
  options,
  // Not after the address: then another mirror would move the output, and with it change the fingerprint.
  outputs: ({ filename }) => ({ iso: { path: filename ?? 'image.iso', description: 'The verified image' } }),
  tools: () => [],
  // `pin` moves every address to `urls` and the checksum that names its content to `sha256` or `sha512`.
  unhashed: [
    'urls',
    'checksum',
    'filename',
    'headers',
    'retries',
    'retry_delay',
    'max_size',
    'stall_timeout',
  ],
  check: (given) => checkOptions(given),
  async pin(given, lock, host, signal, checkout) {
    const { url, urls, ...rest } = given;
    const addresses = addressesOf(given);
    const sources = typeof url === 'object' ? { url } : { urls: [...addresses] };
    const stated = statedIn(given);
    if (stated !== null) return ok({ ...rest, ...sources, ...stated });
    const file = checksumFileOf(given);
    if (file === null) return ok({ ...rest, ...sources });
    if (isBeside(file)) {
      const stated = await readFromCheckout(file, checkout);
      return stated.ok ? ok({ ...rest, ...sources, ...stated.value }) : stated;
    }
    const known = remembered(file, lock);
    if (known !== null) return ok({ ...rest, ...sources, ...known });
    if (host === null) return ok(null);
    const found = await askFor(file, host, signal);
    if (!found.ok) return found;
    lock.set(lockKey(file), checksumWords(found.value));
    return ok({ ...rest, ...sources, ...found.value });
  },
  run: (pinned, context) =>
    typeof pinned.url === 'object' ? passOn(pinned.url, pinned, context) : fetch(pinned, context),
});

function checkOptions(given: Options): { path: (string | number)[]; problem: string }[] {
  const { url, urls, sha256, sha512, checksum, filename } = given;
  if (url === undefined && urls === undefined)
    return [{ path: [], problem: 'expected `url`, or `urls` for a list of mirrors' }];
  if (url !== undefined && urls !== undefined)
    return [{ path: ['urls'], problem: 'expected either `url` or `urls`, not both' }];
  if (checksum !== undefined && (sha256 ?? sha512) !== undefined)
    return [{ path: ['checksum'], problem: 'expected either `checksum` or `sha256`/`sha512`, not both' }];
  if (typeof url !== 'object' && (sha256 ?? sha512 ?? checksum) === undefined)
    return [
      {
        path: [url === undefined ? 'urls' : 'url'],
        problem:
          'a file from outside of the checkout needs a checksum: add `sha256: <hex>`, or `checksum: file:<address of its checksum file>`',
      },
    ];
  if (
    typeof url === 'object' &&
    '$artifact' in url &&
    filename === undefined &&
    checksumFileOf(given) !== null
  )
    return [
      { path: ['checksum'], problem: 'say under `filename` what the image is called in the checksum file' },
    ];
  return [];
}

function addressesOf({ url, urls }: Options): readonly string[] {
  return typeof url === 'string' ? [url] : (urls ?? []);
}

/** The checksums that the options state outright; null when there are none. */
function statedIn({ sha256, sha512, checksum }: Options): Checksums | null {
  if (checksum !== undefined) return statedChecksum(checksum);
  if (sha256 === undefined && sha512 === undefined) return null;
  return { ...(sha256 === undefined ? {} : { sha256 }), ...(sha512 === undefined ? {} : { sha512 }) };
}

function checksumFileOf(given: Options): ChecksumFile | null {
  const { url, checksum, filename } = given;
  if (checksum === undefined) return null;
  const paths =
    typeof url === 'object' && '$file' in url ? [`/${url.$file}`] : addressesOf(given).map(pathOf);
  return checksumFile(checksum, filename === undefined ? paths : [filename]);
}

/** Another stage's output or a file of the checkout: linked, not moved. */
async function passOn(
  option: ArtifactOption,
  wanted: Checksums,
  context: StageContext,
): Promise<Result<StageReturn, Failure>> {
  const { files } = context.host;
  const input = context.input(option);
  const { content } = input;
  if (content.type !== 'file')
    return fail({
      code: 'stage-refused',
      problem: `The image that ${context.action} is given is ${content.type === 'tree' ? 'a directory' : 'a disk in layers'}, not a file.`,
      hint: 'name an output that is a single file',
    });
  const sha512 = wanted.sha512 === undefined ? ok('') : await context.host.hashing.sha512File(input.path);
  if (!sha512.ok) return sha512;
  const wrong = mismatch(wanted, { sha512: sha512.value, sha256: hexOf(content.digest) });
  if (wrong !== null)
    return fail({
      code: 'fetch-checksum',
      url: '$file' in option ? option.$file : `${option.$artifact.action}.${option.$artifact.output}`,
      ...wrong,
      sizeBytes: content.sizeBytes,
      contentType: null,
      encoding: null,
      others: [],
    });
  const output = context.output('iso');
  const made = await makeParent(output, context);
  if (!made.ok) return made;
  // The staged path may be a symbolic link: the output must be the file itself.
  const real = files.realPath(input.path) ?? input.path;
  // A file of the user's own is never linked: the cache would make it read-only.
  const mayLink = context.isolated || '$artifact' in option;
  const linked = mayLink && (await files.link(real, output)).ok;
  const placed = linked ? ok(undefined) : await files.copyFile(real, output);
  if (!placed.ok) return placed;
  return ok('$artifact' in option ? { unchanged: { iso: input } } : {});
}

async function fetch(pinned: Options, context: StageContext): Promise<Result<StageReturn, Failure>> {
  const addresses = addressesOf(pinned);
  const secrets = [...addresses.flatMap(secretsOf), ...secretsOfHeaders(pinned.headers)];
  for (const secret of secrets) context.mask(secret);
  const patience = {
    headers: pinned.headers,
    silenceMs: pinned.stall_timeout,
    retries: pinned.retries,
    retryDelayMs: pinned.retry_delay,
    mostBytes: pinned.max_size,
  };
  const fetched = await download(addresses, pinned, patience, context.persistent, context);
  if (!fetched.ok) return fail(await explained(fetched.failure, pinned, context));
  const output = context.output('iso');
  const made = await makeParent(output, context);
  if (!made.ok) return made;
  const renamed = await context.host.files.rename(fetched.value, output);
  return renamed.ok ? ok({}) : renamed;
}

/** Whether a wrong checksum is due to an image that was replaced at its origin, which the checksum file then says. */
async function explained(failure: Failure, pinned: Options, context: StageContext): Promise<Failure> {
  const file = checksumFileOf(pinned);
  if (failure.code !== 'fetch-checksum' || file === null || isBeside(file)) return failure;
  const now = await askFor(file, context.host, context.signal);
  const locked = checksumWords(pinned);
  if (!now.ok || checksumWords(now.value) === locked) return failure;
  return {
    code: 'fetch-changed',
    url: failure.url,
    checksumUrl: shownAddress(file.address),
    lockKey: lockKey(file),
    locked,
    current: checksumWords(now.value),
  };
}

function makeParent(path: string, context: StageContext) {
  return context.host.files.makeDirectory(path.slice(0, path.lastIndexOf('/')));
}
