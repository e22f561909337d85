/** The options of `ovf-pack`, and the OVF package that they describe. */
import { z } from 'zod';
import { type OvfDisk, type OvfPackage, type OvfTransport, PROPERTY_TYPES } from '../../formats/ovf.ts';
import { CONTROLLERS, type Controller, NIC_MODELS } from '../../formats/ovf-hardware.ts';
import { artifact, size } from '../options.ts';

const controllers = Object.keys(CONTROLLERS) as [Controller, ...Controller[]];

const words = (what: string) => z.string().min(1, { error: `expected ${what}` });

const product = z
  .strictObject({
    name: words('a name').describe('The product, and with `name` absent the virtual machine'),
    vendor: words('a name').optional().describe('Who makes it'),
    version: words('a version').optional().describe('Short version, such as `1.2.0`; quote it'),
    full_version: words('a version').optional().describe('Version with build, such as `1.2.0-build.7`'),
    url: words('a URL').optional().describe('Where to read about the product'),
    vendor_url: words('a URL').optional().describe('Where to read about who makes it'),
  })
  .describe('What importers show as product');

const nic = z.strictObject({
  model: z
    .enum(NIC_MODELS)
    .prefault('E1000')
    .describe(
      'The adapter that the guest sees; all hosts and guests know `E1000`, VirtualBox has no `VmxNet3`',
    ),
  network: words('the name of a network').prefault('VM Network').describe('The network, mapped at import'),
});

const hardware = z.strictObject({
  cpus: z.int().min(1).max(768).prefault(1).describe('Virtual processors'),
  memory: size().prefault('1GiB').describe('Memory, in whole MiB'),
  virtual_system_type: z
    .string()
    .regex(/^vmx-\d{2}$/, { error: 'expected a virtual hardware version such as `vmx-15`' })
    .prefault('vmx-15')
    .describe(
      'Oldest virtual hardware that takes it: `vmx-13` vSphere 6.5, `vmx-15` 6.7 U2, `vmx-17` 7.0, `vmx-20` 8.0',
    ),
  controller: z
    .enum(controllers)
    .prefault('lsilogic')
    .describe('Disk controller; `pvscsi` is quicker but refused by VMware desktop products'),
  nics: z.array(nic).max(10).prefault([{}]).describe('Network adapters, in order'),
  firmware: z.enum(['bios', 'efi']).prefault('bios').describe('What starts the machine'),
  secure_boot: z.boolean().prefault(false).describe('UEFI secure boot'),
});

const property = z.strictObject({
  key: z
    .string()
    .regex(/^[A-Za-z0-9_.-]+$/, { error: 'expected letters, digits, `_`, `.` and `-`' })
    .describe('The name by which the guest reads it'),
  type: z.enum(PROPERTY_TYPES).prefault('string').describe('Type of the value'),
  value: z
    .union([z.string(), z.number(), z.boolean()])
    .transform(String)
    .optional()
    .describe('Value unless who imports it gives another'),
  label: z.string().optional().describe('Short text shown at import'),
  description: z.string().optional().describe('Long text shown at import'),
  category: z.string().optional().describe('Group under which it is shown'),
  user_configurable: z.boolean().prefault(true).describe('Whether it may be changed at import'),
  password: z.boolean().prefault(false).describe('Whether it is hidden while typed'),
  qualifiers: z.string().optional().describe('Limits, such as `MinLen(1) MaxLen(63)`'),
});

export const ovfOptions = z.strictObject({
  disk: artifact().optional().describe('The disk, a stream-optimized VMDK from `qcow2-to-vmdk`'),
  disks: z
    .array(artifact())
    .min(1)
    .optional()
    .describe('Several disks instead of `disk`, the one to boot first'),
  product,
  name: words('a name').optional().describe('The name of the virtual machine; the product’s when absent'),
  hardware: hardware.prefault({}).describe('The virtual machine'),
  os: z
    .strictObject({
      id: z
        .int()
        .min(0)
        .prefault(100)
        .describe('CIM number of the guest system: 100 is 64-bit Linux, 96 Debian'),
      type: words('a type')
        .prefault('other3xLinux64Guest')
        .describe('VMware’s name of the guest system, such as `debian12_64Guest`'),
      description: words('a text').optional().describe('The guest system in words'),
    })
    .prefault({})
    .describe('The guest system'),
  annotation: words('a text').optional().describe('Notes shown with the virtual machine'),
  eula: words('a text').optional().describe('License text that must be accepted at import'),
  properties: z
    .array(property)
    .prefault([])
    .describe('Values that may be set at import and that the guest reads'),
  transport: z
    .array(z.enum(['com.vmware.guestInfo', 'iso']))
    .optional()
    .describe('How the guest reads the properties; guestInfo alone when there are any'),
  formats: z
    .array(z.enum(['ova', 'ovf']))
    .min(1)
    .prefault(['ova'])
    .describe('`ova`: one file; `ovf`: a directory with descriptor, manifest and disks'),
});

