/** The registry of stage kinds: one line each. Loaded late, because every kind brings its schema with it. */
import { ansibleProvisionStage } from './ansible-provision.ts';
import { ansibleStep } from './ansible-step.ts';
import { checksumsStage } from './checksums.ts';
import { diskConvertStage } from './disk-convert.ts';
import { fetchIsoStage } from './fetch-iso.ts';
import { fileStep } from './file-step.ts';
import type { StageKind } from './kind.ts';
import { ovfPackStage } from './ovf-pack.ts';
import { provisionStage } from './provision.ts';
import { qcow2ToVmdkStage } from './qcow2-to-vmdk.ts';
import { qemuInstallStage } from './qemu-install.ts';
import { rebootStep } from './reboot-step.ts';
import { runStage } from './run.ts';
import { seedIsoStage } from './seed-iso.ts';
import { shellProvisionStage } from './shell-provision.ts';
import { shellStep } from './shell-step.ts';
import { shutdownStep } from './shutdown-step.ts';
import { smokeTestStage } from './smoke-test.ts';
import { vagrantBoxStage } from './vagrant-box.ts';

const KINDS: readonly StageKind[] = [
  runStage as unknown as StageKind,
  fetchIsoStage as unknown as StageKind,
  qemuInstallStage as unknown as StageKind,
  ansibleProvisionStage as unknown as StageKind,
  shellProvisionStage as unknown as StageKind,
  provisionStage as unknown as StageKind,
  qcow2ToVmdkStage as unknown as StageKind,
  ovfPackStage as unknown as StageKind,
  checksumsStage as unknown as StageKind,
  diskConvertStage as unknown as StageKind,
  seedIsoStage as unknown as StageKind,
  vagrantBoxStage as unknown as StageKind,
  smokeTestStage as unknown as StageKind,
  ansibleStep as unknown as StageKind,
  shellStep as unknown as StageKind,
  fileStep as unknown as StageKind,
  rebootStep as unknown as StageKind,
  shutdownStep as unknown as StageKind,
];

/** The kinds that a pipeline can name, in the order in which they are documented. */
export function stageKinds(): readonly StageKind[] {
  return KINDS.filter(({ internal }) => internal !== true);
}

/** The kinds that pipelines are planned with. */
export interface Kinds {
  /** Names that a pipeline can use. */
  readonly names: readonly string[];
  /** Finds internal ones too. */
  find(name: string): StageKind | undefined;
}

/** These kinds; without an argument all that there are. */
export function kindsOf(kinds: readonly StageKind[] = KINDS): Kinds {
  return {
    names: kinds.filter(({ internal }) => internal !== true).map(({ name }) => name),
    find: (name) => kinds.find((kind) => kind.name === name),
  };
}

/** The kind with this name, internal ones included, or undefined. */
export function stageKind(name: string): StageKind | undefined {
  return KINDS.find((kind) => kind.name === name);
}
