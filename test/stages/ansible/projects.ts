/** Small projects, each with a playbook that uses what people use: run by bake and by Ansible itself they must leave the same. */
import type { z } from 'zod';
import type { ansibleOptions } from '../../../src/stages/ansible/options.ts';

/** A link, where a file's text would stand. */
export interface LinkTo {
  readonly to: string;
}

export interface Edit {
  readonly what: string;
  /** Path → new text; null takes it away. */
  readonly files: Readonly<Record<string, string | null>>;
  /** Whether the playbook has to run again. */
  readonly again: boolean;
}

export interface Project {
  readonly name: string;
  readonly playbook: string;
  readonly files: Readonly<Record<string, string | LinkTo>>;
  readonly options?: {
    readonly [name in keyof typeof ansibleOptions]?: z.input<(typeof ansibleOptions)[name]>;
  };
  readonly edits: readonly Edit[];
}

/** Tasks for a play on the machine, whose directory is `{{ machine }}`. */
function play(tasks: string, more = ''): string {
  return `- hosts: all\n  gather_facts: false\n${more}  tasks:\n${tasks}`;
}

/** One task that leaves what expressions say: each module takes half a second. */
function leaves(values: Readonly<Record<string, string>>): string {
  const lines = Object.entries(values).map(([name, value]) => `          ${name}: ${value}\n`);
  return `    - ansible.builtin.copy:\n        dest: "{{ machine }}/seen"\n        content: |\n${lines.join('')}`;
}

/** What reads a file that an expression names. */
const LOOKUPS: Project = {
  name: 'files that expressions name',
  playbook: 'site/site.yml',
  files: {
    'site/site.yml': play(
      [
        '    - ansible.builtin.copy: { src: "{{ item }}", dest: "{{ machine }}/globbed-{{ item | basename }}" }\n      with_fileglob: "{{ playbook_dir }}/files/*.conf"\n',
        '    - ansible.builtin.include_vars: "{{ item }}"\n      with_first_found: [{ files: ["{{ family }}.yml", other.yml], paths: [vars], skip: true }]\n      vars: { family: debian }\n',
        '    - ansible.builtin.include_tasks: "tasks/{{ which }}.yml"\n      vars: { which: one }\n',
        '    - ansible.builtin.template: { src: outer.j2, dest: "{{ machine }}/outer" }\n      vars: { part: inner.j2 }\n',
        leaves({
          queried:
            "{{ query('fileglob', playbook_dir ~ '/files/*.conf') | map('basename') | sort | join(' ') }}",
          first: "{{ from_vars | default('unset') }}",
          found:
            "{{ lookup('first_found', { 'files': ['none.txt', 'some.txt'], 'paths': [playbook_dir ~ '/opt'] }) | basename }}",
          flag: "{{ (playbook_dir ~ '/opt/feature.flag') is exists }}",
          csv: "{{ lookup('csvfile', 'b file=data.csv delimiter=,') }}",
          ini: "{{ lookup('ini', 'key section=one file=data.ini') }}",
          text: "{{ lookup('file', flavour ~ '.txt') }}",
          home: "{{ lookup('env', 'TZ') }}",
          of_file: '{{ from_file }}',
          of_host: '{{ from_host }}',
        }),
      ].join(''),
      '  vars: { flavour: sweet }\n  vars_files: ["vars/{{ flavour }}.yml"]\n',
    ),
    'site/files/a.conf': 'a\n',
    'site/files/b.conf': 'b\n',
    'site/vars/debian.yml': 'from_vars: debian\n',
    'site/vars/sweet.yml': 'from_file: sweet\n',
    'site/opt/some.txt': '',
    'site/opt/feature.flag': '',
    'site/files/data.csv': 'a,1\nb,2\n',
    'site/files/data.ini': '[one]\nkey=value\n',
    'site/files/sweet.txt': 'a note',
    'site/tasks/one.yml': '- ansible.builtin.copy: { dest: "{{ machine }}/included", content: "one" }\n',
    'site/tasks/two.yml': '- ansible.builtin.debug: { msg: two }\n',
    'site/templates/outer.j2': '{% include part %} of {{ flavour }}\n',
    'site/templates/inner.j2': 'inner',
    'site/host_vars/machine.yml': 'from_host: yes it is\n',
    'site/README.md': 'read me\n',
    'other.yml': '- hosts: all\n',
  },
  edits: [
    { what: 'nothing', files: {}, again: false },
    {
      what: 'what is not read',
      files: { 'site/README.md': 'other', 'site/tasks/two.yml': '[]', 'other.yml': '' },
      again: false,
    },
    { what: 'a file that a pattern finds', files: { 'site/files/c.conf': 'c\n' }, again: true },
    {
      what: 'a file that was looked for before the one that was found',
      files: { 'site/opt/none.txt': '' },
      again: true,
    },
    { what: 'a feature taken away', files: { 'site/opt/feature.flag': null }, again: true },
    {
      what: 'variables of the host',
      files: { 'site/host_vars/machine.yml': 'from_host: no\n' },
      again: true,
    },
  ],
};

