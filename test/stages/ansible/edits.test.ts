/**
 * Random edits of a project: a playbook whose result bake takes from before must leave the same if Ansible runs it by hand. The long
 * form is `PLAYS=500 SEED=n`; see docs/design/campaigns.md.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { EngineRig } from '../../support/engine-run.ts';
import { leftOn, localPlayKind, makeLocalMachine } from '../../support/local-play.ts';
import { wholeNumbersFrom } from '../../support/numbers.ts';

const PLAYS = Number(process.env['PLAYS'] ?? 3);
const SEED = Number(process.env['SEED'] ?? 1);
/** A play takes a second or two, by hand and by bake. */
const PATIENCE_MS = 60_000 + PLAYS * 30_000;

const PIPELINE = `bake: 1
name: edits
stages:
  play: { uses: local-play, with: { playbook: site/site.yml, groups: [web] }, outputs: { left: left.txt } }
`;

/** As many ways to come to a file as one module can show. PROGRAM stands for a lookup that starts a program, or for none. */
const FILES: Readonly<Record<string, string>> = {
  'site/site.yml': `- hosts: web
  gather_facts: false
  vars_files: ["vars/main.yml", ["vars/none.yml", "vars/some.yml"]]
  roles: [one]
  tasks:
    - include_vars: "{{ item }}"
      with_first_found: [{ files: ["{{ family }}.yml"], paths: [vars], skip: true }]
    - group_by: { key: "os_{{ family }}" }
    - include_tasks: "tasks/{{ which }}.yml"
    - copy:
        dest: "{{ machine }}/left"
        content: |
          globbed {{ query('fileglob', playbook_dir ~ '/files/*.conf') | map('basename') | sort | join(' ') }}
          text {{ lookup('file', 'a.conf', errors='ignore') }}
          flag {{ (playbook_dir ~ '/opt/flag') is exists }} {{ (playbook_dir ~ '/opt') is directory }}
          template {{ lookup('template', 'outer.j2') }}
          vars {{ main }} {{ some }} {{ first | default('none') }} {{ group | default('none') }} {{ web | default('none') }}
          role {{ from_one }} {{ from_two | default('none') }} {{ included | default('none') }}
          program PROGRAM
`,
  'site/vars/main.yml': 'main: 1\nfamily: debian\nwhich: x\n',
  'site/vars/some.yml': 'some: 1\n',
  'site/vars/debian.yml': 'first: 1\n',
  'site/group_vars/web.yml': 'web: 1\n',
  'site/group_vars/os_debian.yml': 'group: 1\n',
  'site/tasks/x.yml': '- set_fact: { included: 1 }\n',
  'site/tasks/y.yml': '- set_fact: { included: 2 }\n',
  'site/files/a.conf': '1\n',
  'site/files/b.conf': '1\n',
  'site/templates/outer.j2': "{% include ['none.j2', 'inner.j2'] ignore missing %} 1",
  'site/templates/inner.j2': '1',
  'site/roles/one/meta/main.yml': 'dependencies: [two]\n',
  'site/roles/one/defaults/main.yml': 'from_one: 1\n',
  'site/roles/one/README.md': '1\n',
  'site/roles/two/vars/main.yml': 'from_two: 1\n',
  'site/roles/two/tasks/main.yml': '[]\n',
  'site/README.md': '1\n',
  'site/data/d': '1\n',
};

/** Paths that may come: of other searches, of other suffixes, of nothing at all. */
const PLAUSIBLE = [
  ...[
    'vars/none.yml',
    'vars/debian.yaml',
    'group_vars/web',
    'group_vars/all.yml',
    'group_vars/os_debian/x.yml',
  ],
  ...[
    'host_vars/machine.yml',
    'opt/flag',
    'files/c.conf',
    'a.conf',
    'templates/none.j2',
    'roles/one/tasks/main.yml',
  ],
  ...['roles/one/vars/main.yml', 'roles/two/defaults/main.yml', 'roles/three/tasks/main.yml', 'ansible.cfg'],
  ...['library/copy.py.txt', 'tasks/main.yml', 'notes.txt', 'data/e', 'filter_plugins/none.txt'],
];
const CONTENT: Readonly<Record<string, string>> = {
  yml: 'first: 9\nweb: 9\ngroup: 9\nfrom_one: 9\nfrom_two: 9\nsome: 9\n',
  cfg: '[defaults]\nforks = 2\n',
};

function filesBelow(directory: string, below = ''): readonly string[] {
  return readdirSync(join(directory, below), { withFileTypes: true }).flatMap((entry) => {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    return entry.isDirectory() ? filesBelow(directory, path) : [path];
  });
}

