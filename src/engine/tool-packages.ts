/** Which Debian package has a tool, for the words of a failure. */

const PACKAGES: { readonly [tool: string]: string } = {
  'qemu-img': 'qemu-utils',
  'qemu-system-x86_64': 'qemu-system-x86',
  'qemu-system-aarch64': 'qemu-system-arm',
  'ansible-playbook': 'ansible-core',
  'ansible-galaxy': 'ansible-core',
  ansible: 'ansible-core',
  ssh: 'openssh-client',
  scp: 'openssh-client',
  'ssh-keygen': 'openssh-client',
  xorriso: 'xorriso',
  genisoimage: 'genisoimage',
  mmdebstrap: 'mmdebstrap',
  debootstrap: 'debootstrap',
  isolinux: 'isolinux',
  extlinux: 'extlinux',
  zstd: 'zstd',
  cpio: 'cpio',
  xz: 'xz-utils',
  gzip: 'gzip',
  git: 'git',
  make: 'make',
  gcc: 'gcc',
  python3: 'python3',
  curl: 'curl',
  wget: 'wget',
  rsync: 'rsync',
  'virt-customize': 'libguestfs-tools',
  mkfs: 'util-linux',
  'mkfs.ext4': 'e2fsprogs',
  mksquashfs: 'squashfs-tools',
  busybox: 'busybox-static',
};

/** The package that has a tool, or null when it is not known. */
export function packageOf(tool: string): string | null {
  return Object.hasOwn(PACKAGES, tool) ? (PACKAGES[tool] as string) : null;
}
