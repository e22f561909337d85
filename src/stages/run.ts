/** The kind `run`: any command, in a workspace that holds its declared inputs and nothing else. */
import { z } from 'zod';
import type { TextOption } from './kind.ts';
import { defineStage } from './kind.ts';
import { text } from './options.ts';

export const runStage = defineStage({
  name: 'run',
  version: 1,
  summary: 'Run any command in a workspace that holds its declared inputs and nothing else',
  description: '',
  example: `bake: 1
name: hello
stages:
  hello:
    run: echo hello > hello.txt
    outputs: { greeting: hello.txt }
`,
  options: z.strictObject({
    command: z
      .union([text(), z.array(text()).min(1)])
      .describe('A script for `/bin/sh -e`, or a list: a program and its arguments'),
  }),
  outputs: () => ({}),
  tools: () => [],
  platformSensitive: true,
  async run(options, context) {
    const command = options.command as TextOption | readonly TextOption[];
    const [file, ...args] = Array.isArray(command)
      ? command.map((part: TextOption) => context.text(part))
      : ['/bin/sh', '-e', '-c', context.text(command as TextOption)];
    const done = await context.exec(file as string, args, { env: context.env });
    return done.ok ? { ok: true, value: {} } : done;
  },
});
