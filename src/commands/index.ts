/** The table of commands: their words and their code, which is loaded only when it runs. */
import type { Command, CommandModule } from './command.ts';
import { COMMAND_WORDS } from './words.ts';

type CommandName = (typeof COMMAND_WORDS)[number]['name'];

const LOADERS: { readonly [name in CommandName]: () => Promise<CommandModule> } = {
  // A run with nothing to do does not come here: see src/entry.ts.
  run: async () => ({ run: (await import('./run-whole.ts')).wholeRun }),
  plan: () => import('./plan.ts'),
  explain: () => import('./explain.ts'),
  graph: () => import('./graph.ts'),
  log: () => import('./log.ts'),
  get: () => import('./get.ts'),
  shell: () => import('./shell.ts'),
  diff: () => import('./diff.ts'),
  machine: () => import('./machine.ts'),
  cache: () => import('./cache.ts'),
  validate: () => import('./validate.ts'),
  schema: () => import('./schema.ts'),
  stages: () => import('./stages.ts'),
  init: () => import('./init.ts'),
  doctor: () => import('./doctor.ts'),
  completion: () => import('./completion.ts'),
  help: () => import('./help.ts'),
};

export const COMMANDS: readonly Command[] = COMMAND_WORDS.map((words) => ({
  ...words,
  load: LOADERS[words.name],
}));
