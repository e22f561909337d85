/** Every file of what a user keeps for himself, left by runs that went well, were killed or stopped, damaged in every way: bytes are right, nothing crashes. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { filesBelow, harm, spread, WAYS, type Way } from '../support/damage.ts';
import { plantMachine } from '../support/planted-state.ts';
import { type BakeOptions, type Checkout, type Ended, Rig } from '../support/rig.ts';
import { User } from '../support/two-users.ts';
import { webServer } from '../support/web-server.ts';
import { without } from '../support/without.ts';

/** How many points are tried; BAKE_DAMAGE_POINTS=all tries every one. */
const POINTS = 8;
const LONGEST_RUN_MS = 60_000;

const IMAGE = Buffer.alloc(3_000_000, 'image of a disk ');
/** So much comes before the server stops; some of it waits in memory to be written. */
const SENT = 1_500_000;

function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function pipeline(origin: string, mark: string): string {
  return `bake: 1
name: private
stages:
  a: { run: "echo said; cat in.txt > o", inputs: [in.txt], outputs: { o: o } }
  slow: { run: "[ -e ${mark} ] || work; echo slow > s", outputs: { s: s } }
  image: { uses: fetch-iso, with: { url: ${origin}/image, sha256: ${sha256(IMAGE)} }, outputs: { iso: image.iso } }
`;
}

/** Commands that read what is private besides `run`; one goes with each point. */
const COMMANDS: readonly (readonly string[])[] = [
  ['machine', 'ls'],
  ['log', 'a'],
  ['explain', 'a'],
  ['cache'],
  ['plan'],
  ['cache', 'rm', '--all'],
];

async function ended(here: Checkout, args: readonly string[], options: BakeOptions): Promise<Ended> {
  const running = here.start(args, options);
  const late = setTimeout(() => running.kill('SIGKILL'), LONGEST_RUN_MS);
  const end = await running.ended;
  clearTimeout(late);
  return end;
}

function wrongIn(here: Checkout): readonly string[] {
  const wanted: readonly [path: string, digest: string][] = [
    ['o', sha256('input 1\n')],
    ['s', sha256('slow\n')],
    ['image.iso', sha256(IMAGE)],
  ];
  return wanted
    .filter(([path, digest]) => !here.has(path) || sha256(readFileSync(here.path(path))) !== digest)
    .map(([path]) => path);
}

/** What a machine leaves: side files beside a content, and a record of one that was kept. */
function leaveMachines(own: string, process: ChildProcess): void {
  const sides = join(own, 'sides', sha256(hostname()).slice(0, 16), sha256('input 0\n'));
  mkdirSync(sides, { recursive: true });
  writeFileSync(join(sides, 'memory'), 'memory of a machine');
  writeFileSync(join(sides, 'checkpoint.json'), '{}');
  plantMachine(own, process.pid as number);
}

interface Point {
  readonly path: string;
  readonly way: Way;
  readonly command: readonly string[];
}

/** What is wrong after a point was damaged; nothing when all is as promised. */
async function outcomeAt(here: Checkout, own: string, point: Point, options: BakeOptions) {
  const { path, way, command } = point;
  writeFileSync(here.path('in.txt'), 'input 1\n');
  harm(join(own, path), way);
  const told = `${path} ${way}`;
  const asked = await ended(here, command, options);
  if (![0, 1, 2, 3].includes(asked.code ?? 70))
    return [`${told}, ${command.join(' ')}: ended with ${asked.code ?? asked.signal}\n${asked.stderr}`];
  const first = await ended(here, ['run'], options);
  if (first.code === 0) return wrongIn(here).map((one) => `${told}: ${one} is wrong`);
  const said = `${first.stdout}${first.stderr}`;
  if (![1, 2, 3].includes(first.code ?? 70))
    return [`${told}: ended with ${first.code ?? first.signal}\n${said}`];
  const second = await ended(here, ['run'], options);
  const isHealed = second.code === 0 && wrongIn(here).length === 0;
  return isHealed ? [] : [`${told}: not healed, ${second.code}\n${said}${second.stdout}${second.stderr}`];
}

test('whatever is damaged of it, the bytes are right or the run says why not, and the next one heals', async () => {
  await using rig = await Rig.make();
  rig.tools.make('work');
  let isWhole = false;
  await using server = await webServer((request, response) => {
    const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const length = String(IMAGE.length - from);
    const range = { 'content-range': `bytes ${from}-${IMAGE.length - 1}/${IMAGE.length}` };
    response.writeHead(from > 0 ? 206 : 200, {
      etag: '"one"',
      'accept-ranges': 'bytes',
      'content-length': length,
      ...(from > 0 ? range : {}),
    });
    if (isWhole) response.end(IMAGE.subarray(from));
    else response.write(IMAGE.subarray(0, SENT));
  });
  const mark = rig.path('mark');
  const files = { 'pipeline.yaml': pipeline(server.origin, mark), 'in.txt': 'input 0\n' };
  // Root reads whatever is whose: then it is somebody else who runs.
  const user = without.root ? null : new User(rig, rig.path('unused'), 12_001);
  const here = user?.checkout('here', files) ?? rig.checkout('here', files);
  const own = here.path('cache/private', String(user?.uid ?? process.getuid?.() ?? 0));
  const env = { HOME: here.directory, XDG_STATE_HOME: here.path('state') };
  const options = { ...user?.runs(), env };
  for (const args of [['run', 'a'], ['run', 'a'], ['plan']])
    expect((await ended(here, args, options)).code).toBe(0);
  const killed = here.start(['run', 'slow', 'image', '-j2'], options);
  await rig.tools.next('work');
  const sent = () => filesBelow(own).find((path) => path.endsWith('/part'));
  await expect
    .poll(() => sent() !== undefined && statSync(join(own, sent() ?? '')).size, { timeout: 30_000 })
    .toBeGreaterThan(SENT / 2);
  killed.kill('SIGKILL');
  await killed.ended;
  isWhole = true;
  writeFileSync(mark, '');
  const sleeper = spawn('sleep', ['1000'], { stdio: 'ignore' });
  try {
    leaveMachines(own, sleeper);
    if (user !== null) execFileSync('chown', ['-R', `${user.uid}:${user.uid}`, here.directory]);
    execFileSync('cp', ['-a', here.directory, rig.path('whole')]);
    const all = filesBelow(own).flatMap((path, file) =>
      WAYS.map((way, at) => ({ path, way, command: COMMANDS[(file + at) % COMMANDS.length] ?? [] })),
    );
    const bad: string[] = [];
    for (const point of spread(all, POINTS)) {
      rmSync(here.directory, { recursive: true, force: true });
      execFileSync('cp', ['-a', rig.path('whole'), here.directory]);
      bad.push(...(await outcomeAt(here, own, point, options)));
    }
    expect(bad).toEqual([]);
    const kinds = ['state.json', 'plan-', 'quick/', 'memo/', 'logs/', 'owner.json', 'groups', 'part.json'];
    for (const kind of [...kinds, 'sides/', 'machine.json'])
      expect([kind, all.some(({ path }) => path.includes(kind))]).toEqual([kind, true]);
  } finally {
    const gone = once(sleeper, 'exit');
    sleeper.kill('SIGKILL');
    await gone;
  }
}, 3_600_000);
