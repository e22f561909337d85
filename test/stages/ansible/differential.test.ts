/** What bake makes of a playbook, held against what Ansible itself makes of it in the checkout. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Failure } from '../../../src/model/failure.ts';
import { EngineRig } from '../../support/engine-run.ts';
import { leftOn, localPlayKind, makeLocalMachine } from '../../support/local-play.ts';
import { PROJECTS, type Project } from './projects.ts';

const PASSWORD = 'swordfish';
/** Two plays, each of many seconds where other tests have the processors. */
const PATIENCE = { timeout: 300_000 };

function write(directory: string, files: Readonly<Record<string, Project['files'][string] | null>>): void {
  for (const [path, given] of Object.entries(files)) {
    const place = join(directory, path);
    if (given === null) {
      rmSync(place, { recursive: true });
      continue;
    }
    mkdirSync(dirname(place), { recursive: true });
    if (typeof given !== 'string') symlinkSync(given.to, place);
    else if (given === '@TAR@') execFileSync('tar', ['-cf', place, '-C', '/etc', 'debian_version']);
    else writeFileSync(place, given === '@VAULT@' ? vaulted('secret: open sesame\n') : given);
    if (path.endsWith('.sh')) chmodSync(place, 0o755);
  }
}

/** Encrypted once: each time it would be other bytes. */
const encrypted = new Map<string, string>();

function vaulted(text: string): string {
  const known = encrypted.get(text) ?? vaultedAnew(text);
  encrypted.set(text, known);
  return known;
}

function vaultedAnew(text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'bake-vault-'));
  writeFileSync(join(directory, 'password'), PASSWORD);
  const args = ['encrypt', '--vault-password-file', join(directory, 'password'), '--output', '-'];
  const answer = execFileSync('ansible-vault', args, {
    input: text,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  rmSync(directory, { recursive: true });
  return answer;
}

/** What `ansible-playbook` leaves, run by hand in the directory of the pipeline. */
function byHand(checkout: string, { playbook, options = {} }: Project): string {
  const directory = mkdtempSync(join(tmpdir(), 'bake-by-hand-'));
  try {
    const machine = makeLocalMachine(directory, {
      host: 'machine',
      groups: options.groups ?? [],
      extra_vars: {},
      tags: options.tags ?? [],
      skip_tags: options.skip_tags ?? [],
    });
    writeFileSync(join(directory, 'password'), PASSWORD);
    const ran = spawnSync('ansible-playbook', [...machine.args, playbook], {
      cwd: checkout,
      encoding: 'utf8',
      env: {
        PATH: process.env['PATH'],
        HOME: directory,
        LANG: 'C.UTF-8',
        TZ: 'UTC',
        PYTHONDONTWRITEBYTECODE: '1',
        ANSIBLE_VAULT_PASSWORD_FILE: join(directory, 'password'),
      },
    });
    expect(ran.status, ran.stdout + ran.stderr).toBe(0);
    return leftOn(machine, checkout);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function pipelineOf({ playbook, options = {} }: Project): string {
  const given = { playbook, vault_password_from: 'VAULT', ...options };
  return `bake: 1
name: differential
stages:
  play:
    uses: local-play
    secrets: [VAULT]
    with: ${JSON.stringify(given)}
    outputs: { left: left.txt }
`;
}

describe.each(PROJECTS.map((project) => [project.name, project] as const))('%s', (_, project) => {
  test('leave the same, and run again when what they read has changed', PATIENCE, async () => {
    process.env['VAULT'] = PASSWORD;
    await using rig = new EngineRig({ kinds: [localPlayKind] });
    rig.write({ 'pipeline.yaml': pipelineOf(project) });
    write(rig.directory, project.files);
    const { settled, outcomes } = await rig.run();
    expect(settled[0]?.failure).toBe(null);
    expect(outcomes['play']).toBe('built');
    const left = readFileSync(join(rig.directory, 'left.txt'), 'utf8');
    expect(left).toBe(byHand(rig.directory, project));
    // What a run would do is told without one: a play takes seconds.
    for (const { what, files, again } of project.edits) {
      write(rig.directory, files);
      const [planned] = await rig.predict();
      expect({ what, status: planned?.status }).toEqual({ what, status: again ? 'run' : 'fresh' });
      for (const path of Object.keys({ ...project.files, ...files }))
        rmSync(join(rig.directory, path.split('/')[0] ?? path), { recursive: true, force: true });
      write(rig.directory, project.files);
    }
  });
});

describe('what lies in the checkout and not in the project of a playbook', () => {
  const failureOf = async (files: Readonly<Record<string, string>>) => {
    await using rig = new EngineRig({ kinds: [localPlayKind] });
    process.env['VAULT'] = PASSWORD;
    const pipeline = pipelineOf({ name: '', playbook: 'site/site.yml', files, edits: [] });
    rig.write({ 'pipeline.yaml': pipeline, ...files });
    return (await rig.run()).settled[0]?.failure;
  };

  test('is missing for Ansible where it has to be there', async () => {
    const play = '- hosts: all\n  gather_facts: false\n  vars_files: [../other/vars.yml]\n';
    expect(await failureOf({ 'site/site.yml': play, 'other/vars.yml': 'a: 1\n' })).toMatchObject({
      code: 'command-failed',
      tail: expect.arrayContaining([expect.stringContaining('other/vars.yml was not found')]),
    });
  });

  test('is told where Ansible goes on without', async () => {
    const tasks = "  tasks:\n    - debug: { msg: yes }\n      when: (playbook_dir ~ '/../flag') is exists\n";
    const play = `- hosts: all\n  gather_facts: false\n${tasks}`;
    expect(await failureOf({ 'site/site.yml': play, flag: '' })).toMatchObject({
      code: 'read-hidden',
      files: [{ path: 'flag', reason: 'outside' }],
    });
  });
});

test('what a playbook writes into its project is told by name', async () => {
  await using rig = new EngineRig({ kinds: [localPlayKind] });
  process.env['VAULT'] = PASSWORD;
  const playbook = `- hosts: all
  gather_facts: false
  tasks:
    - copy: { dest: "{{ machine }}/x", content: "{{ lookup('password', 'credentials/admin') }}" }
    - fetch: { src: "{{ machine }}/x", dest: "{{ playbook_dir }}/fetched/", flat: true }
`;
  rig.write({
    'pipeline.yaml': pipelineOf({ name: '', playbook: 'site.yml', files: {}, edits: [] }),
    'site.yml': playbook,
  });
  const told: Failure[] = [];
  const { outcomes } = await rig.run({
    emit(event) {
      if (event.type === 'warning') told.push(event.warning);
    },
  });
  expect(outcomes['play']).toBe('built');
  expect(told).toMatchObject([{ code: 'wrote-into-project', files: ['credentials/admin', 'fetched/x'] }]);
});
