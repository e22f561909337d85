/** Which processes that a playbook starts are known to read nothing unseen. Texts are those of ansible-core 2.14 to 2.21. */
import { describe, expect, test } from 'vitest';
import { quoteWord } from '../../../src/model/shell-words.ts';
import { type Child, childrenReads } from '../../../src/stages/ansible/children.ts';

const TEMPORARY = '/home/builder/.ansible/tmp/ansible-tmp-1796000818.1654904-2955-106625915470762';
const MODULE = `${TEMPORARY}/AnsiballZ_stat.py`;
const MAKES = `( umask 77 && mkdir -p "\` echo /home/builder/.ansible/tmp \`"&& mkdir "\` echo ${TEMPORARY} \`" && echo ansible-tmp-1796000818.1654904-2955-106625915470762="\` echo ${TEMPORARY} \`" )`;
const FINDS =
  "echo PLATFORM; uname; echo FOUND; command -v 'python3.11'; command -v '/usr/bin/python3'; echo ENDFOUND";

function child(argv: readonly string[], program = `/usr/bin/${argv[0]}`): Child {
  return { argv, cwd: '/w', program: argv[0]?.startsWith('/') ? argv[0] : program };
}

/** As Ansible says it on this host: one shell in the other. */
function shell(text: string): Child {
  return child(['/bin/sh', '-c', `/bin/sh -c '${text.replaceAll("'", `'"'"'`)}'`]);
}

function isKnown(one: Child, ...spoken: readonly (readonly string[])[]): boolean {
  return childrenReads([one], spoken).untraced.length === 0;
}

function opened(one: Child, ...spoken: readonly (readonly string[])[]): readonly string[] {
  return childrenReads([one], spoken).opened;
}

const PYTHON = '/usr/bin/python3';

describe('Ansible’s own texts for a shell', () => {
  test.each([
    'echo ~',
    'echo ~root',
    MAKES,
    `chmod u+x ${TEMPORARY}/ ${MODULE}`,
    `chmod u+rwx ${TEMPORARY}/ '${MODULE}'`,
    `rm -f -r ${TEMPORARY}/ > /dev/null 2>&1`,
    `rm -f -r '/home/a b/ansible-tmp-1.2-3/' > /dev/null 2>&1`,
    FINDS,
  ])('are known: %s', (text) => {
    expect(isKnown(shell(`${text} && sleep 0`))).toBe(true);
    expect(isKnown(shell(text))).toBe(true);
    expect(isKnown(child(['/bin/sh', '-c', text]))).toBe(true);
  });

  test.each([
    'echo ~; cat secret',
    'echo $(cat secret)',
    'echo *',
    MAKES.replace('ansible-tmp-', 'other-tmp-'),
    MAKES.replace('echo /home/builder/.ansible/tmp ', 'cat secret '),
    `${MAKES}; cat secret`,
    `rm -f -r conf.d > /dev/null 2>&1`,
    `rm -f -r ${TEMPORARY} conf.d > /dev/null 2>&1`,
    `chmod u+x $(cat secret)`,
    'chmod --reference=a b',
    `A=b chmod u+x ${MODULE}`,
    FINDS.replace('uname', 'cat secret'),
    FINDS.replace("'python3.11'", '$(cat secret)'),
    'true',
    'exit 0',
    '',
    'cat secret && sleep 0',
    'sleep 0',
    `A=b`,
    '/usr/bin/python3 > out',
    '/usr/bin/python3 < in',
    '/usr/bin/python3 | cat',
    '/usr/bin/python3 &',
    "/usr/bin/python3 'open",
    '/usr/bin/python3 "$HOME"',
    '/usr/bin/python3\ncat secret',
  ])('others are not: %s', (text) => {
    expect(isKnown(shell(`${text} && sleep 0`), [PYTHON])).toBe(false);
    expect(isKnown(child(['/bin/sh', '-c', text]), [PYTHON])).toBe(false);
  });

  test('what is made executable counts', () => {
    expect(opened(shell('chmod u+x script.sh /x && sleep 0'))).toEqual(['/w/script.sh', '/x']);
  });
});

describe('Python', () => {
  test.each([
    ['pipelined, up to 2.20', `${PYTHON} && sleep 0`, [PYTHON]],
    ['pipelined, 2.21', PYTHON, [PYTHON]],
    ['from a file', `${PYTHON} ${MODULE} && sleep 0`, [PYTHON, MODULE]],
    ['with blanks in it', `${PYTHON} '/a b/x.py' && sleep 0`, [PYTHON, '/a b/x.py']],
    ['with an environment', `A='b c'"'"'d' E=f ${PYTHON} && sleep 0`, [PYTHON]],
  ])('in a shell, %s: known when it told', (_, text, argv) => {
    expect(isKnown(shell(text), argv)).toBe(true);
    expect(isKnown(shell(text))).toBe(false);
    expect(isKnown(shell(text), [...argv, 'more'], argv.slice(1))).toBe(false);
  });

  test('each start needs a process that told', () => {
    const starts = [shell(PYTHON), shell(`A=b ${PYTHON}`), shell(`PYTHONPATH='' ${PYTHON}`)];
    expect(childrenReads(starts, [[PYTHON], [PYTHON], [PYTHON]]).untraced).toEqual([]);
    expect(childrenReads(starts, [[PYTHON], [PYTHON]]).untraced).toEqual([`PYTHONPATH='' ${PYTHON}`]);
    expect(childrenReads(starts, []).untraced).toHaveLength(3);
  });

  test('files in the environment of one count', () => {
    expect(opened(shell(`LD_PRELOAD=/w/x.so ${PYTHON}`), [PYTHON])).toEqual(['/w/x.so']);
  });

  test('what may go on after the playbook is not known', () => {
    const argv = [PYTHON, `${TEMPORARY}/async_wrapper.py`, 'j1', '5', MODULE, '_'];
    expect(isKnown(shell(argv.map(quoteWord).join(' ')), argv)).toBe(false);
  });

  test('without a shell', () => {
    expect(isKnown(child([PYTHON, 'x.py']), [PYTHON, 'x.py'])).toBe(true);
    expect(isKnown(child([PYTHON, 'x.py']), [PYTHON])).toBe(false);
  });
});

describe('programs that read what their words name', () => {
  test.each<[Child, readonly string[]]>([
    [child(['ssh', '-o', 'ControlPersist']), []],
    [
      child([
        ...[
          'ssh',
          '-vvv',
          '-C',
          '-o',
          'ControlMaster=auto',
          '-oIdentityFile="keys/a b"',
          '-o',
          'ConnectTimeout=60',
        ],
        ...['-F', 'ssh.cfg', '-i', '/k/id', '-o', 'UserKnownHostsFile /k/known k2', '-o', 'Port=22', '-tt'],
        ...['-o', 'ControlPath=/c/%h', '127.0.0.1', "/bin/sh -c '/usr/bin/python3 && sleep 0'"],
      ]),
      ['/w/keys/a b', '/w/ssh.cfg', '/k/id', '/k/known', '/w/k2', '/c/%h'],
    ],
    [child(['ssh', '-o', 'ProxyCommand=ssh -F jump.cfg -W %h:%p jump', 'host', 'cat', 'x']), ['/w/jump.cfg']],
    [child(['sftp', '-o', 'BatchMode=no', '-b', '-', '-Fcfg', '[127.0.0.1]']), ['/w/-', '/w/cfg']],
    [child(['scp', '-o', 'Port=2', '-i', 'key', 'from/here', '[::1]:/to']), ['/w/key', '/w/from/here']],
    [child(['sshpass', '-d12', 'ssh', '-i', 'key', 'host', 'cat x']), ['/w/key']],
    [child(['sshpass', '-f', 'pass', '-P', 'prompt', 'sftp', 'host']), ['/w/pass']],
    [child(['sshpass'], 'sshpass'), []],
    [child(['ssh-keygen', '-F', 'host', '-f', 'known']), ['/w/host', '/w/known']],
    [child(['/sbin/ldconfig', '-p']), []],
    [child(['/usr/bin/file', '--mime-type', '--mime-encoding', '/w/a']), ['/w/a']],
    [child(['/usr/bin/lsattr', '-vd', 'a']), ['/w/a']],
  ])('%j', (one, files) => {
    expect([isKnown(one), opened(one)]).toEqual([true, files]);
  });

  test.each([
    child(['ssh', '-o', 'ProxyCommand=./tunnel %h', 'host']),
    child(['ssh', '-o', 'KnownHostsCommand /x/y', 'host']),
    child(['sftp', '-S', './ssh', 'host']),
    child(['scp', '-D', './sftp-server', 'a', 'host:']),
    child(['sshpass', '-d3', 'rsync', 'a', 'b']),
    child(['lsattr', 'directory']),
    child(['file', '-f', 'list']),
    child(['ldconfig']),
    child(['./ssh', 'host'], '/w/./ssh'),
    child(['ssh', 'host'], '/w/bin/ssh'),
    child(['ssh', 'host'], '/usr/bin/../../w/ssh'),
    child(['rsync', '-a', 'tree', 'host:']),
    child(['sudo', '-n', '/bin/sh', '-c', 'echo ~']),
    child(['/bin/sh', 'script.sh']),
    child(['/bin/sh', '-c', 'echo ~', 'more']),
    child(['/w/sh', '-c', 'echo ~']),
    child(['/usr/sbin/dmidecode', '-s', 'bios-vendor']),
    child(['toString']),
    child([]),
  ])('not %j', (one) => {
    expect(isKnown(one)).toBe(false);
  });
});

test('the words of what is not known count, and its program', () => {
  const one = child(['/bin/sh', '-c', 'cat "a b"/c | ./tool --in=data > /x/out'], '/bin/sh');
  expect(opened(one)).toEqual(expect.arrayContaining(['/bin/sh', '/w/./tool', '/w/data', '/x/out', '/w/b']));
});

test('people see the command without the shells around it', () => {
  const { untraced } = childrenReads(
    [
      shell("cat 'a b' && sleep 0"),
      child(['/bin/sh', '-c', 'cat x | wc']),
      child(['tool', 'a b']),
      child(['tool', 'a b']),
    ],
    [],
  );
  expect(untraced).toEqual(["cat 'a b'", 'cat x | wc', "tool 'a b'"]);
});
