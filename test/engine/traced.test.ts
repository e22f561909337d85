import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Event } from '../../src/model/event.ts';
import type { Failure } from '../../src/model/failure.ts';
import { EngineRig } from '../support/engine-run.ts';
import { wholeNumbersFrom } from '../support/numbers.ts';
import { ASKS, asksIn, readerKind, seenIn } from '../support/reader-kind.ts';

const PIPELINE = `bake: 1
name: traced
stages:
  read: { uses: reader, with: { project: site }, outputs: { seen: seen.txt } }
`;

function rig(files: Readonly<Record<string, string>>, pipeline = PIPELINE): EngineRig {
  const made = new EngineRig({ kinds: [readerKind] });
  made.write({ 'pipeline.yaml': pipeline, ...files });
  return made;
}

async function outcome(of: EngineRig): Promise<string | undefined> {
  return (await of.run()).outcomes['read'];
}

describe('a watched stage runs again', () => {
  test.each<[string, string, (site: string) => void, 'built' | 'fresh']>([
    ['a file that it read changes', 'open a', (site) => writeFileSync(join(site, 'a'), 'other'), 'built'],
    ['a file beside it changes', 'open a', (site) => writeFileSync(join(site, 'README'), 'other'), 'fresh'],
    [
      'a file that it only asked for changes',
      'stat a',
      (site) => writeFileSync(join(site, 'a'), 'two'),
      'fresh',
    ],
    [
      'a file that it asked for can be executed',
      'stat a',
      (site) => chmodSync(join(site, 'a'), 0o755),
      'built',
    ],
    ['a file that it read goes', 'open a', (site) => rmSync(join(site, 'a')), 'built'],
    [
      'what it looked for in vain appears',
      'stat c/d',
      (site) => mkdirSync(join(site, 'c/d'), { recursive: true }),
      'built',
    ],
    ['only what is above that appears', 'stat c/d', (site) => mkdirSync(join(site, 'c')), 'fresh'],
    ['a name appears in what it listed', 'list b', (site) => writeFileSync(join(site, 'b/new'), ''), 'built'],
    [
      'a content changes in what it listed',
      'list b',
      (site) => writeFileSync(join(site, 'b/x'), 'other'),
      'fresh',
    ],
    ['a name appears elsewhere', 'list b', (site) => writeFileSync(join(site, 'new'), ''), 'fresh'],
    ['a link leads elsewhere', 'link l', (site) => link(site, 'l', 'README'), 'built'],
    [
      'a link leads to the same content',
      'open l',
      (site) => {
        writeFileSync(join(site, 'a2'), 'one');
        link(site, 'l', 'a2');
      },
      'fresh',
    ],
    ['what a link leads to changes', 'open l', (site) => writeFileSync(join(site, 'a'), 'other'), 'built'],
    [
      'what it lists becomes a file',
      'list b',
      (site) => {
        rmSync(join(site, 'b'), { recursive: true });
        writeFileSync(join(site, 'b'), '');
      },
      'built',
    ],
    ['it is touched', 'open a', (site) => writeFileSync(join(site, 'a'), 'one'), 'fresh'],
  ])('%s', async (_, asks, edit, expected) => {
    await using one = rig({
      'site/a': 'one',
      'site/b/x': '',
      'site/README': 'read me',
      [`site/${ASKS}`]: asks,
    });
    const site = join(one.directory, 'site');
    symlinkSync('a', join(site, 'l'));
    expect(await outcome(one)).toBe('built');
    expect(await outcome(one)).toBe('fresh');
    edit(site);
    expect(await outcome(one)).toBe(expected);
    expect(await outcome(one)).toBe('fresh');
  });
});

function link(site: string, name: string, target: string): void {
  rmSync(join(site, name));
  symlinkSync(target, join(site, name));
}

test('each branch of a project keeps its result, also for another checkout', async () => {
  await using one = rig({ 'site/a': 'one', [`site/${ASKS}`]: 'open a\nstat b' });
  expect(await outcome(one)).toBe('built');
  one.write({ 'site/a': 'two', 'site/b': '' });
  expect(await outcome(one)).toBe('built');
  one.write({ 'site/a': 'one' });
  rmSync(join(one.directory, 'site/b'));
  expect(await outcome(one)).toBe('restored');
  const other = new EngineRig({ kinds: [readerKind], cacheDirectory: one.cacheDirectory });
  await using _ = other;
  other.write({
    'pipeline.yaml': PIPELINE,
    'site/a': 'two',
    'site/b': '',
    [`site/${ASKS}`]: 'open a\nstat b',
  });
  expect(await outcome(other)).toBe('restored');
});

