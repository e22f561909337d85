/** Runs a shell script in a guest: upload, exit statuses, lost connections. */
import { CONNECTION_LOST } from '../../machine/ssh.ts';
import type { Failure } from '../../model/failure.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import { quoteWord } from '../../model/shell-words.ts';
import type { StageContext } from '../kind.ts';
import type { ShellStepOptions } from '../shell-step.ts';
import type { Guest } from './guest.ts';

const REMOTE = '/tmp/bake-script';

interface Script {
  readonly title: string;
  /** Absolute path on this host. */
  readonly path: string;
}

/** The whole step in a guest. */
export async function runScript(
  options: ShellStepOptions,
  context: StageContext,
  guest: Guest,
): Promise<Result<void, Failure>> {
  const script = await scriptOf(options, context);
  if (!script.ok) return script;
  const { title, path } = script.value;
  await context.host.clock.sleep(options.pause_before, context.signal);
  context.progress(`running ${title}`);
  const during = `while ${title} ran`;
  const bootId = options.expect_disconnect ? await guest.bootId() : null;
  const sent = await guest.machine.during(during, () => guest.ssh().upload(path, REMOTE));
  if (!sent.ok) return sent;
  context.log(`running ${title}`);
  const runOptions = { timeoutMs: options.timeout, idleTimeoutMs: options.idle_timeout };
  const ran = options.become
    ? await guest.runAsRoot(commandOf(options), during, runOptions)
    : await guest.run(commandOf(options), during, runOptions);
  if (!ran.ok) return ran;
  const { exitCode, tail, timedOut, wentSilent } = ran.value;
  if (timedOut) return fail({ code: 'stage-timeout', timeoutMs: options.timeout, tail });
  if (wentSilent) return fail({ code: 'command-silent', idleMs: options.idle_timeout ?? 0, tail });
  const disconnected = exitCode === CONNECTION_LOST || exitCode === null;
  const valid = exitCode !== null && options.valid_exit_codes.includes(exitCode);
  // A script that reboots may still end well before the connection is cut.
  if (options.expect_disconnect && (valid || disconnected))
    return await guest.logInAgain('usable', bootId, options.ssh.timeout);
  if (valid) return ok(undefined);
  const view = await guest.machine.view();
  return fail({ code: 'guest-command-failed', command: title, exitCode, disconnected, tail, guest: view });
}

async function scriptOf(options: ShellStepOptions, context: StageContext): Promise<Result<Script, Failure>> {
  const { script } = options;
  if (script !== undefined) {
    const title = '$file' in script ? script.$file : `${script.$artifact.action}.${script.$artifact.output}`;
    return ok({ title, path: context.input(script).path });
  }
  const path = `${context.scratch}/inline.sh`;
  const written = await context.host.files.writeFile(path, `#!/bin/sh -e\n${options.inline.join('\n')}\n`);
  const [first = '', ...more] = options.inline.join('\n').split('\n');
  return written.ok ? ok({ title: more.length === 0 ? first : `${first} …`, path }) : written;
}

function commandOf({ environment, execute_command }: ShellStepOptions): string {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${quoteWord(value)}`);
  return execute_command
    .replace(/\{\{\s*\.Vars\s*\}\}/g, () => variables.join(' '))
    .replace(/\{\{\s*\.Path\s*\}\}/g, () => REMOTE);
}
