/** The last step of a provisioning stage: the machine is tidied up and powers off, and what it wrote becomes the last layer. */
import { z } from 'zod';
import { convertDisk } from '../machine/disk-image.ts';
import type { Failure } from '../model/failure.ts';
import { ok, type Result } from '../model/result.ts';
import { describeDisk, NO_STATEMENT } from './images/open-disk.ts';
import { defineStage, type StageContext, type StageReturn } from './kind.ts';
import { farewellScript, GENERALIZE_SCRIPT } from './machine/farewell.ts';
import { shutDown } from './machine/guest.ts';
import {
  endOptions,
  machineOptions,
  provisionOutputs,
  provisionTools,
  UNHASHED_STEP_OPTIONS,
} from './machine/provision-options.ts';
import type { Standing } from './machine/standing.ts';
import { leaveOutput, tidyUp, withMachine } from './machine/step.ts';

/** A disk of more layers is written as one: each costs every reader a look, and a prune or a copy has to take all. */
const MOST_LAYERS = 16;

const options = z.strictObject({ ...machineOptions, ...endOptions });

type ShutdownOptions = z.output<typeof options>;

export const shutdownStep = defineStage({
  name: 'shutdown-step',
  internal: true,
  version: 1,
  summary: 'Tidy up, power off, and keep the disk',
  description: 'The last step of every provisioning stage.',
  example: '',
  options,
  outputs: provisionOutputs,
  tools: provisionTools,
  unhashed: [...UNHASHED_STEP_OPTIONS, 'shutdown.timeout'],
  run: (given, context) => withMachine(given, context, (standing) => end(given, context, standing)),
});

async function end(
  given: ShutdownOptions,
  context: StageContext,
  standing: Standing,
): Promise<Result<StageReturn, Failure>> {
  const { guest, machine, login } = standing;
  context.progress('tidying up');
  const script = `${given.generalize ? GENERALIZE_SCRIPT : ''}${farewellScript(login)}`;
  const what = given.generalize ? '(generalize)' : '(the removal of the temporary key)';
  const tidied = await tidyUp(guest, script, what);
  if (!tidied.ok) return tidied;
  context.log('powering off');
  const off = await shutDown(machine, guest, given.shutdown);
  if (!off.ok) return off;
  const left = await leaveDisk(given, context, standing);
  if (!left.ok || given.firmware === 'bios') return left;
  const kept = await context.host.files.copyFile(standing.efivars, context.output('efivars'));
  return kept.ok ? left : kept;
}

async function leaveDisk(
  given: ShutdownOptions,
  context: StageContext,
  { top }: Standing,
): Promise<Result<StageReturn, Failure>> {
  const below = context.input(given.disk);
  if (below.layers.length < MOST_LAYERS) {
    const left = await leaveOutput(context, top.path, context.output('disk'));
    return left.ok ? ok({ layered: { disk: below } }) : left;
  }
  context.progress('writing the disk');
  const layers = [...below.layers, top.path];
  const disk = await describeDisk(context.host, { path: top.path, layers, format: 'qcow2' }, NO_STATEMENT);
  if (!disk.ok) return disk;
  const flat = await convertDisk(context, disk.value, context.output('disk'), {
    format: 'qcow2',
    onProgress: (fraction) => context.progress('writing the disk', fraction),
  });
  return flat.ok ? ok({}) : flat;
}