test('a plan names what was read and has changed, appeared or vanished', async () => {
  await using one = rig({
    'site/a': 'one',
    'site/c': '',
    [`site/${ASKS}`]: 'open a\nstat b\nstat c\nopen g',
  });
  await one.run();
  one.write({ 'site/a': 'two', 'site/b': '' });
  rmSync(join(one.directory, 'site/c'));
  const [status] = await one.predict();
  expect(status).toMatchObject({ status: 'run', fingerprint: null });
  expect(status?.reasons).toEqual([
    expect.stringMatching(/^input site\/a changed \([0-9a-f]{8} → [0-9a-f]{8}\)$/),
    'site/b appeared',
    'input site/c is gone',
  ]);
});

test('a plan names what has come to a directory that was listed, and what has gone', async () => {
  await using one = rig({ 'site/a': '', 'site/b': '', 'site/c': '', [`site/${ASKS}`]: 'list .' });
  await one.run();
  rmSync(join(one.directory, 'site/a'));
  rmSync(join(one.directory, 'site/b'));
  one.write({ 'site/b/x': '', 'site/d': '' });
  const [status] = await one.predict();
  expect(status?.reasons).toEqual(['site/b is something else, site/d appeared, site/a is gone']);
});

test('before it has run, everything that it may see counts', async () => {
  await using one = rig({ 'site/a': 'one', [`site/${ASKS}`]: 'open a' });
  const [status] = await one.predict();
  expect(Object.keys(status?.manifest?.reads ?? {}).sort()).toEqual(['site', 'site/a', `site/${ASKS}`]);
});

describe('a watched stage fails', () => {
  const hidden = (pipeline: string, files: Readonly<Record<string, string>>) => async () => {
    await using one = rig(files, pipeline);
    const { settled } = await one.run();
    return settled[0]?.failure;
  };

  test('when it looks for what lies outside of its project', async () => {
    const failure = await hidden(PIPELINE, { 'other/x': '', [`site/${ASKS}`]: 'stat ../other/x' })();
    expect(failure).toMatchObject({ code: 'read-hidden', files: [{ path: 'other/x', reason: 'outside' }] });
  });

  test('but not when nothing is there either way', async () => {
    expect(await hidden(PIPELINE, { [`site/${ASKS}`]: 'stat ../other/x\nopen ../../../../nowhere' })()).toBe(
      null,
    );
  });

  test('when it looks for what git ignores', async () => {
    await using one = rig({
      '.gitignore': '*.secret\n',
      'site/a.secret': '',
      [`site/${ASKS}`]: 'open a.secret',
    });
    execFileSync('git', ['init', '-q'], { cwd: one.directory });
    expect((await one.run()).settled[0]?.failure).toMatchObject({
      code: 'read-hidden',
      files: [{ path: 'site/a.secret', reason: 'ignored' }],
    });
    // What git keeps although a pattern matches is not ignored.
    execFileSync('git', ['add', '-f', 'site/a.secret'], { cwd: one.directory });
    expect(await outcome(one)).toBe('built');
  });

  test('when it looks for what the cache or a stage puts into the checkout', async () => {
    const failure = await hidden(PIPELINE, { [`site/${ASKS}`]: 'stat ../cache' })();
    expect(failure).toMatchObject({ files: [{ path: 'cache', reason: 'output' }] });
  });

  test.each(['open a', 'stat a', 'link a', 'open l'])(
    'when what it looked at changes meanwhile: %s',
    async (asks) => {
      const files = { 'site/a': 'one', 'site/README': '', [`site/${ASKS}`]: asks };
      await using one = rig(files);
      symlinkSync('a', join(one.directory, 'site/l'));
      const during = (path: string) =>
        PIPELINE.replace('project: site', `project: site, meanwhile: [${join(one.directory, path)}]`);
      one.write({ 'pipeline.yaml': during('site/a') });
      expect((await one.run()).settled[0]?.failure).toEqual({ code: 'input-changed', files: ['site/a'] });
      one.write({ 'pipeline.yaml': during('site/README') });
      expect(await outcome(one)).toBe('built');
    },
  );

  test('when a name comes to what it listed', async () => {
    await using one = rig({ 'site/b/x': '', [`site/${ASKS}`]: 'list b' });
    const path = join(one.directory, 'site/b/new');
    one.write({ 'pipeline.yaml': PIPELINE.replace('project: site', `project: site, meanwhile: [${path}]`) });
    expect((await one.run()).settled[0]?.failure).toEqual({ code: 'input-changed', files: ['site/b/new'] });
  });

  test('when it looks for a large file that another stage is given', async () => {
    const pipeline = `${PIPELINE}  disk: { uses: chain, with: { disk: site/disk.img } }\n`;
    await using one = rig({ [`site/${ASKS}`]: 'list .' }, pipeline);
    execFileSync('truncate', ['-s', '40M', join(one.directory, 'site/disk.img')]);
    const targets = ['read'];
    expect((await one.run({ targets })).outcomes['read']).toBe('built');
    expect(readFileSync(join(one.directory, 'seen.txt'), 'utf8')).toBe(`list .: ${ASKS}=file`);
    expect((await one.run({ targets })).outcomes['read']).toBe('fresh');
    one.write({ [`site/${ASKS}`]: 'stat disk.img' });
    expect((await one.run({ targets })).settled[0]?.failure).toMatchObject({
      code: 'read-hidden',
      files: [{ path: 'site/disk.img', reason: 'given' }],
    });
  });

  test('when the project is too large to be copied', async () => {
    await using one = rig({ [`site/${ASKS}`]: '' });
    execFileSync('truncate', ['-s', '9G', join(one.directory, 'site/big')]);
    expect((await one.run()).settled[0]?.failure).toMatchObject({
      code: 'project-too-large',
      projects: ['site'],
      largest: [{ path: 'site/big' }, { path: `site/${ASKS}` }],
    });
  });
});

