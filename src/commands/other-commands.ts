/**
 * Commands besides `run`, loaded in one go: what some of them share with it would else lie in many small files, and each
 * that a run loads costs 2 ms of processor time.
 */

import { run as cache } from './cache.ts';
import type { CommandModule } from './command.ts';
import { run as completion } from './completion.ts';
import { run as doctor } from './doctor.ts';
import { run as explain } from './explain.ts';
import { run as get } from './get.ts';
import { run as graph } from './graph.ts';
import { run as help, helpFor } from './help.ts';
import { run as init } from './init.ts';
import { run as log } from './log.ts';
import { run as machine } from './machine.ts';
import { run as plan } from './plan.ts';
import { run as validate } from './validate.ts';

export { helpFor };

export const OTHER_COMMANDS = {
  cache,
  completion,
  doctor,
  explain,
  get,
  graph,
  help,
  init,
  log,
  machine,
  plan,
  validate,
} satisfies { readonly [name: string]: CommandModule['run'] };
