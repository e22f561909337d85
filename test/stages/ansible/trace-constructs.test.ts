/** What a playbook can be made of, in a real ansible-playbook: everything that strace sees it ask of its project is in the trace. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Asks } from '../../../src/model/observation.ts';
import { readTrace, type Trace } from '../../../src/stages/ansible/trace.ts';
import { type Seen, underStrace } from '../../support/strace.ts';
import { placeTracer, unanswered } from '../../support/traced.ts';

const work = mkdtempSync(join(tmpdir(), 'bake-constructs-'));
afterAll(() => rmSync(work, { recursive: true }));

const PATH = '/usr/sbin:/usr/bin:/sbin:/bin';
const MODULE = `#!/usr/bin/python3
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.ours import VALUE
AnsibleModule(argument_spec={}).exit_json(changed=False, value=VALUE)
`;
const FILTER = `class FilterModule(object):
    def filters(self):
        return {'twice': lambda text: text * 2}
`;

/** Text of a file; with `->` before it, where a link leads. */
type Files = { readonly [path: string]: string | Buffer };

interface Played {
  readonly trace: Trace;
  readonly seen: readonly Seen[];
  readonly project: string;
  /** Whether the trace has an answer to this. */
  asked(path: string, how?: keyof Asks): boolean;
}

let count = 0;
function write(directory: string, files: Files): void {
  for (const [path, text] of Object.entries(files)) {
    const place = join(directory, path);
    mkdirSync(dirname(place), { recursive: true });
    const head = text.slice(0, 2).toString();
    if (head === '->') symlinkSync(text.slice(2), place);
    else writeFileSync(place, text, { mode: head === '#!' ? 0o755 : 0o644 });
  }
}

/** Runs `site.yml` of a project as bake does, but on this host. */
function play(files: Files, args: readonly string[], env: NodeJS.ProcessEnv = {}): Played {
  count += 1;
  const scratch = join(work, String(count));
  const project = join(work, `${count}-project`);
  write(project, files);
  for (const name of ['home', 'tmp', 'out']) mkdirSync(join(scratch, name), { recursive: true });
  const tracer = placeTracer(join(scratch, 'tracer'));
  const played = underStrace(['ansible-playbook', ...args, '-e', `out=${join(scratch, 'out')}`, 'site.yml'], {
    cwd: project,
    log: tracer.log,
    env: {
      ...{ PATH, LANG: 'C.UTF-8', HOME: join(scratch, 'home'), TMPDIR: join(scratch, 'tmp') },
      ...{ ANSIBLE_HOME: join(scratch, 'home/ansible'), ANSIBLE_LOCAL_TEMP: join(scratch, 'tmp/local') },
      ...{ ANSIBLE_REMOTE_TEMP: join(scratch, 'tmp/remote'), ANSIBLE_ASYNC_DIR: join(scratch, 'tmp/async') },
      ...{ ANSIBLE_PYTHON_INTERPRETER: '/usr/bin/python3', ANSIBLE_PIPELINING: '1', ANSIBLE_FORKS: '1' },
      ...tracer.env,
      ...env,
    },
  });
  if (played.status !== 0) throw new Error(played.output);
  const read = readTrace(readFileSync(tracer.log, 'utf8'), { ignored: [scratch] });
  if (!read.ok) throw new Error(read.failure);
  const { lookups } = read.value;
  return {
    trace: read.value,
    seen: played.seen,
    project,
    asked: (path, how = 'stat') => lookups.get(join(project, path))?.[how] === true,
  };
}

const LOCAL = 'localhost ansible_connection=local\nother ansible_connection=local\n[web]\nlocalhost\n';

