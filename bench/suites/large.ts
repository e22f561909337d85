/** A 4 GiB output: taken into the cache, and put back from it by copying or by sharing its blocks. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { findInode, writeLarge } from '../files.ts';
import { type Contestant, finish, race } from '../measure.ts';
import { bakeIn, expectOutcomes, letFilesAge, newDirectory, pipelineSite } from '../sites.ts';
import { type Bench, ratioVerdict, type Suite } from '../suite.ts';
import { netOf } from './hash.ts';
import { medianOf } from './noop.ts';

const GIB = 2 ** 30;

/** The stage moves a finished file into its workspace, which costs nothing: what remains is what bake does with it. */
function movingPipeline(ready: string): string {
  return `bake: 1
name: adopt
stages:
  big:
    run: mv ${ready} big.img
    outputs: { o: big.img }
  end:
    run: test -s \${{ stages.big.outputs.o }}
`;
}

export const adopt: Suite = {
  name: 'adopt',
  summary: 'a 4 GiB output taken into the cache',
  run(bench) {
    const { openssl } = bench.tools;
    if (openssl === null) throw new Error('openssl is needed to check the result');
    const bytes = Math.round(4 * GIB * bench.scale);
    bench.say('writing 4 GiB');
    const big = adopting(bench, 'bake run, 4 GiB output', bytes);
    const tiny = adopting(bench, 'bake run, 1 KiB output', 1024);
    const other = join(bench.directory, 'reference.img');
    writeLarge(other, bytes);
    const series = race(
      [
        {
          name: 'openssl dgst -sha256',
          command: { file: openssl, args: ['dgst', '-sha256', other], cwd: bench.home },
          check: () => undefined,
        },
        tiny,
        big,
      ],
      bench.runs,
      bench.home,
    );
    const hashing = series.find(({ name }) => name.startsWith('openssl'));
    const net = netOf(series, 'bake run, 1 KiB output')('bake run, 4 GiB output');
    rmSync(other);
    return {
      series,
      verdicts: [
        {
          what: 'adopting 4 GiB / reading and hashing it once (a 1 KiB output taken off)',
          measured: hashing === undefined ? null : net / medianOf(hashing),
          limit: 1.1,
          unit: '×',
          bound: 'most',
        },
      ],
      notes: [
        'Every run is checked: the digest in the summary is that of openssl, and the blob is the very inode that the stage left, so nothing was copied.',
      ],
    };
  },
};

function adopting(bench: Bench, name: string, bytes: number): Contestant {
  const ready = join(bench.directory, `ready-${bytes}.img`);
  writeLarge(ready, bytes);
  const inode = statSync(ready).ino;
  const cwd = pipelineSite(bench, `adopt-${bytes}`, movingPipeline(ready));
  const cache = join(cwd, 'cache');
  const summary = join(bench.home, 'adopt.json');
  const dgst = { file: bench.tools.openssl ?? '', args: ['dgst', '-sha256', ready], cwd };
  const digest = /[0-9a-f]{64}/.exec(finish(dgst, bench.home).stdout)?.[0] ?? '';
  return {
    name,
    command: bakeIn(bench, cwd, 'run', '--summary', summary),
    prepare() {
      rmSync(cache, { recursive: true, force: true });
      // Read once, so that the page cache is as warm for bake as for openssl.
      finish(dgst, bench.home);
    },
    check() {
      expectOutcomes(summary, { built: 2 });
      const { stages } = JSON.parse(readFileSync(summary, 'utf8'));
      if (stages[0].outputs[0].digest !== `sha256:${digest}`) throw new Error('the digest is wrong');
      const blob = findInode(cache, inode);
      if (blob === null) throw new Error('the blob is not the file that the stage left: it was copied');
      renameSync(blob, ready);
      chmodSync(ready, 0o644);
    },
  };
}

/** A checkout whose only output has been built once, from a file of this many bytes. */
function restoring(bench: Bench, bytes: number) {
  const ready = join(bench.directory, `restore-${bytes}.img`);
  writeLarge(ready, bytes);
  const cwd = pipelineSite(
    bench,
    `restore-${bytes}`,
    `bake: 1\nname: restore\nstages:\n  big:\n    run: cp ${ready} big.img\n    outputs: { o: big.img }\n`,
  );
  finish(bakeIn(bench, cwd, 'run'), bench.home);
  const summary = join(bench.home, 'restore.json');
  return {
    ready,
    cwd,
    placed: join(cwd, 'big.img'),
    summary,
    command: bakeIn(bench, cwd, 'run', '--summary', summary),
  };
}

/** Puts a deleted output back, which is checked; `begin` is called after the deletion, `end` after the run. */
function putBack(
  bench: Bench,
  name: string,
  bytes: number,
  { ready, placed, summary, command }: ReturnType<typeof restoring>,
  end: () => void = () => undefined,
  begin: () => void = () => undefined,
): Contestant {
  return {
    name,
    command,
    prepare: () => {
      rmSync(placed);
      letDisksRest(bench);
      begin();
    },
    check: () => {
      expectOutcomes(summary, { restored: 1 });
      expectSame(ready, placed, bytes);
      end();
    },
  };
}

/** What the run before wrote is on the disk, and the disk is done with it: gigabytes keep it busy for a while after `sync`. */
function letDisksRest(bench: Bench): void {
  finish({ file: 'sync', args: [], cwd: bench.home }, bench.home);
  letFilesAge();
}

