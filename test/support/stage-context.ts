/** A real StageContext for running one kind without the engine: real host, directories of its own, everything it says kept. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Host } from '../../src/host/host.ts';
import { realHost } from '../../src/host/real.ts';
import type { Failure } from '../../src/model/failure.ts';
import { canonicalJson } from '../../src/model/json.ts';
import { fail, ok } from '../../src/model/result.ts';
import type { ArtifactOption, StageContext, StagedInput } from '../../src/stages/kind.ts';

export interface TestContext extends StageContext, AsyncDisposable {
  /** What the stage logged, in order. */
  readonly lines: readonly string[];
  readonly warnings: readonly Failure[];
  /** What it said it was doing, in order. */
  readonly activities: readonly { readonly activity: string; readonly fraction: number | null }[];
  readonly masked: readonly string[];
  /** The directory that holds all others; gone afterwards. */
  readonly directory: string;
}

interface TestContextSettings {
  /** Output name → path in the workspace; a name that is absent is its own path. */
  readonly outputs?: { readonly [name: string]: string };
  /** Files, directories or lists of layers that stand behind artifact options, by the output's name or the file's path. */
  readonly inputs?: { readonly [name: string]: string | readonly string[] };
  /** What an earlier run left: path by the output's name. */
  readonly earlier?: { readonly [output: string]: string };
  /** The layers of which it made that, lowest first, by the option's name. */
  readonly earlierLayers?: { readonly [option: string]: readonly string[] };
  readonly env?: { readonly [name: string]: string };
  readonly signal?: AbortSignal;
  /** False for a stage that says `workspace: in-place`. */
  readonly isolated?: boolean;
  /** A directory used before, to see what a later attempt makes of what an earlier one left. */
  readonly persistent?: string;
  /** Where everything lies; a temporary directory when absent. */
  readonly parent?: string;
  readonly host?: Host;
  /** Called for every line of the log, to act at the right moment. */
  readonly onLine?: (line: string, directory: string) => void;
}

/** Makes a context; `await using` removes all that it left. */
export async function stageContext(settings: TestContextSettings = {}): Promise<TestContext> {
  const host = settings.host ?? realHost();
  const directory = mkdtempSync(join(settings.parent ?? tmpdir(), 'bake-stage-'));
  const place = (name: string) => {
    const path = join(directory, name);
    mkdirSync(path, { recursive: true });
    return path;
  };
  const [workspace, scratch, evidence] = [place('workspace'), place('scratch'), place('evidence')];
  const persistent = settings.persistent ?? place('persistent');
  const inputs = new Map<string, StagedInput>();
  for (const [name, path] of Object.entries(settings.inputs ?? {}))
    inputs.set(name, typeof path === 'string' ? await staged(host, path) : await stagedLayers(host, path));
  const lines: string[] = [];
  const warnings: Failure[] = [];
  const activities: { activity: string; fraction: number | null }[] = [];
  const masked: string[] = [];
  const env = {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    HOME: scratch,
    TMPDIR: scratch,
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    ...settings.env,
  };
  const input = (option: ArtifactOption): StagedInput => {
    const staged = inputs.get(inputName(option));
    if (staged === undefined)
      throw new Error(`no input ${JSON.stringify(option)} was given to the test context`);
    return staged;
  };
  const own = (name: string) => join(place('own-sides'), host.hashing.digestBytes(name).slice(7));
  const signal = settings.signal ?? new AbortController().signal;
  return {
    directory,
    lines,
    warnings,
    activities,
    masked,
    workspace,
    isolated: settings.isolated ?? true,
    scratch,
    evidence,
    keptMachines: join(directory, 'machines'),
    persistent,
    files: workspace,
    env,
    signal,
    host,
    action: 'tested',
    input,
    earlier: async (output) => {
      const path = settings.earlier?.[output];
      if (path === undefined) return null;
      const layersOf = (option: string) => settings.earlierLayers?.[option];
      return {
        output: await staged(host, path),
        layers: async (option) => {
          const layers = layersOf(option);
          return layers === undefined ? null : await stagedLayers(host, layers);
        },
      };
    },
    text(option) {
      if (typeof option === 'string') return option;
      return option.$text
        .map((part) => (typeof part === 'string' ? part : input({ $artifact: part }).path))
        .join('');
    },
    output: (name) => join(workspace, settings.outputs?.[name] ?? name),
    async exec(file, args, options = {}) {
      const run = await host.processes.run(file, args, {
        cwd: options.cwd ?? workspace,
        env: { ...env, ...options.env },
        capture: true,
        signal,
        ...(options.input === undefined ? {} : { input: options.input }),
        ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
        idleTimeoutMs: options.idleTimeoutMs,
        onLine: (line, stream) => {
          if (options.quiet !== true || stream === 'stderr') lines.push(line);
          options.onLine?.(line);
        },
      });
      if (!run.ok) return run;
      const { exitCode, signal: endedBy, stdout } = run.value;
      if (exitCode !== null && (options.exitCodes ?? [0]).includes(exitCode)) return ok({ exitCode, stdout });
      const command = [file, ...args].join(' ');
      const tail = lines.slice(-20);
      return fail({ code: 'command-failed', command, exitCode, signal: endedBy, tail, undeclared: [] });
    },
    warn(warning) {
      warnings.push(warning);
    },
    log(line) {
      lines.push(line);
      settings.onLine?.(line, directory);
    },
    progress: (activity, fraction) => activities.push({ activity, fraction: fraction ?? null }),
    mask: (secret) => masked.push(secret),
    live: {
      take: () => null,
      async makeDirectory() {
        const path = mkdtempSync(join(directory, 'live-'));
        return ok({ path, dispose: async () => rmSync(path, { recursive: true, force: true }) });
      },
    },
    sides: () => null,
    dropSides: async () => undefined,
    ownSides: {
      find: (name) => {
        const path = own(name);
        return host.files.stamp(path)?.type === 'directory' ? path : null;
      },
      async keep(name, kept) {
        await host.files.remove(own(name));
        return await host.files.rename(kept, own(name));
      },
      drop: async (name) => void (await host.files.remove(own(name))),
    },
    checkpoints: true,
    afterFailure: async () => 'end',
    async [Symbol.asyncDispose]() {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function inputName(option: ArtifactOption): string {
  return '$file' in option ? option.$file : option.$artifact.output;
}

async function staged(host: Host, path: string): Promise<StagedInput> {
  if (host.files.stamp(path)?.type !== 'directory') return stagedFile(host, path);
  // What kinds ask of a tree is that it is one; its digest is the cache's matter.
  const content = { type: 'tree', digest: host.hashing.digestBytes(path), sizeBytes: 0 } as const;
  return { path, content, layers: [path] };
}

async function stagedLayers(host: Host, paths: readonly string[]): Promise<StagedInput> {
  const files = await Promise.all(paths.map((path) => stagedFile(host, path)));
  const layers = files.map(({ content: { digest, sizeBytes } }) => ({ digest, sizeBytes }));
  const sizeBytes = layers.reduce((sum, layer) => sum + layer.sizeBytes, 0);
  const digest = host.hashing.digestBytes(canonicalJson(layers.map((layer) => layer.digest)));
  return {
    path: paths[paths.length - 1] as string,
    content: { type: 'layers', digest, sizeBytes, layers },
    layers: paths,
  };
}

async function stagedFile(host: Host, path: string): Promise<StagedInput> {
  const digested = await host.hashing.digestFile(path);
  if (!digested.ok) throw new Error(`${path} cannot be read: ${basename(path)}`);
  return { path, content: { type: 'file', ...digested.value, executable: false }, layers: [path] };
}
