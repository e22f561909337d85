/** Everything about actions that can be settled before any of them runs: pinned options, the files they name, the versions of their tools. */
import type { Cache } from '../cache/cache.ts';
import type { Host, Stamp } from '../host/host.ts';
import type { Failure } from '../model/failure.ts';
import type { OptionValues, PlannedAction } from '../model/plan.ts';
import type { Result } from '../model/result.ts';
import { fail, ok } from '../model/result.ts';
import type { LockFile, PinnedCheckout, StageKind, ViewRequest } from '../stages/kind.ts';
import type { YamlReader } from './finder.ts';
import { inputFinder } from './finder.ts';
import { excludedBy, type FoundListener, findInputs, findPath, nearestTo, sortedByPath } from './inputs.ts';
import { followLinks, hasLinks } from './links.ts';
import { askingAgain } from './lock-file.ts';
import { type Looks, MOST_LOOKS } from './looks.ts';
import { referencesOf } from './options.ts';
import { packageOf } from './tool-packages.ts';
import type { Tools } from './tools.ts';

/** An action that only waits for what comes before it. */
export interface Prepared {
  readonly action: PlannedAction;
  /** Null in a plan when `bake.lock` does not know yet what only the network could tell. */
  readonly options: OptionValues | null;
  /** Relative path → stamp when it was found. */
  readonly files: ReadonlyMap<string, Stamp>;
  /** Finds them once more, where they are read where they are; null when it cannot be told. */
  readonly filesNow: (() => Promise<ReadonlyMap<string, Stamp> | null>) | null;
  /** When the last of them was. */
  readonly foundAtMs: number;
  /** Those of them whose content lies elsewhere, because a link leads there: its absolute path. */
  readonly followed: ReadonlyMap<string, string>;
  /** Absolute paths of links, and of what is absent, on the way there. */
  readonly passed: ReadonlyMap<string, Stamp | null>;
  readonly tools: { readonly [name: string]: string };
  /** What it may see besides, where it is watched when it runs. */
  readonly view: ViewRequest | null;
  /** Notes what is looked at for this action alone. */
  readonly looks: Looks;
  /** Absolute paths of all that was looked at for this action alone; of more than `MOST_LOOKS` only so many and one. */
  readonly looked: ReadonlySet<string>;
}

export interface Preparation {
  readonly host: Host;
  readonly looks: Looks;
  readonly cache: Pick<Cache, 'readAhead'>;
  readonly tools: Tools;
  readonly lock: LockFile;
  readonly parseYaml: YamlReader;
  readonly kindOf: (name: string) => Promise<StageKind>;
  /** A forced action asks the network again for what `bake.lock` remembers. */
  readonly isForced: (action: PlannedAction) => boolean;
  /** False for a plan: nothing may be asked of the network. */
  readonly online: boolean;
  readonly signal: AbortSignal;
}

/** Prepares actions in order; every mistake in all of them is found before anything runs. */
export async function prepareActions(
  actions: readonly PlannedAction[],
  by: Preparation,
): Promise<Result<readonly Prepared[], readonly Failure[]>> {
  const failures: Failure[] = [];
  const missingTools = new Map<string, PlannedAction[]>();
  const prepared: Prepared[] = [];
  const readAhead = await by.cache.readAhead();
  const tell: FoundListener = (path, stamp) => readAhead(by.looks.absolute(path), stamp);
  for (const action of actions) {
    const looks = by.looks.noting(MOST_LOOKS);
    const options = action.pins ? await pinned(action, { ...by, looks }) : ok(action.options);
    if (!options.ok) failures.push(options.failure);
    const known = options.ok && options.value !== null ? options.value : action.options;
    const files = await foundFor(action, known, { ...by, looks }, tell);
    const foundAtMs = by.host.clock.nowMs();
    if (!files.ok) failures.push(...files.failure);
    const tools = await toolsOf(action, by.tools, missingTools);
    if (options.ok && files.ok)
      prepared.push({
        action,
        options: options.value,
        ...files.value,
        filesNow: readsInPlace(action, files.value.followed) ? findAgain(action, known, by) : null,
        foundAtMs,
        tools,
        looks,
        looked: looks.noted(),
      });
  }
  for (const [tool, needing] of missingTools) failures.push(toolMissing(tool, needing));
  return failures.length > 0 ? fail(distinct(failures)) : ok(prepared);
}

function findAgain(
  action: PlannedAction,
  options: OptionValues,
  by: Preparation,
): NonNullable<Prepared['filesNow']> {
  return async () => {
    const now = await filesOf(action, options, { ...by, looks: by.looks.anew() }, () => undefined);
    return now.ok ? now.value.files : null;
  };
}

/** Whether it may see files that appear while it runs: in the checkout, or behind an absolute link. */
function readsInPlace({ workspace }: PlannedAction, followed: ReadonlyMap<string, string>): boolean {
  return workspace === 'in-place' || [...followed.keys()].some((path) => path.startsWith('/'));
}

/** What is wrong with a stage is wrong with each of its steps: once is enough. */
function distinct(failures: readonly Failure[]): readonly Failure[] {
  return [...new Map(failures.map((failure) => [JSON.stringify(failure), failure])).values()];
}

async function pinned(action: PlannedAction, by: Preparation): Promise<Result<OptionValues | null, Failure>> {
  const kind = await by.kindOf(action.kind);
  if (kind.pin === undefined) return ok(action.options);
  const lock = by.isForced(action) ? askingAgain(by.lock) : by.lock;
  const checkout = pinnedCheckout(action, by);
  const options = await kind.pin(action.options, lock, by.online ? by.host : null, by.signal, checkout);
  return options.ok ? ok(options.value as OptionValues | null) : options;
}

