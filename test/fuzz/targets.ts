/** All targets of the fuzzer, by the name that its seeds have. */
import { ext, partitions, qcow2, vdi, vhd, vhdx, vmdk } from './disk-targets.ts';
import { bootCommand, expression, indexEntry, pipeline, result, tree, yaml } from './text-targets.ts';

/** Throws when something that must hold of every input does not hold of this one. */
export type Target = (input: Uint8Array) => void | Promise<void>;

export const TARGETS: Readonly<Record<string, Target>> = {
  pipeline,
  yaml,
  expression,
  'boot-command': bootCommand,
  tree,
  result,
  'index-entry': indexEntry,
  ext,
  partitions,
  qcow2,
  vmdk,
  vhd,
  vhdx,
  vdi,
};
