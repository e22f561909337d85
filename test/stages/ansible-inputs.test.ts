/** What playbooks are made of, found by reading them: through the real finder, on real files. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { inputFinder } from '../../src/engine/finder.ts';
import { Looks } from '../../src/engine/looks.ts';
import { realHost } from '../../src/host/real.ts';
import { parseYamlValue } from '../../src/pipeline/parse.ts';
import { type PlaybookQuestion, playbookInputs } from '../../src/stages/ansible/inputs.ts';

const made: string[] = [];
afterEach(() => {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true, force: true });
});

/** Asks about a checkout with these files. */
async function ask(tree: { readonly [path: string]: string }, question: Partial<PlaybookQuestion> = {}) {
  const root = mkdtempSync(join(tmpdir(), 'bake-playbooks-'));
  made.push(root);
  for (const [path, text] of Object.entries(tree)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const { files } = realHost();
  const finder = inputFinder(files, new Looks(files, root, []), (text) => {
    const parsed = parseYamlValue(text);
    return Promise.resolve(parsed.ok ? { value: parsed.value } : parsed.failure);
  });
  return await playbookInputs(
    {
      playbooks: ['a/site.yml'],
      rolesPath: [],
      files: [],
      requirements: null,
      host: 'machine',
      groups: [],
      ...question,
    },
    finder,
  );
}

async function found(
  tree: { readonly [path: string]: string },
  question: Partial<PlaybookQuestion> = {},
): Promise<readonly string[]> {
  const inputs = await ask(tree, question);
  if (!inputs.ok) throw new Error(JSON.stringify(inputs.failure));
  return inputs.value;
}

/** Whether editing `path` would matter to the playbook. */
async function matters(path: string, play: string): Promise<boolean> {
  return (await found({ 'a/site.yml': play, [path]: '[]' })).includes(path);
}

const tasks = (text: string): string => `- hosts: all\n  tasks:\n${text.replace(/^/gm, '    ')}\n`;

describe('what a task names', () => {
  test.each([
    ['a/more.yml', '- import_tasks: more.yml'],
    ['a/tasks/more.yml', '- ansible.builtin.include_tasks: more.yml'],
    ['a/more.yml', '- include_tasks: { file: more.yml }'],
    ['a/files/app.conf', '- copy: { src: app.conf, dest: /etc/app.conf }'],
    ['a/app.conf', '- ansible.builtin.copy:\n    src: app.conf\n    dest: /etc/'],
    ['a/files/app.conf', '- copy: src=app.conf dest=/etc/app.conf'],
    ['a/files/conf.d/x/y', '- copy: { src: conf.d/, dest: /etc/conf.d }'],
    ['a/templates/motd.j2', '- template: { src: motd.j2, dest: /etc/motd }'],
    ['a/files/setup.sh', '- script: setup.sh --fast'],
    ['a/files/setup.sh', '- script: { cmd: "setup.sh --fast" }'],
    ['a/files/app.tgz', '- unarchive: { src: app.tgz, dest: /opt }'],
    ['a/vars/db.yml', '- include_vars: db.yml'],
    ['a/vars/more/x.yml', '- include_vars: { dir: more }'],
    ['a/files/key.pub', `- authorized_key: { user: x, key: "{{ lookup('file', 'key.pub') }}" }`],
    ['a/templates/q.j2', `- debug: { msg: "{{ lookup('ansible.builtin.template', 'q.j2') }}" }`],
    ['a/files/b.conf', '- copy: { src: "{{ item }}", dest: /etc/ }\n  loop: [a.conf, b.conf]'],
    ['a/files/b.conf', '- copy: { src: "{{ item.from }}.conf", dest: /etc/ }\n  with_items: [{ from: b }]'],
    ['a/files/d/one', '- copy: { src: "{{ item }}", dest: /etc/ }\n  with_fileglob: ["d/*"]'],
    ['a/files/first', '- copy: { src: "{{ item }}", dest: /etc/ }\n  with_first_found: [first, second]'],
    ['a/deep.yml', '- block:\n    - rescue: []\n      block: [{ include_tasks: deep.yml }]'],
    ['a/fix.yml', '- block: []\n  rescue: [{ include_tasks: fix.yml }]'],
    ['a/roles/web/tasks/main.yml', '- include_role: { name: web }'],
    ['shared/x', '- copy: { src: ../shared/x, dest: /x }'],
  ])('%s: %s', async (path, text) => {
    expect(await matters(path, tasks(text))).toBe(true);
  });

  test.each([
    ['a/files/app.conf', '- copy: { src: app.conf, dest: /x, remote_src: true }'],
    ['a/files/app.conf', '- copy: { content: app.conf, dest: /x }'],
    ['a/files/x.tgz', '- unarchive: { src: "https://example.org/x.tgz", dest: /opt, remote_src: yes }'],
    ['a/other.yml', '- debug: { msg: other.yml }'],
    ['a/files/web.conf', '- copy: { src: "{{ name }}.conf", dest: /x }'],
  ])('not %s: %s', async (path, text) => {
    expect(await matters(path, tasks(text))).toBe(false);
  });
});

describe('what a play names', () => {
  test.each([
    ['a/other.yml', '- import_playbook: other.yml'],
    ['b/other.yml', '- ansible.builtin.import_playbook: ../b/other.yml'],
    ['a/v.yml', '- hosts: all\n  vars_files: [v.yml]'],
    ['a/vars/v.yml', '- hosts: all\n  vars_files: [[v.yml, w.yml]]'],
    ['a/files/k', `- hosts: all\n  vars: { k: "{{ lookup('file', 'k') }}" }`],
    ['a/roles/web/handlers/main.yml', '- hosts: all\n  roles: [web]'],
    ['a/roles/web/files/deep/x', '- hosts: all\n  roles: [{ role: web }]'],
    ['a/h.yml', '- hosts: all\n  handlers: [{ import_tasks: h.yml }]'],
    ['a/group_vars/all.yml', '- hosts: all'],
    ['a/group_vars/all/x.yml', '- hosts: all'],
    ['a/host_vars/machine.yml', '- hosts: all'],
    ['a/filter_plugins/f.py', '- hosts: all'],
    ['ansible.cfg', '- hosts: all'],
  ])('%s: %s', async (path, play) => {
    expect(await matters(path, play)).toBe(true);
  });

  test('variables of other groups and hosts do not matter', async () => {
    for (const path of ['a/group_vars/db.yml', 'a/host_vars/other.yml'])
      expect(await matters(path, '- hosts: all')).toBe(false);
  });
});

describe('roles', () => {
  test('dependencies, files by path out of another role, and templates that include others are followed', async () => {
    const inputs = await found({
      'a/site.yml': '- hosts: all\n  roles: [web]\n',
      'a/roles/web/meta/main.yml': 'dependencies: [{ role: base }]\n',
      'a/roles/web/tasks/main.yml': '- copy: { src: ../../common/x, dest: /x }\n- include_tasks: sub/y.yml\n',
      'a/roles/web/tasks/sub/y.yml': '- template: { src: "{{ playbook_dir }}/z", dest: /z }\n',
      'a/roles/web/README.md': 'not an input',
      'a/roles/web/molecule/default/converge.yml': '[]',
      'a/roles/common/x': 'x',
      'a/roles/base/tasks/main.yml': "- debug: { msg: \"{{ lookup('file', 'banner') }}\" }\n",
      'a/roles/base/files/banner': 'b',
      'a/roles/unused/tasks/main.yml': '[]',
    });
    expect(inputs).toEqual([
      'a/roles/base/files/banner',
      'a/roles/base/tasks/main.yml',
      'a/roles/common/x',
      'a/roles/web/meta/main.yml',
      'a/roles/web/tasks/main.yml',
      'a/roles/web/tasks/sub/y.yml',
      'a/site.yml',
    ]);
  });

  test('a role is looked for in roles_path, too', async () => {
    const tree = { 'a/site.yml': '- hosts: all\n  roles: [web]\n', 'lib/web/tasks/main.yml': '[]' };
    expect(await found(tree)).toEqual(['a/site.yml']);
    expect(await found(tree, { rolesPath: ['lib'] })).toEqual(['a/site.yml', 'lib/web/tasks/main.yml']);
  });

  test('roles that include each other in a circle end', async () => {
    const inputs = await found({
      'a/site.yml': '- hosts: all\n  roles: [x]\n',
      'a/roles/x/tasks/main.yml': '- include_role: { name: y }\n',
      'a/roles/y/tasks/main.yml': '- include_role: { name: x }\n- include_tasks: main.yml\n',
    });
    expect(inputs).toHaveLength(3);
  });
});

describe('playbooks', () => {
  test('one does not depend on another in the same directory', async () => {
    const tree = { 'a/site.yml': '- hosts: all\n', 'a/app.yml': '- hosts: all\n' };
    expect(await found(tree)).toEqual(['a/site.yml']);
  });

  test('tags, vaulted values and anchors do not stop the reading', async () => {
    const play = `- hosts: all
  vars: { secret: !vault "abc", unsafe: !unsafe "{{ x }}" }
  tasks:
    - &one { import_tasks: more.yml }
    - *one
`;
    expect(await found({ 'a/site.yml': play, 'a/more.yml': '[]' })).toEqual(['a/more.yml', 'a/site.yml']);
  });

  test('declared files and directories count; a declared file that is not there is a failure', async () => {
    const tree = { 'a/site.yml': '[]', 'x/y/z': '', 'req.yml': '[]' };
    expect(await found(tree, { files: ['x'], requirements: 'req.yml' })).toEqual([
      'a/site.yml',
      'req.yml',
      'x/y/z',
    ]);
    const missing = await ask(tree, { files: ['nope'] });
    expect(missing).toMatchObject({ ok: false, failure: { code: 'stage-refused' } });
  });

  test.each([
    ['no such file', {}],
    ['a list of plays', { 'a/site.yml': 'hosts: all\n' }],
    ['', { 'a/site.yml': '- hosts: [all\n' }],
    ['', { 'a/site.yml': '- import_playbook: gone.yml\n' }],
    ['', { 'a/site.yml': tasks('- import_tasks: bad.yml'), 'a/bad.yml': '- x: [\n' }],
  ])('an unusable playbook is told before anything runs: %s %j', async (problem, tree) => {
    const inputs = await ask(tree);
    expect(inputs).toMatchObject({ ok: false, failure: { code: 'playbook-unusable' } });
    expect(JSON.stringify(inputs)).toContain(problem);
  });
});
