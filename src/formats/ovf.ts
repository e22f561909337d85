/** The OVF 1.x descriptor of an appliance: one virtual system, its disks, networks, product facts and properties. (DSP0243 1.1) */
import type { OvfHardware } from './ovf-hardware.ts';
import { hardwareItems } from './ovf-hardware.ts';
import type { XmlElement } from './xml.ts';
import { xml, xmlText } from './xml.ts';

export interface OvfDisk {
  /** File name inside the package. */
  readonly href: string;
  readonly sizeBytes: number;
  /** What the guest sees; exactly the capacity that the VMDK states, or importers refuse it. */
  readonly capacityBytes: number;
  /** Bytes that hold something, as far as that is known. */
  readonly populatedBytes: number | null;
}

export interface OvfProduct {
  readonly name: string;
  readonly vendor: string | null;
  readonly version: string | null;
  readonly fullVersion: string | null;
  readonly url: string | null;
  readonly vendorUrl: string | null;
}

export const PROPERTY_TYPES = [
  'string',
  'boolean',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
  'int32',
  'int64',
  'real32',
] as const;

export interface OvfProperty {
  readonly key: string;
  readonly type: (typeof PROPERTY_TYPES)[number];
  readonly value: string | null;
  readonly label: string | null;
  readonly description: string | null;
  readonly category: string | null;
  /** Whether who imports the appliance may change it. */
  readonly userConfigurable: boolean;
  readonly password: boolean;
  /** CIM qualifiers such as `MinLen(1) MaxLen(20)` or `ValueMap{"a","b"}`. */
  readonly qualifiers: string | null;
}

/** How properties reach the guest: VMware's guest information, or a CD with an environment document. */
export type OvfTransport = 'com.vmware.guestInfo' | 'iso';

export interface OvfPackage {
  /** Identifier of the virtual system: no spaces. */
  readonly id: string;
  /** What the importing host calls the virtual machine. */
  readonly name: string;
  readonly disks: readonly OvfDisk[];
  readonly hardware: OvfHardware;
  readonly os: { readonly id: number; readonly type: string; readonly description: string | null };
  readonly product: OvfProduct;
  readonly properties: readonly OvfProperty[];
  readonly transport: readonly OvfTransport[];
  readonly annotation: string | null;
  readonly eula: string | null;
}

const NAMESPACES = {
  xmlns: 'http://schemas.dmtf.org/ovf/envelope/1',
  'xmlns:cim': 'http://schemas.dmtf.org/wbem/wscim/1/common',
  'xmlns:ovf': 'http://schemas.dmtf.org/ovf/envelope/1',
  'xmlns:rasd': 'http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData',
  'xmlns:vmw': 'http://www.vmware.com/schema/ovf',
  'xmlns:vssd': 'http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData',
  'xmlns:xsi': 'http://www.w3.org/2001/XMLSchema-instance',
};

const DISK_FORMAT = 'http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized';

/** The descriptor's text; the order of the sections is the schema's. */
export function ovfText(ovf: OvfPackage): string {
  return xmlText(
    xml(
      'Envelope',
      NAMESPACES,
      references(ovf.disks),
      diskSection(ovf.disks),
      networkSection(ovf.hardware),
      xml(
        'VirtualSystem',
        { 'ovf:id': ovf.id },
        info('A virtual machine'),
        xml('Name', {}, ovf.name),
        operatingSystem(ovf.os),
        virtualHardware(ovf),
        productSection(ovf.product, ovf.properties),
        textSection('AnnotationSection', 'Annotation', 'A human-readable annotation', ovf.annotation),
        textSection('EulaSection', 'License', 'An end-user license agreement', ovf.eula),
      ),
    ),
  );
}

function info(text: string): XmlElement {
  return xml('Info', {}, text);
}

function references(disks: readonly OvfDisk[]): XmlElement {
  const files = disks.map((disk, index) =>
    xml('File', { 'ovf:href': disk.href, 'ovf:id': `file${index + 1}`, 'ovf:size': disk.sizeBytes }),
  );
  return xml('References', {}, files);
}

function diskId(index: number): string {
  return `vmdisk${index + 1}`;
}

