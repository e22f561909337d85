/** Adapter types of VMDK disks, and the cylinders, heads and sectors that go with them. */

/** pvscsi is no adapter type of a descriptor: such disks say `lsilogic`, and the OVF names the controller. */
export const ADAPTER_TYPES = ['lsilogic', 'buslogic', 'ide'] as const;

export type AdapterType = (typeof ADAPTER_TYPES)[number];

interface Geometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectors: number;
}

const SECTORS_PER_TRACK = 63;
const MOST_CYLINDERS = { scsi: 65_535, ide: 16_383 };

/** The geometry VMware gives a disk of so many 512-byte sectors: 255 heads on SCSI, 16 on IDE, whole cylinders rounded up. */
export function diskGeometry(adapter: AdapterType, sectors: number): Geometry {
  const heads = adapter === 'ide' ? 16 : 255;
  const most = adapter === 'ide' ? MOST_CYLINDERS.ide : MOST_CYLINDERS.scsi;
  const cylinders = Math.max(1, Math.ceil(sectors / (heads * SECTORS_PER_TRACK)));
  return { cylinders: Math.min(cylinders, most), heads, sectors: SECTORS_PER_TRACK };
}
