/** Marks of an installation: what a guest had seen of the world when its memory was saved, and whether that is still so. */
import { join } from 'node:path';
import {
  type Checkpoint,
  type CheckpointFacts,
  qemuVersion,
  readCheckpoint,
  whyUnfit,
} from '../../machine/checkpoint.ts';
import { findFirmware } from '../../machine/firmware.ts';
import type { Accelerator } from '../../machine/shape.ts';
import type { Digest } from '../../model/digest.ts';
import { canonicalJson, type JsonObject } from '../../model/json.ts';
import type { ArtifactOption, StageContext } from '../kind.ts';
import type { InstallOptions } from '../qemu-install.ts';
import { hardwareFacts } from './boot.ts';
import { answerDigest, hasAnswers } from './serve-answers.ts';

/** Raised when the same record would mean another guest: what an installation does before its first mark, say. */
const FORMAT = 2;
const RECORD = 'mark.json';
const DISK = 'disk.qcow2';
const VARIABLES = 'efivars.fd';
const CONSOLE = 'serial.log';

/** What is known of a mark besides the machine that it is of. */
export interface MarkRecord {
  /** Another for every mark that is saved. */
  readonly id: string;
  /** On which the answers were served; the guest may know it by heart. 0 without answers. */
  readonly port: number;
  /** The first part of their paths; empty without answers. */
  readonly segment: string;
  /** What was asked for over HTTP until then, with the digest of the answer; null where there was none. */
  readonly asked: readonly (readonly [path: string, digest: Digest | null])[];
  /** Lines that tell of those requests. */
  readonly requests: readonly string[];
  /** How much the console had said each time that a text was found that was waited for. */
  readonly found: readonly number[];
}

/** A mark that an earlier attempt kept. */
export interface Mark {
  /** Its place among those of the stage. */
  readonly index: number;
  readonly name: string;
  /** Name of its side files. */
  readonly place: string;
  readonly checkpoint: Checkpoint;
  readonly record: MarkRecord;
  readonly files: MarkFiles;
}

/** Where the parts of a mark lie besides its memory. */
export interface MarkFiles {
  readonly directory: string;
  readonly disk: string;
  readonly variables: string;
  readonly console: string;
}

/** Paths in the directory of a mark. */
export function markFiles(directory: string): MarkFiles {
  return {
    directory,
    disk: join(directory, DISK),
    variables: join(directory, VARIABLES),
    console: join(directory, CONSOLE),
  };
}

/**
 * The name by which a mark's side files are found: the texts up to it, for another text before it may put it elsewhere. Not
 * what it is made of: so a mark that does not fit any more can say why, and makes room for its successor.
 */
export function markPlace(marks: InstallOptions['marks'], index: number): string {
  return `mark ${canonicalJson(marks.slice(0, index + 1).map(({ serial }) => serial))}`;
}

/**
 * Everything that a guest sees before it asks for something by itself. `wait_for`, `files`, `run`, time limits and how the machine is
 * shut down are not among them: they are what one changes to get further.
 */
export async function installFacts(
  options: InstallOptions,
  context: StageContext,
  accelerator: Accelerator,
): Promise<CheckpointFacts> {
  const { host, env } = context;
  const { append, boot_command, boot_wait, disk_size, seed, ssh } = options;
  const given = (option: InstallOptions['kernel']) =>
    option === undefined ? null : 'from_iso' in option ? option : digestOf(option, context);
  const machine: JsonObject = {
    ...(await hardwareFacts(context, options, accelerator)),
    ...{ append, boot_command, boot_wait, disk_size },
    iso: given(options.iso),
    kernel: given(options.kernel),
    initrd: given(options.initrd),
    seed: seed === undefined ? null : seedFacts(seed, context),
    'HTTP server': hasAnswers(options),
    'temporary key': ssh !== undefined && !(ssh.password ?? ssh.password_from ?? ssh.private_key),
    // A reboot before the mark would have been the end.
    'end at a reboot': options.shutdown.by === 'reboot',
  };
  return { qemu: await qemuVersion(host, env), efivars: await emptyVariables(options, context), machine };
}

/** Why a guest that stood at this mark is not one that an installation with these facts would have now; null when it is. */
export async function whyMarkUnfit(
  mark: { readonly checkpoint: Checkpoint; readonly record: MarkRecord },
  facts: CheckpointFacts,
  answerNow: (path: string) => Promise<Digest | null>,
): Promise<string | null> {
  const unfit = whyUnfit(mark.checkpoint.facts, facts);
  if (unfit !== null) return unfit;
  for (const [path, then] of mark.record.asked) {
    const now = await answerNow(path);
    if (now === then) continue;
    const what = then === null ? 'was not there then' : now === null ? 'is not there now' : 'has changed';
    return `${path}, which the guest asked for before it, ${what}`;
  }
  return null;
}

/** The marks that earlier attempts kept and that fit, the last one first; the log says of the others why they do not. */
export async function* fittingMarks(
  options: InstallOptions,
  context: StageContext,
  facts: CheckpointFacts,
): AsyncGenerator<Mark> {
  for (const [index, { name }] of [...options.marks.entries()].reverse()) {
    const place = markPlace(options.marks, index);
    const directory = context.ownSides.find(place);
    const checkpoint = directory === null ? null : await readCheckpoint(context.host, directory);
    const record = directory === null ? null : await readMarkRecord(context, directory);
    if (directory === null || checkpoint === null || record === null) continue;
    const mark = { index, name, place, checkpoint, record, files: markFiles(directory) };
    const unfit = await whyMarkUnfit(mark, facts, (path) => answerDigest(path, options, context));
    if (unfit === null) yield mark;
    else context.log(`the mark ${name} does not fit: ${unfit}`);
  }
}

/** The record of a mark in its directory; null when there is none that can be read. */
export async function readMarkRecord(
  { host }: Pick<StageContext, 'host'>,
  directory: string,
): Promise<MarkRecord | null> {
  const text = await host.files.readText(join(directory, RECORD));
  if (!text.ok) return null;
  try {
    const { format, ...record } = JSON.parse(text.value) as MarkRecord & { readonly format: number };
    return format === FORMAT ? record : null;
  } catch {
    return null;
  }
}

/** Writes the record of a mark, the last of its files. */
export async function writeMarkRecord({ host }: StageContext, directory: string, record: MarkRecord) {
  const text = JSON.stringify({ format: FORMAT, ...record });
  return await host.files.writeFile(join(directory, RECORD), text, { mode: 0o600, over: true });
}

function seedFacts(seed: NonNullable<InstallOptions['seed']>, context: StageContext): Digest {
  const files = Object.entries(seed.files).map(([path, file]) => [path, digestOf(file, context)]);
  const { label, user_data = null, meta_data = null, network_config = null } = seed;
  const texts = { label, user_data, meta_data, network_config };
  return context.host.hashing.digestBytes(canonicalJson({ texts, files: Object.fromEntries(files) }));
}

function digestOf(option: ArtifactOption, context: StageContext): Digest {
  return context.input(option).content.digest;
}

/** Digest of the UEFI variables with which an installation begins. */
async function emptyVariables({ firmware }: InstallOptions, { host }: StageContext): Promise<Digest | null> {
  const found = firmware === 'uefi' ? findFirmware(host.files) : null;
  const digested = found && (await host.hashing.digestFile(found.variables));
  return digested?.ok ? digested.value.digest : null;
}
