/** Versions of tools: each is started once to ask, and not again as long as its binary is the same file. */
import type { Host } from '../host/host.ts';
import type { ToolMemo } from '../incremental/state.ts';
import type { PlannedTool } from '../model/plan.ts';
import { isRacy, isStat, numbersOf, STAT_NUMBERS } from '../model/stat-record.ts';
import { toolPath } from './environment.ts';
import type { Looks } from './looks.ts';

const PATIENCE_MS = 20_000;

export class Tools {
  readonly #host: Host;
  readonly #looks: Looks;
  readonly #memo: ToolMemo;
  readonly #asked = new Map<string, Promise<string | null>>();
  #changed = false;

  constructor(host: Host, looks: Looks, memo: ToolMemo) {
    this.#host = host;
    this.#looks = looks;
    this.#memo = memo;
  }

  /** What the tool says of itself in its first line, or the digest of its binary when it says nothing; null when it is not there. */
  versionOf(tool: PlannedTool): Promise<string | null> {
    const key = JSON.stringify([tool.name, ...tool.versionArguments]);
    let version = this.#asked.get(key);
    if (version === undefined) {
      version = this.#find(tool);
      this.#asked.set(key, version);
    }
    return version;
  }

  /** What is worth keeping for the next run, or null when that is what was kept already. */
  memo(): ToolMemo | null {
    return this.#changed ? this.#memo : null;
  }

  async #find(tool: PlannedTool): Promise<string | null> {
    if (tool.name.startsWith('node:')) return process.versions[tool.name.slice('node:'.length)] ?? null;
    const { files, processes, env } = this.#host;
    const path = toolPath(env);
    const found = processes.find(tool.name, path);
    for (const directory of path.split(':')) {
      const candidate = `${directory}/${tool.name}`;
      this.#looks.add(candidate, files.stamp(candidate));
      if (candidate === found) break;
    }
    const binary = found === null ? null : files.realPath(found);
    const stamp = binary === null ? null : files.stamp(binary);
    if (found === null || binary === null || stamp === null) return null;
    this.#looks.add(binary, stamp);
    const key = JSON.stringify([found, binary, ...tool.versionArguments]);
    const known = this.#memo[key];
    if (known !== undefined && isStat(known, 0, stamp)) return known[STAT_NUMBERS];
    const askedAtMs = this.#host.clock.nowMs();
    const version = (await this.#ask(found, tool.versionArguments)) ?? (await this.#digest(binary));
    if (version !== null && !isRacy(stamp, askedAtMs)) {
      this.#memo[key] = [...numbersOf(stamp), version];
      this.#changed = true;
    }
    return version;
  }

  async #ask(file: string, args: readonly string[]): Promise<string | null> {
    const { env } = this.#host;
    const answer = await this.#host.processes.ask(file, args, {
      env: { PATH: toolPath(env), HOME: env['HOME'] ?? '/', LANG: 'C.UTF-8', TZ: 'UTC' },
      timeoutMs: PATIENCE_MS,
    });
    const lines = answer?.split('\n').map((line) => line.trim()) ?? [];
    return lines.find((line) => line !== '') ?? null;
  }

  async #digest(binary: string): Promise<string | null> {
    const digest = await this.#host.hashing.digestFile(binary);
    return digest.ok ? digest.value.digest : null;
  }
}
