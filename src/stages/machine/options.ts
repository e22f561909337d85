/** Options that all kinds with a virtual machine share: its hardware, the login, how it is shut down. */
import { z } from 'zod';
import { artifact, duration, size } from '../options.ts';
import { type ExtraArg, extraArgs } from './extra-args.ts';

/** The path of a file or directory beside the pipeline, as text: for kinds that look into what it names. */
export function checkoutPath() {
  return z
    .string()
    .min(1)
    .refine((path) => !path.startsWith('/') && !path.split('/').includes('..'), {
      error: 'expected a path below the directory of the pipeline file, without `..`',
    })
    .transform((path) =>
      path
        .replace(/^(?:\.\/+)+/, '')
        .replace(/\/+/g, '/')
        .replace(/\/$/, ''),
    );
}

/** Hardware; all of it but the accelerator can leave traces in the image. */
export const hardwareOptions = {
  memory: size().prefault('1GiB').describe('Memory of the machine'),
  cpus: z.int().min(1).max(255).prefault(2).describe('Processors of the machine'),
  cpu_model: z
    .string()
    .prefault('max')
    .describe(
      'Processor model as `qemu-system-x86_64 -cpu help` names it; `max` has all features that the accelerator offers',
    ),
  machine_type: z
    .enum(['pc', 'q35'])
    .prefault('pc')
    .describe('Chipset: `pc` (i440FX) or `q35` (PCI Express; what Windows and Secure Boot want)'),
  firmware: z
    .enum(['bios', 'uefi'])
    .prefault('bios')
    .describe('`uefi` boots with OVMF and gives the variables as the output `efivars`'),
  disk_interface: z
    .enum(['virtio', 'virtio-scsi', 'scsi', 'sata', 'ide', 'nvme'])
    .prefault('virtio')
    .describe(
      'How the disk looks to the guest; `scsi` is an LSI 53C895A, for systems that know no virtio; a machine with `nvme` cannot be saved, so it has no checkpoints and no marks',
    ),
  net_device: z
    .enum(['virtio-net-pci', 'e1000', 'e1000e', 'rtl8139', 'vmxnet3'])
    .prefault('virtio-net-pci')
    .describe('Network card'),
  network: z
    .enum(['full', 'answers', 'none'])
    .prefault('full')
    .describe(
      "What the guest reaches: `full` all that this host does, `answers` what it is served over HTTP alone, `none` nothing; bake's own login works with each",
    ),
  extra_args: extraArgs()
    .prefault([])
    .describe(
      "Appended to QEMU's command line; nothing of what bake gives is replaced. What they read is a file beside the pipeline or an output of another stage, options that reach further are refused",
    ),
  accelerator: z
    .enum(['auto', 'kvm', 'tcg'])
    .prefault('auto')
    .describe('`auto` takes KVM if it really runs guest code here, else TCG; `bake doctor` says which'),
} as const;

/** How bake gets into the guest. */
export const sshOptions = z.strictObject({
  user: z
    .string()
    // ssh would read some of these as options, or as a part of an address, and a ProxyCommand of its own as a shell would.
    .refine((user) => /^[^-\s\p{Cc}'"`$;&<>|(){}:/,][^\s\p{Cc}'"`$;&<>|(){}:/,]*$/u.test(user), {
      error: 'expected the name of a user, which begins with no `-` and has no blanks or quotes in it',
    })
    .prefault('root')
    .describe('Who logs in'),
  password: z
    .string()
    .optional()
    .describe('Password of that user; masked in every log, but it stands in the pipeline file'),
  password_from: z
    .string()
    .optional()
    .describe("Instead: the variable that holds the password, one of the stage's `secrets`"),
  private_key: artifact().optional().describe('Instead: an OpenSSH private key without passphrase'),
  timeout: duration()
    .prefault('10m')
    .describe('How long to wait until the login works, counted from the start of the machine'),
});

export type SshOptions = z.output<typeof sshOptions>;

/** Names, for `unhashed`, of what changes how a machine is run but not what comes out. */
export const UNHASHED_MACHINE_OPTIONS = [
  'accelerator',
  'ssh.password',
  'ssh.password_from',
  'ssh.timeout',
] as const;

/** What contradicts itself in a machine. */
export function machineProblems(given: {
  readonly ssh?: SshOptions | undefined;
  readonly network: 'full' | 'answers' | 'none';
  readonly extra_args: readonly ExtraArg[];
}): readonly { readonly path: readonly (string | number)[]; readonly problem: string }[] {
  const { ssh, network, extra_args: args } = given;
  const isWayOut = (word: ExtraArg) =>
    network !== 'full' && typeof word === 'string' && /^--?(?:netdev|nic|net)$/.test(word);
  const at = args.findIndex(isWayOut);
  const another = `\`network: ${network}\` shuts the guest in, and this would be another way out: leave one of the two out`;
  return [
    ...(ssh === undefined ? [] : sshProblems(ssh)),
    ...(at === -1 ? [] : [{ path: ['extra_args', at], problem: another }]),
  ];
}

/** What contradicts itself in a login. */
function sshProblems(
  ssh: SshOptions,
): readonly { readonly path: readonly string[]; readonly problem: string }[] {
  const given = (['password', 'password_from', 'private_key'] as const).filter(
    (name) => ssh[name] !== undefined,
  );
  if (given.length > 1)
    return [{ path: ['ssh', given[1] ?? ''], problem: `give only one of ${given.join(', ')}` }];
  if (given.length === 0 && ssh.user !== 'root')
    return [
      {
        path: ['ssh', 'user'],
        problem:
          'only root can be given a temporary key: say `password`, `password_from` or `private_key`, too',
      },
    ];
  return [];
}

/** Hardware and login where a stage says nothing about them: for a machine that somebody only looks into. */
export function defaultMachine() {
  return z.object({ ...hardwareOptions, ssh: sshOptions.prefault({}) }).parse({});
}
