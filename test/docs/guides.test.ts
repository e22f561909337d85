/** What people read first must be true: examples plan, YAML in the guides validates, links lead somewhere, no key is left out. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PIPELINE_FIELDS, STAGE_FIELDS, STAGE_HEAD_FIELDS } from '../../src/pipeline/fields.ts';
import { Rig } from '../support/rig.ts';

const ROOT = join(import.meta.dirname, '../..');
const GUIDES = [
  'README.md',
  'docs/guide/pipeline.md',
  'docs/guide/from-packer.md',
  'docs/guide/smoke-tests.md',
];
/** Files that the pipelines in the guides name. */
const NAMED = {
  'ansible/base.yml': '- hosts: all\n',
  'ansible/app.yml': '- hosts: all\n',
  'disk.qcow2': '',
  build: '#!/bin/sh\n',
  upload: '#!/bin/sh\n',
};

function pipelinesIn(guide: string): readonly string[] {
  const text = readFileSync(join(ROOT, guide), 'utf8');
  return [...text.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)]
    .map((match) => match[1] ?? '')
    .filter((yaml) => yaml.includes('bake: 1'));
}

/** Every document in the repository, as git knows it. */
function documents(): readonly string[] {
  return execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.md'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
    .split('\n')
    .filter((path) => path !== '' && existsSync(join(ROOT, path)));
}

describe('the guides', () => {
  it.each(GUIDES.flatMap((guide) => pipelinesIn(guide).map((text, index) => [guide, index, text] as const)))(
    '%s: pipeline %i plans',
    async (_guide, _index, text) => {
      await using rig = await Rig.make();
      const here = rig.checkout('here', { ...NAMED, 'pipeline.yaml': text });
      const { code, stdout, stderr } = await here.bake(['plan']);
      expect(stdout + stderr).toMatch(/\brun\b/);
      expect(code).toBe(0);
    },
  );

  it('explain every key of a pipeline and of a stage', () => {
    const text = readFileSync(join(ROOT, 'docs/guide/pipeline.md'), 'utf8');
    const keys = [PIPELINE_FIELDS, STAGE_HEAD_FIELDS, STAGE_FIELDS].flatMap((fields) => Object.keys(fields));
    expect(keys.filter((key) => !text.includes(`\`${key}\``))).toEqual([]);
  });

  it('link to files that are there', () => {
    const broken = documents().flatMap((path) => {
      const text = readFileSync(join(ROOT, path), 'utf8').replace(/^```[\s\S]*?^```$/gm, '');
      return [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)]
        .map((match) => match[1] ?? '')
        .filter((target) => !existsSync(join(ROOT, dirname(path), target)))
        .map((target) => `${path}: ${target}`);
    });
    expect(broken).toEqual([]);
  });
});

describe('the examples', () => {
  const examples = readdirSync(join(ROOT, 'examples'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);

  it.each(examples)('%s plans without the internet', async (example) => {
    await using rig = await Rig.make();
    const here = rig.checkout(example);
    cpSync(join(ROOT, 'examples', example), here.directory, { recursive: true });
    const { code, stdout } = await here.bake(['plan', '--json']);
    expect(code).toBe(0);
    const { stages } = JSON.parse(stdout) as { stages: { name: string; status: string }[] };
    expect(stages.find(({ name }) => name === 'fetch-iso')?.status).toBe('run');
    expect(stages.filter(({ status }) => status === 'unknown').length).toBe(stages.length - 1);
  });

  it('are all told of in their README', () => {
    const text = readFileSync(join(ROOT, 'examples/README.md'), 'utf8');
    expect(examples.filter((example) => !text.includes(`\`${example}\``))).toEqual([]);
  });
});

describe('the default pipeline', () => {
  it('has the six stages that the documents tell of, and plans', async () => {
    await using rig = await Rig.make();
    const here = rig.checkout('here');
    for (const path of ['pipeline.yaml', 'appliance', 'ansible', 'scripts'])
      cpSync(join(ROOT, path), here.path(path), { recursive: true });
    const { code, stdout } = await here.bake(['plan', '--json']);
    expect(code).toBe(0);
    const { stages } = JSON.parse(stdout) as { stages: { name: string }[] };
    expect(
      stages.map(({ name }) => name.replace(/@.*/, '')).filter((name, at, all) => all.indexOf(name) === at),
    ).toEqual(['installer', 'fetch-iso', 'qemu-install', 'ansible-provision', 'qcow2-to-vmdk', 'ovf-pack']);
  });
});
