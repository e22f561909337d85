/** Peers out of npm, which are measured when they were installed with `npm install --prefix bench/peers`. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { contentOf, type Graph, Trace } from './graphs/graph.ts';
import { type Command, type Contestant, finish } from './measure.ts';
import { newDirectory } from './sites.ts';
import type { Bench, Tools } from './suite.ts';

/** A package of a checkout that turbo builds. */
interface TurboPackage {
  readonly name: string;
  readonly needs: readonly string[];
  readonly script: string;
}

/** Looks for every peer: those of npm beside the bench, the others on PATH. */
export function findTools(root: string): Tools {
  const npm = (name: string) => existing(join(root, 'bench/peers/node_modules/.bin', name));
  return {
    ninja: onPath('ninja'),
    make: onPath('make'),
    openssl: onPath('openssl'),
    packer: onPath('packer'),
    snakemake: onPath('snakemake'),
    bazel: onPath('bazel'),
    dvc: onPath('dvc'),
    turbo: npm('turbo'),
    wireit: npm('wireit'),
  };
}

function onPath(name: string): string | null {
  const directories = (process.env['PATH'] ?? '').split(delimiter);
  return directories.map((directory) => join(directory, name)).find((path) => existsSync(path)) ?? null;
}

function existing(path: string): string | null {
  return existsSync(path) ? path : null;
}

/**
 * Nothing to do for turbo, where every stage is a package; by way of its npm launcher, or its native binary at once. The
 * unmeasured first build runs the scripts without npm, which would take longer than all of the bench for 10,000 of them.
 */
export function turboNoop(bench: Bench, graph: Graph, by: 'npm launcher' | 'native binary'): Contestant {
  const trace = new Trace(join(bench.directory, `trace-turbo-${graph.stages.length}`));
  const packages = graph.stages.map(({ name, needs }) => ({
    name,
    needs,
    script: `cp in.txt out.txt && echo ${name} >> ${trace.path}`,
  }));
  const site = `turbo-${graph.stages.length}-${by.split(' ')[0]}`;
  const task = { dependsOn: ['^build'], inputs: ['in.txt'], outputs: ['out.txt'] };
  const directory = turboSite(bench, site, packages, task);
  for (const { name } of packages)
    writeFileSync(join(directory, 'packages', name, 'in.txt'), contentOf(name, 0));
  bench.say(`turbo builds ${graph.stages.length} stages`);
  const file = by === 'npm launcher' ? (bench.tools.turbo as string) : nativeTurbo(bench);
  const command = turboCommand(file, directory);
  const PATH = `${scriptRunner(bench)}${delimiter}${process.env['PATH']}`;
  const first = { ...command, env: { ...command.env, PATH } };
  return builtOnce(bench, `turbo, ${by}`, command, first, trace, graph, ({ stdout }) => {
    if (!new RegExp(`Cached:\\s+${graph.stages.length} cached`).test(stdout))
      throw new Error('turbo does not say that everything was cached');
  });
}

/** Trivial commands, none known yet, each stored by turbo; by its native binary. */
export function turboCommands(bench: Bench, name: string, count: number): Contestant {
  const packages = Array.from({ length: count }, (_, n) => ({ name: `c${n}`, needs: [], script: 'true' }));
  const directory = turboSite(bench, `turbo-commands-${count}`, packages, { outputs: [] });
  return {
    name,
    command: turboCommand(nativeTurbo(bench), directory, '--force'),
    check({ stdout }) {
      const said = [`${count} successful, ${count} total`, `0 cached, ${count} total`];
      if (said.some((words) => !stdout.includes(words)))
        throw new Error('turbo does not say that all commands ran');
    },
  };
}

/** A checkout of packages, each with a script `build`. */
function turboSite(bench: Bench, site: string, packages: readonly TurboPackage[], task: object): string {
  const directory = newDirectory(bench, site);
  for (const { name, needs, script } of packages) {
    const home = join(directory, 'packages', name);
    mkdirSync(home, { recursive: true });
    writeJson(join(home, 'package.json'), {
      name: `s${name}`,
      version: '1.0.0',
      scripts: { build: script },
      dependencies: dependenciesOn(needs),
    });
  }
  writeJson(join(directory, 'package.json'), {
    name: 'graph',
    private: true,
    packageManager: `npm@${execFileSync('npm', ['--version'], { encoding: 'utf8' }).trim()}`,
    workspaces: ['packages/*'],
  });
  writeJson(join(directory, 'package-lock.json'), lockFile(packages));
  writeJson(join(directory, 'turbo.json'), { tasks: { build: task } });
  return directory;
}

