/** Follows what ansible-playbook prints: which task of how many, which one failed, and what its module said. */

const TASK = /^(?:TASK|RUNNING HANDLER) \[(.*)\] \*/;
const FATAL = /^(?:fatal|failed): \[[^\]]*\](?: \(item=.*?\))?:? (?:=> |FAILED! => |UNREACHABLE! => )(.*)$/;
/** Ansible runs it by itself, whatever tags are asked for. */
const FACTS = 'Gathering Facts';
/** Printed before what a failed task said, with ANSIBLE_SHOW_TASK_PATH_ON_FAILURE; not for the items of a loop. */
const TASK_PATH = /^task path: (.+):(\d+)$/;
const UNMATCHED = /^\[WARNING\]: Could not match supplied host pattern, ignoring: (\S+)/;
const PARSE_ERROR = /^ERROR! (.*)$/;
const MISSING = [
  /Could not find or access '([^']+)'/,
  /could not locate file in lookup: (\S+)/,
  /the role '([^']+)' was not found/,
  /Unable to retrieve file contents\s+Could not find or access '([^']+)'/,
  /vars file (\S+) was not found/,
  /Could not find specified file in role: (\S+)/,
];

export interface AnsibleTrouble {
  readonly task: string;
  /** Where the task stands, as Ansible says it; null when it does not. */
  readonly at: { readonly file: string; readonly line: number } | null;
  readonly message: string;
  readonly unreachable: boolean;
}

export interface AnsibleOutput {
  /** Takes a line; gives the task's name when a new one starts. */
  line(text: string): string | null;
  /** How many tasks have started, handlers included. */
  readonly started: number;
  /** Whether a task of the playbook has started on any host. */
  readonly hasRun: boolean;
  /** What plays named as their hosts, and no host is or is in. */
  readonly unmatched: readonly string[];
  /** The last failure that was not ignored. */
  trouble(): AnsibleTrouble | null;
  /** What Ansible said before it ran anything: a playbook that it cannot read. */
  error(): string | null;
}

export function followAnsible(): AnsibleOutput {
  let task = '';
  let at: AnsibleTrouble['at'] = null;
  let started = 0;
  let hasRun = false;
  const unmatched = new Set<string>();
  let trouble: AnsibleTrouble | null = null;
  let block: string[] | null = null;
  let unreachable = false;
  const error: string[] = [];
  let inError = false;

  /** Results are printed as JSON over several lines, up to a closing brace in the first column. */
  const takeResult = (text: string): void => {
    block?.push(text);
    if (!block || (text !== '}' && !(block.length === 1 && text.endsWith('}')))) return;
    trouble = { task, at, message: messageOf(block.join('\n')), unreachable };
    block = null;
  };

  return {
    get started() {
      return started;
    },
    get hasRun() {
      return hasRun;
    },
    get unmatched() {
      return [...unmatched];
    },
    line(text) {
      if (block) {
        takeResult(text);
        return null;
      }
      const [, file, line] = TASK_PATH.exec(text) ?? [];
      if (file !== undefined) at = { file, line: Number(line) };
      const fatal = FATAL.exec(text);
      if (fatal) {
        block = [];
        unreachable = text.includes('UNREACHABLE!');
        takeResult(fatal[1] ?? '');
        return null;
      }
      if (text === '...ignoring') trouble = null;
      const pattern = UNMATCHED.exec(text)?.[1];
      if (pattern !== undefined) unmatched.add(pattern);
      const parseError = PARSE_ERROR.exec(text);
      inError = parseError !== null || (inError && text !== '');
      if (inError) error.push(parseError?.[1] ?? text);
      const next = TASK.exec(text);
      if (!next) return null;
      task = next[1] ?? '';
      at = null;
      started += 1;
      hasRun ||= task !== FACTS;
      return task;
    },
    trouble: () => trouble,
    error: () => (error.length === 0 ? null : error.join('\n')),
  };
}

/** The file that a message says Ansible looked for in vain, or null. */
export function missingFile(message: string): string | null {
  for (const pattern of MISSING) {
    const match = pattern.exec(message);
    if (match?.[1]) return match[1].replace(/[.,]$/, '');
  }
  return null;
}

/** What a person wants to read of a module's result: its message, then what the command printed. */
function messageOf(json: string): string {
  try {
    const result = JSON.parse(json) as {
      readonly msg?: unknown;
      readonly stderr?: string;
      readonly stdout?: string;
      readonly module_stderr?: string;
      readonly module_stdout?: string;
    };
    const parts = [
      typeof result.msg === 'string' ? result.msg : JSON.stringify(result.msg ?? ''),
      result.stderr ?? result.module_stderr ?? '',
      result.stdout ?? result.module_stdout ?? '',
    ];
    return parts
      .map((part) => part.trim())
      .filter((part) => part !== '' && part !== '""')
      .join('\n');
  } catch {
    return json;
  }
}
