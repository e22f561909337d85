/** The kind `qemu-install`: an installer ISO or kernel, run in a virtual machine until an installed disk is left. */
import { z } from 'zod';
import { bootCommandProblems, patternProblem } from '../machine/boot-command.ts';
import { defineStage } from './kind.ts';
import { install } from './machine/install.ts';
import {
  checkoutPath,
  hardwareOptions,
  machineProblems,
  sshOptions,
  UNHASHED_MACHINE_OPTIONS,
} from './machine/options.ts';
import { hasAnswers } from './machine/serve-answers.ts';
import { artifact, duration, size } from './options.ts';

const servedPath = z.string().regex(/^\/[^?#]*$/, { error: 'expected a path such as /preseed.cfg' });

const seed = z.strictObject({
  label: z
    .string()
    .prefault('cidata')
    .describe(
      'Volume name by which it is found: `cidata` for cloud-init and autoinstall, `OEMDRV` for Kickstart',
    ),
  user_data: z.string().optional().describe('Text of `user-data`'),
  meta_data: z.string().optional().describe('Text of `meta-data`; empty when there is `user_data` alone'),
  network_config: z.string().optional().describe('Text of `network-config`'),
  files: z.record(z.string(), artifact()).prefault({}).describe('Further files: path on the CD → file here'),
});

const options = z.strictObject({
  iso: artifact().optional().describe('Installer CD'),
  kernel: z
    .union([artifact(), z.strictObject({ from_iso: z.string().describe('Path of the file on the CD') })])
    .optional()
    .describe(
      'Boot this kernel directly, without a boot loader to type at; `{ from_iso: /path }` takes it out of the CD',
    ),
  initrd: z
    .union([artifact(), z.strictObject({ from_iso: z.string().describe('Path of the file on the CD') })])
    .optional()
    .describe('Initial RAM disk that belongs to `kernel`'),
  append: z
    .string()
    .prefault('')
    .describe('Kernel command line; words such as {{ .HTTPIP }}:{{ .HTTPPort }} are known in it'),
  disk_size: size().describe('Size of the disk as the guest sees it'),
  ...hardwareOptions,
  boot_wait: duration().prefault('10s').describe('Wait this long before typing'),
  boot_command: z
    .array(z.string())
    .prefault([])
    .describe(
      "What is typed, in Packer's grammar: `<enter>`, `<wait5>`, `<leftCtrlOn>`, {{ .HTTPIP }}… and `<waitFor serial:/regex/ 5m>`",
    ),
  boot_key_interval: duration().prefault('50ms').describe('Pause after each key'),
  http_directory: checkoutPath()
    .optional()
    .describe(
      'Directory beside the pipeline that is served to the guest over HTTP: on loopback, below a path that is different and secret each time, a part of `{{ .HTTPIP }}:{{ .HTTPPort }}`, or by itself `{{ .HTTPPath }}`',
    ),
  http_files: z
    .record(servedPath, artifact())
    .prefault({})
    .describe('Further files to serve: path in the URL → file here'),
  seed: seed.optional().describe('A second CD with answers for the installer'),
  wait_for: z
    .array(
      z.strictObject({
        serial: z.string().describe('Regular expression'),
        timeout: duration().prefault('1h').describe('How long to wait for it'),
      }),
    )
    .prefault([])
    .describe('Wait until these texts have appeared on the serial console, one after the other'),
  marks: z
    .array(
      z.strictObject({
        name: z
          .string()
          .min(1)
          .max(64)
          .refine((name) => !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(name), {
            error: 'expected a name without control characters: it is a part of a line of the log',
          })
          .describe('What the log calls it'),
        serial: z.string().describe('Regular expression'),
      }),
    )
    .prefault([])
    .describe(
      'Keep the whole machine when these texts appear on the serial console, one after the other: a later attempt goes on at the last of them, as long as nothing has changed that the guest had seen until then; on this host only',
    ),
  checkpoint: z
    .boolean()
    .prefault(true)
    .describe('Whether marks are kept and used; as with `--no-checkpoint` the result is the same without'),
  ssh: sshOptions
    .optional()
    .describe(
      'Log in to the booted system, for `files` and `run`: a live system that installs by command, say',
    ),
  files: z
    .record(z.string(), artifact())
    .prefault({})
    .describe('Files to copy into the guest through ssh: absolute path there → file here'),
  run: z.array(z.string().min(1)).prefault([]).describe('Commands to run in the guest through ssh, in order'),
  shutdown: z
    .strictObject({
      by: z
        .enum(['guest', 'reboot', 'acpi', 'command'])
        .optional()
        .describe(
          '`guest`: the installer powers off (the default without `ssh`); `reboot`: it reboots when done; `acpi`: bake presses the power button (the default with `ssh`); `command`: runs `command` through ssh',
        ),
      command: z
        .string()
        .min(1)
        .optional()
        .describe('For `by: command`; default `poweroff`, through sudo where the user is not root'),
      timeout: duration()
        .optional()
        .describe(
          'Default 3h for `guest` and `reboot`, where it limits the whole installation; 5m otherwise',
        ),
    })
    .prefault({})
    .describe('How the machine ends; one that has to be cut off is a failure and never stored'),
});

export type InstallOptions = z.output<typeof options>;

export const qemuInstallStage = defineStage({
  name: 'qemu-install',
  version: 1,
  summary: 'Install a system from an ISO or a kernel in a virtual machine, and keep the disk',
  description: `The machine has one empty disk, the installer CD, and a network in which the host is 10.0.2.2. The disk comes
first in the boot order: while it is empty the firmware falls through to the CD, and a reboot starts what was installed.

An installer gets its answers by a \`seed\` CD, over HTTP (\`http_directory\`, \`http_files\`), on the kernel command line
(\`kernel\`, \`append\`), or typed (\`boot_command\`). Everything on the serial console is in the log. A kernel panic ends the
stage at once; any other trouble ends it with a screenshot, the last lines of the console and the list of HTTP requests.

With \`marks\` an installation that failed late goes on in the middle, see "Debugging a long installer" in
docs/guide/looking-inside.md.`,
  example: `bake: 1
name: installed
stages:
  qemu-install:
    uses: qemu-install
    with:
      iso: installer.iso
      disk_size: 8GiB
      memory: 2GiB
      boot_wait: 5s
      boot_command:
        - "<esc><wait>auto url=http://{{ .HTTPIP }}:{{ .HTTPPort }}/preseed.cfg<enter>"
      http_files:
        /preseed.cfg: preseed.cfg
`,
  options,
  outputs: ({ firmware }) => ({
    disk: { path: 'disk.qcow2', description: 'The installed disk, a qcow2 image', format: 'qcow2' as const },
    ...(firmware === 'uefi'
      ? { efivars: { path: 'efivars.fd', description: 'The UEFI variables that belong to the disk' } }
      : {}),
  }),
  tools: (given) => [
    { name: 'qemu-system-x86_64' },
    { name: 'qemu-img' },
    ...(fromIso(given.kernel) || fromIso(given.initrd)
      ? [{ name: 'xorriso', versionArguments: ['-version'] }]
      : []),
  ],
  unhashed: [...UNHASHED_MACHINE_OPTIONS, 'boot_key_interval', 'shutdown.timeout', 'marks', 'checkpoint'],
  async inputs({ http_directory }, finder) {
    if (http_directory === undefined) return { ok: true, value: [] };
    if ((await finder.kindOf(http_directory)) === 'directory')
      return { ok: true, value: await finder.list(http_directory) };
    return {
      ok: false,
      failure: {
        code: 'stage-refused',
        problem: `\`http_directory\` names ${http_directory}, which is no directory beside the pipeline`,
        hint: null,
      },
    };
  },
  check: checkOptions,
  run: install,
});

function fromIso(given: InstallOptions['kernel']): boolean {
  return given !== undefined && 'from_iso' in given;
}

function checkOptions(given: InstallOptions) {
  const problems: { path: readonly (string | number)[]; problem: string }[] = [];
  const refuse = (path: readonly (string | number)[], problem: string) => problems.push({ path, problem });
  if (given.iso === undefined && given.kernel === undefined)
    refuse(['iso'], 'nothing to boot: give `iso`, or `kernel` and `initrd`');
  if (given.iso === undefined && (fromIso(given.kernel) || fromIso(given.initrd)))
    refuse(['kernel'], '`from_iso` needs `iso`');
  if (given.kernel === undefined && given.initrd !== undefined) refuse(['initrd'], '`initrd` needs `kernel`');
  if (given.kernel === undefined && given.append !== '') refuse(['append'], '`append` needs `kernel`');
  // The list is typed as one text, so a problem belongs to the whole of it.
  for (const problem of bootCommandProblems(given.boot_command.join(''))) refuse(['boot_command'], problem);
  problems.push(...textProblems(given), ...diskProblems(given));
  problems.push(...machineProblems(given), ...networkProblems(given), ...loginProblems(given));
  if (given.shutdown.command !== undefined && given.shutdown.by !== 'command')
    refuse(['shutdown', 'command'], '`command` needs `by: command`');
  return problems;
}

/** What needs a login, and there is none. */
function loginProblems({ ssh, run, files, shutdown }: InstallOptions) {
  if (ssh !== undefined) return [];
  return [
    ...(run.length > 0 ? [{ path: ['run'], problem: '`run` needs `ssh`' }] : []),
    ...(Object.keys(files).length > 0 ? [{ path: ['files'], problem: '`files` needs `ssh`' }] : []),
    ...(shutdown.by === 'command' ? [{ path: ['shutdown', 'by'], problem: '`command` needs `ssh`' }] : []),
  ];
}

function networkProblems(given: InstallOptions) {
  return given.network === 'none' && hasAnswers(given)
    ? [{ path: ['network'], problem: '`none` keeps the guest from its answers, too: say `answers`' }]
    : [];
}

/** What the interface of the disk does not go together with. */
function diskProblems({ disk_interface, kernel, firmware, machine_type, marks, checkpoint }: InstallOptions) {
  if (disk_interface === 'nvme' && marks.length > 0 && checkpoint)
    return [
      {
        path: ['marks'],
        problem:
          'QEMU cannot save a machine with an NVMe disk: take another `disk_interface`, or leave `marks` out',
      },
    ];
  const isIdeAsleep = kernel !== undefined && firmware === 'uefi' && machine_type === 'pc';
  if (disk_interface === 'ide' && isIdeAsleep)
    return [
      {
        path: ['disk_interface'],
        problem:
          'UEFI that is handed a `kernel` never wakes up the IDE controller of `pc`: take `sata`, or `machine_type: q35`',
      },
    ];
  return [];
}

/** What is wrong with the texts that are looked for on the console. */
function textProblems({ wait_for, marks }: InstallOptions) {
  const unreadable = Object.entries({ wait_for, marks }).flatMap(([list, texts]) =>
    texts.flatMap(({ serial }, index) => {
      const problem = patternProblem(serial);
      return problem === null
        ? []
        : [{ path: [list, index, 'serial'], problem: `no regular expression: ${problem}` }];
    }),
  );
  const names = marks.map(({ name }) => name);
  const doubled = names.flatMap((name, index) =>
    names.indexOf(name) === index
      ? []
      : [{ path: ['marks', index, 'name'], problem: `another mark is called ${name}, too` }],
  );
  return [...unreadable, ...doubled];
}
