/** Flags that several commands share. */
import { CACHE_MODES } from '../cache/cache.ts';
import type { Flag } from './command.ts';

const VAR_FLAGS: readonly Flag[] = [
  { name: 'var', value: 'name=value', repeatable: true, summary: 'Set a variable of the pipeline' },
  { name: 'var-file', value: 'file', repeatable: true, summary: 'Read variables from a YAML or JSON file' },
];

const CACHE_FLAG: Flag = {
  name: 'cache-dir',
  value: 'dir',
  summary: 'Cache directory (else $BAKE_CACHE_DIR, $PACKER_CACHE_DIR, `cache:`, cache/)',
};

const CACHE_USE_FLAGS: readonly Flag[] = [
  {
    name: 'cache-mode',
    value: 'mode',
    choices: CACHE_MODES,
    summary:
      '`write`: use results and store new ones; `read`: only use them; `off`: neither (also: BAKE_CACHE_MODE)',
  },
  {
    name: 'shared-cache',
    value: 'dir',
    summary: 'A second cache, only read, for what is not in the first (also: BAKE_SHARED_CACHE_DIR)',
  },
];

/** Of every command that works on a pipeline. */
export const PIPELINE_FLAGS: readonly Flag[] = [...VAR_FLAGS, CACHE_FLAG, ...CACHE_USE_FLAGS];

/** Of every command that only reads a pipeline. */
export const READING_FLAGS: readonly Flag[] = VAR_FLAGS;

/** Flags that say how a run is told. */
export const REPORT_FLAGS: readonly Flag[] = [
  {
    name: 'reporter',
    value: 'name',
    choices: ['live', 'plain', 'json'],
    summary: 'How to tell the run: `live` on a terminal, else `plain`',
  },
  { name: 'quiet', short: 'q', summary: 'Only failures and the last line' },
  { name: 'verbose', short: 'v', summary: 'Also every line that stages write' },
  { name: 'trace', value: 'file', summary: 'Write a Chrome trace of the run' },
];

/** `--force`, which a prediction takes as a run does. */
export const FORCE_FLAG: Flag = {
  name: 'force',
  short: 'f',
  value: 'stage',
  optionalValue: true,
  repeatable: true,
  summary: 'Run what the targets need although nothing changed, or `--force=stage` that stage alone',
};

/** Of every command. */
export const GLOBAL_FLAGS: readonly Flag[] = [
  { name: 'directory', short: 'C', value: 'dir', summary: 'Work in this directory' },
  { name: 'help', short: 'h', summary: 'Show help' },
];

export const JSON_FLAG: Flag = { name: 'json', summary: 'Print JSON for programs' };
