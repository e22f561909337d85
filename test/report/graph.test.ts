/** The graph in all its formats. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { PlanStatus } from '../../src/model/outcome.ts';
import { styleFor } from '../../src/report/ansi.ts';
import { graphDot } from '../../src/report/graph/dot.ts';
import type { Graph } from '../../src/report/graph/graph.ts';
import { graphJson } from '../../src/report/graph/json.ts';
import { laneRows, UNICODE_LANES } from '../../src/report/graph/lanes.ts';
import { layOut } from '../../src/report/graph/layout.ts';
import { graphMermaid } from '../../src/report/graph/mermaid.ts';
import { graphSvg } from '../../src/report/graph/svg.ts';
import { graphText } from '../../src/report/graph/text.ts';
import { displayWidth } from '../../src/report/width.ts';
import { without } from '../support/without.ts';

const STATUSES: readonly PlanStatus[] = ['fresh', 'hit', 'run', 'unknown'];

/** A graph out of what each node needs; a need with a `~` in front is for order alone. */
function graph(needs: { readonly [name: string]: readonly string[] }, statuses = true): Graph {
  return {
    pipeline: 'tiny',
    nodes: Object.keys(needs).map((name, index) => ({
      name,
      stage: name.split('@')[0] as string,
      kind: 'run',
      status: statuses ? (STATUSES[index % 4] as PlanStatus) : null,
      reasons: index % 4 === 2 ? ['input a/b.yml changed (3f2a → 91bc)'] : [],
      lastDurationMs: null,
      placed: false,
      outputs: [{ name: 'disk', path: `${name}.img` }],
    })),
    edges: Object.entries(needs).flatMap(([to, sources]) =>
      sources.map((source) => ({
        from: source.replace('~', ''),
        to,
        kind: source.startsWith('~') ? ('order' as const) : ('artifact' as const),
        outputs: source.startsWith('~') ? [] : ['disk'],
      })),
    ),
  };
}

const BRANCHING = graph({
  installer: [],
  seed: [],
  install: ['installer', '~seed'],
  web: ['install'],
  db: ['install', 'seed'],
  ova: ['web', 'db', 'installer'],
  alone: [],
  checks: ['ova'],
});

/** Any acyclic graph of up to 14 nodes. */
const anyGraph = fc
  .array(fc.array(fc.nat(13), { maxLength: 4 }), { minLength: 1, maxLength: 14 })
  .map((rows) =>
    graph(
      Object.fromEntries(
        rows.map((sources, index) => [
          `n${index}`,
          [...new Set(sources.filter((source) => source < index))].map((source) => `n${source}`),
        ]),
      ),
    ),
  );

