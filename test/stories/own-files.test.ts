/** Stories about the user's own files where outputs are to be, and about outputs that somebody changed: nobody's bytes are lost, and nothing changed is taken for fresh. */
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Checkout } from '../support/rig.ts';
import { Rig } from '../support/rig.ts';

const pipeline = (stages: string): string => `bake: 1\nname: own\nvars: { word: made }\nstages:\n${stages}`;
const FILE = pipeline('  a: { run: "echo ${{ vars.word }} > o", outputs: { o: o } }\n');
const TREE = pipeline(
  '  a: { run: "mkdir -p o/d/e; echo ${{ vars.word }} > o/d/f; echo g > o/g; ln -s g o/l", outputs: { o: o } }\n',
);
const OTHER = ['--var', 'word=other'];

/** Every file below a directory with what it holds; `.bake-kept` and the cache aside. */
function filesIn(here: Checkout, directory = '.'): Record<string, string> {
  const found: Record<string, string> = {};
  for (const entry of readdirSync(here.path(directory), { withFileTypes: true })) {
    const path = directory === '.' ? entry.name : `${directory}/${entry.name}`;
    if (['cache', '.bake-kept', 'pipeline.yaml'].includes(path)) continue;
    if (entry.isDirectory()) Object.assign(found, filesIn(here, path));
    else found[path] = entry.isSymbolicLink() ? 'link' : readFileSync(here.path(path), 'utf8');
  }
  return found;
}

describe("a file of the user's where an output is to be", () => {
  it('stops everything before anything runs, with all such files at their lines in the pipeline', async () => {
    await using rig = await Rig.make();
    const text = pipeline(`  a:
    run: touch '${rig.path('ran')}'; echo made > dist.txt
    outputs:
      o: dist.txt
  b:
    run: touch '${rig.path('ran')}'; echo made > report.txt
    outputs:
      r: report.txt
  c: { run: "echo c > c", outputs: { c: c } }
`);
    const here = rig.checkout('here', { 'pipeline.yaml': text, 'dist.txt': 'mine', 'report.txt': 'mine' });
    const run = await here.bake(['run', '--keep-going']);
    expect(run.code).toBe(2);
    expect(run.stderr).toContain('pipeline.yaml:8:10: error: stage `a`: dist.txt is in the way');
    expect(run.stderr).toContain('pipeline.yaml:12:10: error: stage `b`: report.txt is in the way');
    expect(existsSync(rig.path('ran'))).toBe(false);
    expect(filesIn(here)).toEqual({ 'dist.txt': 'mine', 'report.txt': 'mine' });
  });

  it('is what plan and validate warn of', async () => {
    await using rig = await Rig.make();
    const here = rig.checkout('here', { 'pipeline.yaml': FILE, o: 'mine' });
    for (const command of ['plan', 'validate']) {
      const told = await here.bake([command]);
      expect([told.code, told.stderr]).toEqual([
        0,
        expect.stringContaining('warning: stage `a`: o is in the way'),
      ]);
    }
    const { stdout } = await here.bake(['validate', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ valid: true, warnings: [{ code: 'output-in-the-way' }] });
  });

  it.each(['a link', 'an empty file', 'a directory'])('may be %s', async (what) => {
    await using rig = await Rig.make();
    const here = rig.checkout('here', { 'pipeline.yaml': FILE });
    if (what === 'a link') symlinkSync('elsewhere', here.path('o'));
    else if (what === 'an empty file') writeFileSync(here.path('o'), '');
    else here.write({ 'o/thesis': 'mine' });
    const before = lstatSync(here.path('o'));
    expect((await here.run()).code).not.toBe(0);
    expect(lstatSync(here.path('o'))).toMatchObject({ ino: before.ino, ctimeMs: before.ctimeMs });
  });

  it('stops a stage that takes its result from the cache of another checkout too', async () => {
    await using rig = await Rig.make();
    const shared = ['--cache-dir', rig.path('shared')];
    const there = rig.checkout('there', { 'pipeline.yaml': FILE });
    expect((await there.run(shared)).code).toBe(0);
    const here = rig.checkout('here', { 'pipeline.yaml': FILE, o: 'mine' });
    const run = await here.bake(['run', ...shared]);
    expect([run.code, here.read('o')]).toEqual([2, 'mine']);
  });

  it('is found at the moment of placing when it is made while the stage runs', async () => {
    await using rig = await Rig.make();
    const here = rig.checkout('here', {});
    here.write({
      'pipeline.yaml': pipeline(
        `  a: { run: "echo mine > '${here.path('o')}'; echo made > o", outputs: { o: o } }\n`,
      ),
    });
    const run = await here.run();
    expect([run.code, run.stages['a']?.failure?.code, here.read('o')]).toEqual([
      1,
      'output-in-the-way',
      'mine\n',
    ]);
    // Moved, it makes way; and nothing has to be built again.
    renameSync(here.path('o'), here.path('my-o'));
    expect((await here.run()).outcomes).toEqual({ a: 'restored' });
  });

  it('is replaced when the command line or the pipeline says so', async () => {
    await using rig = await Rig.make();
    const here = rig.checkout('here', { 'pipeline.yaml': FILE, o: 'mine' });
    expect([(await here.run(['--replace'])).code, here.read('o')]).toEqual([0, 'made\n']);
    const text = FILE.replace('{ o: o }', '{ o: { path: o, replace: true } }');
    const there = rig.checkout('there', { 'pipeline.yaml': text, 'o/thesis': 'mine' });
    expect([(await there.run()).code, there.read('o')]).toEqual([0, 'made\n']);
  });

  it('is not in the way when it is what the stage makes', async () => {
    await using rig = await Rig.make();
    const shared = ['--cache-dir', rig.path('shared')];
    expect((await rig.checkout('there', { 'pipeline.yaml': FILE }).run(shared)).code).toBe(0);
    const here = rig.checkout('here', { 'pipeline.yaml': FILE, o: 'made\n' });
    const { ino } = lstatSync(here.path('o'));
    expect((await here.run(shared)).code).toBe(0);
    expect(lstatSync(here.path('o')).ino).toBe(ino);
    // From now on it is bake's.
    expect((await here.run([...shared, ...OTHER])).code).toBe(0);
    expect(here.read('o')).toBe('other\n');
  });

  it('survives when sources are named as an output', async () => {
    await using rig = await Rig.make();
    const text = pipeline(
      '  a: { run: "rm -r src; mkdir src; echo made > src/a.c; echo new > src/new.c", inputs: [src], outputs: { o: src } }\n',
    );
    const here = rig.checkout('here', { 'pipeline.yaml': text, 'src/a.c': 'int a;', 'src/b.c': 'int b;' });
    expect((await here.run()).code).not.toBe(0);
    expect(filesIn(here)).toEqual({ 'src/a.c': 'int a;', 'src/b.c': 'int b;' });
  });
});