export const restore: Suite = {
  name: 'restore',
  summary: 'a 4 GiB output put back from the cache',
  run(bench) {
    const bytes = Math.round(4 * GIB * bench.scale);
    bench.say('writing 4 GiB');
    const site = restoring(bench, bytes);
    const { ready, cwd, placed, command } = site;
    const copy = join(bench.directory, 'copy.img');
    const cache = finish(bakeIn(bench, cwd, 'cache', 'dir'), bench.home).stdout.trim();
    // Each reads a file of its own, and a kernel that frees memory early drops the one that was read less often.
    const readSources = () => {
      for (const source of [ready, cache])
        finish(
          { file: 'sh', args: ['-c', `find "$0" -type f -exec cat {} + > /dev/null`, source], cwd },
          bench.home,
        );
    };
    const copies = race(
      [
        {
          name: 'cp --sparse=auto',
          command: { file: 'cp', args: ['--sparse=auto', ready, copy], cwd: bench.home },
          prepare: () => {
            rmSync(copy, { force: true });
            letDisksRest(bench);
            readSources();
          },
          check: () => expectSame(ready, copy, bytes),
        },
        putBack(bench, 'bake run, deleted output', bytes, site, undefined, readSources),
      ],
      bench.runs,
      bench.home,
    );
    // What was put back just now could still change within the clock's grain: bake looks twice.
    letFilesAge();
    const again = { ...command, args: command.args.slice(0, command.args.indexOf('--summary')) };
    finish(again, bench.home);
    const then = statSync(placed, { bigint: true });
    const inPlace = race(
      [
        {
          name: 'bake run, output in place',
          command: again,
          check: ({ stdout }) => {
            const now = statSync(placed, { bigint: true });
            if (!stdout.includes('nothing to do') || now.ctimeNs !== then.ctimeNs || now.ino !== then.ino)
              throw new Error('something was done');
          },
        },
      ],
      bench.runs,
      bench.home,
    );
    const series = [...copies, ...inPlace];
    return {
      series,
      verdicts: [ratioVerdict(series, 'bake run, deleted output', 'cp --sparse=auto', 1.1, medianOf)],
      notes: [
        'Whole processes, start-up included; before each copy the disk is synced and gets a rest, and both sources are read once, so that both are in the page cache. That a run itself writes back is not waited for.',
      ],
    };
  },
};

/** Blocks of metadata that a new file may take; a copy takes those of its content. */
const MOST_NEW_BYTES = 64 << 20;

export const reflink: Suite = {
  name: 'reflink',
  summary: 'a 4 GiB output put back where files can share blocks (btrfs or xfs on a loop file; as root)',
  run(bench) {
    const bytes = Math.round(4 * GIB * bench.scale);
    const [large, small] = ['bake run, 4 GiB output deleted', 'bake run, 1 KiB output deleted'];
    const limit = {
      what: 'putting back 4 GiB (a 1 KiB output taken off)',
      limit: 5,
      unit: 'ms',
      bound: 'most' as const,
    };
    const mounted = mountSharing(bench, bytes + 2 * GIB);
    if (mounted === null)
      return {
        series: [],
        verdicts: [{ ...limit, measured: null }],
        notes: ['It needs root, loop devices, and `mkfs.btrfs` or `mkfs.xfs`.'],
      };
    const inside = { ...bench, directory: mounted.directory };
    bench.say('writing 4 GiB');
    let before = 0;
    const used = () => {
      const { blocks, bfree, bsize } = statfsSync(mounted.directory);
      return (blocks - bfree) * bsize;
    };
    const shared = () => {
      if (bytes > 2 * MOST_NEW_BYTES && used() - before > MOST_NEW_BYTES)
        throw new Error('the output was copied');
    };
    const look = () => {
      before = used();
    };
    const series = race(
      [
        putBack(inside, small, 1024, restoring(inside, 1024)),
        putBack(inside, large, bytes, restoring(inside, bytes), shared, look),
      ],
      bench.runs,
      bench.home,
    );
    return {
      series,
      verdicts: [{ ...limit, measured: netOf(series, small)(large) }],
      notes: [`${mounted.type} on a loop file. After every run the disk must hold no copy.`],
    };
  },
};

/** A new file system in a file, whose files can share blocks; null when this host or user cannot have one. */
function mountSharing(
  bench: Bench,
  bytes: number,
): { readonly directory: string; readonly type: string } | null {
  const directory = newDirectory(bench, 'sharing');
  const image = join(bench.directory, 'sharing.img');
  for (const type of ['btrfs', 'xfs']) {
    writeFileSync(image, '');
    truncateSync(image, bytes);
    try {
      execFileSync(`mkfs.${type}`, ['-q', image], { stdio: 'ignore' });
      execFileSync('mount', ['-o', 'loop', image, directory], { stdio: 'ignore' });
      bench.atEnd(() => execFileSync('umount', [directory]));
      return { directory, type };
    } catch {
      rmSync(image);
    }
  }
  return null;
}

/** Compares the length and a piece of every sixteenth of two files. */
function expectSame(a: string, b: string, bytes: number): void {
  if (statSync(b).size !== bytes) throw new Error(`${b} has the wrong length`);
  const [left, right] = [openSync(a, 'r'), openSync(b, 'r')];
  const [one, other] = [Buffer.alloc(1 << 16), Buffer.alloc(1 << 16)];
  try {
    for (let part = 0; part < 16; part++) {
      const at = Math.floor((bytes / 16) * part);
      const count = readSync(left, one, 0, one.length, at);
      readSync(right, other, 0, count, at);
      if (!one.subarray(0, count).equals(other.subarray(0, count)))
        throw new Error(`${b} differs at byte ${at}`);
    }
  } finally {
    closeSync(left);
    closeSync(right);
  }
}
