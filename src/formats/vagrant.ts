/** The small files of a Vagrant box: what Vagrant reads to know the provider, and the defaults of the machine. */

interface BoxDisk {
  /** File name inside the box. */
  readonly name: string;
  readonly capacityBytes: number;
}

/**
 * `metadata.json` of a libvirt box. One disk takes the form that every vagrant-libvirt knows, with the size rounded up to
 * whole GiB (which is what it multiplies by); several take the form with a list.
 */
export function libvirtMetadata(architecture: string, disks: readonly BoxDisk[]): string {
  const [first] = disks;
  const onlyDisk = disks.length === 1 ? first : undefined;
  const about =
    onlyDisk === undefined
      ? { disks: disks.map(({ name }) => ({ path: name })) }
      : { format: 'qcow2', virtual_size: Math.ceil(onlyDisk.capacityBytes / 2 ** 30) };
  return jsonText({ provider: 'libvirt', architecture, ...about });
}

/** `metadata.json` of a VirtualBox box. */
export function virtualboxMetadata(architecture: string): string {
  return jsonText({ provider: 'virtualbox', architecture });
}

/** What disks of a libvirt box are called: one `box.img`, or several numbered ones. */
export function libvirtDiskName(index: number, count: number): string {
  return count === 1 ? 'box.img' : `box_${index}.img`;
}

/** The `Vagrantfile` that a box brings along. */
export function boxVagrantfile(lines: readonly string[]): string {
  return ['Vagrant.configure("2") do |config|', ...lines.map((line) => `  ${line}`), 'end', ''].join('\n');
}

/** A MAC address in VirtualBox's range out of a digest, without which Vagrant cannot set up a box's first adapter. */
export function virtualboxMac(hexDigest: string): string {
  return `080027${hexDigest.slice(0, 6).toUpperCase()}`;
}

function jsonText(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
