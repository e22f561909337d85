/** Puts values in place of expressions, in parsed scalars only, and keeps where everything was written. */
import type { PipelineFailure } from '../model/failure-pipeline.ts';
import type { ListNode, MapEntry, MapNode, Node, ScalarNode, Span } from '../model/pipeline.ts';
import type { ArtifactRef, Template } from '../model/plan.ts';
import { hasExpression, type Piece, parseTemplate, type Reference } from './expression.ts';
import type { Problems } from './problems.ts';
import type { SourceText } from './source-text.ts';

/** A text that is exactly one reference to an output. */
export interface ReferenceNode extends Span {
  readonly type: 'reference';
  readonly ref: ArtifactRef;
  readonly raw: string;
}

/** A text with references to outputs in it. */
export interface TemplateNode extends Span {
  readonly type: 'template';
  readonly parts: Template;
  /** The first reference as written, for messages. */
  readonly raw: string;
}

/** A value without expressions. */
export type ResolvedNode =
  | ScalarNode
  | ReferenceNode
  | TemplateNode
  | ListNode<ResolvedNode>
  | MapNode<ResolvedNode>;

/** What a failed look-up says, without the place: that is known to whoever asked. */
export type LookUpFailure = PipelineFailure extends infer F
  ? F extends { readonly location: unknown }
    ? Omit<F, 'location'>
    : never
  : never;

/** Where expressions find their values. */
export interface Scope {
  /** The value of a reference; `null` when it is wrong and that was reported already. */
  lookUp(
    reference: Reference,
    raw: string,
    span: Span,
  ): ResolvedNode | { readonly type: 'failure'; readonly failure: LookUpFailure } | null;
}

/** Resolves a value, or reports everything that is wrong in it and gives null. A value without expressions is given back as it is. */
export function resolveNode(
  node: Node,
  scope: Scope,
  source: SourceText,
  problems: Problems,
): ResolvedNode | null {
  switch (node.type) {
    case 'scalar':
      return typeof node.value === 'string' && hasExpression(node.value)
        ? resolveText(node, node.value, scope, source, problems)
        : node;
    case 'list': {
      const items = resolveAll(node.items, (item) => resolveNode(item, scope, source, problems));
      return items === node.items ? node : items && { ...node, items };
    }
    case 'map': {
      const entries = resolveAll<MapEntry, MapEntry<ResolvedNode>>(node.entries, (entry) => {
        const value = resolveNode(entry.value, scope, source, problems);
        return value === entry.value ? entry : value && { ...entry, value };
      });
      return entries === node.entries ? node : entries && { ...node, entries };
    }
  }
}

/** Applies `resolve` to all, even after a failure; the same array when nothing changed, null when one failed. */
function resolveAll<N, R>(items: readonly N[], resolve: (item: N) => R | null): readonly R[] | null {
  let failed = false;
  let changed = false;
  const resolved: R[] = [];
  for (const item of items) {
    const result = resolve(item);
    if (result === null) failed = true;
    else resolved.push(result);
    if ((result as unknown) !== item) changed = true;
  }
  if (failed) return null;
  return changed ? resolved : (items as unknown as readonly R[]);
}

function resolveText(
  node: ScalarNode,
  text: string,
  scope: Scope,
  source: SourceText,
  problems: Problems,
): ResolvedNode | null {
  const pieces = parseTemplate(text);
  const search = { at: node.start };
  const parts: (string | ArtifactRef)[] = [];
  let failed = false;
  let raw: string | null = null;
  for (const piece of pieces) {
    const span = piece.type === 'text' ? node : spanOf(piece.raw, node, source, search);
    const value = pieceValue(piece, span, scope, source, problems);
    if (value === null) failed = true;
    else if (pieces.length === 1) return value;
    else {
      const added = partsOf(value, span, piece, source, problems);
      if (added === null) failed = true;
      else parts.push(...added);
      if ((value.type === 'reference' || value.type === 'template') && raw === null) raw = value.raw;
    }
  }
  if (failed) return null;
  const { start, end } = node;
  if (raw !== null) return { type: 'template', parts: joined(parts), raw, start, end };
  return { type: 'scalar', value: parts.join(''), source: parts.join(''), start, end };
}

/** The place of an expression in the file; that of the whole text where line folding tore it apart. */
function spanOf(raw: string, node: ScalarNode, source: SourceText, search: { at: number }): Span {
  const at = source.text.indexOf(raw, search.at);
  if (at < 0 || at >= node.end) return node;
  search.at = at + raw.length;
  return { start: at, end: at + raw.length };
}

function pieceValue(
  piece: Piece,
  span: Span,
  scope: Scope,
  source: SourceText,
  problems: Problems,
): ResolvedNode | null {
  if (piece.type === 'text') {
    return { type: 'scalar', value: piece.text, source: piece.text, start: span.start, end: span.end };
  }
  if (piece.type === 'problem') {
    const { problem, hint, raw } = piece;
    problems.add({
      code: 'bad-expression',
      location: source.locate(span),
      expression: raw,
      problem,
      hint,
    });
    return null;
  }
  const found = scope.lookUp(piece.reference, piece.raw, span);
  if (found === null) return null;
  if (found.type !== 'failure') return moved(found, span);
  problems.add({ ...found.failure, location: source.locate(span) } as PipelineFailure);
  return null;
}

/** A value as if it had been written at another place. */
function moved(node: ResolvedNode, span: Span): ResolvedNode {
  const { start, end } = span;
  switch (node.type) {
    case 'list':
      return { ...node, items: node.items.map((item) => moved(item, span)), start, end };
    case 'map':
      return {
        ...node,
        entries: node.entries.map((entry) => ({ ...entry, keySpan: span, value: moved(entry.value, span) })),
        start,
        end,
      };
    default:
      return { ...node, start, end };
  }
}

/** What a value contributes to a text: numbers as they were written, so that `1.0` stays `1.0`. */
function partsOf(
  value: ResolvedNode,
  span: Span,
  piece: Piece,
  source: SourceText,
  problems: Problems,
): Template | null {
  if (value.type === 'reference') return [value.ref];
  if (value.type === 'template') return value.parts;
  if (value.type === 'scalar' && value.value !== null)
    return [typeof value.value === 'string' ? value.value : value.source];
  const found = value.type === 'scalar' ? 'no value' : `a ${value.type}`;
  problems.add({
    code: 'bad-expression',
    location: source.locate(span),
    expression: piece.type === 'text' ? '' : piece.raw,
    problem: `it is ${found}, which cannot be part of a text`,
    hint: value.type === 'scalar' ? null : 'write it alone, where a list or a map is expected',
  });
  return null;
}

/** Neighbouring texts as one, so that a template does not depend on how it was put together. */
function joined(parts: Template): Template {
  const result: (string | ArtifactRef)[] = [];
  for (const part of parts) {
    const last = result.at(-1);
    if (typeof part === 'string' && typeof last === 'string') result[result.length - 1] = last + part;
    else if (part !== '') result.push(part);
  }
  return result;
}
