/** The variables of a pipeline: declared under `vars:`, overridden from outside, evaluated when a stage asks. */
import type { JsonValue } from '../model/json.ts';
import type { MapEntry, Node } from '../model/pipeline.ts';
import type { Reference } from './expression.ts';
import { parseTree } from './parse.ts';
import { Problems } from './problems.ts';
import { type LookUpFailure, type ResolvedNode, resolveNode, type Scope } from './resolve.ts';
import { looksSecret } from './secret-looks.ts';
import type { PlanSettings } from './settings.ts';
import { SourceText } from './source-text.ts';

/** A value with the file it stands in, which is not the pipeline for one out of a variable file. */
interface Given {
  readonly node: Node;
  readonly source: SourceText;
  /** It came from outside and is data: expressions in it are not evaluated, or data could name outputs. */
  readonly literal: boolean;
}

type Found = ResolvedNode | { readonly type: 'failure'; readonly failure: LookUpFailure } | null;

export class Variables {
  private readonly given = new Map<string, Given>();
  private readonly values = new Map<string, ResolvedNode | null>();
  private readonly open: string[] = [];
  private readonly used = new Set<string>();
  private readonly declared: readonly MapEntry[];
  private readonly source: SourceText;
  private readonly pipeline: { readonly [name: string]: string | null };
  private readonly problems: Problems;
  /** Declarations of variables whose value from outside looks like a secret, with where it came from. */
  readonly secretLooking: { readonly entry: MapEntry; readonly origin: string }[] = [];
  /** Every environment variable that was looked at, with its value; what a compiled plan depends on. */
  readonly environment: { [name: string]: JsonValue } = {};

  constructor(
    declared: readonly MapEntry[],
    settings: PlanSettings,
    pipeline: { readonly [name: string]: string | null },
    source: SourceText,
    problems: Problems,
  ) {
    this.declared = declared;
    this.source = source;
    this.pipeline = pipeline;
    this.problems = problems;
    for (const entry of declared) this.given.set(entry.key, { node: entry.value, source, literal: false });
    this.readEnvironment(settings.env);
    for (const file of settings.varFiles) this.readFile(file);
    for (const [name, text] of Object.entries(settings.vars)) this.set(name, text, '--var', null);
  }

  /** Variables that nothing asked for. */
  unused(): readonly MapEntry[] {
    return this.declared.filter((entry) => !this.used.has(entry.key));
  }

  /** The value of `vars.…` or `pipeline.…`. */
  lookUp(
    reference: Reference & { readonly space: 'vars' | 'pipeline' | 'env' | 'matrix' },
    raw: string,
  ): Found {
    const [name = '', ...path] = reference.path;
    if (reference.space === 'pipeline') return this.lookUpPipeline(name, path);
    if (!this.given.has(name)) {
      const known = [...this.given.keys()];
      return {
        type: 'failure',
        failure: { code: 'unknown-variable', name, known, suggestion: this.problems.suggest(name, known) },
      };
    }
    this.used.add(name);
    const value = this.evaluate(name);
    if (value === null || value.type === 'failure') return value;
    if (value.type === 'scalar' && value.value === null && path.length === 0)
      return { type: 'failure', failure: { code: 'variable-unset', name } };
    return this.descend(value, `vars.${name}`, path, raw);
  }

  /** A scope in which there are only variables: for other variables and for matrices. */
  scope(what: string): Scope {
    return {
      lookUp: (reference, raw) => {
        if (reference.space === 'vars' || reference.space === 'pipeline') return this.lookUp(reference, raw);
        const problem = `${what} can use \`vars\` and \`pipeline\` only`;
        return {
          type: 'failure',
          failure: { code: 'bad-expression', expression: raw, problem, hint: null },
        };
      },
    };
  }

  private lookUpPipeline(name: string, path: readonly string[]): Found {
    const value = Object.hasOwn(this.pipeline, name) ? this.pipeline[name] : undefined;
    if (typeof value === 'string' && path.length === 0)
      return { type: 'scalar', value, source: value, start: 0, end: 1 };
    const known = Object.keys(this.pipeline).map((key) => `pipeline.${key}`);
    const wanted = `pipeline.${[name, ...path].join('.')}`;
    return {
      type: 'failure',
      failure: {
        code: 'unknown-reference',
        reference: wanted,
        known,
        suggestion: this.problems.suggest(wanted, known),
      },
    };
  }

  private evaluate(name: string): Found {
    const known = this.values.get(name);
    if (known !== undefined) return known;
    if (this.open.includes(name)) {
      const names = this.open.slice(this.open.indexOf(name));
      return { type: 'failure', failure: { code: 'variable-cycle', names } };
    }
    const { node, source, literal } = this.given.get(name) as Given;
    this.open.push(name);
    const value = literal ? node : resolveNode(node, this.scope('a variable'), source, this.problems);
    this.open.pop();
    const named = value && withOrigin(value, `vars.${name}`);
    this.values.set(name, named);
    return named;
  }