function turboCommand(file: string, cwd: string, ...more: readonly string[]): Command {
  const args = ['run', 'build', '--no-daemon', '--output-logs=none', '--concurrency=2', ...more];
  return {
    file,
    args,
    cwd,
    env: { TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1', NO_UPDATE_NOTIFIER: '1' },
  };
}

/** Nothing to do for wireit, started as its users do: by `npm run`. */
export function wireitNoop(bench: Bench, graph: Graph): Contestant {
  const directory = newDirectory(bench, `wireit-${graph.stages.length}`);
  const trace = new Trace(join(bench.directory, `trace-wireit-${graph.stages.length}`));
  const scripts: Record<string, string> = {};
  const wireit: Record<string, object> = {};
  for (const part of ['in', 'out']) mkdirSync(join(directory, part));
  for (const { name, input, output, needs } of graph.stages) {
    writeFileSync(join(directory, input), contentOf(name, 0));
    scripts[name] = 'wireit';
    wireit[name] = {
      command: `cp ${input} ${output} && echo ${name} >> ${trace.path}`,
      files: [input],
      output: [output],
      dependencies: needs,
    };
  }
  const last = graph.stages.filter(({ leaf }) => leaf).map(({ name }) => name);
  scripts['all'] = 'wireit';
  wireit['all'] = { dependencies: last };
  writeJson(join(directory, 'package.json'), { name: 'graph', private: true, scripts, wireit });
  symlinkSync(join(bench.root, 'bench/peers/node_modules'), join(directory, 'node_modules'));
  const npm = onPath('npm');
  if (npm === null) throw new Error('npm is not on PATH');
  const command = { file: npm, args: ['run', 'all'], cwd: directory, env: { WIREIT_PARALLEL: '2' } };
  return builtOnce(bench, 'wireit, npm run', command, command, trace, graph, () => undefined);
}

function builtOnce(
  bench: Bench,
  name: string,
  command: Command,
  first: Command,
  trace: Trace,
  graph: Graph,
  check: Contestant['check'],
): Contestant {
  finish(first, bench.home);
  const ran = new Set(trace.take()).size;
  if (ran !== graph.stages.length) throw new Error(`${name}: ${ran} stages ran at first`);
  return {
    name,
    command,
    check(finished) {
      const again = trace.take();
      if (again.length > 0) throw new Error(`${again.length} stages ran, none should`);
      check(finished);
    },
  };
}

/** A directory whose `npm` runs the script `build` of the package that it is started in, and can do nothing else. */
function scriptRunner(bench: Bench): string {
  const directory = newDirectory(bench, 'script-runner');
  const script = `eval "$(sed -n 's/^ *"build": "\\(.*\\)"$/\\1/p' package.json)"`;
  writeFileSync(join(directory, 'npm'), `#!/bin/sh\nset -e\n${script}\n`, { mode: 0o755 });
  return directory;
}

function nativeTurbo(bench: Bench): string {
  const modules = join(bench.root, 'bench/peers/node_modules');
  const scoped = join(modules, '@turbo');
  const homes = [
    ...readdirSync(modules).map((name) => join(modules, name)),
    ...(existsSync(scoped) ? readdirSync(scoped).map((name) => join(scoped, name)) : []),
  ];
  const found = homes.map((home) => join(home, 'bin/turbo')).filter((path) => existsSync(path));
  // The launcher of the package `turbo` is a script; the binary lies in a package named after the platform.
  const native = found.find((path) => dirname(dirname(path)) !== join(modules, 'turbo'));
  if (native === undefined) throw new Error('the native binary of turbo is not there');
  return native;
}

/** What `npm install` would write for workspaces without anything from outside; turbo wants it. */
function lockFile(workspaces: readonly TurboPackage[]): object {
  const packages: Record<string, object> = {
    '': { name: 'graph', workspaces: ['packages/*'] },
  };
  for (const { name, needs } of workspaces) {
    packages[`node_modules/s${name}`] = { resolved: `packages/${name}`, link: true };
    packages[`packages/${name}`] = {
      name: `s${name}`,
      version: '1.0.0',
      dependencies: dependenciesOn(needs),
    };
  }
  return { name: 'graph', lockfileVersion: 3, requires: true, packages };
}

function dependenciesOn(needs: readonly string[]): { readonly [name: string]: string } {
  return Object.fromEntries(needs.map((other) => [`s${other}`, '*']));
}

function writeJson(path: string, value: object): void {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}
