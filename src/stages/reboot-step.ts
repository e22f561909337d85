/** A reboot of the guest that is waited for by its boot id: a step of the provisioning kinds. */
import { z } from 'zod';
import { defineStage } from './kind.ts';
import {
  machineOptions,
  provisionOutputs,
  provisionTools,
  UNHASHED_STEP_OPTIONS,
} from './machine/provision-options.ts';
import { inStep } from './machine/step.ts';

const options = z.strictObject(machineOptions);

export const rebootStep = defineStage({
  name: 'reboot-step',
  internal: true,
  version: 1,
  summary: 'Reboot a machine and wait for its new boot',
  description: 'A step of `shell-provision` and `provision`.',
  example: '',
  options,
  outputs: provisionOutputs,
  tools: () => [...provisionTools(), { name: 'ssh', versionArguments: ['-V'] }],
  unhashed: UNHASHED_STEP_OPTIONS,
  run: (given, context) =>
    inStep(given, context, async (guest) => {
      const before = await guest.bootId();
      context.progress('rebooting');
      // The status says nothing: the connection ends with the system that it leads to.
      await guest.runAsRoot('reboot', 'while it was rebooting', { timeoutMs: 30_000 });
      return await guest.logInAgain('rebooted', before, given.ssh.timeout);
    }),
});
