/** How bake gets into a guest: whose login, with which key or password, and the files that ssh needs for that. */
import { join } from 'node:path';
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { quoteWord } from '../model/shell-words.ts';
import type { MachineContext } from './context.ts';

const KNOWN_HOSTS = 'known_hosts';
/** What the guest is called there: every machine has another port. */
export const HOST_KEY_ALIAS = 'guest';

/**
 * What a stage says about the login. `temporary`: a key pair made for this boot, handed over as a systemd credential.
 * `kept`: the one that was made for the boot of a checkpoint.
 */
export type LoginMethod =
  | { readonly type: 'temporary' }
  | { readonly type: 'kept'; readonly path: string; readonly publicKey: string }
  | { readonly type: 'private-key'; readonly path: string }
  | { readonly type: 'password'; readonly password: string };

/** A login that is ready for use: arguments and environment for ssh, scp and Ansible's ssh. */
export interface SshLogin {
  readonly user: string;
  readonly args: readonly string[];
  readonly env: { readonly [name: string]: string };
  /** Absolute path of the private key, for commands that people paste; null with a password. */
  readonly keyFile: string | null;
  /** Absolute path of the file in which ssh keeps the guest's host key. */
  readonly knownHosts: string;
  /** The public half of a temporary key, one line; null otherwise. */
  readonly temporaryKey: string | null;
}

/** Writes key or password helper into `directory`, which only this user may enter. */
export async function prepareLogin(
  context: MachineContext,
  user: string,
  method: LoginMethod,
  directory: string,
): Promise<Result<SshLogin, Failure>> {
  if (method.type === 'password') return passwordLogin(context, user, method.password, directory);
  const keyFile = join(directory, 'key');
  const knownHosts = join(directory, KNOWN_HOSTS);
  if (method.type === 'temporary') return temporaryLogin(context, user, keyFile, knownHosts);
  const key = await context.host.files.readBytes(method.path);
  if (!key.ok) return key;
  // ssh refuses a key that others may read, as every file of the cache is.
  const written = await context.host.files.writeFile(keyFile, key.value, { mode: 0o600, over: true });
  if (!written.ok) return written;
  const temporaryKey = method.type === 'kept' ? method.publicKey : null;
  return ok({ user, args: keyArguments(keyFile), env: context.env, keyFile, knownHosts, temporaryKey });
}

/** The host key that the guest showed when it let us in first, as ssh keeps it; null before that. */
export async function knownHostKeys({ host }: MachineContext, login: SshLogin): Promise<string | null> {
  const text = await host.files.readText(login.knownHosts);
  return text.ok && text.value !== '' ? text.value : null;
}

/** More keys than a guest has of its own are not believed to be its. */
const MOST_KEYS = 8;

/** What ssh knows of the guest, with public keys that the guest itself told, each a line as in its `.pub` files. */
export function withHostKeys(known: string, publicKeys: readonly string[]): string {
  const lines = publicKeys.flatMap((line) => {
    const key = /^((?:ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/]+=*)(?: |$)/.exec(line.trim())?.[1];
    return key === undefined || known.includes(` ${key}`) ? [] : [`${HOST_KEY_ALIAS} ${key}\n`];
  });
  return `${known}${known.endsWith('\n') ? '' : '\n'}${lines.slice(0, MOST_KEYS).join('')}`;
}

/** From now on the guest must show this host key; with null, the next that it shows is taken for its own. */
export async function expectHostKeys(
  { host }: MachineContext,
  login: SshLogin,
  hostKeys: string | null,
): Promise<Result<void, Failure>> {
  return hostKeys === null
    ? await host.files.remove(login.knownHosts)
    : await host.files.replaceFile(login.knownHosts, hostKeys, { mode: 0o600, flush: false });
}

async function temporaryLogin(
  context: MachineContext,
  user: string,
  keyFile: string,
  knownHosts: string,
): Promise<Result<SshLogin, Failure>> {
  const args = ['-q', '-t', 'ed25519', '-N', '', '-C', 'bake-temporary', '-f', keyFile];
  const made = await context.host.processes.run('ssh-keygen', args, {
    cwd: context.scratch,
    env: context.env,
    signal: context.signal,
    onLine: (line) => context.log(`ssh-keygen: ${line}`),
  });
  if (!made.ok && made.failure.errno === 'ENOENT')
    return fail({ code: 'command-not-found', command: 'ssh-keygen', package: 'openssh-client' });
  const publicKey = await context.host.files.readText(`${keyFile}.pub`);
  if (!publicKey.ok) return publicKey;
  const temporaryKey = publicKey.value.trim();
  return ok({ user, args: keyArguments(keyFile), env: context.env, keyFile, knownHosts, temporaryKey });
}

async function passwordLogin(
  context: MachineContext,
  user: string,
  password: string,
  directory: string,
): Promise<Result<SshLogin, Failure>> {
  context.mask(password);
  const secret = join(directory, 'password');
  const helper = join(directory, 'askpass');
  const written = await context.host.files.writeFile(secret, `${password}\n`, { mode: 0o600, over: true });
  if (!written.ok) return written;
  // ssh takes a password from a program only; this one is told nothing by arguments or environment that `ps` could show.
  const script = `#!/bin/sh\nexec cat ${quoteWord(secret)}\n`;
  const made = await context.host.files.writeFile(helper, script, { mode: 0o700, over: true });
  if (!made.ok) return made;
  return ok({
    user,
    args: [
      ...['-o', 'PreferredAuthentications=password,keyboard-interactive'],
      ...['-o', 'PasswordAuthentication=yes', '-o', 'KbdInteractiveAuthentication=yes'],
      ...['-o', 'NumberOfPasswordPrompts=1', '-o', 'PubkeyAuthentication=no'],
    ],
    env: { ...context.env, SSH_ASKPASS: helper, SSH_ASKPASS_REQUIRE: 'force', DISPLAY: ':0' },
    keyFile: null,
    knownHosts: join(directory, KNOWN_HOSTS),
    temporaryKey: null,
  });
}

function keyArguments(keyFile: string): readonly string[] {
  return [
    ...['-i', keyFile, '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes'],
    ...['-o', 'PreferredAuthentications=publickey'],
  ];
}
