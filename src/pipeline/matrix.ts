/** A matrix fans one stage out into cells: `build` into `build[arch=amd64,os=debian]` and its siblings. */

import { byCodeUnit } from '../model/json.ts';
import type { MapEntry, PipelineStage, ScalarNode } from '../model/pipeline.ts';
import { cellValueProblem, checkName } from './names.ts';
import type { Problems } from './problems.ts';
import { type ResolvedNode, resolveNode } from './resolve.ts';
import type { SourceText } from './source-text.ts';
import { describeNode, type Variables } from './variables.ts';

/** More is a mistake: three lists of a hundred values each. */
const MOST_CELLS = 10_000;

/** One cell; a stage without a matrix is one cell without values. */
export interface Cell {
  /** Name of its action. */
  readonly name: string;
  readonly values: ReadonlyMap<string, ScalarNode>;
}

/** The cells of a stage in the order of its matrix; null when the matrix is wrong, which is then reported. */
export function expandMatrix(
  stage: PipelineStage,
  variables: Variables,
  source: SourceText,
  problems: Problems,
): readonly Cell[] | null {
  const entry = stage.body.entries.find((candidate) => candidate.key === 'matrix');
  if (!entry) return [{ name: stage.name, values: new Map() }];
  const matrix = resolveNode(entry.value, variables.scope('a matrix'), source, problems);
  if (matrix === null) return null;
  const reader = new MatrixReader(`stages.${stage.name}.matrix`, source, problems);
  const rows = matrix.type === 'list' ? reader.readCells(matrix.items) : reader.readLists(matrix);
  if (rows === null) return null;
  if (rows.length === 0) return reader.refuse(matrix, 'it has no values, so that the stage would not exist');
  if (rows.length > MOST_CELLS) return reader.refuse(matrix, `it has more than ${MOST_CELLS} cells`);
  const cells = rows.map((values) => ({ name: cellName(stage.name, values), values }));
  const names = new Set(cells.map((cell) => cell.name));
  return names.size === cells.length ? cells : reader.refuse(matrix, 'a value is there twice');
}

/** `build[arch=amd64,os=debian]`: keys sorted, so that their order in the file does not matter. */
export function cellName(stage: string, values: ReadonlyMap<string, ScalarNode>): string {
  const labels = [...values]
    .sort(([a], [b]) => byCodeUnit(a, b))
    .map(([key, value]) => `${key}=${label(value)}`);
  return labels.length === 0 ? stage : `${stage}[${labels.join(',')}]`;
}

/** A value as it was written: `1.0` stays `1.0`. */
function label(value: ScalarNode): string {
  return typeof value.value === 'string' ? value.value : value.source;
}

type Row = ReadonlyMap<string, ScalarNode>;

class MatrixReader {
  private readonly where: string;
  private readonly source: SourceText;
  private readonly problems: Problems;

  constructor(where: string, source: SourceText, problems: Problems) {
    this.where = where;
    this.source = source;
    this.problems = problems;
  }

  refuse(node: ResolvedNode, problem: string): null {
    this.problems.add({
      code: 'bad-value',
      location: this.source.locate(node),
      where: this.where,
      problem,
      suggestion: null,
    });
    return null;
  }

  /** `{arch: [amd64, arm64], os: [debian]}`: every combination, the last key changing fastest. */
  readLists(matrix: ResolvedNode): readonly Row[] | null {
    if (matrix.type !== 'map') return this.wrongType(this.where, matrix, 'a map of lists, or a list of maps');
    let rows: readonly Row[] = [new Map()];
    let failed = false;
    for (const entry of matrix.entries) {
      const values = this.readValues(entry);
      if (values === null) failed = true;
      else if (rows.length * values.length > MOST_CELLS)
        return this.refuse(matrix, `it has more than ${MOST_CELLS} cells`);
      else rows = rows.flatMap((row) => values.map((value) => new Map(row).set(entry.key, value)));
    }
    return failed ? null : matrix.entries.length === 0 ? [] : rows;
  }

  /** `[{arch: amd64, os: debian}, …]`: these cells and no others. */
  readCells(items: readonly ResolvedNode[]): readonly Row[] | null {
    const rows: Row[] = [];
    let failed = false;
    for (const item of items) {
      const row = new Map<string, ScalarNode>();
      if (item.type !== 'map') {
        this.wrongType(this.where, item, 'a map with one value for each key');
        failed = true;
        continue;
      }
      for (const entry of item.entries) {
        const value = this.checkKey(entry) ? this.readValue(entry.key, entry.value) : null;
        if (value === null) failed = true;
        else row.set(entry.key, value);
      }
      const keys = [...row.keys()].sort(byCodeUnit).join();
      if (!failed && rows[0] && keys !== [...rows[0].keys()].sort(byCodeUnit).join())
        return this.refuse(item, 'all cells must have the same keys');
      if (!failed && row.size === 0) return this.refuse(item, 'a cell has no values');
      rows.push(row);
    }
    return failed ? null : rows;
  }

  private readValues(entry: MapEntry<ResolvedNode>): readonly ScalarNode[] | null {
    if (!this.checkKey(entry)) return null;
    if (entry.value.type !== 'list')
      return this.wrongType(`${this.where}.${entry.key}`, entry.value, 'a list of values');
    const values = entry.value.items.map((item) => this.readValue(entry.key, item));
    return values.includes(null) ? null : (values as readonly ScalarNode[]);
  }

  private readValue(key: string, node: ResolvedNode): ScalarNode | null {
    if (node.type !== 'scalar' || node.value === null)
      return this.wrongType(`${this.where}.${key}`, node, 'a text, a number, true or false');
    const problem = cellValueProblem(label(node));
    return problem === null ? node : this.refuse(node, `\`${label(node)}\` cannot be a value: ${problem}`);
  }

  private checkKey(entry: MapEntry<ResolvedNode>): boolean {
    return checkName('a matrix key', entry.key, entry.keySpan, this.source, this.problems);
  }

  private wrongType(where: string, node: ResolvedNode, expected: string): null {
    this.problems.add({
      code: 'wrong-type',
      location: this.source.locate(node),
      where,
      expected,
      found: describeNode(node),
    });
    return null;
  }
}
