/** The engine as `bake run` puts it together, in this process: for stories with kinds that no pipeline can name. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openCache } from '../../src/cache/local.ts';
import { flattenIn } from '../../src/commands/flatten.ts';
import { type Built, buildActions } from '../../src/engine/build.ts';
import { Shelf } from '../../src/engine/live-shelf.ts';
import { openLockFile } from '../../src/engine/lock-file.ts';
import { Looks } from '../../src/engine/looks.ts';
import { type PlannedStatus, predictActions } from '../../src/engine/predict.ts';
import { prepareActions } from '../../src/engine/prepare.ts';
import type { Session } from '../../src/engine/session.ts';
import { Tools } from '../../src/engine/tools.ts';
import { realHost } from '../../src/host/real.ts';
import { readState, writeState } from '../../src/incremental/state.ts';
import type { Event } from '../../src/model/event.ts';
import type { PlannedAction } from '../../src/model/plan.ts';
import { parseYamlValue } from '../../src/pipeline/parse.ts';
import { planPipeline } from '../../src/pipeline/plan.ts';
import { selectActions } from '../../src/pipeline/select.ts';
import type { StageKind } from '../../src/stages/kind.ts';
import { anyKind, kindsWith } from './chain.ts';

export interface EngineRunOptions {
  readonly targets?: readonly string[];
  readonly forced?: readonly string[];
  readonly checkpoints?: boolean;
  readonly afterFailure?: Session['afterFailure'];
  readonly keepGoing?: boolean;
  readonly emit?: (event: Event) => void;
  readonly signal?: AbortSignal;
}

/** A checkout with a cache of its own. */
export class EngineRig implements AsyncDisposable {
  readonly directory: string;
  readonly cacheDirectory: string;
  readonly #kinds: readonly StageKind[];

  /** In a new directory with a cache in it, unless they are given. */
  constructor(
    given: {
      readonly directory?: string;
      readonly cacheDirectory?: string;
      /** Besides the real ones and the chain. */
      readonly kinds?: readonly StageKind[];
    } = {},
  ) {
    this.#kinds = given.kinds ?? [];
    this.directory = given.directory ?? mkdtempSync(join(tmpdir(), 'bake-engine-'));
    this.cacheDirectory = given.cacheDirectory ?? join(this.directory, 'cache');
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [path, words] of Object.entries(files)) {
      mkdirSync(dirname(join(this.directory, path)), { recursive: true });
      writeFileSync(join(this.directory, path), words);
    }
  }

  /** Builds; how each action ended, by name. */
  async run(options: EngineRunOptions = {}): Promise<Built & { readonly outcomes: Record<string, string> }> {
    const { session, prepared, isForced } = await this.#open(options);
    try {
      const chosen = prepared.map(({ action }) => action);
      const built = await buildActions(session, chosen, prepared, {
        jobs: 2,
        keepGoing: options.keepGoing ?? false,
        isForced,
        known: { unchanged: new Map(), untouched: new Set() },
        prepareLate: (action) => Promise.reject(new Error(`prepared already: ${action.name}`)),
      });
      const state = { format: 3, actions: built.actions, tools: {}, ground: null } as const;
      await writeState(session.host.files, session.checkoutDirectory, state);
      const outcomes = built.settled.map(({ action, outcome }) => [action.name, outcome]);
      return { ...built, outcomes: Object.fromEntries(outcomes) };
    } finally {
      await session.cache.close();
    }
  }

  /** What a run would do. */
  async predict(options: EngineRunOptions = {}): Promise<readonly PlannedStatus[]> {
    const { session, prepared, isForced } = await this.#open(options);
    return good(await predictActions(session, prepared, isForced));
  }

  async #open(options: EngineRunOptions) {
    const host = realHost();
    const text = good(await host.files.readBytes(join(this.directory, 'pipeline.yaml')));
    const source = { file: 'pipeline.yaml', root: this.directory, bytes: text };
    const plan = good(planPipeline(source, { vars: {}, varFiles: [], env: {} }, kindsWith(this.#kinds)));
    const isForced = ({ name, stage }: PlannedAction) =>
      [name, stage].some((one) => options.forced?.includes(one));
    const cache = good(await openCache(host, this.cacheDirectory));
    const checkoutDirectory = cache.checkoutDirectory(this.directory);
    await cache.clearHalfPlaced(this.directory);
    const state = await readState(host.files, checkoutDirectory);
    const placed = plan.actions.filter((action) => action.placed).flatMap(({ outputs }) => outputs);
    const looks = new Looks(host.files, this.directory, ['cache', ...placed.map(({ path }) => path)]);
    const signal = options.signal ?? new AbortController().signal;
    const kindOf = async (name: string) => this.#kinds.find((kind) => kind.name === name) ?? anyKind(name);
    const session: Session = {
      plan,
      host,
      cache,
      checkoutDirectory,
      looks,
      state,
      runnerOf: kindOf,
      flatten: flattenIn(host, cache),
      shelf: new Shelf(),
      checkpoints: options.checkpoints ?? true,
      verify: false,
      afterFailure: options.afterFailure ?? (async () => 'end'),
      emit: options.emit ?? (() => {}),
      signal,
    };
    const chosen = good(selectActions(plan, options.targets ?? []));
    const lock = good(await openLockFile(host, join(this.directory, 'bake.lock'), 'bake.lock', cache.alone));
    const tools = new Tools(host, looks, {});
    const parseYaml = async (words: string) => {
      const parsed = parseYamlValue(words);
      return parsed.ok ? { value: parsed.value } : parsed.failure;
    };
    const by = { host, looks, cache, tools, lock, parseYaml, kindOf, isForced, online: true, signal };
    return { session, isForced, prepared: good(await prepareActions(chosen.actions, by)) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function good<T>(
  result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: unknown },
): T {
  if (!result.ok) throw new Error(JSON.stringify(result.failure, null, 2));
  return result.value;
}
