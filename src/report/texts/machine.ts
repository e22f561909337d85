/** Words for what can go wrong with a virtual machine, and with the programs that provision it. */
import type { GuestObstacle, GuestView, KeptView, MachineFailure } from '../../model/failure-machine.ts';
import type { FailureText, Texts } from '../failure-text.ts';
import { formatDuration } from '../format.ts';

const NOTHING_STORED = 'the machine was ended, its disk thrown away, and nothing was stored for this stage';

type Excerpt = NonNullable<FailureText['excerpts']>[number];

function excerpt(title: string, lines: readonly string[]): readonly Excerpt[] {
  return lines.length === 0 ? [] : [{ title, lines }];
}

/** Where the screenshot and the serial log of the guest are. */
function evidence(guest: GuestView): readonly string[] {
  return [
    ...(guest.screenshot === null ? [] : [`its screen: ${guest.screenshot}`]),
    ...(guest.serialLog === null ? [] : [`its whole serial console: ${guest.serialLog}`]),
  ];
}

/** What there was to see of a guest that nobody was logged in to: its console, and what it asked for over HTTP, besides the evidence. */
function seen(guest: GuestView): {
  readonly details: readonly string[];
  readonly excerpts: readonly Excerpt[];
} {
  const silent = 'its serial console said nothing; a system that is booted with `console=ttyS0` does';
  return {
    details: [...evidence(guest), ...(guest.serial.length === 0 ? [silent] : [])],
    excerpts: [
      ...excerpt('what it asked for over HTTP', guest.requests),
      ...excerpt('the last lines of its serial console', guest.serial),
    ],
  };
}

/** What to do about a command that failed. */
function obstacleHint(obstacle: GuestObstacle | undefined): string {
  switch (obstacle?.type) {
    case 'noexec':
      return `the guest runs no programs from ${obstacle.folder}, which is mounted noexec: say \`remote_folder: /root\`, or any other directory that is not, for where scripts are copied to`;
    case 'requiretty':
      return 'sudo in the guest wants a terminal, which scripts do not have: take `Defaults requiretty` out of its sudoers, or log in as root';
    case undefined:
      return 'if this status is fine, name it in `valid_exit_codes`';
  }
}

/** The words of a failure whose machine still runs: how to get into it, and how to end it. */
export function withKept(text: FailureText, kept: KeptView): FailureText {
  return {
    ...text,
    details: [...(text.details ?? []), `the machine was kept and still runs as process ${kept.pid}`],
    copied: [
      ...(text.copied ?? []),
      ...(kept.ssh === null ? [] : [{ label: 'get into it', text: kept.ssh }]),
      ...(kept.vnc === null ? [] : [{ label: 'its screen (VNC)', text: kept.vnc }]),
      { label: 'end it', text: `bake machine stop ${kept.id}` },
    ],
    state: 'nothing was stored for this stage; what is done in the machine now is lost when it ends',
  };
}

/** Ansible says that it has no password, not how it is given here. */
function vaultHint(message: string): { readonly hint?: string } {
  if (!/no vault secrets|Decryption failed|vault password/i.test(message)) return {};
  return {
    hint: 'it is encrypted with ansible-vault: give the password as a secret of the stage, `secrets: [VAULT]` and `with: { vault_password_from: VAULT }`',
  };
}