describe('what bake put there itself', () => {
  it('is replaced by what is made anew, and what somebody deleted is put there again', async () => {
    await using rig = await Rig.make();
    const here = rig.checkout('here', { 'pipeline.yaml': FILE });
    await here.run();
    expect((await here.run(OTHER)).code).toBe(0);
    expect(here.read('o')).toBe('other\n');
    rmSync(here.path('o'));
    expect((await here.run(OTHER)).outcomes).toEqual({ a: 'restored' });
    expect((await here.run()).code).toBe(0);
    expect(here.read('o')).toBe('made\n');
  });

  it.each([
    'the cache was deleted',
    'the checkout was moved',
    'the run was killed before it wrote that down',
  ])('is known again when %s', async (what) => {
    await using rig = await Rig.make();
    for (const text of [FILE, TREE]) {
      const first = rig.checkout(`first-${text.length}`, { 'pipeline.yaml': text });
      await first.run();
      let here = first;
      if (what === 'the cache was deleted') rmSync(first.path('cache'), { recursive: true });
      else if (what === 'the checkout was moved') {
        const to = rig.path(`moved-${text.length}`);
        renameSync(first.directory, to);
        here = rig.checkout(`moved-${text.length}`);
      } else for (const file of statesIn(first)) rmSync(file);
      const run = await here.run(OTHER);
      expect([run.code, run.stderr]).toEqual([0, '']);
      expect(here.read(text === FILE ? 'o' : 'o/d/f')).toBe('other\n');
    }
  });

  it('is not taken for that when somebody copied it over another name, times and all', async () => {
    await using rig = await Rig.make();
    const here = rig.checkout('here', { 'pipeline.yaml': FILE });
    await here.run();
    const { atime, mtime } = lstatSync(here.path('o'));
    here.write({ mine: here.read('o') });
    utimesSync(here.path('mine'), atime, mtime);
    here.write({ 'pipeline.yaml': FILE.replace('> o"', '> mine"').replace('o: o', 'o: mine') });
    expect((await here.run(OTHER)).code).toBe(2);
    expect(here.read('mine')).toBe('made\n');
  });

  it('is still its own where stages are never cached', async () => {
    await using rig = await Rig.make();
    const text = pipeline('  a: { run: "date +%N > o", cache: false, outputs: { o: o } }\n');
    const here = rig.checkout('here', { 'pipeline.yaml': text });
    await here.run();
    utimesSync(here.path('o'), 1, 1);
    expect((await here.run()).code).toBe(0);
  });
});