/** What the inventory and plug-ins bring without being named. */
const UNASKED: Project = {
  name: 'variables of groups and code beside the playbook',
  playbook: 'site.yml',
  files: {
    'site.yml': `- hosts: web
  gather_facts: false
  tasks:
    - ansible.builtin.group_by: { key: "os_{{ system }}" }
    - speak: { word: hello }
      register: spoken
    - acme.tools.shout: { word: loud }
      register: shouted
${leaves({
  groups: '{{ from_group }} {{ from_all }} {{ from_web }}',
  module: '{{ spoken.said }}',
  filter: "{{ 'abc' | backwards }}",
  collection: '{{ shouted.said }}',
})}`,
    'group_vars/os_Debian.yml': 'from_group: debian\n',
    'group_vars/all/main.yml': 'from_all: everybody\nsystem: Debian\n',
    'group_vars/web.yml': 'from_web: web\n',
    'library/speak.py':
      "from ansible.module_utils.basic import AnsibleModule\nfrom ansible.module_utils.words import polite\nm = AnsibleModule(argument_spec={'word': {}})\nm.exit_json(said=polite(m.params['word']))\n",
    'module_utils/words.py': "def polite(word):\n    return word + ', please'\n",
    'filter_plugins/words.py':
      "class FilterModule:\n    def filters(self):\n        return {'backwards': lambda text: text[::-1]}\n",
    'collections/ansible_collections/acme/tools/plugins/modules/shout.py':
      "from ansible.module_utils.basic import AnsibleModule\nm = AnsibleModule(argument_spec={'word': {}})\nm.exit_json(said=m.params['word'].upper())\n",
    'collections/ansible_collections/acme/tools/README.md': '',
  },
  options: { groups: ['web'] },
  edits: [
    {
      what: 'variables of a group that is made while it runs',
      files: { 'group_vars/os_Debian.yml': 'from_group: other\n' },
      again: true,
    },
    {
      what: 'code that a module imports',
      files: { 'module_utils/words.py': 'def polite(word):\n    return word\n' },
      again: true,
    },
    {
      what: 'code of a filter',
      files: {
        'filter_plugins/words.py':
          "class FilterModule:\n    def filters(self):\n        return {'backwards': lambda text: text}\n",
      },
      again: true,
    },
    {
      what: 'more variables of all',
      files: { 'group_vars/all/second.yml': 'from_all: some\n' },
      again: true,
    },
  ],
};

