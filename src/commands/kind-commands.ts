/** Commands that look into the kinds of stages, and load zod with them: see `other-commands.ts`. */

import type { CommandModule } from './command.ts';
import { run as diff } from './diff.ts';
import { run as rebuild } from './rebuild.ts';
import { run as schema } from './schema.ts';
import { run as shell } from './shell.ts';
import { run as stages } from './stages.ts';

export const KIND_COMMANDS = { diff, rebuild, schema, shell, stages } satisfies {
  readonly [name: string]: CommandModule['run'];
};
