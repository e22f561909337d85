/** `bake graph` on a planned pipeline: nodes and edges, and the program itself. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { graphOf } from '../../src/commands/graph.ts';
import { planPipeline } from '../../src/pipeline/plan.ts';

const PIPELINE = `bake: 1
name: shapes
stages:
  base:
    run: printf base > base.img; printf log > base.log
    outputs: { disk: base.img, log: base.log }
  cell:
    matrix: { arch: [amd64, arm64] }
    run: cat \${{ stages.base.outputs.disk }} \${{ stages.base.outputs.log }} > cell-\${{ matrix.arch }}
    outputs: { image: "cell-\${{ matrix.arch }}" }
  later:
    needs: [base]
    run: printf x > later.txt
    outputs: { text: later.txt }
`;

describe('the graph of a plan', () => {
  const planned = planPipeline(
    { file: 'pipeline.yaml', root: '/somewhere', bytes: new TextEncoder().encode(PIPELINE) },
    { vars: {}, varFiles: [], env: {} },
  );
  if (!planned.ok) throw new Error(JSON.stringify(planned.failure));
  const { actions } = planned.value;

  it('has an edge with all outputs that are read, and one for order alone', () => {
    expect(graphOf('shapes', actions, new Map()).edges).toEqual([
      { from: 'base', to: 'cell[arch=amd64]', kind: 'artifact', outputs: ['disk', 'log'] },
      { from: 'base', to: 'cell[arch=arm64]', kind: 'artifact', outputs: ['disk', 'log'] },
      { from: 'base', to: 'later', kind: 'order', outputs: [] },
    ]);
  });

  it('leaves out edges from what was not chosen', () => {
    const chosen = actions.filter((action) => action.name !== 'base');
    expect(graphOf('shapes', chosen, new Map()).edges).toEqual([]);
  });
});

describe('bake graph', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bake-graph-'));
  const program = process.env['BAKE_TEST_PROGRAM'] ?? '';
  const bake = (...args: readonly string[]) =>
    execFileSync(process.execPath, [program, ...args], {
      cwd: directory,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], HOME: directory },
    });
  beforeAll(() => writeFileSync(join(directory, 'pipeline.yaml'), PIPELINE));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('prints JSON that its schema describes, with what a run would do, and leaves no trace', () => {
    const json = JSON.parse(bake('graph', '--format', 'json')) as {
      nodes: { name: string; status: string }[];
    };
    const schema = z.fromJSONSchema(JSON.parse(readFileSync('docs/schema/graph.schema.json', 'utf8')));
    expect(schema.safeParse(json).error).toBeUndefined();
    expect(json.nodes.map(({ name, status }) => [name, status])).toEqual([
      ['base', 'run'],
      ['cell[arch=amd64]', 'unknown'],
      ['cell[arch=arm64]', 'unknown'],
      ['later', 'run'],
    ]);
    expect(readdirSync(directory)).toEqual(['pipeline.yaml']);
  });

  it('leaves statuses out when asked, and writes to a file', () => {
    expect(bake('graph', '--format', 'mermaid', '--no-status', '-o', 'graph.mmd', 'later')).toBe('');
    expect(readFileSync(join(directory, 'graph.mmd'), 'utf8')).toBe(
      'flowchart LR\n  s0["base<br/>run"]\n  s1["later<br/>run"]\n  s0 -.-> s1\n',
    );
  });

  it('draws lines in a pipe without colour', () => {
    expect(bake('graph', '--no-status')).toBe(
      [
        'shapes',
        '',
        '●   base              run',
        '├─╮',
        '│ ● cell[arch=amd64]  run',
        '├─╮',
        '│ ● cell[arch=arm64]  run',
        '●   later             run',
        '',
      ].join('\n'),
    );
  });
});
