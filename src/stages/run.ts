/** The kind `run`: any command, in a workspace that holds its declared inputs and nothing else. */
import { z } from 'zod';
import { defineStage } from './kind.ts';
import { text } from './options.ts';
import { commandRunner } from './run-command.ts';

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
  run: commandRunner.run,
});
