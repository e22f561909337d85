/** Formats of disk images, by the names that QEMU has for them. */

/** The formats that bake opens. `vpc` is VHD. */
export const DISK_FORMATS = ['qcow2', 'raw', 'vmdk', 'vdi', 'vhdx', 'vpc'] as const;

export type DiskFormat = (typeof DISK_FORMATS)[number];

/** What a file may be that a disk is taken out of: an image, or an appliance that holds one. */
export type DiskContainer = DiskFormat | 'ova';

/** Suffixes of names that say what a file is. `.img` and all others say nothing. */
const SUFFIXES: Readonly<Record<string, DiskContainer>> = {
  qcow2: 'qcow2',
  raw: 'raw',
  vmdk: 'vmdk',
  vdi: 'vdi',
  vhdx: 'vhdx',
  vhd: 'vpc',
  vpc: 'vpc',
  ova: 'ova',
};

/** What a file is by its name; null for a name that does not say it. */
export function formatNamed(path: string): DiskContainer | null {
  const dot = path.lastIndexOf('.');
  const suffix = dot < 0 ? '' : path.slice(dot + 1).toLowerCase();
  return Object.hasOwn(SUFFIXES, suffix) ? (SUFFIXES[suffix] ?? null) : null;
}

/** The part of a file in which an image lies: a member of an appliance, a fixed VHD without its footer. */
export interface DiskWindow {
  readonly offset: number;
  readonly sizeBytes: number;
}

/** One file of a disk, as a program is told of it: nothing is left to be guessed from its content. */
export interface DiskFile {
  /** Absolute. */
  readonly path: string;
  readonly format: DiskFormat;
  /** Null for the whole file. */
  readonly window?: DiskWindow | null;
}
