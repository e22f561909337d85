/** What ansible-playbook prints, taken for progress and for failures. Texts are those of ansible-core 2.14. */
import { describe, expect, test } from 'vitest';
import { followAnsible, missingFile } from '../../src/stages/ansible/output.ts';

function follow(text: string) {
  const output = followAnsible();
  const tasks = text.split('\n').flatMap((line) => output.line(line) ?? []);
  return { output, tasks };
}

const START = `
PLAY [all] *********************************************************************

TASK [Gathering Facts] *********************************************************
ok: [machine]

TASK [web : Install it] ********************************************************
`;

describe('tasks and failures', () => {
  test('tasks are told as they start, handlers too', () => {
    const { tasks, output } = follow(`${START}changed: [machine]\n\nRUNNING HANDLER [web : restart] ****\n`);
    expect(tasks).toEqual(['Gathering Facts', 'web : Install it', 'web : restart']);
    expect(output.started).toBe(3);
    expect(output.trouble()).toBeNull();
  });

  test('the task that failed, with what its module and its command said', () => {
    const { output } = follow(
      `${START}fatal: [machine]: FAILED! => {"changed": true, "cmd": "x", "msg": "non-zero return code", "stderr": "no such thing", "stdout": ""}\n\nPLAY RECAP\n`,
    );
    expect(output.trouble()).toEqual({
      task: 'web : Install it',
      at: null,
      message: 'non-zero return code\nno such thing',
      unreachable: false,
    });
  });

  test('a playbook whose hosts or tags match nothing runs nothing: facts are no task of it', () => {
    expect(follow(START).output.hasRun).toBe(true);
    const facts = follow(START.replace('web : Install it', 'Gathering Facts')).output;
    expect([facts.started, facts.hasRun]).toEqual([2, false]);
    const none = follow(`
PLAY [webservers] **************************************************************
skipping: no hosts matched
[WARNING]: Could not match supplied host pattern, ignoring: webservers

PLAY RECAP *********************************************************************
`).output;
    expect([none.hasRun, none.unmatched]).toEqual([false, ['webservers']]);
  });

  test('where the task stands, in a role or a file that was included', () => {
    const path = 'task path: /w/roles/web/tasks/with blanks: more.yml:12';
    const fatal = 'fatal: [machine]: FAILED! => {"msg": "bad"}';
    const { output } = follow(`${START}${path}\n${fatal}\n`);
    expect(output.trouble()?.at).toEqual({ file: '/w/roles/web/tasks/with blanks: more.yml', line: 12 });
    expect(follow(`${START}${path}\n\nTASK [next] ***\n${fatal}\n`).output.trouble()?.at).toBeNull();
  });

  test('a result over several lines', () => {
    const { output } = follow(
      `${START}fatal: [machine]: FAILED! => {\n    "changed": false,\n    "msg": "bad"\n}\nx\n`,
    );
    expect(output.trouble()?.message).toBe('bad');
  });

  test('a failed item of a loop', () => {
    const { output } = follow(
      `${START}failed: [machine] (item=b) => {"ansible_loop_var": "item", "item": "b", "msg": "no b"}\n`,
    );
    expect(output.trouble()?.message).toBe('no b');
  });

  test('an ignored failure is none', () => {
    const { output } = follow(`${START}fatal: [machine]: FAILED! => {"msg": "bad"}\n...ignoring\n`);
    expect(output.trouble()).toBeNull();
  });

  test('a lost host is told apart from a failed task', () => {
    const { output } = follow(
      `${START}fatal: [machine]: UNREACHABLE! => {"changed": false, "msg": "Failed to connect", "unreachable": true}\n`,
    );
    expect(output.trouble()).toMatchObject({ unreachable: true, message: 'Failed to connect' });
  });

  test('a playbook that Ansible cannot read', () => {
    const { output } = follow(
      `ERROR! conflicting action statements: copy, debug\n\nThe error appears to be in 'x'\n`,
    );
    expect(output.error()).toBe('conflicting action statements: copy, debug');
  });
});

describe('files that were not there', () => {
  test.each([
    [`Could not find or access 'app.conf'\nSearched in:\n\t/w/files/app.conf`, 'app.conf'],
    [`the role 'web' was not found in /w/roles:/w`, 'web'],
    ['could not locate file in lookup: key.pub', 'key.pub'],
    [`Could not find or access '/w/more.yml' on the Ansible Controller.`, '/w/more.yml'],
    ['vars file gone.yml was not found', 'gone.yml'],
    ['something else', null],
  ])('%j', (message, file) => {
    expect(missingFile(message)).toBe(file);
  });
});
