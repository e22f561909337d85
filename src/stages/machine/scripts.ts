/** Runs shell scripts in a guest: uploads, exit statuses, lost connections, reboots. */

import { CONNECTION_LOST } from '../../machine/ssh.ts';
import type { Failure } from '../../model/failure.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import { quoteWord } from '../../model/shell-words.ts';
import type { ArtifactOption, StageContext } from '../kind.ts';
import type { Guest } from './guest.ts';
import type { SshOptions } from './options.ts';

export interface ScriptOptions {
  readonly scripts: readonly ArtifactOption[];
  readonly inline: readonly string[];
  readonly files: { readonly [path: string]: ArtifactOption };
  readonly environment: { readonly [name: string]: string };
  readonly execute_command: string;
  readonly become: boolean;
  readonly valid_exit_codes: readonly number[];
  readonly expect_disconnect: boolean;
  readonly reboot: boolean;
  readonly pause_before: number;
  readonly timeout: number;
  readonly ssh: SshOptions;
}

interface Script {
  readonly title: string;
  /** Absolute path on this host. */
  readonly path: string;
}

/** Everything that the options say, in order. */
export async function runScripts(
  options: ScriptOptions,
  context: StageContext,
  guest: Guest,
): Promise<Result<void, Failure>> {
  await context.host.clock.sleep(options.pause_before, context.signal);
  const copied = await copyFiles(options.files, context, guest);
  if (!copied.ok) return copied;
  const scripts = await scriptsOf(options, context);
  if (!scripts.ok) return scripts;
  for (const [index, script] of scripts.value.entries()) {
    context.progress(
      `script ${index + 1} of ${scripts.value.length}: ${script.title}`,
      index / scripts.value.length,
    );
    const ran = await runScript(options, context, guest, script, index);
    if (!ran.ok) return ran;
  }
  return options.reboot ? await reboot(options, guest) : ok(undefined);
}

async function copyFiles(
  files: ScriptOptions['files'],
  context: StageContext,
  guest: Guest,
): Promise<Result<void, Failure>> {
  for (const [to, file] of Object.entries(files)) {
    context.progress(`copying ${to}`);
    const sent = await guest.machine.during(`while ${to} was copied`, () =>
      guest.ssh().upload(context.input(file).path, to),
    );
    if (!sent.ok) return sent;
  }
  return ok(undefined);
}

async function scriptsOf(
  options: ScriptOptions,
  context: StageContext,
): Promise<Result<readonly Script[], Failure>> {
  const scripts = options.scripts.map((script) => {
    const title = '$file' in script ? script.$file : `${script.$artifact.action}.${script.$artifact.output}`;
    return { title, path: context.input(script).path };
  });
  if (options.inline.length === 0) return ok(scripts);
  const path = `${context.scratch}/inline.sh`;
  const written = await context.host.files.writeFile(path, `#!/bin/sh -e\n${options.inline.join('\n')}\n`);
  return written.ok ? ok([{ title: 'inline', path }, ...scripts]) : written;
}

async function runScript(
  options: ScriptOptions,
  context: StageContext,
  guest: Guest,
  script: Script,
  index: number,
): Promise<Result<void, Failure>> {
  const remote = `/tmp/bake-script-${index}`;
  const during = `while ${script.title} ran`;
  const bootId = options.expect_disconnect ? await guest.bootId() : null;
  const sent = await guest.machine.during(during, () => guest.ssh().upload(script.path, remote));
  if (!sent.ok) return sent;
  const variables = Object.entries(options.environment).map(([name, value]) => `${name}=${quoteWord(value)}`);
  const command = options.execute_command
    .replace(/\{\{\s*\.Vars\s*\}\}/g, () => variables.join(' '))
    .replace(/\{\{\s*\.Path\s*\}\}/g, () => remote);
  context.log(`running ${script.title}`);
  const runOptions = { timeoutMs: options.timeout };
  const ran = options.become
    ? await guest.runAsRoot(command, during, runOptions)
    : await guest.run(command, during, runOptions);
  if (!ran.ok) return ran;
  const { exitCode, tail, timedOut } = ran.value;
  if (timedOut) return fail({ code: 'stage-timeout', timeoutMs: options.timeout, tail });
  const disconnected = exitCode === CONNECTION_LOST || exitCode === null;
  const valid = exitCode !== null && options.valid_exit_codes.includes(exitCode);
  // A script that reboots may still end well before the connection is cut.
  if (options.expect_disconnect && (valid || disconnected))
    return await guest.logInAgain('usable', bootId, options.ssh.timeout);
  if (valid) {
    await guest.run(`rm -f ${remote}`, during, { quiet: true });
    return ok(undefined);
  }
  const view = await guest.machine.view();
  return fail({
    code: 'guest-command-failed',
    command: script.title,
    exitCode,
    disconnected,
    tail,
    guest: view,
  });
}

async function reboot(options: ScriptOptions, guest: Guest): Promise<Result<void, Failure>> {
  const before = await guest.bootId();
  // The status says nothing: the connection ends with the system that it leads to.
  await guest.runAsRoot('reboot', 'while it was rebooting', { timeoutMs: 30_000 });
  return await guest.logInAgain('rebooted', before, options.ssh.timeout);
}
