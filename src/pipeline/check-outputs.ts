/** Finds outputs that would be written over each other, and inputs that are outputs. */

import type { OptionValue } from '../model/plan.ts';
import { normalisePath, reservedProblem } from './paths.ts';
import type { CellBody, PlannedCell, Surroundings } from './plan-stage.ts';

/** An output and whose it is. */
interface Claim {
  readonly cell: PlannedCell;
  readonly body: CellBody;
  readonly output: string;
  readonly path: string;
}

/** Checks the outputs of each action among themselves, and those that are placed among each other. */
export function checkOutputs(
  cells: readonly PlannedCell[],
  placed: readonly boolean[],
  around: Surroundings,
): void {
  const claims = new Map<string, Claim>();
  const beside: Claim[] = [];
  for (const [position, cell] of cells.entries()) {
    const { body } = cell;
    if (body === null) continue;
    const own = body.action.outputs.map(({ name, path }) => ({ cell, body, output: name, path }));
    reportCollisions(own, new Map(), around);
    checkOwnInputs(own, body, around);
    if (!placed[position]) continue;
    for (const claim of own) checkReserved(claim, around);
    beside.push(...own);
  }
  reportCollisions(beside, claims, around);
  for (const cell of cells) checkInputs(cell, claims, around);
}

/** The path of a kind's own output was not written by the user, and so was not looked at before. */
function checkReserved(claim: Claim, around: Surroundings): void {
  const problem = reservedProblem(claim.path, around.pipelineFile, around.cacheDir);
  if (problem === null) return;
  around.problems.add({
    code: 'bad-path',
    location: around.source.locate(spanOf(claim)),
    where: `stages.${claim.cell.stage.name}.outputs.${claim.output}`,
    path: claim.path,
    problem,
  });
}

/** Adds claims one by one; one that equals another, lies in it or holds it is a collision. */
function reportCollisions(claims: readonly Claim[], taken: Map<string, Claim>, around: Surroundings): void {
  const above = new Map<string, Claim>();
  for (const claim of taken.values()) for (const parent of parentsOf(claim.path)) above.set(parent, claim);
  for (const claim of claims) {
    const parents = parentsOf(claim.path);
    const other =
      taken.get(claim.path) ??
      above.get(claim.path) ??
      parents.map((parent) => taken.get(parent)).find((found) => found !== undefined);
    if (other) reportCollision(claim, other, around);
    else {
      taken.set(claim.path, claim);
      for (const parent of parents) above.set(parent, claim);
    }
  }
}

function reportCollision(claim: Claim, other: Claim, around: Surroundings): void {
  around.problems.add({
    code: 'output-collision',
    location: around.source.locate(spanOf(claim)),
    path: claim.path,
    stage: claim.cell.name,
    otherPath: other.path,
    otherStage: other.cell.name,
    other: around.source.locate(spanOf(other)),
    matrixKeys: claim.cell.stage === other.cell.stage ? claim.body.matrixKeys : [],
  });
}

/** In a workspace an output would take the place of the file that an option names, before anybody has kept that. */
function checkOwnInputs(own: readonly Claim[], body: CellBody, around: Surroundings): void {
  const files = new Set(filesIn(body.action.options));
  for (const claim of own) {
    if (!files.has(claim.path)) continue;
    around.problems.add({
      code: 'bad-path',
      location: around.source.locate(spanOf(claim)),
      where: `stages.${claim.cell.stage.name}.outputs.${claim.output}`,
      path: claim.path,
      problem: `the stage reads the file of this name; give its output another: \`outputs: { ${claim.output}: … }\``,
    });
  }
}

/** The files of the checkout that options name. */
function filesIn(value: OptionValue): readonly string[] {
  if (value === null || typeof value !== 'object') return [];
  if ('$file' in value) return [value.$file as string];
  return Object.values(value).flatMap((member: OptionValue) => filesIn(member));
}

/** A file that another stage puts beside the pipeline is not there before it ran: a reference says so, a path does not. */
function checkInputs(cell: PlannedCell, claims: ReadonlyMap<string, Claim>, around: Surroundings): void {
  for (const input of cell.body?.inputSpans ?? []) {
    const result = normalisePath(input.pattern);
    if (!('path' in result)) continue;
    const claim = [result.path, ...parentsOf(result.path)].map((path) => claims.get(path)).find(Boolean);
    if (!claim) continue;
    around.problems.add({
      code: 'input-is-output',
      location: around.source.locate(input),
      path: input.pattern,
      reference: `\${{ stages.${claim.cell.name}.outputs.${claim.output} }}`,
    });
  }
}

function spanOf(claim: Claim): { readonly start: number; readonly end: number } {
  return claim.body.outputSpans.get(claim.output) ?? claim.cell.stage.nameSpan;
}

/** `a/b` and `a` for `a/b/c`. */
function parentsOf(path: string): readonly string[] {
  const parents: string[] = [];
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1))
    parents.push(path.slice(0, at));
  return parents;
}
