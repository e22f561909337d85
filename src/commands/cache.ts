/** `bake cache dir|ls|du|rm|verify`: where the cache is, what it holds, what takes up the space, removing some of it, reading it again. */
import { dirname, resolve } from 'node:path';
import { type ListedResult, readContents } from '../cache/contents.ts';
import { removeResults, removeSides } from '../cache/remove-results.ts';
import type { Host } from '../host/host.ts';
import { realHost } from '../host/real.ts';
import { shortName } from '../model/digest.ts';
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { exitStatusOf } from '../report/failures.ts';
import { formatDuration, formatSize } from '../report/format.ts';
import { jsonText } from '../report/printable.ts';
import { renderFailures } from '../report/render-failure.ts';
import { cacheDirectoryOf } from './cache-dir.ts';
import { printTable } from './cache-table.ts';
import { usageOf } from './cache-usage.ts';
import { verify } from './cache-verify.ts';
import type { CommandModule, Invocation } from './command.ts';
import { loadPlan } from './load-plan.ts';
import { renderSettingsOf } from './reporters.ts';

/** Each gives its exit status, or nothing for 0. */
const VERBS: { readonly [verb: string]: (here: Here) => Promise<Result<number | undefined, Failure>> } = {
  dir: showDirectory,
  ls: listResults,
  du: showUsage,
  rm: remove,
  verify: async ({ host, invocation, directory }) => verify(host, invocation, directory),
};

interface Here {
  readonly host: Host;
  readonly invocation: Invocation;
  readonly directory: string;
  /** What stands after the verb, without the pipeline file. */
  readonly names: readonly string[];
}

export const run: CommandModule['run'] = async (invocation) => {
  const [verb, ...rest] = invocation.positionals;
  const act = verb === undefined ? undefined : VERBS[verb];
  if (act === undefined) return complain(invocation, [unknownVerb(verb)]);
  const host = realHost();
  const pipeline = rest.find((name) => /\.ya?ml$/i.test(name)) ?? null;
  const directory = await findDirectory(host, invocation, pipeline);
  if (!directory.ok) return complain(invocation, directory.failure);
  const names = rest.filter((name) => name !== pipeline);
  const done = await act({ host, invocation, directory: directory.value, names });
  return done.ok ? (done.value ?? 0) : complain(invocation, [done.failure]);
};

function unknownVerb(verb: string | undefined): Failure {
  if (verb === undefined)
    return { code: 'missing-argument', argument: 'dir, ls, du, rm or verify', command: 'cache' };
  return { code: 'unexpected-argument', argument: verb, command: 'cache' };
}

function complain(invocation: Invocation, failures: readonly Failure[]): number {
  invocation.writeError(renderFailures(failures, renderSettingsOf(invocation.env)));
  return Math.max(...failures.map(exitStatusOf));
}

/** The pipeline is read only when nothing else says where the cache is; without one it is `cache/` right here. */
async function findDirectory(
  host: Host,
  invocation: Invocation,
  pipeline: string | null,
): Promise<Result<string, readonly Failure[]>> {
  const file = resolve(invocation.cwd, pipeline ?? 'pipeline.yaml');
  const root = dirname(file);
  let asked = false;
  const early = cacheDirectoryOf(invocation, root, () => {
    asked = true;
    return null;
  });
  if (!asked || (pipeline === null && host.files.stampTarget(file) === null)) return ok(early);
  const loaded = await loadPlan(host, { ...invocation, positionals: pipeline === null ? [] : [pipeline] });
  if (!loaded.ok) return loaded;
  return ok(cacheDirectoryOf(invocation, root, () => loaded.value.plan.cacheDir));
}

function printJson(invocation: Invocation, value: object): void {
  invocation.write(`${jsonText({ schemaVersion: 1, ...value }, 2)}\n`);
}

async function showDirectory({ invocation, directory }: Here): Promise<Result<undefined, Failure>> {
  if (invocation.flags['json'] === true) printJson(invocation, { directory });
  else invocation.write(`${directory}\n`);
  return ok(undefined);
}

async function listResults({
  host,
  invocation,
  directory,
  names,
}: Here): Promise<Result<undefined, Failure>> {
  const contents = await readContents(host, directory);
  const chosen = contents.results.filter((listed) => names.length === 0 || names.some(isNamed(listed)));
  if (invocation.flags['json'] === true) {
    printJson(invocation, { directory, results: chosen.map(describe) });
    return ok(undefined);
  }
  if (chosen.length === 0) {
    invocation.write(`nothing is stored in ${directory}\n`);
    return ok(undefined);
  }
  const nowMs = host.clock.nowMs();
  const rows = chosen.map(({ result, sizeBytes, storedAtMs, lastUsedAtMs }) => [
    result.origin.action,
    result.origin.pipeline,
    result.manifest.kind,
    formatSize(sizeBytes),
    formatDuration(nowMs - storedAtMs),
    formatDuration(nowMs - lastUsedAtMs),
    shortName(result.fingerprint),
  ]);
  invocation.write(
    printTable(['stage', 'pipeline', 'kind', 'size', 'age', 'last used', 'fingerprint'], rows),
  );
  return ok(undefined);
}