describe('the graph in text', () => {
  it('joins the lines of what a stage needs into its own', () => {
    expect(
      graphText(BRANCHING, { style: styleFor(false), columns: 80, unicode: true }),
    ).toMatchInlineSnapshot(`
      "tiny  2 fresh, 2 hit, 2 run, 2 unknown

      ●       installer  fresh    run
      │
      │ ●     seed       hit      run
      ├─┼─╮
      │ │ ●   install    run      run  input a/b.yml changed (3f2a → 91bc)
      │ │ ├─╮
      │ │ │ ● web        unknown  run
      │ ├─╯ │
      │ ●   │ db         fresh    run
      ├─┴───╯
      ●       ova        hit      run
      │
      │ ●     alone      run      run  input a/b.yml changed (3f2a → 91bc)
      ●       checks     unknown  run
      "
    `);
  });

  it('fits a narrow terminal without unicode', () => {
    const text = graphText(BRANCHING, { style: styleFor(false), columns: 40, unicode: false });
    expect(text.replace(/→/g, '')).toMatch(/^[\n -~]*$/);
    for (const line of text.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(40);
  });

  it('is a straight line for a chain', () => {
    const rows = laneRows(graph({ a: [], b: ['a'], c: ['b'] }), UNICODE_LANES, 12);
    expect(rows?.map((row) => row.drawing)).toEqual(['●', '●', '●']);
  });

  it('is a list when there would be too many lines', () => {
    const cells = Array.from({ length: 30 }, (_, index) => `cell${index}`);
    const wide = graph({
      base: [],
      ...Object.fromEntries(cells.map((name) => [name, ['base']])),
      all: cells,
    });
    const text = graphText(wide, { style: styleFor(false), columns: 4000, unicode: true });
    expect(text).toContain(' ← base\n');
    expect(text.split('\n')).toHaveLength(32 + 3);
  });

  it('has every stage once, in order, each line ending where it is used', () => {
    fc.assert(
      fc.property(anyGraph, (any) => {
        const rows = laneRows(any, UNICODE_LANES, 100) ?? [];
        expect(rows.flatMap((row) => (row.node === null ? [] : [row.node]))).toEqual(
          any.nodes.map((_, index) => index),
        );
        for (const row of rows)
          expect([...row.drawing].filter((sign) => sign === '●').length).toBe(row.node === null ? 0 : 1);
        expect(rows.at(-1)?.drawing.replace(/[ ●]/g, '')).toBe('');
      }),
    );
  });
});

describe('the graph as SVG', () => {
  it('has no two boxes on one another, and all of them on the sheet', () => {
    fc.assert(
      fc.property(anyGraph, (any) => {
        const sizes = any.nodes.map((_, index) => ({ width: 90 + index * 7, height: 46 }));
        const { size, centres, bends } = layOut(any, sizes);
        const boxes = centres.map((centre, index) => ({ ...centre, width: sizes[index]!.width }));
        for (const [index, one] of boxes.entries()) {
          expect(one.x - one.width / 2).toBeGreaterThanOrEqual(0);
          expect(one.x + one.width / 2).toBeLessThanOrEqual(size.width);
          expect(one.y - 23).toBeGreaterThanOrEqual(0);
          expect(one.y + 23).toBeLessThanOrEqual(size.height);
          for (const other of boxes.slice(index + 1)) {
            const apart =
              Math.abs(one.x - other.x) >= (one.width + other.width) / 2 || Math.abs(one.y - other.y) >= 46;
            expect(apart).toBe(true);
          }
        }
        for (const [index, edge] of any.edges.entries()) {
          const path = bends[index]!;
          for (let bend = 1; bend < path.length; bend++)
            expect(path[bend]!.x).toBeGreaterThan(path[bend - 1]!.x);
          expect(path[0]).toEqual(centres[any.nodes.findIndex((node) => node.name === edge.from)]);
        }
      }),
    );
  });

  it.skipIf(without.xmllint)('is well-formed, whatever the names', () => {
    const svg = graphSvg(graph({ 'a<b>&"c\'': [], '日本 ]]>': ['a<b>&"c\''] }));
    expect(() => execFileSync('xmllint', ['--noout', '-'], { input: svg })).not.toThrow();
  });

  it('is the same bytes every time, also for no stage at all', () => {
    expect(graphSvg(BRANCHING)).toBe(graphSvg(BRANCHING));
    expect(graphSvg(graph({}))).toContain('width="48" height="48"');
  });
});

describe('the graph for other programs', () => {
  it('is Mermaid with classes for what would run', () => {
    expect(graphMermaid(graph({ 'a "x"': [], b: ['a "x"', '~a "x"'] }))).toMatchInlineSnapshot(`
      "flowchart LR
        s0["a #34;x#34;<br/>run<br/>fresh"]:::fresh
        s1["b<br/>run<br/>hit"]:::hit
        s0 -->|"disk"| s1
        s0 -.-> s1
        classDef fresh fill:#d7f5dd,stroke:#3a7d44,color:#111
        classDef hit fill:#d4ecf7,stroke:#2a6f97,color:#111
        classDef run fill:#ffe9b8,stroke:#a66f00,color:#111
        classDef unknown fill:#e8e8e8,stroke:#777777,color:#111
      "
    `);
    expect(graphMermaid(graph({ a: [] }, false))).not.toContain('classDef');
  });

  it('is dot', () => {
    expect(graphDot(graph({ 'a "x"': [], b: ['a "x"', '~a "x"'] }))).toMatchInlineSnapshot(`
      "digraph "tiny" {
        rankdir=LR;
        node [shape=box, style="rounded,filled", fontname="sans-serif"];
        edge [fontname="sans-serif", fontsize=10];
        "a \\"x\\"" [label="a \\"x\\"\\nrun\\nfresh", fillcolor="#d7f5dd"];
        "b" [label="b\\nrun\\nhit", fillcolor="#d4ecf7"];
        "a \\"x\\"" -> "b" [label="disk"];
        "a \\"x\\"" -> "b" [style=dashed];
      }
      "
    `);
  });

  it('has the steps of a stage in a box, in Mermaid and dot', () => {
    const steps = graph({ disk: [], 'p@a': ['disk'], 'p@b': ['p@a'], ova: ['p@b'] });
    expect(graphMermaid(steps)).toContain(
      '  subgraph g1["p"]\n    s1["p@a<br/>run<br/>hit"]:::hit\n    s2["p@b<br/>run<br/>run"]:::run\n  end\n',
    );
    const dot = graphDot(steps);
    expect(dot.slice(dot.indexOf('subgraph'), dot.indexOf('  }'))).toMatch(/cluster_p.*"p@a" .*"p@b" /s);
    // The rest of the drawing does not mind: a stage counts once.
    const text = graphText(steps, { style: styleFor(false), columns: 80, unicode: true });
    expect(text.split('\n')[0]).toBe('tiny  1 fresh, 1 run, 1 unknown');
  });

  it('is JSON that its schema describes', () => {
    const schema = z.fromJSONSchema(JSON.parse(readFileSync('docs/schema/graph.schema.json', 'utf8')));
    expect(schema.safeParse(JSON.parse(graphJson(BRANCHING))).error).toBeUndefined();
    expect(schema.safeParse({ ...JSON.parse(graphJson(BRANCHING)), schemaVersion: 2 }).success).toBe(false);
  });
});