describe('an output that somebody changed', () => {
  const changes: [what: string, change: (path: string, rig: Rig) => void, kept: string | null][] = [
    ['was appended to', (path) => writeFileSync(path, 'made\nmore'), 'made\nmore'],
    ['has other bytes of the same size and time', (path) => sneak(path, 'MADE\n'), 'MADE\n'],
    ['was emptied', (path) => writeFileSync(path, ''), null],
    ['is gone', (path) => rmSync(path), null],
    ['may be executed', (path) => chmodSync(path, 0o755), null],
    ['has another time', (path) => utimesSync(path, 1, 1), null],
    [
      'became a directory',
      (path) => {
        rmSync(path);
        mkdirSync(path);
        writeFileSync(`${path}/x`, 'x');
      },
      'directory',
    ],
    [
      'became a link',
      (path) => {
        rmSync(path);
        symlinkSync('/etc/hostname', path);
      },
      'link',
    ],
    [
      'became a name of another file',
      (path, rig) => {
        rmSync(path);
        writeFileSync(rig.path('elsewhere'), 'elsewhere');
        linkSync(rig.path('elsewhere'), path);
      },
      'elsewhere',
    ],
  ];

  it.each(changes)('is put in order again, and what it was is kept, when it %s', async (_, change, kept) => {
    await using rig = await Rig.make();
    const here = rig.checkout('here', { 'pipeline.yaml': FILE });
    await here.run();
    change(here.path('o'), rig);
    const run = await here.run();
    expect(run.code).toBe(0);
    expect([here.read('o'), lstatSync(here.path('o')).mode & 0o777]).toEqual(['made\n', 0o644]);
    const aside = lstatSync(here.path('.bake-kept/o'), { throwIfNoEntry: false });
    if (kept === null) expect(aside).toBeUndefined();
    else {
      expect(run.stdout).toContain('.bake-kept/o');
      if (aside?.isFile()) expect(here.read('.bake-kept/o')).toBe(kept);
      else expect(aside?.isDirectory() ? 'directory' : 'link').toBe(kept);
    }
    if (existsSync(rig.path('elsewhere')))
      expect(readFileSync(rig.path('elsewhere'), 'utf8')).toBe('elsewhere');
    expect((await here.run()).outcomes).toEqual({ a: 'fresh' });
  });

  it.each(changes.filter(([, , kept]) => kept !== null))(
    'stops what would put something else there, before it runs, when it %s',
    async (_, change) => {
      await using rig = await Rig.make();
      const here = rig.checkout('here', { 'pipeline.yaml': FILE });
      await here.run();
      change(here.path('o'), rig);
      const before = lstatSync(here.path('o'));
      expect((await here.run(OTHER)).code).not.toBe(0);
      expect(lstatSync(here.path('o'))).toMatchObject({ ino: before.ino, ctimeMs: before.ctimeMs });
      expect((await here.run([...OTHER, '--replace'])).code).toBe(0);
      expect(here.read('o')).toBe('other\n');
    },
  );

  it('is kept each time under another name, where no stage reads it', async () => {
    await using rig = await Rig.make();
    const text = pipeline(`  a: { run: "echo made > o", outputs: { o: o } }
  b: { run: "find . -name 'o*' | wc -l > n", inputs: ["**", "."], outputs: { n: n } }
`);
    const here = rig.checkout('here', { 'pipeline.yaml': text });
    await here.run();
    for (const word of ['one', 'two']) {
      here.write({ o: word });
      expect((await here.run()).outcomes).toEqual({ a: 'restored', b: 'fresh' });
    }
    expect([here.read('.bake-kept/o'), here.read('.bake-kept/o~2')]).toEqual(['one', 'two']);
    expect(here.read('.bake-kept/.gitignore')).toBe('*\n');
  });

  it.each(['deleted', 'altered', 'altered, its size and time kept', 'replaced'])(
    'is never taken for fresh when it was %s while another stage ran',
    async (how) => {
      await using rig = await Rig.make();
      const here = rig.checkout('here', {});
      const o = `'${here.path('o')}'`;
      const commands: Record<string, string> = {
        deleted: `rm ${o}`,
        altered: `echo more >> ${o}`,
        'altered, its size and time kept': `touch -r ${o} ref; printf MADE | dd of=${o} conv=notrunc 2>&1; touch -r ref ${o}`,
        replaced: `cp -p ${o} new; printf MADE | dd of=new conv=notrunc 2>&1; touch -r ${o} new; mv new ${o}`,
      };
      here.write({
        'pipeline.yaml': pipeline(`  a: { run: "echo made > o", outputs: { o: o }, place: true }
  late: { run: "${commands[how]}; echo > late", needs: [a], outputs: { late: late } }
  bad: { run: "sleep 0.01; false", needs: [a] }
`),
      });
      const run = await here.run(['--keep-going']);
      expect(run.outcomes).toEqual({ a: 'built', late: 'built', bad: 'failed' });
      expect(run.stdout).toContain('o changed after bake had put it in place');
      here.write({ 'pipeline.yaml': here.read('pipeline.yaml').replace(/ {2}bad.*\n/, '') });
      expect((await here.run()).outcomes).toMatchObject({ a: 'restored' });
      expect(here.read('o')).toBe('made\n');
      expect((await here.run()).outcomes).toEqual({ a: 'fresh', late: 'fresh' });
    },
  );
});

