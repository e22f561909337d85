/** Options of a shell script that runs in a guest, wherever it is asked for. */
import { z } from 'zod';
import { duration } from '../options.ts';
import { limitsOf } from './chain.ts';

export const scriptOptions = {
  environment: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string())
    .prefault({})
    .describe('Environment variables of the scripts'),
  execute_command: z
    .string()
    .prefault('chmod +x {{ .Path }}; {{ .Vars }} {{ .Path }}')
    .describe(
      'How a script is run: `{{ .Path }}` is where it was copied to, `{{ .Vars }}` the environment as `A=b` words',
    ),
  remote_folder: z
    .string()
    .regex(/^\/[^\p{Cc}]*$/u, { error: 'expected an absolute path in the guest' })
    .prefault('/tmp')
    .describe(
      'Directory in the guest that scripts are copied to, writable for the SSH user; another one where `/tmp` is mounted noexec',
    ),
  become: z.boolean().prefault(true).describe('Run as root: through sudo where the SSH user is another'),
  valid_exit_codes: z
    .array(z.int().min(0).max(255))
    .min(1)
    .prefault([0])
    .describe('Exit statuses that mean success'),
  expect_disconnect: z
    .boolean()
    .prefault(false)
    .describe('A script may cut the connection, for example by rebooting; the next one waits for a login'),
  timeout: duration().prefault('1h').describe('Time limit of each script'),
  idle_timeout: duration().optional().describe('How long a script may say nothing; no limit when absent'),
} as const;

const schema = z.strictObject(scriptOptions);

/** Options of a script, as validated. */
export type ScriptOptions = z.output<typeof schema>;

/** Names, for `unhashed`. */
export const UNHASHED_SCRIPT_OPTIONS = ['timeout', 'idle_timeout'] as const;

/** The options of a script as those of its step, before defaults. */
export function scriptStepOptions(given: ScriptOptions): { readonly [name: string]: unknown } {
  const names = Object.keys(scriptOptions) as (keyof ScriptOptions)[];
  const own = Object.fromEntries(names.map((name) => [name, given[name]]));
  return { ...own, ...limitsOf(given) };
}
