/** What a smoke test asserts of a running guest: the options that say it. */
import { z } from 'zod';
import { patternProblem } from '../../machine/boot-command.ts';
import { duration } from '../options.ts';

const guestPath = z.string().regex(/^\//, { error: 'expected an absolute path in the guest' });

/** A regular expression; lines are matched one by one, so `^` and `$` are those of a line. */
function pattern() {
  return z.string().superRefine((text, context) => {
    const problem = patternProblem(text);
    if (problem !== null)
      context.addIssue({ code: 'custom', message: `no regular expression: ${problem}`, input: text });
  });
}

const command = z.strictObject({
  run: z.string().min(1).describe("A command line for the guest's shell"),
  exit_code: z.int().min(0).max(255).prefault(0).describe('The exit status that it must have'),
  stdout: pattern().optional().describe('A regular expression that its standard output must match'),
  become: z.boolean().prefault(true).describe('Run as root: through sudo where the SSH user is another'),
  timeout: duration().prefault('1m').describe('How long it may take'),
});

const port = z.strictObject({
  port: z.int().min(1).max(65_535).describe('Its number'),
  protocol: z.enum(['tcp', 'udp']).prefault('tcp').describe('Its protocol'),
  open: z.boolean().prefault(true).describe('`false`: nobody may listen there'),
  loopback: z
    .boolean()
    .prefault(false)
    .describe('Whether it counts who listens on the loopback address alone, where no other machine gets to'),
});

const file = z.strictObject({
  path: guestPath.describe('Absolute path in the guest'),
  exists: z.boolean().prefault(true).describe('`false`: there must be nothing'),
  type: z
    .enum(['file', 'directory', 'link'])
    .optional()
    .describe('What it must be; links are followed unless `link`'),
  mode: z
    .string()
    .regex(/^[0-7]{3,4}$/, { error: 'expected an octal mode in quotes, such as "0644"' })
    .optional()
    .describe('Its mode, such as `"0644"`'),
  owner: z.string().min(1).optional().describe('The name of its user'),
  group: z.string().min(1).optional().describe('The name of its group'),
  content: pattern().optional().describe('A regular expression that its first MiB must match'),
});

export const assertionOptions = {
  commands: z.array(command).prefault([]).describe('Commands, run one after the other'),
  ports: z.array(port).prefault([]).describe('Ports on which somebody listens in the guest, or must not'),
  files: z.array(file).prefault([]).describe('Files, directories and links, or names that must not be there'),
  services: z.array(z.string().min(1)).prefault([]).describe('systemd units that must be active'),
  may_fail: z
    .array(z.string().min(1))
    .prefault([])
    .describe(
      'Units that may have failed (`*` stands for anything); any other failed one is a failure of the test',
    ),
  boot_time: duration()
    .optional()
    .describe(
      'The longest time from power-on to a login; it is the time on this host, without KVM several times as long',
    ),
  within: duration()
    .prefault('0s')
    .describe('Assertions that do not hold are looked at again for so long: services may still be starting'),
} as const;

export type Assertions = z.output<z.ZodObject<typeof assertionOptions>>;
export type CommandAssertion = Assertions['commands'][number];
export type PortAssertion = Assertions['ports'][number];
export type FileAssertion = Assertions['files'][number];