/** The checkout for a kind that pins its options: what it looks at is noted. */
function pinnedCheckout({ stage, location }: PlannedAction, { looks, host }: Preparation): PinnedCheckout {
  const emptyBelow = (directory: string): readonly string[] => {
    const names = looks.list(directory);
    if (names.length === 0) return [directory];
    return names.flatMap((name) => {
      const path = `${directory}/${name}`;
      return looks.stamp(path)?.type === 'directory' ? emptyBelow(path) : [];
    });
  };
  return {
    async read(path) {
      if (looks.stamp(path) !== null) return host.files.readBytes(looks.absolute(path));
      return fail({ code: 'input-missing', stage, pattern: path, nearest: nearestTo(path, looks), location });
    },
    emptyDirectories(directory) {
      if (looks.stamp(directory)?.type !== 'directory') return [];
      const clean = directory.replace(/\/+$/, '');
      return emptyBelow(clean).map((path) => path.slice(clean.length + 1));
    },
  };
}

const NO_LINKS = { followed: new Map<string, string>(), passed: new Map<string, Stamp | null>() } as const;

async function filesOf(
  action: PlannedAction,
  options: OptionValues,
  by: Preparation,
  tell: FoundListener,
): Promise<Result<Pick<Prepared, 'files' | 'followed' | 'passed'>, readonly Failure[]>> {
  const { looks } = by;
  const failures: Failure[] = [];
  const missing = (pattern: string) =>
    failures.push({
      code: 'input-missing',
      stage: action.stage,
      pattern,
      nearest: nearestTo(pattern, looks),
      location: action.location,
    });
  const declared = findInputs(action.inputs, looks, tell);
  for (const pattern of declared.unmatched) missing(pattern);
  const special = (path: string) =>
    failures.push({ code: 'input-not-a-file', stage: action.stage, path, location: action.location });
  for (const path of declared.special) special(path);
  const unreadable = (path: string, errno: string) =>
    failures.push({
      code: 'input-unreadable',
      stage: action.stage,
      path,
      errno,
      location: action.location,
    });
  for (const { path, errno } of declared.unreadable) unreadable(path, errno);
  for (const { pattern, problem } of declared.excessive)
    failures.push({
      code: 'input-pattern',
      stage: action.stage,
      pattern,
      problem,
      location: action.location,
    });
  const implied = await impliedPaths(action, options, by);
  if (!implied.ok) return fail([...failures, implied.failure]);
  const more = implied.value.flatMap((path) => {
    const before = failures.length;
    const found = findPath(path, looks, unreadable);
    if (found.size === 0 && failures.length === before) missing(path);
    return [...found];
  });
  const files = more.length === 0 ? declared.files : new Map([...declared.files, ...more]);
  if (!hasLinks(files))
    return failures.length > 0 ? fail(failures) : ok({ files: sortedByPath(files), ...NO_LINKS });
  const linked = followLinks(files, {
    files: by.host.files,
    looks,
    asFiles: new Set(referencesOf(action, options).files),
    isExcluded: excludedBy(action.inputs),
    inPlace: action.workspace === 'in-place',
  });
  for (const { path, errno } of linked.unreadable) unreadable(path, errno);
  for (const path of linked.special) special(path);
  for (const trouble of linked.troubles)
    failures.push({
      code: 'input-link-leaves',
      stage: action.stage,
      ...trouble,
      location: action.location,
    });
  if (failures.length > 0) return fail(failures);
  return ok({ files: sortedByPath(linked.files), followed: linked.places, passed: linked.passed });
}

/** Files that options name, and those that the kind finds by looking at them. */
async function impliedPaths(
  action: PlannedAction,
  options: OptionValues,
  by: Preparation,
): Promise<Result<readonly string[], Failure>> {
  const named = referencesOf(action, options).files;
  if (!action.discovers) return ok(named);
  const kind = await by.kindOf(action.kind);
  if (kind.inputs === undefined) return ok(named);
  const finder = inputFinder(by.host.files, by.looks, by.parseYaml);
  const discovered = await kind.inputs(options, finder);
  return discovered.ok ? ok([...new Set([...named, ...discovered.value])]) : discovered;
}

/** Its files, and what it may see besides. */
async function foundFor(
  action: PlannedAction,
  options: OptionValues,
  by: Preparation,
  tell: FoundListener,
): Promise<Result<Pick<Prepared, 'files' | 'followed' | 'passed' | 'view'>, readonly Failure[]>> {
  const files = await filesOf(action, options, by, tell);
  if (!files.ok) return files;
  const view = await viewRequestOf(action, options, by);
  return view.ok ? ok({ ...files.value, view: view.value }) : fail([view.failure]);
}

async function viewRequestOf(
  action: PlannedAction,
  options: OptionValues,
  by: Preparation,
): Promise<Result<ViewRequest | null, Failure>> {
  const view = action.traced === true ? (await by.kindOf(action.kind)).view : undefined;
  return view === undefined ? ok(null) : view(options, inputFinder(by.host.files, by.looks, by.parseYaml));
}

async function toolsOf(
  action: PlannedAction,
  tools: Tools,
  missing: Map<string, PlannedAction[]>,
): Promise<{ readonly [name: string]: string }> {
  const versions: Record<string, string> = {};
  for (const tool of action.tools) {
    const version = await tools.versionOf(tool);
    if (version !== null) versions[tool.name] = version;
    else missing.set(tool.name, [...(missing.get(tool.name) ?? []), action]);
  }
  return versions;
}

function toolMissing(tool: string, needing: readonly PlannedAction[]): Failure {
  const [first] = needing as [PlannedAction];
  return {
    code: 'tool-missing',
    tool,
    package: packageOf(tool),
    stages: [...new Set(needing.map(({ stage }) => stage))],
    location: first.location,
  };
}
