/** One shell script, run in a guest: a step of the provisioning kinds. */
import { z } from 'zod';
import { defineStage } from './kind.ts';
import {
  machineOptions,
  provisionOutputs,
  provisionTools,
  UNHASHED_STEP_OPTIONS,
} from './machine/provision-options.ts';
import { scriptOptions, UNHASHED_SCRIPT_OPTIONS } from './machine/script-options.ts';
import { runScript } from './machine/scripts.ts';
import { inStep } from './machine/step.ts';
import { artifact, duration } from './options.ts';

const options = z.strictObject({
  script: artifact().optional().describe('The script'),
  inline: z.array(z.string().min(1)).prefault([]).describe('Instead: commands for `/bin/sh -e`'),
  pause_before: duration().prefault('0s').describe('Wait this long first'),
  ...scriptOptions,
  ...machineOptions,
});

export type ShellStepOptions = z.output<typeof options>;

export const shellStep = defineStage({
  name: 'shell-step',
  internal: true,
  version: 1,
  summary: 'Run a script in a machine',
  description: 'A step of `shell-provision` and `provision`.',
  example: '',
  options,
  outputs: provisionOutputs,
  tools: () => [...provisionTools(), { name: 'ssh', versionArguments: ['-V'] }],
  unhashed: [...UNHASHED_STEP_OPTIONS, ...UNHASHED_SCRIPT_OPTIONS, 'pause_before'],
  run: (given, context) => inStep(given, context, (guest) => runScript(given, context, guest)),
});
