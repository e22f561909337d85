/** `bake completion`: scripts for shells, made from the table of commands; stage names are asked of bake when they are needed. */
import { realHost } from '../host/real.ts';
import type { CommandModule, CommandWords, Flag, Invocation } from './command.ts';
import { GLOBAL_FLAGS } from './flags.ts';
import { loadPlan } from './load-plan.ts';
import { printFailures } from './print-failures.ts';
import { COMMAND_WORDS } from './words.ts';

const COMMANDS: readonly CommandWords[] = COMMAND_WORDS;

export const run: CommandModule['run'] = async (invocation) => {
  const [shell, file] = invocation.positionals;
  switch (shell) {
    case 'bash':
      invocation.write(bashCompletion());
      return 0;
    case 'zsh':
      invocation.write(zshCompletion());
      return 0;
    case 'fish':
      invocation.write(fishCompletion());
      return 0;
    // What the scripts call.
    case 'stages':
      return printStages({ ...invocation, positionals: file === undefined ? [] : [file] });
    case 'kinds': {
      const { stageKinds } = await import('../stages/index.ts');
      for (const kind of stageKinds()) invocation.write(`${kind.name}\n`);
      return 0;
    }
    case undefined:
      return printFailures(invocation, [
        {
          code: 'missing-argument',
          argument: 'the name of a shell: bash, zsh or fish',
          command: 'completion',
        },
      ]);
    default:
      return printFailures(invocation, [
        { code: 'unexpected-argument', argument: shell, command: 'completion' },
      ]);
  }
};

/** Names of stages, cells and steps, one a line; nothing at all when the pipeline is wrong, as a shell is no place to say so. */
async function printStages(invocation: Invocation): Promise<number> {
  const loaded = await loadPlan(realHost(), invocation);
  if (!loaded.ok) return 0;
  const names = new Set<string>();
  for (const { name, stage } of loaded.value.plan.actions)
    names
      .add(stage.split('[')[0] as string)
      .add(stage)
      .add(name);
  invocation.write(`${[...names].join('\n')}\n`);
  return 0;
}

function flagsOf(command: CommandWords): readonly Flag[] {
  return [...command.flags, ...GLOBAL_FLAGS];
}

function spelled(flag: Flag): readonly string[] {
  return flag.short ? [`--${flag.name}`, `-${flag.short}`] : [`--${flag.name}`];
}

/** What the arguments of a command are, as a shell command that prints them. */
function argumentsOf(command: CommandWords): string {
  const { completes } = command;
  if (completes === 'stages') return 'bake completion stages $pipeline 2>/dev/null';
  if (completes === 'kinds') return 'bake completion kinds';
  const words = completes === 'commands' ? COMMANDS.map(({ name }) => name) : (completes ?? []);
  return `echo ${words.join(' ')}`;
}

function bashCompletion(): string {
  const cases = COMMANDS.map((command) => {
    const flags = flagsOf(command).flatMap(spelled).join(' ');
    return `    ${command.name}) flags='${flags}'; words="$(${argumentsOf(command)})" ;;`;
  });
  const choices = COMMANDS.flatMap((command) =>
    command.flags
      .filter((flag) => flag.choices)
      .map((flag) => `    '${command.name} --${flag.name}') words='${flag.choices?.join(' ')}' ;;`),
  );
  return `# bash completion for bake: source <(bake completion bash)
_bake() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  local command= pipeline= flags= words= word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in
      -*) ;;
      *.yaml|*.yml) [ -n "$command" ] && pipeline="$word" ;;
      *) [ -z "$command" ] && command="$word" ;;
    esac
  done
  case "$command $previous" in
${choices.join('\n')}
  esac
  if [ -n "$words" ]; then COMPREPLY=($(compgen -W "$words" -- "$current")); return; fi
  case "$command" in
    '') words='${COMMANDS.map(({ name }) => name).join(' ')}'; flags='--version --help -C' ;;
${cases.join('\n')}
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$current")) ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$current") $(compgen -f -X '!*.y*ml' -- "$current")) ;;
  esac
}
complete -o filenames -F _bake bake
`;
}

function zshCompletion(): string {
  const cases = COMMANDS.map((command) => {
    const flags = flagsOf(command).map((flag) => `'${zshFlag(flag)}'`);
    return [
      `    ${command.name})`,
      `      _arguments -s ${flags.join(' ')} '*:argument:{ local -a words; words=(\${(f)"$(${argumentsOf(command)})"}); compadd -a words; _files -g "*.y(a|)ml" }' ;;`,
    ].join('\n');
  });
  return `#compdef bake
# zsh completion for bake: bake completion zsh > "\${fpath[1]}/_bake"
_bake() {
  local curcontext="$curcontext" state line pipeline
  pipeline=\${words[(r)*.y(a|)ml]}
  _arguments -C '1:command:->command' '*::argument:->argument'
  case "$state" in
    command)
      local -a commands
      commands=(
${COMMANDS.map(({ name, summary }) => `        '${name}:${zshQuote(summary)}'`).join('\n')}
      )
      _describe command commands
      return ;;
  esac
  case "$line[1]" in
${cases.join('\n')}
  esac
}
_bake "$@"
`;
}

function zshQuote(text: string): string {
  return text.replaceAll("'", "'\\''").replaceAll('[', '\\[').replaceAll(']', '\\]').replaceAll(':', '\\:');
}

function zshFlag(flag: Flag): string {
  const value =
    flag.value === undefined
      ? ''
      : `:${flag.value}:${flag.choices ? `(${flag.choices.join(' ')})` : '_files'}`;
  const equals = flag.optionalValue ? '=-' : '';
  return `*--${flag.name}${equals}[${zshQuote(flag.summary)}]${value}`;
}

function fishCompletion(): string {
  const lines = COMMANDS.flatMap((command) => {
    const inside = `-n '__fish_seen_subcommand_from ${command.name}'`;
    const flags = flagsOf(command).map((flag) => {
      const short = flag.short ? ` -s ${flag.short}` : '';
      const value = flag.value === undefined || flag.optionalValue ? '' : ' -r';
      const choices = flag.choices ? ` -f -a '${flag.choices.join(' ')}'` : '';
      return `complete -c bake ${inside} -l ${flag.name}${short}${value}${choices} -d '${fishQuote(flag.summary)}'`;
    });
    const asked = argumentsOf(command).replace('$pipeline', '(__bake_pipeline)');
    const words = command.completes
      ? [
          `complete -c bake ${inside} -a '(${asked.replace(/^echo /, 'string split " " -- "')}${asked.startsWith('echo ') ? '"' : ''})'`,
        ]
      : [];
    return [
      `complete -c bake -f -n __fish_use_subcommand -a ${command.name} -d '${fishQuote(command.summary)}'`,
      ...flags,
      ...words,
    ];
  });
  return `# fish completion for bake: bake completion fish > ~/.config/fish/completions/bake.fish
function __bake_pipeline
  string match -r '.*\\.ya?ml$' -- (commandline -opc) | head -n 1
end
${lines.join('\n')}
`;
}

function fishQuote(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
}