export const machineTexts: Texts<MachineFailure> = {
  'machine-did-not-start': {
    doc: 'QEMU ended before the machine ran.',
    text: (failure) => ({
      summary: 'the virtual machine did not start',
      command: failure.command,
      excerpts: excerpt('what QEMU said', failure.tail),
      hint: '`bake doctor` says what this host can do',
      state: 'nothing was stored for this stage',
    }),
  },
  'machine-died': {
    doc: 'QEMU ended while the guest was at work: it crashed or was killed.',
    text: (failure) => ({
      summary: `the virtual machine ended although its guest had not powered off: QEMU ${failure.ending}`,
      details: seen(failure.guest).details,
      excerpts: [...excerpt('what QEMU said', failure.tail), ...seen(failure.guest).excerpts],
      hint: failure.ending.includes('SIGKILL')
        ? 'the kernel kills the largest process when memory runs out: give the machine less `memory`, or run fewer at once'
        : null,
      state: NOTHING_STORED,
    }),
  },
  'guest-panicked': {
    doc: "The guest's kernel panicked.",
    text: (failure) => ({
      summary: `the guest's kernel panicked: ${failure.line}`,
      ...seen(failure.guest),
      hint: 'the lines above the panic usually name the cause: a missing root disk, a driver, too little `memory`',
      state: NOTHING_STORED,
    }),
  },
  'guest-powered-off-early': {
    doc: 'The guest powered off while bake still had work for it.',
    text: (failure) => ({
      summary: `the guest powered off ${failure.during}`,
      ...seen(failure.guest),
      state: NOTHING_STORED,
    }),
  },
  'serial-not-seen': {
    doc: 'A text that was waited for did not appear on the serial console in time.',
    text: (failure) => ({
      summary: `/${failure.pattern}/ did not appear on the serial console within ${formatDuration(failure.timeoutMs)}`,
      ...seen(failure.guest),
      hint: 'compare the pattern with what the console says; without KVM everything takes several times longer',
      state: NOTHING_STORED,
    }),
  },
  'ssh-not-ready': {
    doc: 'No SSH login was possible in the guest within the time limit.',
    text: (failure) => ({
      summary: failure.answered
        ? `the guest's SSH server did not let \`${failure.user}\` in within ${formatDuration(failure.timeoutMs)}`
        : `the guest did not answer to SSH within ${formatDuration(failure.timeoutMs)}`,
      details: [`what came back last: ${failure.problem}`, ...seen(failure.guest).details],
      command: failure.command,
      excerpts: seen(failure.guest).excerpts,
      hint: failure.answered
        ? 'correct `ssh: { user, password | private_key }`; a temporary key alone needs the user root and systemd ≥ 252 in the guest'
        : 'does the image start an SSH server and get an address by DHCP? Without KVM it may only need a longer `ssh: { timeout: … }`',
      state: NOTHING_STORED,
    }),
  },
  'guest-did-not-shut-down': {
    doc: 'The guest did not power off in time. A machine that is cut off leaves a dirty disk, so that is never stored.',
    text: (failure) => ({
      summary: `the guest did not power off within ${formatDuration(failure.timeoutMs)} (asked by ${failure.asked})`,
      ...seen(failure.guest),
      hint: 'say how it is shut down with `shutdown: { by, command, timeout }`',
      state: NOTHING_STORED,
    }),
  },
  'guest-command-failed': {
    doc: 'A command or script in the guest ended with a status that was not expected, or the connection was lost.',
    text: (failure) => ({
      summary: failure.disconnected
        ? 'the connection to the guest was lost while a command ran'
        : `a command in the guest ended with exit status ${failure.exitCode}`,
      command: failure.command,
      details: evidence(failure.guest),
      excerpts: [
        ...excerpt('the last lines of its output', failure.tail),
        ...(failure.disconnected
          ? seen(failure.guest).excerpts
          : excerpt('what it asked for over HTTP', failure.guest.requests)),
      ],
      hint: failure.disconnected
        ? 'if it is meant to reboot the machine, say `expect_disconnect: true`'
        : obstacleHint(failure.obstacle),
      state: NOTHING_STORED,
    }),
  },
  'smoke-test-failed': {
    doc: 'Something that a `smoke-test` stage asserts of the running system is not so.',
    text: ({ checks, failed, report, guest }) => ({
      summary: `${failed.length} of ${checks} checks of the running system failed`,
      details: [
        ...failed.flatMap(({ check, problems }) => problems.map((problem) => `${check}: ${problem}`)),
        ...(report === null ? [] : [`the whole report: ${report}`]),
        ...evidence(guest),
      ],
      excerpts: failed.flatMap(({ check, output }) => excerpt(`what ${check} said`, output)),
      hint: 'if it only needs longer to come up, give it time with `within: 30s`',
      state: 'the disk under test is unharmed; nothing was stored for this stage',
    }),
  },
  'upload-failed': {
    doc: 'A file could not be copied into the guest.',
    text: (failure) => ({
      summary: `${failure.file} could not be copied to ${failure.to} in the guest`,
      details: evidence(failure.guest),
      excerpts: excerpt('what scp said', failure.tail),
      hint: 'the directory must exist and be writable for the SSH user',
      state: NOTHING_STORED,
    }),
  },
  'ansible-task-failed': {
    doc: 'A task of a playbook failed, or Ansible lost the machine.',
    text: (failure) => ({
      summary: failure.unreachable
        ? `Ansible lost the machine at the task "${failure.task}" of ${failure.playbook}`
        : `the task "${failure.task}" of ${failure.playbook} failed`,
      details: [
        ...(failure.at === null ? [] : [`it stands at ${failure.at.file}:${failure.at.line}`]),
        ...failure.message.split('\n'),
        ...evidence(failure.guest),
      ],
      excerpts: [
        ...excerpt('the last lines of Ansible', failure.tail),
        ...(failure.unreachable ? seen(failure.guest).excerpts : []),
      ],
      ...vaultHint(failure.message),
      state: NOTHING_STORED,
    }),
  },
  'ansible-input-missing': {
    doc: 'Ansible looked for a file in vain: it is not in the project of the playbook, or nowhere.',
    text: (failure) => ({
      summary: `${failure.playbook} needs ${failure.file}, which is not in its project`,
      details: failure.message.split('\n'),
      hint: 'a playbook sees the directory that it lies in: a larger one with `project: DIRECTORY`, single files with `files: [FILE]`',
      state: NOTHING_STORED,
    }),
  },
  'ansible-ran-nothing': {
    doc: 'A playbook ended well, but none of its tasks ran on any host: its hosts or the tags match nothing.',
    text: ({ playbook, unmatched, groups, tags }) => ({
      summary: `${playbook} ran no task on any host`,
      details: [
        ...unmatched.map((pattern) => `no host is ${pattern}, or in a group of that name`),
        groups.length === 0 ? 'the machine is in no group' : `the machine is in ${groups.join(', ')}`,
        ...(tags.length === 0 ? [] : [`only tasks with these tags were asked for: ${tags.join(', ')}`]),
      ],
      hint:
        unmatched.length > 0
          ? `put the machine into the group: \`groups: [${unmatched.join(', ')}]\`; \`allow_empty: true\` if nothing is to be done`
          : `see ${tags.length > 0 ? '`tags` and `skip_tags`' : '`groups`, and the hosts of its plays'}; \`allow_empty: true\` if nothing is to be done`,
      state: NOTHING_STORED,
    }),
  },
  'playbook-unusable': {
    doc: 'A playbook, or a file that it names, cannot be read as one.',
    text: (failure) => ({
      summary: `${failure.playbook} cannot be used as a playbook`,
      details: failure.problem.split('\n'),
      ...vaultHint(failure.problem),
      state: 'nothing was stored for this stage',
    }),
  },
  'layer-not-cut': {
    doc: 'What a step wrote could not be cut off as a layer of the disk.',
    text: (failure) => ({
      summary: 'QEMU could not put a fresh overlay on the disk of the running machine',
      details: [failure.problem],
      state: NOTHING_STORED,
    }),
  },
  'disk-unusable': {
    doc: 'A disk image is not opened: it is empty, cut off, damaged or encrypted, of a format that bake does not read or that could be two things, or it names a file that is no part of it.',
    text: (failure) => ({
      summary: `${failure.path} cannot be used as a disk`,
      details: [failure.problem],
      state: 'nothing was stored for this stage',
    }),
  },
  'machines-still-kept': {
    doc: 'A warning: machines that were kept after a failure still run and take memory.',
    text: ({ machines }) => ({
      summary: `still running since an earlier failure: ${machines
        .map(({ id, action, pid }) => `the machine of ${action} (${id}, process ${pid})`)
        .join(', ')}`,
      hint: '`bake machine ssh` gets into it, `bake machine stop --all` ends all',
    }),
  },
  'no-kept-machine': {
    doc: '`bake machine` was asked for a machine that is not there: it has ended, or was never kept.',
    text: ({ wanted, known }) => ({
      summary: wanted === null ? 'no machine was kept' : `no kept machine is called ${wanted}`,
      details: known.length === 0 ? [] : [`those that run are ${known.join(', ')}`],
      hint:
        known.length === 0 ? '`bake run --on-error keep-vm` keeps the machine of a stage that fails' : null,
    }),
  },
  'kept-machine-without-login': {
    doc: '`bake machine ssh` was asked for a machine that failed before bake had a login in it.',
    text: ({ id, vnc }) => ({
      summary: `bake never had a login in the machine ${id}`,
      hint: vnc === null ? null : `look at its screen: VNC at ${vnc}`,
    }),
  },
  'firmware-missing': {
    doc: 'A machine with UEFI was asked for, but its firmware is not installed.',
    text: (failure) => ({
      summary: 'the UEFI firmware for virtual machines (OVMF) is not installed',
      details: [`looked for: ${failure.searched.join(', ')}`],
      hint: 'install the package `ovmf`, or use `firmware: bios`',
      state: 'nothing was stored for this stage',
    }),
  },
};
