/** Runs a shell script in a guest: upload, exit statuses, lost connections. */
import { posix } from 'node:path';
import { CONNECTION_LOST } from '../../machine/ssh.ts';
import type { Failure } from '../../model/failure.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import { quoteWord } from '../../model/shell-words.ts';
import type { StageContext } from '../kind.ts';
import type { ShellStepOptions } from '../shell-step.ts';
import type { Guest } from './guest.ts';
import { obstacleTo } from './obstacle.ts';
import { scriptOptions } from './script-options.ts';

/** What is in `execute_command` unless it is said. */
const DEFAULT_COMMAND = scriptOptions.execute_command.parse(undefined);
/** How a script of commands is run then: it needs no right to be run, which no file has where /tmp is mounted noexec. */
const INLINE_COMMAND = '{{ .Vars }} /bin/sh -e {{ .Path }}';

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
  const sent = await guest.machine.during(during, () => guest.ssh().upload(path, remotePath(options)));
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
    return await afterwards(options, guest, await guest.logInAgain('usable', bootId, options.ssh.timeout));
  if (valid) return await afterwards(options, guest, ok(undefined));
  const obstacle = disconnected ? null : await obstacleTo(guest, options.remote_folder, { exitCode, tail });
  const view = await guest.machine.view();
  const failure = { command: title, exitCode, disconnected, tail, guest: view };
  return fail({ code: 'guest-command-failed', ...failure, ...(obstacle === null ? {} : { obstacle }) });
}

/** Where a script lies in the guest. */
function remotePath({ remote_folder }: ShellStepOptions): string {
  return posix.join(remote_folder, 'bake-script');
}

/** Takes the script away; what is in /tmp goes with all else that bake leaves there. */
async function afterwards(
  options: ShellStepOptions,
  guest: Guest,
  ended: Result<void, Failure>,
): Promise<Result<void, Failure>> {
  if (!ended.ok || options.remote_folder === '/tmp') return ended;
  const script = `rm -f ${quoteWord(remotePath(options))}`;
  const removed = await guest.runAsRoot(script, 'while a script was removed', { quiet: true });
  return removed.ok ? ok(undefined) : removed;
}

async function scriptOf(options: ShellStepOptions, context: StageContext): Promise<Result<Script, Failure>> {
  const { script } = options;
  if (script !== undefined) {
    const title = '$file' in script ? script.$file : `${script.$artifact.action}.${script.$artifact.output}`;
    return ok({ title, path: context.input(script).path });
  }
  const path = `${context.scratch}/inline.sh`;
  const written = await context.host.files.writeFile(path, `#!/bin/sh -e\n${options.inline.join('\n')}\n`, {
    over: true,
  });
  const [first = '', ...more] = options.inline.join('\n').split('\n');
  return written.ok ? ok({ title: more.length === 0 ? first : `${first} …`, path }) : written;
}

function commandOf(options: ShellStepOptions): string {
  const { environment, execute_command: given, script } = options;
  const command = script === undefined && given === DEFAULT_COMMAND ? INLINE_COMMAND : given;
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${quoteWord(value)}`);
  return command
    .replace(/\{\{\s*\.Vars\s*\}\}/g, () => variables.join(' '))
    .replace(/\{\{\s*\.Path\s*\}\}/g, () => quoteWord(remotePath(options)));
}