test('what the controller reads: variables, roles, plug-ins, look-ups, templates', () => {
  const files: Files = {
    'ansible.cfg': '[defaults]\nroles_path = more_roles\ninventory = inventory\n',
    'inventory/hosts': LOCAL,
    'inventory/made.yml': 'plugin: constructed\nstrict: false\ngroups:\n  built: true\n',
    'inventory/group_vars/all/a.yml': 'a: 1\n',
    'inventory/host_vars/localhost.json': '{"b": 2}\n',
    'group_vars/web.yaml': 'c: 3\n',
    'group_vars/built': 'd: 4\n',
    'group_vars/late/deep/e.yml': 'e: 5\n',
    'host_vars/other/f.yml': 'f: 6\n',
    'secret.yml': 'kept: secret\n',
    password: 'open\n',
    'site.yml': `
- import_playbook: "{{ 'first' }}.yml"
- hosts: web
  gather_facts: false
  vars_files:
    - [absent.yml, "{{ 'vars' }}/here.yml"]
    - secret.yml
  roles:
    - linked
    - {role: other, when: false}
    - role: ours.stuff.tool
  tasks:
    - group_by: {key: late}
    - include_vars: {dir: vars.d, extensions: [yml], ignore_unknown_extensions: true}
    - include_tasks: "tasks/{{ which }}.yml"
      vars: {which: some}
    - import_tasks: tasks/static.yml
    - include_tasks: tasks/skipped.yml
      when: false
    - import_tasks: tasks/imported.yml
      tags: [never, unwanted]
    - debug: msg="{{ item }}"
      with_fileglob: ['conf.d/*', '{{ playbook_dir }}/globbed/*.txt', '{{ playbook_dir }}/nowhere/*']
    - debug: msg="{{ lookup('first_found', look) }}"
      vars: {look: {files: ['{{ c }}.none', '3.some'], paths: [vars], skip: true}}
    - debug: msg="{{ lookup('first_found', {'files':['a.none'], 'skip':true}, errors='ignore') }}"
    - debug: {msg: "{{ lookup('template', 'base.j2') }} {{ 'a' | twice }}"}
    - debug: {msg: "{{ lookup('csvfile', 'a file=table.csv delimiter=,') }} {{ lookup('ini', 'a section=s file=some.ini') }}"}
    - debug: {msg: "{{ lookup('file', 'read') }} {{ lookup('unvault', 'secret.yml') }} {{ lookup('ours') }}"}
    - debug: {msg: "{{ lookup('password', 'creds/made length=4') }}"}
    - debug: {msg: "{{ lookup('file', 'not-there', errors='ignore') }}"}
    - assert:
        that:
          - (playbook_dir + '/read-not') is not exists
          - (playbook_dir + '/conf.d') is directory
          - (playbook_dir + '/table.csv') is file
          - (playbook_dir + '/roles/linked') is link
          - (playbook_dir + '/roles/linked') | realpath != ''
    - debug: {msg: "{{ lookup('vars', 'kept') }} {{ e }}"}
    - meta: flush_handlers
`,
    'first.yml': '- hosts: other\n  gather_facts: false\n  tasks: [{debug: {msg: "{{ a }} {{ f }}"}}]\n',
    'vars/here.yml': 'here: 1\n',
    'vars/3.some': '',
    'vars.d/a.yml': 'aa: 1\n',
    'vars.d/deep/b.yml': 'bb: 1\n',
    'vars.d/not.txt': '',
    'tasks/some.yml': '- debug: msg=some\n',
    'tasks/static.yml': '- debug: msg=static\n',
    'tasks/skipped.yml': '- debug: msg=skipped\n',
    'tasks/imported.yml': '- debug: msg=imported\n',
    'conf.d/one': '',
    'conf.d/two': '',
    'files/conf.d/three': '',
    'globbed/a.txt': '',
    'globbed/a.other': '',
    'templates/base.j2':
      "{% include 'part-' ~ c ~ '.j2' %}{% include 'gone.j2' ignore missing %}{% include ['no.j2', 'yes.j2'] %}{% import 'macros.j2' as m %}",
    'templates/part-3.j2': 'part',
    'templates/yes.j2': 'yes',
    'templates/macros.j2': '',
    'files/table.csv': 'a,b\n',
    'table.csv': 'a,c\n',
    'some.ini': '[s]\na = b\n',
    'files/read': '->../table.csv',
    'filter_plugins/more.py': FILTER,
    'lookup_plugins/ours.py':
      'from ansible.plugins.lookup import LookupBase\nimport os\nclass LookupModule(LookupBase):\n    def run(self, terms, variables=None, **kwargs):\n        return [str(os.path.getsize(variables["playbook_dir"] + "/table.csv"))]\n',
    'roles/linked': '->../kept/role',
    'kept/role/tasks/main.yml': "- debug: msg={{ lookup('file', 'data') }}\n",
    'kept/role/defaults/main.yaml': 'g: 7\n',
    'kept/role/vars/main/one.yml': 'h: 8\n',
    'kept/role/handlers/main.yml': '[]\n',
    'kept/role/meta/main.yml': 'dependencies: [{role: depended, when: false}]\n',
    'kept/role/files/data': 'data',
    'more_roles/depended/tasks/main.yml': '- debug: msg=depended\n',
    'more_roles/other/tasks/main.yml': '- debug: msg=other\n',
    'collections/ansible_collections/ours/stuff/galaxy.yml': 'namespace: ours\nname: stuff\nversion: 1.0.0\n',
    'collections/ansible_collections/ours/stuff/meta/runtime.yml': "requires_ansible: '>=2.9'\n",
    'collections/ansible_collections/ours/stuff/roles/tool/tasks/main.yml':
      "- debug: msg={{ 'a' | ours.stuff.thrice }}\n",
    'collections/ansible_collections/ours/stuff/plugins/filter/thrice.py': FILTER.replace('twice', 'thrice'),
  };
  const directory = mkdtempSync(join(work, 'vault-'));
  write(directory, { secret: files['secret.yml'] ?? '', password: 'open\n' });
  execFileSync('ansible-vault', ['encrypt', '--vault-password-file', 'password', 'secret'], {
    cwd: directory,
    env: { PATH, HOME: directory },
    stdio: 'ignore',
  });
  const secret = readFileSync(join(directory, 'secret'), 'utf8');
  const { trace, seen, project, asked } = play({ ...files, 'secret.yml': secret }, [
    '--vault-password-file',
    'password',
  ]);
  expect(seen.filter(({ path }) => path.startsWith(project)).length).toBeGreaterThan(1000);
  expect(unanswered(trace, seen, project)).toEqual([]);
  expect(trace.untraced).toEqual([]);
  expect(trace.wrote).toContain(join(project, 'creds/made'));
  for (const path of [
    'group_vars/web.yml',
    'templates/gone.j2',
    'roles/depended',
    'vars/absent.yml',
    'read-not',
  ])
    expect([path, asked(path)]).toEqual([path, true]);
  for (const path of [
    'tasks/imported.yml',
    'group_vars/late/deep/e.yml',
    'password',
    'files/read',
    'some.ini',
  ])
    expect([path, asked(path, 'open')]).toEqual([path, true]);
  expect(asked('tasks/skipped.yml', 'open')).toBe(false);
});

