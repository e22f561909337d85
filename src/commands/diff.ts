/** `bake diff <stage>[@step] <stage>[@step]`: what changed between two disks in the cache, in files and in bytes. */

import type { Content, LayeredContent } from '../model/artifact.ts';
import type { Failure } from '../model/failure.ts';
import type { PlannedAction } from '../model/plan.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { selectActions } from '../pipeline/select.ts';
import { jsonText } from '../report/printable.ts';
import { byStage, lastOf } from '../report/stages.ts';
import type { CommandModule } from './command.ts';
import { compareDisks } from './compare-disks.ts';
import { type DiffSide, type DiskDiff, diffJson, diffText } from './diff-words.ts';
import { type FoundDisk, readForeign } from './foreign-partitions.ts';
import { readInGuests } from './guest-listing.ts';
import { pipelineArguments } from './load-plan.ts';
import { printFailures } from './print-failures.ts';
import { storedResult } from './stored-result.ts';
import { styleOf } from './stream-choice.ts';
import { openProject, type Project } from './wiring.ts';

export const run: CommandModule['run'] = async (invocation) => {
  const { file, targets } = pipelineArguments(invocation.positionals);
  const [before, after] = targets;
  if (before === undefined || after === undefined) {
    const argument = before === undefined ? '<stage> <stage>' : 'a second <stage>';
    return printFailures(invocation, [{ code: 'missing-argument', argument, command: 'diff' }]);
  }
  const third = targets[2];
  if (third !== undefined)
    return printFailures(invocation, [{ code: 'unexpected-argument', argument: third, command: 'diff' }]);
  const project = await openProject({ ...invocation, positionals: [file] }, { touch: false });
  if (!project.ok) return printFailures(invocation, project.failure);
  const outside = await diffOf(project.value, before, after, invocation.signal);
  if (!outside.ok) return printFailures(invocation, [outside.failure]);
  const { partitions } = outside.value;
  const diff = {
    ...outside.value,
    partitions:
      invocation.flags['boot'] === true
        ? await readInGuests(invocation, { file, before, after }, partitions)
        : partitions,
  };
  if (invocation.flags['json'] === true) {
    invocation.write(`${jsonText(diffJson(diff), 2)}\n`);
    return 0;
  }
  const style = styleOf(invocation.env, process.stdout);
  invocation.write(diffText(diff, style, invocation.flags['all'] === true));
  return 0;
};

async function diffOf(
  project: Project,
  before: string,
  after: string,
  signal: AbortSignal,
): Promise<Result<DiskDiff, Failure>> {
  const was = await diskOf(project, before);
  if (!was.ok) return was;
  const is = await diskOf(project, after);
  if (!is.ok) return is;
  const [one, other] = [layersOf(was.value.content), layersOf(is.value.content)];
  const shared = one.findIndex(({ digest }, index) => digest !== other[index]?.digest);
  const sharedLayers = shared < 0 ? one.length : shared;
  const side = (name: string, content: Content): DiffSide => {
    const layers = layersOf(content);
    const ownBytes = layers.slice(sharedLayers).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    return { name, digest: content.digest, layers, ownBytes };
  };
  const read = await compareDisks(project, was.value, is.value, sharedLayers, signal);
  if (!read.ok) return read;
  const partitions = await readForeign(project, was.value, is.value, read.value.partitions, signal);
  if (!partitions.ok) return partitions;
  const sides = { before: side(before, was.value.content), after: side(after, is.value.content) };
  return ok({ ...sides, sharedLayers, ...read.value, partitions: partitions.value });
}

function layersOf(content: Content): LayeredContent['layers'] {
  if (content.type === 'layers') return content.layers;
  return [{ digest: content.digest, sizeBytes: content.sizeBytes }];
}

/** The disk that a name means: an output `disk`, or the one that is named after a dot, of the last step that is meant. */
async function diskOf(project: Project, target: string): Promise<Result<FoundDisk, Failure>> {
  const found = actionOf(project, target);
  if (!found.ok) return found;
  const { action, output } = found.value;
  const result = await storedResult(project, action);
  if (result === null) return fail({ code: 'no-result', stage: action.name, wanted: 'result' });
  const artifact = result.artifacts.find(({ name }) => name === output);
  if (artifact === undefined) {
    const known = action.outputs.map(({ name }) => name);
    return fail({ code: 'no-such-output', stage: action.name, output, known });
  }
  const { content } = artifact;
  if (content.type === 'tree') {
    const problem = `\`${output}\` of ${action.name} is a directory, not a disk`;
    return fail({ code: 'stage-refused', problem, hint: 'name two disks' });
  }
  for (const { digest, sizeBytes } of layersOf(content))
    if (!(await project.session.cache.blobs.has(digest, sizeBytes)))
      return fail({ code: 'blob-missing', digest });
  const format = action.outputs.find(({ name }) => name === output)?.format;
  return ok({ content, name: artifact.path, ...(format === undefined ? {} : { format }) });
}

function actionOf(
  { plan }: Project,
  target: string,
): Result<{ readonly action: PlannedAction; readonly output: string }, Failure> {
  const whole = selectActions(plan, [target]);
  const dot = target.lastIndexOf('.');
  const part = whole.ok || dot <= 0 ? whole : selectActions(plan, [target.slice(0, dot)]);
  if (!part.ok) {
    const [failure] = whole.ok ? part.failure : whole.failure;
    return fail(failure as Failure);
  }
  const [action, another] = byStage(part.value.targets).map(lastOf);
  if (action === undefined || another !== undefined) {
    const problem = `${target} means several stages`;
    return fail({ code: 'stage-refused', problem, hint: 'name one cell of the matrix: `image[arch=amd64]`' });
  }
  return ok({ action, output: whole.ok ? 'disk' : target.slice(dot + 1) });
}
