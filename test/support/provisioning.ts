/** Checkouts with the installed disk in them, for stories about provisioning with real machines. */
import { constants, copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { Inside } from './inside.ts';
import { installedDisk } from './installed-disk.ts';
import type { BakeOptions, Checkout, Ended, Rig, Run } from './rig.ts';

interface Step {
  readonly name: string;
  readonly outcome: string;
  readonly failure: { readonly code: string; readonly [fact: string]: unknown } | null;
}

export interface Provisioned extends Run {
  /** Outcome by step. */
  readonly steps: Readonly<Record<string, string>>;
  /** The first failure of a step. */
  readonly failure: Step['failure'];
}

/** A checkout whose stage `web` provisions `base.qcow2`, and of which nothing is placed. */
export class Provisioning {
  readonly checkout: Checkout;
  readonly #env: Readonly<Record<string, string>>;

  private constructor(checkout: Checkout, cache: string) {
    this.checkout = checkout;
    this.#env = { BAKE_CACHE_DIR: cache };
  }

  static async make(rig: Rig, name: string, cache = 'cache'): Promise<Provisioning> {
    const checkout = rig.checkout(name);
    copyFileSync(installedDisk(), checkout.path('base.qcow2'), constants.COPYFILE_FICLONE);
    return new Provisioning(checkout, rig.path(cache));
  }

  /** Writes the pipeline: `stages` by name, the lines below `with:` of each. */
  pipeline(uses: string, ...stages: readonly (readonly [name: string, options: string])[]): void {
    const indented = (text: string) => text.trimEnd().replace(/^(?=.)/gm, '      ');
    const texts = stages.map(
      ([name, options]) =>
        `  ${name}:\n    uses: ${uses}\n    with:\n      disk: base.qcow2\n      memory: 512MiB\n${indented(options)}\n`,
    );
    const after = `  after:\n    run: "true"\n    needs: [${stages.map(([name]) => name).join(', ')}]\n`;
    this.checkout.write({ 'pipeline.yaml': `bake: 1\nname: layers\nstages:\n${texts.join('')}${after}` });
  }

  start(args: readonly string[] = [], env: BakeOptions['env'] = {}) {
    const { running, run } = this.checkout.startRun(['--reporter', 'plain', '-v', ...args], {
      env: { ...this.#env, ...env },
    });
    return { running, run: run.then(provisioned) };
  }

  run(args: readonly string[] = [], env: BakeOptions['env'] = {}): Promise<Provisioned> {
    return this.start(args, env).run;
  }

  bake(...args: readonly string[]): Promise<Ended> {
    return this.checkout.bake(args, { env: this.#env });
  }

  async log(step: string): Promise<string> {
    return (await this.bake('log', step)).stdout;
  }

  /** What is on the disk of a stage, which is checked on the way. */
  async inside(stage = 'web'): Promise<Inside> {
    const directory = this.checkout.path(`inside-${stage}`);
    mkdirSync(directory, { recursive: true });
    const got = await this.bake('get', `${stage}.disk`, '--to', `${directory}/disk.qcow2`);
    if (got.code !== 0) throw new Error(got.stderr);
    return new Inside(`${directory}/disk.qcow2`, directory);
  }
}

function provisioned(run: Run): Provisioned {
  const stages = Object.values(run.stages) as { readonly steps?: readonly Step[] }[];
  const steps = stages.flatMap((stage) => stage.steps ?? []);
  return {
    ...run,
    steps: Object.fromEntries(steps.map(({ name, outcome }) => [name, outcome])),
    failure: steps.find(({ failure }) => failure !== null)?.failure ?? null,
  };
}

/** Processes of QEMU that have anything below a directory. */
export function machinesBelow(directory: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return words.startsWith('qemu-system') && words.includes(`${directory}/`);
      } catch {
        return false;
      }
    });
}
