/** Asks a guest whether what a smoke test asserts is so: every assertion becomes a check with its problems. */
import type { RunOptions } from '../../machine/ssh.ts';
import type { Failure } from '../../model/failure.ts';
import { ok, type Result } from '../../model/result.ts';
import { quoteWord } from '../../model/shell-words.ts';
import type { StageContext } from '../kind.ts';
import type { Guest } from '../machine/guest.ts';
import type { Assertions, CommandAssertion, FileAssertion, PortAssertion } from './assertions.ts';
import { LISTENERS_SCRIPT, type Listener, listenersText, parseListeners } from './listeners.ts';

/** What became of one assertion. */
export interface Check {
  /** What was looked at, such as `port 22` or `/etc/hostname`. */
  readonly check: string;
  /** Parts of a sentence: what is not as it should be. None when all is well. */
  readonly problems: readonly string[];
  /** The last lines of what a command said. */
  readonly output: readonly string[];
}

type Finding = Omit<Check, 'check'>;

/** An assertion that can be asked about as often as it takes. */
interface Question {
  readonly check: string;
  ask(): Promise<Result<Finding, Failure>>;
}

const QUESTION_TIMEOUT_MS = 60_000;
const PAUSE_MS = 1_000;
const CONTENT_BYTES = 2 ** 20;
const SYSTEMD = '[ -d /run/systemd/system ]';

/** Asks everything; what does not hold is asked again until it does or the time is over. A guest that is lost is a failure. */
export async function checkGuest(
  assertions: Assertions,
  context: StageContext,
  guest: Guest,
): Promise<Result<readonly Check[], Failure>> {
  const { clock } = context.host;
  const deadline = clock.monotonicMs() + assertions.within;
  const questions = questionsOf(assertions, context, guest);
  const findings = new Map<Question, Finding>();
  for (let open = questions; ; await clock.sleep(PAUSE_MS, context.signal)) {
    for (const question of open) {
      context.progress(`checking ${question.check}`, findings.size / questions.length);
      const finding = await question.ask();
      if (!finding.ok) return finding;
      findings.set(question, finding.value);
    }
    open = open.filter((question) => findings.get(question)?.problems.length !== 0);
    if (open.length === 0 || clock.monotonicMs() >= deadline || context.signal.aborted) break;
  }
  return ok(questions.map((question) => ({ check: question.check, ...(findings.get(question) ?? fine) })));
}

const fine: Finding = { problems: [], output: [] };
const found = (problems: readonly string[], output: readonly string[] = []) => ok({ problems, output });

function questionsOf(assertions: Assertions, context: StageContext, guest: Guest): readonly Question[] {
  const ask = (script: string) =>
    guest.runAsRoot(script, 'while it was tested', { quiet: true, timeoutMs: QUESTION_TIMEOUT_MS });
  return [
    ...assertions.services.map((unit) => ({
      check: `service ${unit}`,
      async ask() {
        const answer = await ask(`systemctl is-active -- ${quoteWord(unit)}`);
        if (!answer.ok) return answer;
        const state = answer.value.stdout.trim() || answer.value.tail.at(-1) || 'unknown';
        return found(state === 'active' ? [] : [`it is ${state}, not active`]);
      },
    })),
    ...assertions.ports.map((port) => ({
      check: `port ${port.port}${port.protocol === 'udp' ? '/udp' : ''}`,
      async ask() {
        const answer = await ask(LISTENERS_SCRIPT);
        return answer.ok ? found(portProblems(port, parseListeners(answer.value.stdout))) : answer;
      },
    })),
    ...assertions.files.map((file) => ({
      check: file.path,
      async ask() {
        const answer = await ask(fileScript(file));
        return answer.ok ? found(fileProblems(file, answer.value.stdout)) : answer;
      },
    })),
    ...assertions.commands.map((command) => ({
      check: `\`${command.run}\``,
      ask: () => askCommand(command, context, guest),
    })),
    // Last: what a command started may fail as well.
    {
      check: 'failed units',
      async ask() {
        const units = `${SYSTEMD} || exit 0; systemctl list-units --state=failed --plain --no-legend --no-pager`;
        const answer = await ask(units);
        return answer.ok ? found(failedUnits(answer.value.stdout, assertions.may_fail)) : answer;
      },
    },
  ];
}

