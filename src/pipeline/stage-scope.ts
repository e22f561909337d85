/** What expressions of one cell see: variables, its environment and matrix, and the outputs of other stages. */
import type { ScalarNode, Span } from '../model/pipeline.ts';
import type { Reference } from './expression.ts';
import { type Cell, cellName } from './matrix.ts';
import type { Problems } from './problems.ts';
import type { LookUpFailure, ResolvedNode, Scope } from './resolve.ts';
import type { Variables } from './variables.ts';

/** All stages by name with their cells by name; null for one that could not be understood. */
export type StageIndex = ReadonlyMap<string, ReadonlyMap<string, Cell> | null>;

/** An edge: this cell needs that action, for an output or (null) for order alone. */
export interface Edge {
  readonly action: string;
  readonly output: string | null;
  readonly span: Span;
  /** As written. */
  readonly raw: string;
}

type Failed = { readonly type: 'failure'; readonly failure: LookUpFailure };

/** Scope of a cell; adds an edge for every reference to an output. */
export class StageScope implements Scope {
  readonly edges: Edge[] = [];
  private env: ReadonlyMap<string, ResolvedNode> | null = null;
  private readonly cell: Cell;
  private readonly index: StageIndex;
  private readonly variables: Variables;
  private readonly problems: Problems;

  constructor(cell: Cell, index: StageIndex, variables: Variables, problems: Problems) {
    this.cell = cell;
    this.index = index;
    this.variables = variables;
    this.problems = problems;
  }

  /** From now on `env.*` can be read; before, the environment itself is being evaluated. */
  setEnvironment(env: ReadonlyMap<string, ResolvedNode>): void {
    this.env = env;
  }

  lookUp(reference: Reference, raw: string, span: Span): ResolvedNode | Failed | null {
    if (reference.space === 'stages') return this.lookUpOutput(reference, raw, span);
    if (reference.space === 'env') return this.lookUpEnvironment(reference.path, raw);
    if (reference.space === 'matrix') return this.lookUpIn('matrix', this.cell.values, reference.path);
    return this.variables.lookUp(reference, raw);
  }

  /** Names of the actions that `needs: [name]` means: a cell, the cell with the same values, or all cells. */
  neededActions(text: string): readonly string[] | Failed {
    const bracket = text.indexOf('[');
    const stage = bracket < 0 ? text : text.slice(0, bracket);
    const cells = this.index.get(stage);
    if (cells === undefined) return this.unknownStage(stage);
    if (cells === null) return [];
    const found = this.findCell(stage, bracket < 0 ? null : text.slice(bracket + 1, -1), cells);
    if (typeof found === 'string') return [found];
    if (found.failure.code === 'ambiguous-cell') return [...cells.keys()];
    return found;
  }

  private lookUpOutput(
    reference: Reference & { readonly space: 'stages' },
    raw: string,
    span: Span,
  ): ResolvedNode | Failed | null {
    const { stage, cell, output } = reference;
    const cells = this.index.get(stage);
    if (cells === undefined) return this.unknownStage(stage);
    if (cells === null) return null;
    const action = this.findCell(stage, cell, cells, output);
    if (typeof action !== 'string') return action;
    this.edges.push({ action, output, span, raw });
    return { type: 'reference', ref: { action, output }, raw, ...span };
  }

  /** The cell that is meant: what is said in brackets, the rest as in this cell's own matrix. */
  private findCell(
    stage: string,
    said: string | null,
    cells: ReadonlyMap<string, Cell>,
    output = '…',
  ): string | Failed {
    const first = cells.values().next().value;
    const keys = [...(first?.values.keys() ?? [])];
    const values = new Map<string, ScalarNode>();
    for (const part of said === null || said === '' ? [] : said.split(',')) {
      const equals = part.indexOf('=');
      const key = part.slice(0, Math.max(0, equals)).trim();
      if (!keys.includes(key))
        return this.unknownCell(stage, said ?? '', keys.length === 0 ? new Map() : cells);
      values.set(key, scalar(part.slice(equals + 1).trim()));
    }
    for (const key of keys) {
      const own = this.cell.values.get(key);
      if (own && !values.has(key)) values.set(key, own);
    }
    const missing = keys.filter((key) => !values.has(key));
    if (missing.length > 0) {
      const example = `\${{ stages.${first?.name ?? stage}.outputs.${output} }}`;
      return { type: 'failure', failure: { code: 'ambiguous-cell', stage, missing, example } };
    }
    const name = cellName(stage, values);
    return cells.has(name) ? name : this.unknownCell(stage, name.slice(stage.length + 1, -1), cells);
  }

  private lookUpEnvironment(path: readonly string[], raw: string): ResolvedNode | Failed | null {
    if (this.env !== null) return this.lookUpIn('env', this.env, path);
    const problem = 'values of `env` cannot use each other';
    const hint = 'put what they share under `vars:`';
    return { type: 'failure', failure: { code: 'bad-expression', expression: raw, problem, hint } };
  }

  private lookUpIn(
    space: string,
    values: ReadonlyMap<string, ResolvedNode>,
    path: readonly string[],
  ): ResolvedNode | Failed {
    const value = path.length === 1 ? values.get(path[0] ?? '') : undefined;
    if (value) return value;
    const known = [...values.keys()].map((key) => `${space}.${key}`);
    const reference = `${space}.${path.join('.')}`;
    const suggestion = this.problems.suggest(reference, known);
    return { type: 'failure', failure: { code: 'unknown-reference', reference, known, suggestion } };
  }

  private unknownStage(stage: string): Failed {
    const suggestion = this.problems.suggest(stage, this.index.keys());
    return { type: 'failure', failure: { code: 'unknown-stage', stage, suggestion } };
  }

  private unknownCell(stage: string, cell: string, cells: ReadonlyMap<string, Cell>): Failed {
    const known = [...cells.keys()].map((name) => name.slice(stage.length + 1, -1));
    const suggestion = this.problems.suggest(cell, known);
    return { type: 'failure', failure: { code: 'unknown-cell', stage, cell, known, suggestion } };
  }
}

function scalar(value: string): ScalarNode {
  return { type: 'scalar', value, source: value, start: 0, end: 1 };
}
