/** What a virtual machine is made of: everything that QEMU's command line is derived from. */
import type { DiskFile } from '../model/disk-format.ts';

/** One file of a disk. Layers above the lowest hold only what was written to them. */
export interface DiskLayer extends DiskFile {
  /** What a machine reads and writes as it is. */
  readonly format: 'qcow2' | 'raw';
}

/** How a disk or its controller looks to the guest. `scsi` is an LSI 53C895A, which VMware's LSI Logic guests also know. */
export type DiskInterface = 'virtio' | 'virtio-scsi' | 'scsi' | 'sata' | 'ide' | 'nvme';

/** Network cards that QEMU has under these very names. */
export type NetDevice = 'virtio-net-pci' | 'e1000' | 'e1000e' | 'rtl8139' | 'vmxnet3';

/** What of the world a guest reaches, and what reaches it. */
export interface Network {
  /** Nothing but what is said here; else all that this host does. */
  readonly isShut: boolean;
  /** A port on loopback leads to its port 22. */
  readonly forwardsSsh: boolean;
  /** With a network that is shut: the port on this host's loopback that it finds at `RELAY_ADDRESS`; 0 for none. */
  readonly relayedPort: number;
}

/** A disk as a list of layers, lowest first; only the topmost is written to. */
export interface Disk {
  readonly layers: readonly DiskLayer[];
  readonly interface: DiskInterface;
}

export type Firmware =
  | { readonly type: 'bios' }
  /** `variables` is the machine's own copy: UEFI writes to it. */
  | { readonly type: 'uefi'; readonly code: string; readonly variables: string };

export interface MachineShape {
  readonly machineType: 'pc' | 'q35';
  readonly cpuModel: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly firmware: Firmware;
  readonly disks: readonly Disk[];
  /** Absolute paths of CD images, in the order of the drives: an installer first, seeds after it. */
  readonly cdroms: readonly string[];
  /** Boot this kernel instead of what the firmware finds. */
  readonly kernel: {
    readonly path: string;
    readonly initrd: string | null;
    readonly append: string;
  } | null;
  readonly netDevice: NetDevice;
  readonly network: Network;
  /** systemd credentials, handed over as SMBIOS type 11 strings: name → content. */
  readonly credentials: { readonly [name: string]: string };
  /** A reboot of the guest ends the machine. */
  readonly endsAtReboot: boolean;
  /** Appended as they are. */
  readonly extraArgs: readonly string[];
}

export type Accelerator = 'kvm' | 'tcg';

/** How this one run of a machine is connected to bake: differs from run to run and never enters a fingerprint. */
export interface Wiring {
  readonly accelerator: Accelerator;
  /** Absolute path of Node, for what QEMU is to start. */
  readonly node: string;
  /** Unix sockets on which bake already listens. */
  readonly qmpSocket: string;
  readonly serialSocket: string;
  /** QEMU keeps everything the console says here. */
  readonly serialLog: string;
  /** It waits for the memory of another machine instead of booting. */
  readonly incoming: boolean;
}
