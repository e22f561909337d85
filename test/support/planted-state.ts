/** Private state as somebody else would like it to be: sealed and summed anew, so that nothing but its owner speaks against it. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, type Stats, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ownIdentity } from '../../src/host/identity.ts';
import { checksumOf } from '../../src/model/checksum.ts';

/** A file as it was when the state was taken, and as it is now. */
export type Moved = readonly [before: Stats, now: Stats];

type Forge = (bytes: Buffer) => Buffer;

function sha256(bytes: Buffer | string): Buffer {
  return createHash('sha256').update(bytes).digest();
}

/** Every file below a directory that a name picks. */
function forge(root: string, pick: RegExp, change: Forge): number {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' });
  const paths = names
    .filter((name) => pick.test(name))
    .map((name) => join(root, name))
    .filter((path) => statSync(path).isFile());
  for (const path of paths) writeFileSync(path, change(readFileSync(path)));
  return paths.length;
}

function sealedAnew(change: (body: string) => string): Forge {
  return (bytes) => {
    const body = change(bytes.toString('utf8').slice(65));
    return Buffer.from(`${sha256(body).toString('hex')}\n${body}`);
  };
}

type Numbers = readonly number[];

function doublesOf(numbers: Numbers): Buffer {
  const bytes = Buffer.alloc(8 * numbers.length);
  for (const [at, number] of numbers.entries()) bytes.writeDoubleLE(number, 8 * at);
  return bytes;
}

/** Exchanges rows of doubles. */
function exchanged(bytes: Buffer, moved: readonly Moved[], row: (stats: Stats) => Numbers): Buffer {
  const changed = Buffer.from(bytes);
  for (const [before, now] of moved) {
    const at = changed.indexOf(doublesOf(row(before)));
    if (at >= 0) doublesOf(row(now)).copy(changed, at);
  }
  return changed;
}

const row = ({ size, mtimeMs, ctimeMs, ino }: Stats): Numbers => [size, mtimeMs, ctimeMs, ino];

/** Makes quick file, state and memo say of files as they are now what they said of those before. */
export function forgeStamps(root: string, moved: readonly Moved[]): void {
  const quick = forge(root, /^quick\//, (bytes) => {
    const changed = exchanged(bytes, moved, row);
    changed.write(checksumOf(changed, 20), 'latin1');
    return changed;
  });
  const memo = forge(root, /^memo\//, (bytes) => {
    const changed = exchanged(bytes, moved, ({ size, mtimeMs, ctimeMs, ino }) => [
      ino,
      size,
      mtimeMs,
      ctimeMs,
    ]);
    sha256(changed.subarray(42)).copy(changed, 10);
    return changed;
  });
  const inText = (body: string) =>
    moved.reduce((text, [before, now]) => text.replaceAll(row(before).join(), row(now).join()), body);
  const state = forge(root, /state\.json$/, sealedAnew(inText));
  if (quick + memo + state < 3) throw new Error(`${quick} quick files, ${memo} memos, ${state} states`);
}

/** Puts something before the command in every compiled plan. */
export function forgePlans(root: string, command: string): void {
  const plans = forge(
    root,
    /plan-[^/]*$/,
    sealedAnew((body) => body.replace('"command":"', `"command":"${command}; `)),
  );
  if (plans === 0) throw new Error('no compiled plan');
}

/** What a dead process would have left, had it started this group. */
export function plantGroup(root: string, group: number): void {
  const directory = join(root, 'work/planted');
  mkdirSync(directory, { recursive: true });
  const dead = { pid: 999_999_999, startedAt: '1', realm: 'none' };
  writeFileSync(join(directory, 'owner.json'), JSON.stringify({ ...dead, realm: realmOf() }));
  writeFileSync(join(directory, 'groups'), `+ ${group} 0 99999999999\n`);
}

/** The record of a machine that was kept: the process runs. */
export function plantMachine(root: string, pid: number): void {
  const [checkout = ''] = readdirSync(join(root, 'checkouts'));
  const path = join(root, 'checkouts', checkout, 'machines/abc123/machine.json');
  mkdirSync(dirname(path), { recursive: true });
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const startedAt = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  const process = { pid, startedAt, realm: realmOf() };
  const login = { user: '-oProxyCommand=id', port: 22, hasKey: false };
  writeFileSync(
    path,
    JSON.stringify({ id: 'abc123', action: 'a', process, keptAtMs: 1, login: null, vnc: null, ssh: login }),
  );
}

function realmOf(): string {
  return ownIdentity().realm;
}
