/** Provisioning: the first time, after an edit of the last of three playbooks, and by Packer, each up to an OVA; and a look inside. */
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { versionOf } from '../machine.ts';
import { type Command, finish } from '../measure.ts';
import {
  NETWORK,
  PLAYBOOKS,
  provisioningSite,
  writePackerTemplates,
  writeSitePlaybook,
} from '../provisioning.ts';
import { bakeIn } from '../sites.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';
import { ratioVerdict } from '../suite.ts';
import { medianOf } from './noop.ts';

/** A round takes minutes where there is no KVM. */
const MOST_ROUNDS = 3;

const [FIRST, EDITED, PACKER, SHELL] = [
  'bake, first',
  'bake, third playbook edited',
  'packer, then bake converts',
  'bake shell',
] as const;

export const layers: Suite = {
  name: 'layers',
  summary: 'three playbooks of three tasks to an OVA: first, after an edit of the third, and by Packer',
  run(bench) {
    const site = provisioningSite(bench);
    const wall: Record<string, number[]> = { [FIRST]: [], [EDITED]: [], [PACKER]: [], [SHELL]: [] };
    const notes: string[] = [];
    const measure = (name: string, command: Command, check: () => void): number => {
      const { wallMs } = finish(command, bench.home);
      check();
      bench.say(`${name}: ${(wallMs / 1000).toFixed(1)} s`);
      return wallMs;
    };
    bench.say('making the installer and installing from it, once');
    const installed = join(bench.directory, 'cache-installed');
    finish({ ...bakeIn(bench, site, 'run', 'install', '--cache-dir', installed), env: NETWORK }, bench.home);
    const iso = ['get', 'installer.iso', '--to', 'installer.iso', '--cache-dir', installed];
    finish(bakeIn(bench, site, ...iso), bench.home);

    const packer = packerOf(bench, site, notes);
    const rounds = bench.scale < 1 ? 1 : Math.min(bench.runs, MOST_ROUNDS);
    for (let round = 1; round <= rounds; round++) {
      // Every first run begins with the installed disk and nothing else.
      const cache = join(bench.directory, `cache-${round}`);
      cpSync(installed, cache, { recursive: true, preserveTimestamps: true });
      const summary = join(bench.directory, 'summary.json');
      const run = bakeIn(bench, site, 'run', '--cache-dir', cache, '--summary', summary);
      writeSitePlaybook(site, 2 * round - 1);
      const first = measure(FIRST, run, () => expectSteps(summary, [...PLAYBOOKS, 'shutdown']));
      writeSitePlaybook(site, 2 * round);
      const edited = measure(EDITED, run, () => {
        expectSteps(summary, ['site', 'shutdown']);
        expectResumed(bench, site, cache);
      });
      const inside = ['shell', 'provision@site', '--cache-dir', cache, '--', 'cat', '/opt/app/index.html'];
      const looked = finish(bakeIn(bench, site, ...inside), bench.home);
      if (looked.stdout !== `edition ${2 * round}.\n`) throw new Error(`the shell shows ${looked.stdout}`);
      bench.say(`${SHELL}: ${(looked.wallMs / 1000).toFixed(1)} s`);
      wall[FIRST]?.push(first);
      wall[EDITED]?.push(edited);
      wall[SHELL]?.push(looked.wallMs);
      if (packer !== null) wall[PACKER]?.push(packer(round));
      rmSync(cache, { recursive: true, force: true });
    }
    const series = Object.entries(wall)
      .filter(([, wallMs]) => wallMs.length > 0)
      .map(([name, wallMs]) => ({ name, wallMs, maxRssBytes: [] }));
    return result(series, notes);
  },
};

function result(series: SuiteResult['series'], notes: readonly string[]): SuiteResult {
  const shell = series.find(({ name }) => name === SHELL);
  return {
    series,
    verdicts: [
      ratioVerdict(series, EDITED, FIRST, 0.25, medianOf),
      ratioVerdict(series, EDITED, PACKER, 0.25, medianOf),
      { what: SHELL, measured: shell ? medianOf(shell) / 1000 : null, limit: 3, unit: 's', bound: 'most' },
    ],
    notes: [
      `At most ${MOST_ROUNDS} rounds. The first run begins with the installed disk; Packer installs, too, since it keeps nothing.`,
      '`bake shell` resumes the last playbook’s step, runs a command there and throws the machine away.',
      ...notes,
    ],
  };
}

/** Which steps of the stage `provision` ran, in order; all else must have been there. */
function expectSteps(summary: string, expected: readonly string[]): void {
  const { stages } = JSON.parse(readFileSync(summary, 'utf8')) as {
    stages: { name: string; steps?: { name: string; outcome: string }[] }[];
  };
  const steps = stages.find(({ name }) => name === 'provision')?.steps ?? [];
  const ran = steps.filter(({ outcome }) => outcome === 'built').map(({ name }) => name.replace(/^.*@/, ''));
  if (ran.join(' ') !== expected.join(' ')) throw new Error(`steps ${ran.join(' ')} ran`);
}

/** The edited step must have gone on in a machine that was resumed. */
function expectResumed(bench: Bench, site: string, cache: string): void {
  const { stdout } = finish(bakeIn(bench, site, 'log', 'provision@site', '--cache-dir', cache), bench.home);
  if (!/resumed/.test(stdout)) throw new Error('the machine was not resumed');
}

/** Measures Packer in a round; null when it is not here. */
function packerOf(bench: Bench, site: string, notes: string[]): ((round: number) => number) | null {
  const file = bench.tools.packer;
  if (file === null) {
    notes.push('Packer is not installed here and was not measured (Debian: `apt-get install packer`).');
    return null;
  }
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(site, 'key')]);
  writePackerTemplates(site, readFileSync(join(site, 'key.pub'), 'utf8'));
  notes.push(`${versionOf(file, 'version') ?? 'Packer'}; bake converts and packs what comes out of it.`);
  // No question to the makers of Packer about a newer one.
  const env = { CHECKPOINT_DISABLE: '1', PACKER_CACHE_DIR: join(bench.directory, 'packer-cache') };
  const build = (template: string): number => {
    const args = ['build', '-on-error=cleanup', template];
    const { wallMs } = finish({ file, args, cwd: site, env }, bench.home);
    bench.say(`packer build ${template}: ${(wallMs / 1000).toFixed(1)} s`);
    return wallMs;
  };
  return (round) => {
    for (const made of ['packer-install', 'packer-provision'])
      rmSync(join(site, made), { recursive: true, force: true });
    const built = build('install.json') + build('provision.json');
    const cache = join(bench.directory, `cache-packer-${round}`);
    const convert = bakeIn(bench, site, 'run', 'convert.yaml', '--cache-dir', cache);
    const { wallMs } = finish(convert, bench.home);
    rmSync(cache, { recursive: true, force: true });
    bench.say(`${PACKER}: ${((built + wallMs) / 1000).toFixed(1)} s`);
    return built + wallMs;
  };
}