/** Does one thing to the project, and says what. */
function edit(site: string, next: (below: number) => number): string {
  const files = filesBelow(site);
  const path = files[next(files.length)] as string;
  const place = join(site, path);
  const coming = PLAUSIBLE[next(PLAUSIBLE.length)] as string;
  const other = join(site, coming);
  const kind = next(9);
  switch (kind) {
    case 0:
    case 1: {
      const text = existsSync(place) ? readFileSync(place, 'utf8') : '';
      writeFileSync(
        place,
        text.replace(/\d/, (digit) => String((Number(digit) + 1) % 10)),
      );
      return `a digit of ${path}`;
    }
    case 2:
      writeFileSync(place, `${existsSync(place) ? readFileSync(place, 'utf8') : ''}# a comment\n`);
      return `a comment in ${path}`;
    case 3:
    case 4:
      mkdirSync(dirname(other), { recursive: true });
      writeFileSync(
        other,
        coming.endsWith('tasks/main.yml') ? '[]\n' : (CONTENT[coming.split('.').pop() ?? ''] ?? '9\n'),
      );
      return `${coming} comes`;
    case 5:
      rmSync(place);
      return `${path} goes`;
    case 6:
      renameSync(place, `${place}.bak`);
      return `${path} is renamed`;
    case 7:
      chmodSync(place, 0o755);
      return `${path} can be executed`;
    default:
      rmSync(place);
      symlinkSync(join(dirname(path).replace(/[^/]+/g, '..'), 'data/d'), place);
      return `${path} becomes a link`;
  }
}

/** What Ansible leaves, run by hand; null when it fails. */
function byHand(checkout: string): string | null {
  const directory = mkdtempSync(join(tmpdir(), 'bake-by-hand-'));
  try {
    const machine = makeLocalMachine(directory, {
      ...{ host: 'machine', groups: ['web'], extra_vars: {}, tags: [], skip_tags: [] },
    });
    const env = { PATH: process.env['PATH'], HOME: directory, LANG: 'C.UTF-8', PYTHONDONTWRITEBYTECODE: '1' };
    const args = [...machine.args, 'site/site.yml'];
    const ran = spawnSync('ansible-playbook', args, { cwd: checkout, encoding: 'utf8', env });
    return ran.status === 0 ? leftOn(machine, checkout) : null;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test.each([
  ['all of it Python', '1', 0.2],
  ['a program among it', "{{ lookup('pipe', 'cat ' ~ playbook_dir ~ '/data/d') }}", 1],
])('nothing stale after random edits, %s', { timeout: PATIENCE_MS }, async (_, program, needlessLimit) => {
  const next = wholeNumbersFrom(SEED);
  await using rig = new EngineRig({ kinds: [localPlayKind] });
  const counts = { kept: 0, again: 0, failed: 0, needless: 0 };
  const needless: string[] = [];
  const begin = () => {
    rmSync(join(rig.directory, 'site'), { recursive: true, force: true });
    rig.write({ 'pipeline.yaml': PIPELINE, ...FILES });
    rig.write({ 'site/site.yml': (FILES['site/site.yml'] ?? '').replace('PROGRAM', program) });
  };
  begin();
  const site = join(rig.directory, 'site');
  let before: string | null = null;
  for (let at = 0; at < PLAYS; at++) {
    const what = at === 0 ? 'the beginning' : edit(site, next);
    const { outcomes, settled } = await rig.run();
    const how = outcomes['play'];
    const truth = byHand(rig.directory);
    const told = `${at}, ${what}: ${how}, ${JSON.stringify(settled[0]?.failure)}`;
    if (how === 'failed') {
      // What lies in the project and cannot be used fails by hand too; then all begins anew.
      expect(truth, told).toBe(null);
      counts.failed += 1;
      begin();
      await rig.run();
      before = byHand(rig.directory);
      continue;
    }
    expect(readFileSync(join(rig.directory, 'left.txt'), 'utf8'), told).toBe(truth);
    if (how !== 'built') counts.kept += 1;
    else if (truth !== before) counts.again += 1;
    else {
      counts.needless += 1;
      needless.push(what);
    }
    before = truth;
  }
  const summary = `${JSON.stringify(counts)}\n${needless.join('\n')}`;
  if (process.env['PLAYS'] !== undefined) console.log(summary);
  // A handful says nothing of a share.
  if (PLAYS >= 100) expect(counts.needless, summary).toBeLessThanOrEqual(PLAYS * needlessLimit);
});