  private descend(value: ResolvedNode, name: string, path: readonly string[], raw: string): Found {
    const [key, ...rest] = path;
    if (key === undefined) return value;
    const entries = value.type === 'map' ? value.entries : [];
    const entry = entries.find((candidate) => candidate.key === key);
    if (entry) return this.descend(entry.value, `${name}.${key}`, rest, raw);
    const known = entries.map((candidate) => `${name}.${candidate.key}`);
    const reference = `${name}.${key}`;
    const suggestion = this.problems.suggest(reference, known);
    return { type: 'failure', failure: { code: 'unknown-reference', reference, known, suggestion } };
  }

  private readEnvironment(env: PlanSettings['env']): void {
    for (const { key } of this.declared) {
      // Shells cannot set a variable with a dash in its name.
      const name = `BAKE_VAR_${key.replaceAll('-', '_')}`;
      const value = env[name];
      this.environment[name] = value ?? null;
      if (value !== undefined) this.set(key, value, name, null);
    }
  }

  private readFile(file: { readonly path: string; readonly text: string }): void {
    const source = new SourceText(file.path, file.text.replace(/^\uFEFF/, ''));
    const root = parseTree(source, this.problems);
    if (root === null) return;
    if (root.type === 'scalar' && root.value === null) return;
    if (root.type !== 'map') {
      this.problems.add({
        code: 'wrong-type',
        location: source.locate(root),
        where: file.path,
        expected: 'a map of variables and their values',
        found: describeNode(root),
      });
      return;
    }
    for (const entry of root.entries) this.set(entry.key, entry.value, file.path, { source, entry });
  }

  /** Takes a value from outside, if the variable is there and the value is of the type it has in the pipeline. */
  private set(
    name: string,
    value: string | Node,
    origin: string,
    from: { readonly source: SourceText; readonly entry: MapEntry } | null,
  ): void {
    const location = from?.source.locate(from.entry.keySpan) ?? null;
    const entry = this.declared.find((candidate) => candidate.key === name);
    if (!entry) {
      const known = this.declared.map((candidate) => candidate.key);
      const suggestion = this.problems.suggest(name, known);
      this.problems.add({ code: 'undeclared-variable', name, origin, location, known, suggestion });
      return;
    }
    const given = typeof value === 'string' ? value : value.type === 'scalar' ? value.source : '';
    if (looksSecret(name, given)) this.secretLooking.push({ entry, origin });
    const node = typeof value === 'string' ? parseAs(entry.value, value) : value;
    if (node !== null && sameType(entry.value, node)) {
      this.given.set(name, { node, source: from?.source ?? this.source, literal: true });
      return;
    }
    if (from && node?.type === 'scalar' && isText(entry.value)) {
      this.problems.add({
        code: 'quote-text',
        location: from.source.locate(node),
        where: name,
        source: node.source,
        from: null,
      });
      return;
    }
    this.problems.add({
      code: 'bad-variable-value',
      name,
      origin,
      location,
      value: typeof value === 'string' ? value : describeNode(value),
      expected: describeNode(entry.value),
    });
  }
}

function isText(node: Node): boolean {
  return node.type === 'scalar' && typeof node.value === 'string';
}

/** Null stands for "no value yet" and agrees with everything. */
function sameType(declared: Node, given: Node): boolean {
  if (declared.type === 'scalar' && declared.value === null) return true;
  if (declared.type !== 'scalar' || given.type !== 'scalar') return declared.type === given.type;
  return typeof declared.value === typeof given.value;
}

/** A text from a command line or environment as a value of the type that the variable has in the pipeline. */
function parseAs(declared: Node, text: string): Node | null {
  const scalar = (value: string | number | boolean): Node => {
    return { type: 'scalar', value, source: text, start: declared.start, end: declared.end };
  };
  if (declared.type !== 'scalar') {
    const problems = new Problems();
    const tree = parseTree(new SourceText('', text), problems);
    return problems.none ? tree : null;
  }
  if (typeof declared.value === 'number') {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    return Number.isFinite(value) ? scalar(value) : null;
  }
  if (typeof declared.value === 'boolean')
    return text === 'true' ? scalar(true) : text === 'false' ? scalar(false) : null;
  return scalar(text);
}

/** What a value is, for people. */
export function describeNode(node: ResolvedNode): string {
  switch (node.type) {
    case 'list':
      return 'a list';
    case 'map':
      return 'a map';
    case 'reference':
    case 'template':
      return 'an output of another stage';
    case 'scalar':
      if (node.value === null) return 'empty';
      if (typeof node.value === 'string') return 'a text';
      return typeof node.value === 'number' ? `the number ${node.source}` : `${node.source} (true or false)`;
  }
}

function withOrigin(node: ResolvedNode, from: string): ResolvedNode {
  switch (node.type) {
    case 'scalar':
      return { ...node, from };
    case 'list':
      return { ...node, items: node.items.map((item) => withOrigin(item, from)) };
    case 'map':
      return {
        ...node,
        entries: node.entries.map((entry) => ({
          ...entry,
          value: withOrigin(entry.value, `${from}.${entry.key}`),
        })),
      };
    default:
      return node;
  }
}