test('what modules on this host read, and what is sent to machines', () => {
  const { trace, seen, project, asked } = play(
    {
      hosts: LOCAL,
      'site.yml': `
- hosts: web
  gather_facts: false
  tasks:
    - stat: path={{ playbook_dir }}/may-be
    - stat: path={{ playbook_dir }}/data
    - slurp: src={{ playbook_dir }}/slurped
    - find: paths={{ playbook_dir }}/tree recurse=true
    - copy: {src: data, dest: "{{ out }}/data", mode: "0644"}
    - copy: {src: tree/, dest: "{{ out }}/tree/"}
    - copy: {src: "{{ playbook_dir }}/remote", dest: "{{ out }}/remote", remote_src: true}
    - template: {src: text.j2, dest: "{{ out }}/text", mode: "0644"}
    - assemble: {src: parts, dest: "{{ out }}/whole", remote_src: false}
    - fetch: {src: "{{ out }}/data", dest: fetched/, flat: true}
    - lineinfile: {path: "{{ playbook_dir }}/lines", line: more}
    - get_url: {url: "file://{{ playbook_dir }}/got", dest: "{{ out }}/got"}
    - file: {src: "{{ playbook_dir }}/data", dest: "{{ playbook_dir }}/made", state: link}
    - slurp: src={{ playbook_dir }}/made
    - ours: {}
      delegate_to: localhost
    - set_fact: {kept: 1, cacheable: true}
`,
      data: 'data',
      slurped: 'slurped',
      remote: 'remote',
      lines: 'lines\n',
      got: 'got',
      'tree/a/b/c': 'c',
      'tree/empty/.keep': '',
      'tree/link': '->a/b',
      'text.j2': 'text',
      'parts/1': '1',
      'parts/2': '2',
      'library/ours.py': MODULE,
      'module_utils/ours.py': 'VALUE = 1\n',
      'facts/.keep': '',
    },
    ['-i', 'hosts'],
    { ANSIBLE_CACHE_PLUGIN: 'jsonfile', ANSIBLE_CACHE_PLUGIN_CONNECTION: 'facts' },
  );
  expect(seen.filter(({ path }) => path.startsWith(project)).length).toBeGreaterThan(500);
  expect(unanswered(trace, seen, project)).toEqual([]);
  expect(trace.untraced).toEqual([]);
  for (const path of [/^fetched\/data$/, /^lines$/, /^made$/, /^facts\/\w*localhost$/])
    expect(trace.wrote.map((written) => relative(project, written))).toContainEqual(
      expect.stringMatching(path),
    );
  expect([asked('may-be', 'link'), asked('may-be', 'open')]).toEqual([true, false]);
  for (const path of ['slurped', 'remote', 'got', 'tree/a/b/c', 'module_utils/ours.py'])
    expect([path, asked(path, 'open')]).toEqual([path, true]);
});