async function askCommand(
  command: CommandAssertion,
  context: StageContext,
  guest: Guest,
): Promise<Result<Finding, Failure>> {
  const options: RunOptions = { quiet: true, timeoutMs: command.timeout };
  context.log(`$ ${command.run}`);
  const ran = command.become
    ? await guest.runAsRoot(command.run, 'while it was tested', options)
    : await guest.run(command.run, 'while it was tested', options);
  if (!ran.ok) return ran;
  const { exitCode, stdout, tail, timedOut } = ran.value;
  for (const line of tail) context.log(line);
  if (timedOut) return found([`it did not end within ${command.timeout / 1000} s`], tail);
  const problems: string[] = [];
  if (exitCode !== command.exit_code) problems.push(`exit status ${exitCode}, expected ${command.exit_code}`);
  if (command.stdout !== undefined && !matches(command.stdout, stdout))
    problems.push(`its output does not match /${command.stdout}/`);
  return found(problems, tail);
}

function matches(pattern: string, text: string): boolean {
  return new RegExp(pattern, 'm').test(text);
}

/** The failed units of a listing that are not expected to be. */
export function failedUnits(listing: string, mayFail: readonly string[]): readonly string[] {
  const expected = mayFail.map(
    (name) => new RegExp(`^${name.replace(/[.+^${}()|[\]\\?]/g, '\\$&').replaceAll('*', '.*')}$`),
  );
  const units = listing.split('\n').map((line) => line.trim().split(/\s+/)[0] ?? '');
  return units
    .filter((unit) => unit !== '' && !expected.some((name) => name.test(unit)))
    .map((unit) => `${unit} has failed`);
}

/** What is wrong with who listens. */
export function portProblems(port: PortAssertion, listeners: readonly Listener[]): readonly string[] {
  const there = listeners.filter(
    (listener) => listener.port === port.port && listener.protocol === port.protocol,
  );
  if (!port.open) return there.length === 0 ? [] : ['somebody listens there'];
  if (there.length === 0) return [`nobody listens there; listened on: ${listenersText(listeners)}`];
  const reached = port.loopback || there.some(({ loopback }) => !loopback);
  return reached ? [] : ['who listens there does so on the loopback address alone'];
}

/** Prints one line of facts, or `absent`, and after it the content if that is asserted. */
export function fileScript({ path, exists, type, content }: FileAssertion): string {
  const name = quoteWord(path);
  const follow = type === 'link' || !exists ? '' : '-L ';
  const read = content === undefined ? '' : ` && head -c ${CONTENT_BYTES} -- ${name}`;
  return `if facts=$(stat ${follow}-c '%F|%a|%U|%G' -- ${name} 2>/dev/null); then echo "$facts"${read}; else echo absent; fi`;
}

const TYPES: Readonly<Record<string, string>> = {
  'regular file': 'file',
  'regular empty file': 'file',
  'symbolic link': 'link',
};

/** What is wrong with a file, by what the script printed of it. */
export function fileProblems(file: FileAssertion, printed: string): readonly string[] {
  const end = printed.indexOf('\n');
  const line = end < 0 ? printed : printed.slice(0, end);
  if (line === 'absent') return file.exists ? ['it is not there'] : [];
  const [kind = '', mode = '', owner = '', group = ''] = line.split('|');
  const type = TYPES[kind] ?? kind;
  if (!file.exists) return [`it is there: a ${type}`];
  const problems: string[] = [];
  const compare = (what: string, wanted: string | undefined, is: string) => {
    if (wanted !== undefined && wanted !== is) problems.push(`its ${what} is ${is}, expected ${wanted}`);
  };
  compare('type', file.type, type);
  compare('mode', file.mode?.padStart(4, '0'), mode.padStart(4, '0'));
  compare('owner', file.owner, owner);
  compare('group', file.group, group);
  if (file.content !== undefined && !matches(file.content, printed.slice(end + 1)))
    problems.push(`its content does not match /${file.content}/`);
  return problems;
}