function describe({ result, sizeBytes, storedAtMs, lastUsedAtMs }: ListedResult): object {
  return {
    fingerprint: result.fingerprint,
    pipeline: result.origin.pipeline,
    action: result.origin.action,
    kind: result.manifest.kind,
    sizeBytes,
    storedAt: new Date(storedAtMs).toISOString(),
    lastUsedAt: new Date(lastUsedAtMs).toISOString(),
    durationMs: result.durationMs,
  };
}

/** A name is that of an action, of its cell (all steps) or stage (all cells), or the beginning of a fingerprint. */
function isNamed({ result }: ListedResult): (name: string) => boolean {
  const { action } = result.origin;
  const names = [action, action.split('@')[0], action.split(/[[@]/)[0]];
  return (name) => names.includes(name) || (name.length >= 4 && fingerprintStarts(result.fingerprint, name));
}

function fingerprintStarts(fingerprint: string, prefix: string): boolean {
  return fingerprint.startsWith(prefix) || fingerprint.slice('sha256:'.length).startsWith(prefix);
}

async function showUsage({ host, invocation, directory }: Here): Promise<Result<undefined, Failure>> {
  const usage = usageOf(host, await readContents(host, directory));
  if (invocation.flags['json'] === true) {
    printJson(invocation, { directory, ...usage });
    return ok(undefined);
  }
  const kinds = usage.kinds.map(({ name, results, sizeBytes }) => [
    name,
    String(results),
    formatSize(sizeBytes),
  ]);
  const stages = usage.stages.map(({ name, results, sizeBytes }) => [
    name,
    String(results),
    formatSize(sizeBytes),
  ]);
  const parts = [
    ['content', String(usage.blobs.count), formatSize(usage.blobs.allocatedBytes)],
    ['  named by more than one result', String(usage.shared.count), formatSize(usage.shared.allocatedBytes)],
    ['  named by nobody', String(usage.garbage.count), formatSize(usage.garbage.allocatedBytes)],
    ['checkpoints', String(usage.checkpoints.count), formatSize(usage.checkpoints.allocatedBytes)],
    ['workspaces of running and killed builds', '', formatSize(usage.workspacesBytes)],
    ['put aside as damaged', '', formatSize(usage.quarantineBytes)],
    ['index, memo, state and logs', '', formatSize(usage.otherBytes)],
  ];
  invocation.write(
    [
      `${directory}: ${formatSize(usage.totalBytes)} on disk\n`,
      printTable(['kind', 'results', 'size'], kinds),
      printTable(['stage', 'results', 'size'], stages),
      printTable(['on disk', 'files', 'size'], parts),
    ].join('\n'),
  );
  return ok(undefined);
}

async function remove(here: Here): Promise<Result<undefined, Failure>> {
  const { host, invocation, directory, names } = here;
  const all = invocation.flags['all'] === true;
  if (names.length === 0 && !all) {
    if (invocation.flags['checkpoints'] === true) return removeCheckpoints(here);
    const argument = 'a stage, a fingerprint, --checkpoints or --all';
    return fail({ code: 'missing-argument', argument, command: 'cache rm' });
  }
  const contents = await readContents(host, directory);
  const unknown = all
    ? undefined
    : names.find((name) => !contents.results.some((each) => isNamed(each)(name)));
  if (unknown !== undefined)
    return fail(contents.trouble ?? { code: 'no-result', stage: unknown, wanted: 'result' });
  const removal = await removeResults(host, directory, (listed) => all || names.some(isNamed(listed)));
  if (!removal.ok) return removal;
  const { removed, spared, blobs, sides, freedBytes } = removal.value;
  if (invocation.flags['json'] === true) {
    printJson(invocation, {
      directory,
      removed: removed.map(describe),
      spared: spared.map(describe),
      blobs,
      checkpoints: sides,
      freedBytes,
    });
    return ok(undefined);
  }
  const checkpoints = sides === 0 ? '' : ` and ${sides} checkpoints`;
  const what = `${removed.length} results and ${blobs} files${checkpoints}`;
  invocation.write(`removed ${what}, ${formatSize(freedBytes)}\n`);
  for (const { result } of spared)
    invocation.write(`kept ${result.origin.action}: a running build needs it\n`);
  return ok(undefined);
}

/** Only time is lost: what would have been resumed is booted. */
async function removeCheckpoints({ host, invocation, directory }: Here): Promise<Result<undefined, Failure>> {
  const removal = await removeSides(host, directory);
  if (!removal.ok) return removal;
  const { sides, freedBytes } = removal.value;
  if (invocation.flags['json'] === true)
    printJson(invocation, { directory, removed: [], spared: [], blobs: 0, checkpoints: sides, freedBytes });
  else invocation.write(`removed ${sides} checkpoints, ${formatSize(freedBytes)}\n`);
  return ok(undefined);
}