describe('a directory that is an output', () => {
  it('keeps what somebody else puts into it, and goes on being fresh', async () => {
    await using rig = await Rig.make();
    const here = rig.checkout('here', { 'pipeline.yaml': TREE, 'o/d/thesis': 'mine', 'o/notes/n': 'mine' });
    expect((await here.run()).code).toBe(0);
    here.write({ 'o/later': 'mine' });
    expect((await here.run()).outcomes).toEqual({ a: 'fresh' });
    expect((await here.bake(['run'])).stdout).toContain('nothing to do');
    const run = await here.run(OTHER);
    expect([run.code, run.stderr]).toEqual([0, '']);
    expect(filesIn(here)).toEqual({
      'o/d/f': 'other\n',
      'o/d/thesis': 'mine',
      'o/g': 'g\n',
      'o/l': 'link',
      'o/later': 'mine',
      'o/notes/n': 'mine',
    });
  });

  it('loses what is no part of it any more, but neither what somebody changed nor what is not ours', async () => {
    await using rig = await Rig.make();
    const here = rig.checkout('here', { 'pipeline.yaml': TREE });
    await here.run();
    here.write({ 'o/g': 'mine', 'o/x': 'mine' });
    here.write({
      'pipeline.yaml': pipeline('  a: { run: "mkdir o; echo new > o/new", outputs: { o: o } }\n'),
    });
    expect((await here.run()).code).toBe(0);
    expect(filesIn(here)).toEqual({ 'o/g': 'mine', 'o/new': 'new\n', 'o/x': 'mine' });
    expect(here.has('o/d')).toBe(false);
  });

  it('is whole again whatever became of its parts, and what they were is kept', async () => {
    await using rig = await Rig.make();
    const here = rig.checkout('here', { 'pipeline.yaml': TREE });
    await here.run();
    const whole = filesIn(here);
    const changes: (() => void)[] = [
      () => rmSync(here.path('o/d'), { recursive: true }),
      () => rmSync(here.path('o/d/e'), { recursive: true }),
      () => here.write({ 'o/d/f': 'mine' }),
      () => sneak(here.path('o/d/f'), 'MADE\n'),
      () => {
        rmSync(here.path('o/l'));
        symlinkSync('d', here.path('o/l'));
      },
      () => {
        rmSync(here.path('o/d'), { recursive: true });
        symlinkSync('/tmp', here.path('o/d'));
      },
      () => {
        rmSync(here.path('o/g'));
        here.write({ 'o/g/thesis': 'mine' });
      },
      () => rmSync(here.path('o'), { recursive: true }),
    ];
    for (const [at, change] of changes.entries()) {
      change();
      const run = await here.run();
      expect([at, run.outcomes, filesIn(here)]).toEqual([at, { a: 'restored' }, whole]);
      expect(lstatSync(here.path('o/d/e')).isDirectory()).toBe(true);
    }
    expect(here.read('.bake-kept/o/g/thesis')).toBe('mine');
    expect(here.read('.bake-kept/o/d/f')).toBe('mine');
  });

  it('stops what would change a part of it that somebody changed, and leaves the others as they are', async () => {
    await using rig = await Rig.make();
    const here = rig.checkout('here', { 'pipeline.yaml': TREE });
    await here.run();
    here.write({ 'o/d/f': 'mine' });
    const before = filesIn(here);
    const run = await here.run(OTHER);
    expect([run.code, run.stages['a']?.failure]).toMatchObject([
      1,
      { code: 'output-in-the-way', files: ['o/d/f'], changed: ['o/d/f'] },
    ]);
    expect(filesIn(here)).toEqual(before);
  });
});

/** Writes as somebody who does not want it to be seen. */
function sneak(path: string, text: string): void {
  const { atime, mtime } = lstatSync(path);
  writeFileSync(path, text);
  utimesSync(path, atime, mtime);
}

function statesIn(here: Checkout): readonly string[] {
  return readdirSync(here.path('cache'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('state.json') || path.includes('quick'))
    .map((path) => here.path('cache', path))
    .filter((path) => lstatSync(path).isFile());
}