test.each([
  ['makes', {}],
  ['changes', { 'site/fetched': 'before' }],
])('what it %s in its project is kept aside and told, and its result is not stored', async (_, more) => {
  await using one = rig(
    { [`site/${ASKS}`]: '', ...more },
    PIPELINE.replace('project: site', 'project: site, writes: fetched'),
  );
  const told: Failure[] = [];
  const emit = (event: Event) => {
    if (event.type === 'warning') told.push(event.warning);
  };
  for (let round = 0; round < 2; round++) {
    expect((await one.run({ emit })).outcomes['read']).toBe('built');
    const [warning] = told.splice(0);
    if (warning?.code !== 'wrote-into-project') throw new Error(JSON.stringify(warning));
    expect(warning).toMatchObject({ stage: 'read', files: ['site/fetched'] });
    expect(readFileSync(join(warning.directory, 'site/fetched'), 'utf8')).toBe('something');
    expect(statSync(warning.directory).mode & 0o077).toBe(0);
  }
});

test('names that git ignores do not count where a directory is listed', async () => {
  await using one = rig({ '.gitignore': '*.swp\n', 'site/a': '', [`site/${ASKS}`]: 'list .' });
  execFileSync('git', ['init', '-q'], { cwd: one.directory });
  expect(await outcome(one)).toBe('built');
  one.write({ 'site/.a.swp': '' });
  expect(await outcome(one)).toBe('fresh');
  one.write({ 'site/b': '' });
  expect(await outcome(one)).toBe('built');
  rmSync(join(one.directory, 'site/.a.swp'));
  expect(await outcome(one)).toBe('fresh');
});

test('links inside of the pipeline bring what they lead to', async () => {
  await using one = rig({
    'shared/role/main': 'one',
    'site/x': '',
    [`site/${ASKS}`]: 'open role/main\nlink role\nopen role/../role/main',
  });
  symlinkSync('../shared/role', join(one.directory, 'site/role'));
  expect(await outcome(one)).toBe('built');
  expect(readFileSync(join(one.directory, 'seen.txt'), 'utf8')).toContain('link role: to ../shared/role');
  one.write({ 'shared/other': '' });
  expect(await outcome(one)).toBe('fresh');
  one.write({ 'shared/role/main': 'two' });
  expect(await outcome(one)).toBe('built');
});

test('links that double the way with each one lead nowhere, at once', async () => {
  await using one = rig({ 'site/end/x': '', [`site/${ASKS}`]: 'open l0/x' });
  for (let at = 0; at < 38; at++) symlinkSync(`l${at + 1}/../l${at + 1}`, join(one.directory, `site/l${at}`));
  symlinkSync('end', join(one.directory, 'site/l38'));
  expect(await outcome(one)).toBe('built');
  expect(readFileSync(join(one.directory, 'seen.txt'), 'utf8')).toBe('open l0/x: ELOOP');
  expect(await outcome(one)).toBe('fresh');
}, 20_000);

