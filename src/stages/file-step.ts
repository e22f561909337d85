/** Files copied into a guest: a step of the provisioning kinds. */
import { posix } from 'node:path';
import { z } from 'zod';
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { quoteWord } from '../model/shell-words.ts';
import { defineStage, type StageContext } from './kind.ts';
import type { Guest } from './machine/guest.ts';
import {
  machineOptions,
  provisionOutputs,
  provisionTools,
  UNHASHED_STEP_OPTIONS,
} from './machine/provision-options.ts';
import { inStep } from './machine/step.ts';
import { artifact } from './options.ts';

/** Where the SSH user, who may not write elsewhere, leaves a file before root takes it. */
const UPLOADED = '/tmp/bake-upload';

/** A file for the guest. */
export const uploadOptions = z.strictObject({
  src: artifact().describe('The file here'),
  dest: z
    .string()
    .regex(/^\//, { error: 'expected an absolute path in the guest' })
    .describe('Its path there'),
  mode: z
    .string()
    .regex(/^[0-7]{3,4}$/, { error: 'expected an octal mode such as "0644"' })
    .optional()
    .describe('Its mode there, such as `"0644"`; as here when absent'),
  owner: z
    .string()
    .regex(/^[A-Za-z0-9_.-]+(?::[A-Za-z0-9_.-]+)?$/, { error: 'expected a user, or user:group' })
    .optional()
    .describe('Its owner there, `user` or `user:group`; the SSH user when absent'),
});

const options = z.strictObject({
  files: z.array(uploadOptions).min(1).describe('The files, copied one after the other'),
  ...machineOptions,
});

type Upload = z.output<typeof uploadOptions>;

export const fileStep = defineStage({
  name: 'file-step',
  internal: true,
  version: 1,
  summary: 'Copy files into a machine',
  description: 'A step of `shell-provision` and `provision`.',
  example: '',
  options,
  outputs: provisionOutputs,
  tools: () => [...provisionTools(), { name: 'ssh', versionArguments: ['-V'] }],
  unhashed: UNHASHED_STEP_OPTIONS,
  run: (given, context) =>
    inStep(given, context, async (guest) => {
      for (const file of given.files) {
        const copied = await copy(file, context, guest);
        if (!copied.ok) return copied;
      }
      return ok(undefined);
    }),
});

async function copy(
  { src, dest, mode, owner }: Upload,
  context: StageContext,
  guest: Guest,
): Promise<Result<void, Failure>> {
  const during = `while ${dest} was copied`;
  context.progress(`copying ${dest}`);
  const sent = await guest.machine.during(during, () =>
    guest.ssh().upload(context.input(src).path, UPLOADED),
  );
  if (!sent.ok) return sent;
  const to = quoteWord(dest);
  const script = [
    `mkdir -p ${quoteWord(posix.dirname(dest))}`,
    `mv -f ${UPLOADED} ${to}`,
    ...(owner === undefined ? [] : [`chown ${owner} ${to}`]),
    ...(mode === undefined ? [] : [`chmod ${mode} ${to}`]),
  ].join(' && ');
  const put = await guest.runAsRoot(script, during);
  if (!put.ok || put.value.exitCode === 0) return put.ok ? ok(undefined) : put;
  const { tail } = put.value;
  const view = await guest.machine.view();
  return fail({ code: 'upload-failed', file: context.input(src).path, to: dest, tail, guest: view });
}
