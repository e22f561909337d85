/** A kind that is a chain of steps, without machines: what "runs" from step to step is a record of what became of it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Failure } from '../../src/model/failure.ts';
import { ok, type Result } from '../../src/model/result.ts';
import { kindsOf, stageKind, stageKinds } from '../../src/stages/index.ts';
import type {
  ArtifactOption,
  Live,
  StageContext,
  StageKind,
  StageReturn,
  TextOption,
} from '../../src/stages/kind.ts';
import { defineStage, PREVIOUS_STEP } from '../../src/stages/kind.ts';
import { artifact, text } from '../../src/stages/options.ts';

/** What happened to everything that was handed on, in order: `handed on by a`, `b took over`, `ended`. */
export const happened: string[] = [];

const outputs = () => ({ disk: { path: 'disk.txt', description: 'A text for each step' } });

class Machine implements Live {
  readonly madeBy: string;
  readonly #removeDirectory: () => Promise<void>;

  private constructor(madeBy: string, removeDirectory: () => Promise<void>) {
    this.madeBy = madeBy;
    this.#removeDirectory = removeDirectory;
    happened.push(`handed on by ${madeBy}`);
  }

  /** With a directory that lives as long as it does. */
  static async start(context: StageContext): Promise<Machine> {
    const directory = await context.live.makeDirectory();
    if (!directory.ok)
      throw Object.assign(new Error(JSON.stringify(directory.failure)), { code: directory.failure.code });
    writeFileSync(join(directory.value.path, 'disk'), '');
    return new Machine(context.action, directory.value.dispose);
  }

  async takeOver(): Promise<string> {
    await this.#removeDirectory();
    return `took over that of ${this.madeBy}`;
  }

  async dispose(): Promise<void> {
    await this.#removeDirectory();
    happened.push(`ended that of ${this.madeBy}`);
  }
}

/** How a step begins: in what goes on, else from side files, else cold. */
async function begin(disk: ArtifactOption, context: StageContext): Promise<string> {
  const { content } = context.input(disk);
  const live = context.live.take(content);
  if (live instanceof Machine) return live.takeOver();
  const sides = context.checkpoints ? context.sides(content) : null;
  return sides === null ? 'began cold' : `resumed ${readFileSync(join(sides, 'memory'), 'utf8')}`;
}

const linkStep = defineStage({
  name: 'link-step',
  version: 1,
  summary: 'Adds a layer',
  description: '',
  example: '',
  internal: true,
  options: z.strictObject({ disk: artifact(), file: artifact(), note: text().optional() }),
  outputs,
  tools: () => [],
  run: (options, context) => toldOfTrouble(() => link(options, context)),
});

interface LinkOptions {
  readonly disk: ArtifactOption;
  readonly file: ArtifactOption;
  readonly note?: TextOption | undefined;
}

/** What its files refuse, as a real kind would tell of it. */
async function toldOfTrouble(
  work: () => Promise<Result<StageReturn, Failure>>,
): Promise<Result<StageReturn, Failure>> {
  try {
    return await work();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return { ok: false, failure: { code: 'stage-refused', problem: message, hint: null } };
  }
}

async function link(
  { disk, file, note }: LinkOptions,
  context: StageContext,
): Promise<Result<StageReturn, Failure>> {
  const how = await begin(disk, context);
  context.log(`${context.action} ${how}`);
  happened.push(`${context.action} ${how}`);
  const words = readFileSync(context.input(file).path, 'utf8');
  if (words.includes('wait')) await context.host.clock.sleep(600_000, context.signal);
  if (words.includes('fail')) {
    const failure = { code: 'stage-refused', problem: `told to ${words.trim()}`, hint: null } as const;
    happened.push(`after the failure: ${await context.afterFailure(failure)}`);
    return { ok: false, failure };
  }
  writeFileSync(context.output('disk'), `${words}${note === undefined ? '' : context.text(note)}`);
  const sides = join(context.scratch, 'checkpoint');
  mkdirSync(sides);
  writeFileSync(join(sides, 'memory'), `memory of ${context.action}`);
  return ok({
    layered: { disk: context.input(disk) },
    handOn: { output: 'disk', live: await Machine.start(context) },
    ...(context.checkpoints ? { sides: { disk: sides } } : {}),
  });
}

const endStep = defineStage({
  name: 'end-step',
  version: 1,
  summary: 'Ends the chain',
  description: '',
  example: '',
  internal: true,
  options: z.strictObject({ disk: artifact(), overlay: z.boolean() }),
  outputs,
  tools: () => [],
  run: (options, context) => toldOfTrouble(() => endChain(options, context)),
});

async function endChain(
  { disk, overlay }: { readonly disk: ArtifactOption; readonly overlay: boolean },
  context: StageContext,
): Promise<Result<StageReturn, Failure>> {
  if (overlay) return leaveOverlay(disk, context);
  happened.push(`${context.action} ${await begin(disk, context)}`);
  const all = context.input(disk).layers.map((path) => readFileSync(path, 'utf8'));
  writeFileSync(context.output('disk'), all.join(''));
  return ok({});
}

/** A real disk on top of a real one, in which the second half is written: with `b`, on a second one with `c`. */
async function leaveOverlay(
  disk: ArtifactOption,
  context: StageContext,
): Promise<Result<StageReturn, Failure>> {
  const top = context.output('disk');
  const made = await context.exec('qemu-img', ['create', '-f', 'qcow2', top, '1M']);
  const pattern = 0x61 + context.input(disk).layers.length;
  const write = ['-f', 'qcow2', '-c', `write -P ${pattern} 512k 512k`, top];
  const written = made.ok ? await context.exec('qemu-io', write) : made;
  return written.ok ? ok({ layered: { disk: context.input(disk) } }) : written;
}

const chain = defineStage({
  name: 'chain',
  version: 1,
  summary: 'A chain of steps',
  description: '',
  example: '',
  options: z.strictObject({
    disk: artifact(),
    files: z.array(artifact()).prefault([]),
    note: text().optional(),
    overlay: z.boolean().prefault(false),
  }),
  outputs,
  tools: () => [],
  steps: ({ disk, files, note, overlay }) => [
    ...files.map((file, at) => ({
      name: '$file' in file ? file.$file.replace(/\.\w+$/, '') : `step-${at + 1}`,
      kind: 'link-step',
      options: { disk: at === 0 ? disk : previous(), file, note },
    })),
    { name: 'end', kind: 'end-step', options: { disk: files.length === 0 ? disk : previous(), overlay } },
  ],
  run: async () => {
    throw new Error('a stage with steps does not run itself');
  },
});

const previous = () => ({ $artifact: { action: PREVIOUS_STEP, output: 'disk' } });

const CHAIN_KINDS = [chain, linkStep, endStep] as unknown as readonly StageKind[];

/** The real kinds, these, and some more. */
export function kindsWith(more: readonly StageKind[]) {
  return kindsOf([...stageKinds(), ...CHAIN_KINDS, ...more]);
}

/** The real kinds and these. */
export const kindsWithChain = kindsWith([]);

/** Finds any kind by its name, internal ones of both sorts too. */
export function anyKind(name: string): StageKind {
  const kind = kindsWithChain.find(name) ?? stageKind(name);
  if (kind === undefined) throw new Error(`no such kind: ${name}`);
  return kind;
}