test('commands of which nobody knows what they read are named', () => {
  const { trace, seen, project } = play(
    {
      hosts: LOCAL,
      'hosts.sh': '#!/bin/sh\ncat groups\n',
      groups: '{"scripted": {"hosts": ["localhost"]}, "_meta": {"hostvars": {}}}',
      'password.sh': '#!/bin/sh\ncat password\n',
      password: 'open\n',
      'site.yml': `
- hosts: scripted
  gather_facts: false
  tasks:
    - debug: {msg: "{{ lookup('pipe', 'cat piped') }} {{ lookup('lines', 'cat lined') }}"}
    - command: cat {{ playbook_dir }}/commanded
    - shell: cat {{ playbook_dir }}/shelled
    - raw: cat {{ playbook_dir }}/raw
    - script: script.sh
    - unarchive: {src: archive.tar.gz, dest: "{{ out }}"}
    - command: "true"
      async: 20
      poll: 1
    - ping:
      environment: {PYTHONPATH: ''}
    - ping:
      vars: {ansible_python_interpreter: "{{ playbook_dir }}/python"}
`,
      ...{ piped: '', lined: '', commanded: '', shelled: '', raw: '', 'script.sh': '#!/bin/sh\ncat ran\n' },
      ran: '',
      // A shell script that is started in place of Python.
      python: '#!/bin/sh\nexec /usr/bin/python3 -u "$@"\n',
      'archive.tar.gz': execFileSync('tar', ['-czC', work, '.']),
    },
    ['-i', 'hosts', '-i', 'hosts.sh', '--vault-password-file', 'password.sh'],
    { ANSIBLE_PIPELINING: '0' },
  );
  const traced = seen.filter(({ image }) => image.isTraced);
  expect(unanswered(trace, traced, project)).toEqual([]);
  const named = trace.untraced.join('\n');
  for (const command of [
    /^cat piped$/m,
    /^cat lined$/m,
    /^cat .*\/commanded$/m,
    /^cat .*\/shelled$/m,
    /^cat .*\/raw$/m,
    /\/script\.sh ?$/m,
    /tar .*-z/m,
    /async_wrapper\.py/m,
    /PYTHONPATH='' \/usr\/bin\/python3 .*AnsiballZ_ping\.py/m,
    /-project\/python .*AnsiballZ_ping\.py/m,
    /\/hosts\.sh --list$/m,
    /\/password\.sh$/m,
  ])
    expect(named).toMatch(command);
  // The words of a command count in any case.
  for (const path of ['commanded', 'shelled', 'raw', 'hosts.sh', 'password.sh'])
    expect([path, trace.lookups.get(join(project, path))?.open]).toEqual([path, true]);
});
