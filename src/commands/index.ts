/** The table of commands: their words and their code, which is loaded only when it runs, but for that of `run`. */
import type { Command, CommandModule } from './command.ts';
import { wholeRun } from './run-whole.ts';
import { COMMAND_WORDS } from './words.ts';

type CommandName = (typeof COMMAND_WORDS)[number]['name'];

const other = async () => (await import('./other-commands.ts')).OTHER_COMMANDS;
const kind = async () => (await import('./kind-commands.ts')).KIND_COMMANDS;

const LOADERS: { readonly [name in CommandName]: () => Promise<CommandModule> } = {
  // A run with nothing to do does not come here: see src/entry.ts.
  run: async () => ({ run: wholeRun }),
  plan: async () => ({ run: (await other()).plan }),
  explain: async () => ({ run: (await other()).explain }),
  graph: async () => ({ run: (await other()).graph }),
  log: async () => ({ run: (await other()).log }),
  get: async () => ({ run: (await other()).get }),
  shell: async () => ({ run: (await kind()).shell }),
  diff: async () => ({ run: (await kind()).diff }),
  rebuild: async () => ({ run: (await kind()).rebuild }),
  machine: async () => ({ run: (await other()).machine }),
  cache: async () => ({ run: (await other()).cache }),
  validate: async () => ({ run: (await other()).validate }),
  schema: async () => ({ run: (await kind()).schema }),
  stages: async () => ({ run: (await kind()).stages }),
  init: async () => ({ run: (await other()).init }),
  doctor: async () => ({ run: (await other()).doctor }),
  completion: async () => ({ run: (await other()).completion }),
  help: async () => ({ run: (await other()).help }),
};

export const COMMANDS: readonly Command[] = COMMAND_WORDS.map((words) => ({
  ...words,
  load: LOADERS[words.name],
}));
