/** What can go wrong with a virtual machine, and with the programs that provision it. */

/** What there was to see of a guest when something went wrong with it. */
export interface GuestView {
  /** The last lines of its serial console. */
  readonly serial: readonly string[];
  /** Absolute path of the whole serial log; null when there is none. */
  readonly serialLog: string | null;
  /** Absolute path of a picture of its screen; null when none could be taken. */
  readonly screenshot: string | null;
  /** Every file that it asked for over HTTP, with the status it got. */
  readonly requests: readonly string[];
}

/** A machine that was kept to look inside: how to get there. */
export interface KeptView {
  readonly id: string;
  readonly pid: number;
  /** As one could paste it; null when nobody had a login yet. */
  readonly ssh: string | null;
  /** Address of its screen and keyboard; null when QEMU gives none. */
  readonly vnc: string | null;
}

/** What of a guest keeps a script from being run. */
export type GuestObstacle =
  /** The file system at `folder`, where the script lay, runs no programs. */
  | { readonly type: 'noexec'; readonly folder: string }
  /** sudo wants a terminal. */
  | { readonly type: 'requiretty' };

export type MachineFailure =
  /** QEMU ended before the machine ran. */
  | {
      readonly code: 'machine-did-not-start';
      readonly command: string;
      readonly tail: readonly string[];
    }
  /** QEMU ended, and not because the guest powered off. */
  | {
      readonly code: 'machine-died';
      readonly ending: string;
      readonly tail: readonly string[];
      readonly guest: GuestView;
    }
  | { readonly code: 'guest-panicked'; readonly line: string; readonly guest: GuestView }
  | { readonly code: 'guest-powered-off-early'; readonly during: string; readonly guest: GuestView }
  | {
      readonly code: 'serial-not-seen';
      readonly pattern: string;
      readonly timeoutMs: number;
      readonly guest: GuestView;
    }
  | {
      readonly code: 'ssh-not-ready';
      readonly user: string;
      readonly timeoutMs: number;
      /** As one could paste it into a shell while the machine runs. */
      readonly command: string;
      /** What ssh said last, or that nobody answered. */
      readonly problem: string;
      /** An SSH server answered, but did not let us in. */
      readonly answered: boolean;
      readonly guest: GuestView;
    }
  | {
      readonly code: 'guest-did-not-shut-down';
      /** How it was asked to. */
      readonly asked: string;
      readonly timeoutMs: number;
      readonly guest: GuestView;
    }
  | {
      readonly code: 'guest-command-failed';
      readonly command: string;
      readonly exitCode: number | null;
      readonly disconnected: boolean;
      readonly tail: readonly string[];
      readonly guest: GuestView;
      /** What of the guest kept the command from being run at all; absent when nothing is known to. */
      readonly obstacle?: GuestObstacle;
    }
  /** A guest that was to prove itself did not. */
  | {
      readonly code: 'smoke-test-failed';
      readonly checks: number;
      readonly failed: readonly {
        readonly check: string;
        readonly problems: readonly string[];
        /** The last lines of what a command said. */
        readonly output: readonly string[];
      }[];
      /** Absolute path of the whole report; null when it could not be written. */
      readonly report: string | null;
      readonly guest: GuestView;
    }
  | {
      readonly code: 'upload-failed';
      readonly file: string;
      readonly to: string;
      readonly tail: readonly string[];
      readonly guest: GuestView;
    }
  | {
      readonly code: 'ansible-task-failed';
      readonly playbook: string;
      readonly task: string;
      /** The file and line where the task stands, relative to the pipeline; null when Ansible does not say. */
      readonly at: { readonly file: string; readonly line: number } | null;
      /** What the module said. */
      readonly message: string;
      /** The host was lost, rather than the task failed. */
      readonly unreachable: boolean;
      readonly tail: readonly string[];
      readonly guest: GuestView;
    }
  /** Ansible looked for a file that is not among the stage's inputs. */
  | {
      readonly code: 'ansible-input-missing';
      readonly playbook: string;
      readonly file: string;
      readonly message: string;
    }
  /** A playbook ended well and did nothing. */
  | {
      readonly code: 'ansible-ran-nothing';
      readonly playbook: string;
      /** What plays named as their hosts, and the machine neither is nor is in. */
      readonly unmatched: readonly string[];
      readonly groups: readonly string[];
      readonly tags: readonly string[];
    }
  | { readonly code: 'playbook-unusable'; readonly playbook: string; readonly problem: string }
  /** QEMU could not put a fresh overlay on a running disk. */
  | { readonly code: 'layer-not-cut'; readonly problem: string }
  | { readonly code: 'disk-unusable'; readonly path: string; readonly problem: string }
  /** A warning: machines that an earlier run left to the user. */
  | {
      readonly code: 'machines-still-kept';
      readonly machines: readonly { readonly id: string; readonly action: string; readonly pid: number }[];
    }
  | {
      readonly code: 'no-kept-machine';
      /** An id or a stage; null when none was named. */
      readonly wanted: string | null;
      readonly known: readonly string[];
    }
  | { readonly code: 'kept-machine-without-login'; readonly id: string; readonly vnc: string | null }
  | { readonly code: 'firmware-missing'; readonly searched: readonly string[] };