type OvfOptions = z.output<typeof ovfOptions>;

interface OptionProblem {
  readonly path: readonly (string | number)[];
  readonly problem: string;
}

/** What the schema alone cannot say. */
export function checkOvfOptions(given: OvfOptions): readonly OptionProblem[] {
  const { hardware: machine, properties } = given;
  const problems: OptionProblem[] = [];
  const disks = given.disks?.length ?? 1;
  if (given.disk === undefined && given.disks === undefined)
    problems.push({ path: [], problem: 'expected `disk`, or `disks` for several' });
  if (given.disk !== undefined && given.disks !== undefined)
    problems.push({ path: ['disks'], problem: 'expected either `disk` or `disks`, not both' });
  const room = CONTROLLERS[machine.controller].disks;
  if (disks > room)
    problems.push({ path: ['disks'], problem: `\`${machine.controller}\` takes at most ${room} disks` });
  if (machine.memory % 2 ** 20 !== 0 || machine.memory < 4 * 2 ** 20)
    problems.push({ path: ['hardware', 'memory'], problem: 'expected whole MiB, at least 4MiB' });
  if (machine.secure_boot && machine.firmware !== 'efi')
    problems.push({ path: ['hardware', 'secure_boot'], problem: 'secure boot needs `firmware: efi`' });
  for (const [index, { key }] of properties.entries())
    if (properties.findIndex((other) => other.key === key) < index)
      problems.push({
        path: ['properties', index, 'key'],
        problem: `the property \`${key}\` is there twice`,
      });
  if (given.transport !== undefined && given.transport.length > 0 && properties.length === 0)
    problems.push({ path: ['transport'], problem: 'a transport without `properties` carries nothing' });
  return problems;
}

/** The part of file names in the package that comes from the product: letters, digits, `.`, `_`, `-` alone. */
export function packageBaseName(given: OvfOptions): string {
  const name = (given.name ?? given.product.name).replace(/[^A-Za-z0-9._-]+/g, '-');
  return name.replace(/^[-.]+|[-.]+$/g, '').slice(0, 60) || 'appliance';
}

/** The package that the options describe. */
export function ovfPackage(given: OvfOptions, disks: readonly OvfDisk[]): OvfPackage {
  const { hardware: machine, properties, os } = given;
  const guestInfo: readonly OvfTransport[] = properties.length > 0 ? ['com.vmware.guestInfo'] : [];
  return {
    id: packageBaseName(given),
    name: given.name ?? given.product.name,
    disks,
    hardware: {
      cpus: machine.cpus,
      memoryBytes: machine.memory,
      virtualSystemType: machine.virtual_system_type,
      controller: machine.controller,
      nics: machine.nics,
      firmware: machine.firmware,
      secureBoot: machine.secure_boot,
    },
    os: { id: os.id, type: os.type, description: os.description ?? null },
    product: {
      name: given.product.name,
      vendor: given.product.vendor ?? null,
      version: given.product.version ?? null,
      fullVersion: given.product.full_version ?? null,
      url: given.product.url ?? null,
      vendorUrl: given.product.vendor_url ?? null,
    },
    properties: properties.map((one) => ({
      key: one.key,
      type: one.type,
      value: one.value ?? null,
      label: one.label ?? null,
      description: one.description ?? null,
      category: one.category ?? null,
      userConfigurable: one.user_configurable,
      password: one.password,
      qualifiers: one.qualifiers ?? null,
    })),
    transport: given.transport ?? guestInfo,
    annotation: given.annotation ?? null,
    eula: given.eula ?? null,
  };
}