/** The shape of a public role, twice: one needs the other. */
const ROLES: Project = {
  name: 'roles by ansible.cfg, behind a link, by dependencies',
  playbook: 'playbooks/site.yml',
  files: {
    'ansible.cfg': '[defaults]\nroles_path = vendor/roles ; as galaxy has it\n',
    'playbooks/site.yml':
      '- hosts: all\n  gather_facts: false\n  roles: [acme.web, common]\n  tasks:\n    - ansible.builtin.import_role: { name: acme.web, tasks_from: extra }\n',
    'playbooks/roles/common': { to: '../../shared/roles/common' },
    'shared/roles/common/tasks/main.yml': leaves({
      common: '{{ role_path | basename }} {{ shared }}',
    }).replace(/^ {4}/gm, ''),
    'shared/roles/common/defaults/main.yml': 'shared: by a link\n',
    'vendor/roles/acme.base/meta/main.yml':
      'galaxy_info: { author: acme, min_ansible_version: "2.9" }\ndependencies: []\n',
    'vendor/roles/acme.base/defaults/main.yml': 'base_name: base\n',
    'vendor/roles/acme.base/vars/Linux.yml': 'base_system: linux\n',
    'vendor/roles/acme.base/vars/main.yml': 'base_kind: Linux\n',
    'vendor/roles/acme.base/tasks/main.yml':
      '- ansible.builtin.include_vars: "{{ base_kind }}.yml"\n- ansible.builtin.include_tasks: "setup-{{ base_system }}.yml"\n',
    'vendor/roles/acme.base/tasks/setup-linux.yml':
      '- ansible.builtin.copy: { dest: "{{ machine }}/base", content: "{{ base_name }} on {{ base_system }}" }\n  notify: tell\n',
    'vendor/roles/acme.base/handlers/main.yml':
      '- name: tell\n  ansible.builtin.copy: { dest: "{{ machine }}/told", content: "told" }\n',
    'vendor/roles/acme.web/meta/main.yml':
      'galaxy_info: { author: acme, min_ansible_version: "2.9" }\ndependencies: [{ role: acme.base, base_name: web }]\n',
    'vendor/roles/acme.web/tasks/main.yml':
      '- ansible.builtin.template: { src: site.conf.j2, dest: "{{ machine }}/site.conf" }\n- ansible.builtin.copy: { src: tree/, dest: "{{ machine }}/tree/" }\n',
    'vendor/roles/acme.web/tasks/extra.yml':
      '- ansible.builtin.assemble: { src: parts, dest: "{{ machine }}/assembled", remote_src: false }\n',
    'vendor/roles/acme.web/templates/site.conf.j2': "{% import 'macros.j2' as m %}{{ m.line('port', 80) }}\n",
    'vendor/roles/acme.web/templates/macros.j2': '{% macro line(k, v) %}{{ k }}={{ v }}{% endmacro %}',
    'vendor/roles/acme.web/files/tree/a/x': 'x\n',
    'vendor/roles/acme.web/files/tree/l': { to: 'a/x' },
    'vendor/roles/acme.web/files/parts/1': 'one\n',
    'vendor/roles/acme.web/files/parts/2': 'two\n',
    'vendor/roles/acme.web/README.md': 'read me\n',
    'vendor/roles/acme.other/tasks/main.yml': '[]\n',
  },
  edits: [
    {
      what: 'what is not read',
      files: { 'vendor/roles/acme.web/README.md': 'other', 'vendor/roles/acme.other/tasks/main.yml': '' },
      again: false,
    },
    {
      what: 'a role behind a link',
      files: { 'shared/roles/common/defaults/main.yml': 'shared: and changed\n' },
      again: true,
    },
    {
      what: 'a role that another one needs',
      files: { 'vendor/roles/acme.base/vars/Linux.yml': 'base_system: linux\nbase_name: other\n' },
      again: true,
    },
    {
      what: 'a role that would come first',
      files: { 'playbooks/roles/acme.base/tasks/main.yml': '[]\n' },
      again: true,
    },
  ],
};

/** What other programs read on this host. */
const PROGRAMS: Project = {
  name: 'programs on this host',
  playbook: 'site.yml',
  files: {
    'site.yml': play(
      [
        '    - ansible.builtin.command: { cmd: "cat data/y", chdir: "{{ playbook_dir }}" }\n      delegate_to: localhost\n      register: said\n',
        '    - ansible.builtin.script: { cmd: "say.sh {{ machine }}/said" }\n',
        '    - ansible.builtin.unarchive: { src: some.tar, dest: "{{ machine }}" }\n',
        leaves({
          piped: "{{ lookup('pipe', 'cat ' ~ playbook_dir ~ '/data/x') }}",
          command: '{{ said.stdout }}',
        }),
      ].join(''),
    ),
    'files/say.sh': '#!/bin/sh\necho said > "$1"\n',
    'files/some.tar': '@TAR@',
    'data/x': 'x\n',
    'data/y': 'y\n',
    'data/z': 'z\n',
  },
  edits: [
    { what: 'nothing', files: {}, again: false },
    { what: 'what a program reads', files: { 'data/y': 'other\n' }, again: true },
    { what: 'what it might have read', files: { 'data/z': 'other\n' }, again: true },
  ],
};

/** A playbook of another directory, and what is encrypted. */
const ELSEWHERE: Project = {
  name: 'a playbook of another directory, and secrets',
  playbook: 'playbooks/site.yml',
  files: {
    'playbooks/site.yml': `- import_playbook: ../more/more.yml\n${play(leaves({ secret: '{{ secret }}' }), '  vars_files: [secret.yml]\n')}`,
    'more/more.yml': play(
      '    - ansible.builtin.debug: { msg: "{{ more }}" }\n',
      '  vars_files: [vars.yml]\n',
    ),
    'more/vars.yml': 'more: from there\n',
    // secret: open sesame (password: swordfish)
    'playbooks/secret.yml': '@VAULT@',
  },
  options: { project: '.' },
  edits: [
    { what: 'a file of the other directory', files: { 'more/vars.yml': 'more: changed\n' }, again: true },
  ],
};

export const PROJECTS: readonly Project[] = [LOOKUPS, UNASKED, ROLES, PROGRAMS, ELSEWHERE];
