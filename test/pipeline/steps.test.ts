/** How stages become chains of steps: names, references, what each step has of its stage, and what stays with the last. */
import { describe, expect, test } from 'vitest';
import type { Plan } from '../../src/model/plan.ts';
import { planPipeline } from '../../src/pipeline/plan.ts';
import { selectActions } from '../../src/pipeline/select.ts';
import { stageKinds } from '../../src/stages/index.ts';
import { kindsWithChain } from '../support/chain.ts';
import { actionOf } from '../support/plan-text.ts';

function plan(stages: string): Plan {
  const bytes = new TextEncoder().encode(`bake: 1\nname: test\nstages:\n${stages}`);
  const settings = { vars: {}, varFiles: [], env: {} };
  const planned = planPipeline({ file: 'pipeline.yaml', root: '/project', bytes }, settings, kindsWithChain);
  if (!planned.ok) throw new Error(JSON.stringify(planned.failure, null, 2));
  return planned.value;
}

const BASE = '  base: { run: make base, outputs: { disk: base.img } }\n';
const CHAIN = `${BASE}  disk:
    uses: chain
    with: { disk: "\${{ stages.base.outputs.disk }}", files: [a.txt, b.txt] }
`;
const AFTER = '  after: { run: "cat ${{ stages.disk.outputs.disk }}" }\n';

describe('a stage with steps', () => {
  test('is an action for each, every one resting on the one before', () => {
    const { actions } = plan(CHAIN);
    expect(
      actions.map(({ name, stage, step, kind, stageKind }) => [name, stage, step, kind, stageKind]),
    ).toEqual([
      ['base', 'base', null, 'run', 'run'],
      ['disk@a', 'disk', 'a', 'link-step', 'chain'],
      ['disk@b', 'disk', 'b', 'link-step', 'chain'],
      ['disk@end', 'disk', 'end', 'end-step', 'chain'],
    ]);
    expect(actions.map(({ needs }) => needs)).toEqual([[], ['base'], ['disk@a'], ['disk@b']]);
    expect(actions.map(({ options }) => options['disk'])).toEqual([
      undefined,
      { $artifact: { action: 'base', output: 'disk' } },
      { $artifact: { action: 'disk@a', output: 'disk' } },
      { $artifact: { action: 'disk@b', output: 'disk' } },
    ]);
  });

  test('is what its last step leaves: references, needs, paths and placement', () => {
    const all = plan(
      `${CHAIN}    outputs: { disk: dist/disk.txt }\n    place: true\n${AFTER}  later: { run: make, needs: [disk] }\n`,
    );
    expect(actionOf(all, 'after').options['command']).toEqual({
      $text: ['cat ', { action: 'disk@end', output: 'disk' }],
    });
    expect(actionOf(all, 'after').needs).toEqual(['disk@end']);
    expect(actionOf(all, 'later').needs).toEqual(['disk@end']);
    expect(
      all.actions.map(({ name, placed, outputs }) => [name, placed, outputs[0]?.path]).slice(1, 4),
    ).toEqual([
      ['disk@a', false, 'disk.txt'],
      ['disk@b', false, 'disk.txt'],
      ['disk@end', true, 'dist/disk.txt'],
    ]);
  });

  test('as a leaf places the outputs of the last step alone', () => {
    expect(
      plan(CHAIN)
        .actions.filter(({ placed }) => placed)
        .map(({ name }) => name),
    ).toEqual(['disk@end']);
  });

  test('gives each step its environment, inputs, tools, tags, limits and resources', () => {
    const { actions } = plan(`${CHAIN}    env: { LEVEL: "9" }
    pass_env: [CI]
    secrets: { TOKEN: { version: "2" } }
    inputs: [extra/**]
    tools: [xorriso]
    tags: [slow]
    timeout: 10m
    retries: 2
    cache: false
    resources: { memory: 1GiB }
`);
    for (const action of actions.filter(({ stage }) => stage === 'disk'))
      expect(action).toMatchObject({
        env: { LEVEL: ['9'] },
        passEnv: ['CI'],
        secrets: [{ name: 'TOKEN' }],
        inputs: ['extra/**'],
        tools: [{ name: 'xorriso' }],
        tags: ['slow'],
        timeoutMs: 600_000,
        retries: 2,
        cacheable: false,
        resources: { memoryBytes: 2 ** 30 },
      });
  });

  test('needs in a later step what that step itself refers to', () => {
    const note = `  word: { run: make word, outputs: { text: word.txt } }\n${CHAIN.replace(
      'b.txt]',
      'b.txt], note: "${{ stages.word.outputs.text }}"',
    )}`;
    const { actions } = plan(note);
    const needs = Object.fromEntries(actions.map(({ name, needs }) => [name, needs]));
    expect(needs).toMatchObject({
      'disk@a': ['base', 'word'],
      'disk@b': ['disk@a', 'word'],
      'disk@end': ['disk@b'],
    });
  });

  test('has a chain in every cell of a matrix, and a chain may rest on a chain', () => {
    const { actions } = plan(`${BASE}  disk:
    uses: chain
    matrix: { arch: [amd64, arm64] }
    place: false
    with: { disk: "\${{ stages.base.outputs.disk }}", files: [a.txt] }
  more:
    uses: chain
    with: { disk: "\${{ stages.disk[arch=arm64].outputs.disk }}", files: [b.txt] }
`);
    expect(actions.map(({ name }) => name)).toEqual([
      'base',
      'disk[arch=amd64]@a',
      'disk[arch=amd64]@end',
      'disk[arch=arm64]@a',
      'disk[arch=arm64]@end',
      'more@b',
      'more@end',
    ]);
    expect(actionOf({ actions } as Plan, 'more@b').needs).toEqual(['disk[arch=arm64]@end']);
  });

  test('is a plan of plain JSON, so that it can be kept', () => {
    const planned = plan(CHAIN + AFTER);
    expect(JSON.parse(JSON.stringify(planned))).toEqual(planned);
  });
});

describe('targets', () => {
  const all = plan(CHAIN + AFTER);
  const names = (...targets: string[]) => {
    const chosen = selectActions(all, targets);
    return chosen.ok && chosen.value.actions.map(({ name }) => name);
  };

  test('name a stage with all its steps, or one step with all before it', () => {
    expect(names('disk')).toEqual(['base', 'disk@a', 'disk@b', 'disk@end']);
    expect(names('disk@a')).toEqual(['base', 'disk@a']);
    expect(names('*@b')).toEqual(['base', 'disk@a', 'disk@b']);
  });

  test('that are no step are refused with the one that was meant', () => {
    expect(selectActions(all, ['disk@c'])).toMatchObject({ failure: [{ suggestion: 'disk@a' }] });
  });
});

describe('kinds that run steps', () => {
  test('cannot be named by a pipeline, and are shown to nobody', () => {
    const bytes = new TextEncoder().encode('bake: 1\nname: t\nstages:\n  a: { uses: link-step }\n');
    const settings = { vars: {}, varFiles: [], env: {} };
    const planned = planPipeline({ file: 'pipeline.yaml', root: '/p', bytes }, settings, kindsWithChain);
    expect(planned).toMatchObject({ ok: false, failure: [{ code: 'unknown-kind' }] });
    expect(kindsWithChain.names).toContain('chain');
    expect(kindsWithChain.names.filter((name) => name.endsWith('-step'))).toEqual([]);
    expect(stageKinds().filter(({ internal }) => internal)).toEqual([]);
  });
});