function diskSection(disks: readonly OvfDisk[]): XmlElement {
  const elements = disks.map((disk, index) =>
    xml('Disk', {
      'ovf:capacity': disk.capacityBytes,
      'ovf:capacityAllocationUnits': 'byte',
      'ovf:diskId': diskId(index),
      'ovf:fileRef': `file${index + 1}`,
      'ovf:format': DISK_FORMAT,
      'ovf:populatedSize': disk.populatedBytes,
    }),
  );
  return xml('DiskSection', {}, info('Virtual disk information'), elements);
}

function networkSection(hardware: OvfHardware): XmlElement | null {
  const names = [...new Set(hardware.nics.map((nic) => nic.network))];
  if (names.length === 0) return null;
  const networks = names.map((name) =>
    xml('Network', { 'ovf:name': name }, xml('Description', {}, `The ${name} network`)),
  );
  return xml('NetworkSection', {}, info('The list of logical networks'), networks);
}

function operatingSystem(os: OvfPackage['os']): XmlElement {
  return xml(
    'OperatingSystemSection',
    { 'ovf:id': os.id, 'vmw:osType': os.type },
    info('The kind of installed guest operating system'),
    os.description === null ? null : xml('Description', {}, os.description),
  );
}

function virtualHardware(ovf: OvfPackage): XmlElement {
  const { hardware } = ovf;
  const diskIds = ovf.disks.map((_, index) => diskId(index));
  return xml(
    'VirtualHardwareSection',
    { 'ovf:transport': ovf.transport.length === 0 ? null : ovf.transport.join(' ') },
    info('Virtual hardware requirements'),
    xml(
      'System',
      {},
      xml('vssd:ElementName', {}, 'Virtual Hardware Family'),
      xml('vssd:InstanceID', {}, '0'),
      xml('vssd:VirtualSystemIdentifier', {}, ovf.id),
      xml('vssd:VirtualSystemType', {}, hardware.virtualSystemType),
    ),
    hardwareItems(hardware, diskIds, ovf.transport.includes('iso')),
    hardware.secureBoot ? vmwareConfig('bootOptions.efiSecureBootEnabled', 'true') : null,
    hardware.firmware === 'efi' ? vmwareConfig('firmware', 'efi') : null,
  );
}

function vmwareConfig(key: string, value: string): XmlElement {
  return xml('vmw:Config', { 'ovf:required': false, 'vmw:key': key, 'vmw:value': value });
}

function productSection(product: OvfProduct, properties: readonly OvfProperty[]): XmlElement {
  const optional = (name: string, value: string | null) => (value === null ? null : xml(name, {}, value));
  return xml(
    'ProductSection',
    {},
    info('Information about the installed software'),
    xml('Product', {}, product.name),
    optional('Vendor', product.vendor),
    optional('Version', product.version),
    optional('FullVersion', product.fullVersion),
    optional('ProductUrl', product.url),
    optional('VendorUrl', product.vendorUrl),
    propertyElements(properties),
  );
}

/** Properties in the order given; a Category element opens each group of them. */
function propertyElements(properties: readonly OvfProperty[]): readonly XmlElement[] {
  const categories = [...new Set(properties.map((property) => property.category))];
  // Without a category first, since nothing closes a category but the next one.
  categories.sort((a, b) => Number(a !== null) - Number(b !== null));
  return categories.flatMap((category) => [
    ...(category === null ? [] : [xml('Category', {}, category)]),
    ...properties.filter((property) => property.category === category).map(propertyElement),
  ]);
}

function propertyElement(property: OvfProperty): XmlElement {
  return xml(
    'Property',
    {
      'ovf:key': property.key,
      'ovf:password': property.password ? true : null,
      'ovf:qualifiers': property.qualifiers,
      'ovf:type': property.type,
      'ovf:userConfigurable': property.userConfigurable,
      'ovf:value': property.value,
    },
    property.label === null ? null : xml('Label', {}, property.label),
    property.description === null ? null : xml('Description', {}, property.description),
  );
}

function textSection(
  section: string,
  element: string,
  about: string,
  text: string | null,
): XmlElement | null {
  return text === null ? null : xml(section, {}, info(about), xml(element, {}, text));
}