test('what the kernel makes up is never read, whatever link leads there', async () => {
  await using one = rig({ [`site/${ASKS}`]: 'open endless' });
  symlinkSync('/proc/self/status', join(one.directory, 'site/endless'));
  const { settled } = await one.run();
  expect(settled[0]?.failure).toMatchObject({ code: 'read-hidden', files: [{ reason: 'special' }] });
});

test('where a process was not watched, everything counts', async () => {
  const pipeline = PIPELINE.replace('project: site', 'project: site, untraced: true');
  await using one = rig({ 'site/a': 'one', 'site/d/x': '', [`site/${ASKS}`]: '' }, pipeline);
  expect(await outcome(one)).toBe('built');
  expect(await outcome(one)).toBe('fresh');
  one.write({ 'site/d/x': 'other' });
  expect(await outcome(one)).toBe('built');
  one.write({ 'site/d/new': '' });
  expect(await outcome(one)).toBe('built');
});

const PATHS = ['a', 'b', 'd', 'd/a', 'd/b', 'd/e', 'd/e/a', 'l', 'd/l', 'x/y'];
const VERBS = ['open', 'stat', 'link', 'list'];
const TARGETS = ['a', 'd', 'd/e', '../shared', '../shared/s', 'nowhere', '../site/b', '.'];

function edit(site: string, next: (below: number) => number): string {
  const path = PATHS[next(PATHS.length)] as string;
  const place = join(site, path);
  const kind = next(8);
  try {
    if (kind < 3) {
      mkdirSync(dirname(place), { recursive: true });
      writeFileSync(place, String(next(3)));
    } else if (kind === 3) rmSync(place, { recursive: true, force: true });
    else if (kind === 4) mkdirSync(place, { recursive: true });
    else if (kind === 5) {
      const target = TARGETS[next(TARGETS.length)] as string;
      rmSync(place, { recursive: true, force: true });
      mkdirSync(dirname(place), { recursive: true });
      symlinkSync(target, place);
    } else if (kind === 6) chmodSync(place, next(2) === 0 ? 0o644 : 0o755);
    else renameSync(place, join(site, PATHS[next(PATHS.length)] as string));
  } catch {
    // Not every edit is possible of what is there.
  }
  return `${kind} ${path}`;
}

/** Reading through a loop of links, or an endless tree, is no part of this. */
function isOrdinary(site: string): boolean {
  return PATHS.every((path) => {
    try {
      lstatSync(join(site, path));
      return true;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== 'ELOOP';
    }
  });
}

test.each([1, 2, 3, 4])('it runs again if and only if what it reads could differ: walk %i', async (seed) => {
  const next = wholeNumbersFrom(seed);
  const cases = 150;
  await using one = rig({ 'shared/s': 'shared', 'site/a': '1' });
  const site = join(one.directory, 'site');
  let last = '';
  const counts = { built: 0, kept: 0, needless: 0 };
  for (let at = 0; at < cases; at++) {
    const edits: string[] = [];
    if (at % 10 === 0) {
      const lines = Array.from({ length: 4 }, () => `${VERBS[next(4)]} ${PATHS[next(PATHS.length)]}`);
      one.write({ [`site/${ASKS}`]: lines.join('\n') });
    } else edits.push(edit(site, next));
    if (!isOrdinary(site)) continue;
    const seen = seenIn(site, asksIn(site)).join('\n');
    const { outcomes, settled } = await one.run();
    const how = outcomes['read'] ?? '';
    const told = `case ${at} (${edits.join()}): ${JSON.stringify(settled[0]?.failure)}\n${seen}`;
    expect(['built', 'fresh', 'restored'], told).toContain(how);
    expect(readFileSync(join(one.directory, 'seen.txt'), 'utf8'), told).toBe(seen);
    if (how === 'built') counts.built += 1;
    else counts.kept += 1;
    if (how === 'built' && seen === last) counts.needless += 1;
    last = seen;
  }
  expect(last).not.toBe('');
  expect(counts.kept).toBeGreaterThan(cases / 10);
  expect(counts.needless, JSON.stringify(counts)).toBeLessThanOrEqual(counts.built * 0.2);
});
