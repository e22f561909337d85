/** Targets of a command line choose actions by name, cell, pattern, tag and direction. */
import { expect, test } from 'vitest';
import { selectActions } from '../../src/pipeline/select.ts';
import { goodPlan } from '../support/plan-text.ts';

const plan = goodPlan(`bake: 1
name: x
stages:
  fetch: { run: x, outputs: { o: f } }
  build:
    matrix: { arch: [amd64, arm64] }
    run: "x \${{ stages.fetch.outputs.o }}"
    tags: [slow]
  check: { run: x, needs: ["build[arch=arm64]"], tags: [slow] }
  docs: { run: x }
`);

function select(...targets: string[]) {
  const selected = selectActions(plan, targets);
  if (!selected.ok) return selected.failure.map((failure) => failure.code);
  return {
    targets: selected.value.targets.map((action) => action.name).join(' '),
    actions: selected.value.actions.map((action) => action.name).join(' '),
  };
}

test('without targets all leaves are meant', () => {
  expect(select()).toEqual({
    targets: 'build[arch=amd64] check docs',
    actions: 'fetch build[arch=amd64] build[arch=arm64] check docs',
  });
});

test('a stage means all its cells, and brings what it needs', () => {
  expect(select('build')).toEqual({
    targets: 'build[arch=amd64] build[arch=arm64]',
    actions: 'fetch build[arch=amd64] build[arch=arm64]',
  });
  expect(select('build[arch=amd64]')).toEqual({
    targets: 'build[arch=amd64]',
    actions: 'fetch build[arch=amd64]',
  });
});

test('patterns and tags choose several', () => {
  expect(select('d*')).toMatchObject({ targets: 'docs' });
  expect(select('build[arch=*]')).toMatchObject({ targets: 'build[arch=amd64] build[arch=arm64]' });
  expect(select('tag:slow')).toMatchObject({ targets: 'build[arch=amd64] build[arch=arm64] check' });
});

test('a plus after a stage means what depends on it too, one before it only what it needs', () => {
  expect(select('fetch+')).toMatchObject({ targets: 'fetch build[arch=amd64] build[arch=arm64] check' });
  expect(select('+check')).toEqual({
    targets: 'fetch build[arch=arm64]',
    actions: 'fetch build[arch=arm64]',
  });
});

test('a target that nothing has is a failure with a suggestion, each of them', () => {
  const selected = selectActions(plan, ['fecth', 'tag:slwo', 'docs']);
  expect(selected).toMatchObject({
    ok: false,
    failure: [
      { code: 'unknown-target', suggestion: 'fetch' },
      { code: 'unknown-target', suggestion: 'tag:slow' },
    ],
  });
});
