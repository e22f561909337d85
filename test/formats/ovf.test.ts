/** The OVF descriptor against the letter of the specification: order of sections and elements, Info, identifiers, references. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { manifestText } from '../../src/formats/manifest.ts';
import type { OvfPackage, OvfProperty } from '../../src/formats/ovf.ts';
import { ovfText } from '../../src/formats/ovf.ts';
import { CONTROLLERS, type Controller, hardwareItems } from '../../src/formats/ovf-hardware.ts';
import { xml, xmlText } from '../../src/formats/xml.ts';

interface Element {
  readonly name: string;
  readonly attributes: { readonly [name: string]: string };
  readonly children: readonly Element[];
  readonly text: string;
}

/** A reader for what XML we write: no comments, no mixed content. */
function parse(text: string): Element {
  const root = { name: '', attributes: {}, children: [] as Element[], text: '' };
  const open = [root];
  const token = /<\?[^>]*\?>|<(\/?)([\w:]+)((?:\s+[\w:]+="[^"]*")*)\s*(\/?)>|([^<]+)/g;
  for (const [, slash, name = '', attributes = '', empty, content] of text.matchAll(token)) {
    const top = open.at(-1)!;
    if (content !== undefined) top.text += content;
    else if (slash === '/') {
      expect(name).toBe(top.name);
      open.pop();
    } else if (name !== '') {
      const pairs = [...attributes.matchAll(/([\w:]+)="([^"]*)"/g)].map((match) => [match[1]!, match[2]!]);
      const element = { name, attributes: Object.fromEntries(pairs), children: [] as Element[], text: '' };
      top.children.push(element);
      if (empty !== '/') open.push(element);
    }
  }
  expect(open).toEqual([root]);
  return root.children[0]!;
}

function find(element: Element, name: string): Element[] {
  const deeper = element.children.flatMap((child) => find(child, name));
  return element.name === name ? [element, ...deeper] : deeper;
}

const names = (element: Element | undefined) => element?.children.map((child) => child.name) ?? [];

const property = (more: Partial<OvfProperty>): OvfProperty => ({
  key: 'key',
  type: 'string',
  value: null,
  label: null,
  description: null,
  category: null,
  userConfigurable: true,
  password: false,
  qualifiers: null,
  ...more,
});

const FULL: OvfPackage = {
  id: 'tiny',
  name: 'Tiny & <co>',
  disks: [
    { href: 'tiny-disk1.vmdk', sizeBytes: 1000, capacityBytes: 2 ** 31, populatedBytes: 65_536 },
    { href: 'tiny-disk2.vmdk', sizeBytes: 2000, capacityBytes: 2 ** 41, populatedBytes: null },
  ],
  hardware: {
    cpus: 4,
    memoryBytes: 3 * 2 ** 30,
    virtualSystemType: 'vmx-15',
    controller: 'lsilogic',
    nics: [
      { model: 'E1000', network: 'VM Network' },
      { model: 'VmxNet3', network: 'Storage' },
      { model: 'VmxNet3', network: 'Storage' },
    ],
    firmware: 'efi',
    secureBoot: true,
  },
  os: { id: 96, type: 'debian12_64Guest', description: 'Debian 12' },
  product: {
    name: 'Tiny',
    vendor: 'Example',
    version: '1.0',
    fullVersion: '1.0-1',
    url: 'https://example.org/a?b&c',
    vendorUrl: 'https://example.org',
  },
  properties: [
    property({ key: 'ip', category: 'Network', label: 'Address', qualifiers: 'ValueMap{"a","b"}' }),
    property({ key: 'secret', password: true, userConfigurable: false }),
    property({ key: 'mtu', type: 'uint16', value: '1500', category: 'Network', description: 'Bytes' }),
  ],
  transport: ['com.vmware.guestInfo', 'iso'],
  annotation: 'One\nTwo "quoted" <tag> \u0007 & more',
  eula: 'Free.',
};

describe('an OVF descriptor', () => {
  const envelope = parse(ovfText(FULL));

  it('has its sections in the order of the schema, each with Info first', () => {
    expect(envelope.name).toBe('Envelope');
    expect(envelope.attributes['xmlns']).toBe('http://schemas.dmtf.org/ovf/envelope/1');
    expect(names(envelope)).toEqual(['References', 'DiskSection', 'NetworkSection', 'VirtualSystem']);
    const system = envelope.children[3]!;
    expect(names(system)).toEqual([
      'Info',
      'Name',
      'OperatingSystemSection',
      'VirtualHardwareSection',
      'ProductSection',
      'AnnotationSection',
      'EulaSection',
    ]);
    for (const section of [...envelope.children.slice(1), ...system.children.slice(2)])
      expect(section.children[0]?.name, section.name).toBe('Info');
  });

  it('says disks in bytes and refers to their files', () => {
    const files = find(envelope, 'File').map((file) => file.attributes);
    expect(files).toEqual([
      { 'ovf:href': 'tiny-disk1.vmdk', 'ovf:id': 'file1', 'ovf:size': '1000' },
      { 'ovf:href': 'tiny-disk2.vmdk', 'ovf:id': 'file2', 'ovf:size': '2000' },
    ]);
    const disks = find(envelope, 'Disk').map((disk) => disk.attributes);
    expect(disks.map((disk) => disk['ovf:capacity'])).toEqual(['2147483648', '2199023255552']);
    expect(disks.map((disk) => disk['ovf:fileRef'])).toEqual(['file1', 'file2']);
    expect(disks.map((disk) => disk['ovf:populatedSize'])).toEqual(['65536', undefined]);
    for (const disk of disks) {
      expect(disk['ovf:capacityAllocationUnits']).toBe('byte');
      expect(disk['ovf:format']).toBe(
        'http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized',
      );
    }
    const named = find(envelope, 'rasd:HostResource').map((resource) => resource.text);
    expect(named).toEqual(disks.map((disk) => `ovf:/disk/${disk['ovf:diskId']}`));
  });

  it('names each network once, and connects adapters to those alone', () => {
    const networks = find(envelope, 'Network').map((network) => network.attributes['ovf:name']);
    expect(networks).toEqual(['VM Network', 'Storage']);
    expect(find(envelope, 'rasd:Connection').map((one) => one.text)).toEqual([
      'VM Network',
      'Storage',
      'Storage',
    ]);
  });

  it('has items with children in alphabetical order, and identifiers that are unique and that parents refer to', () => {
    const items = find(envelope, 'Item');
    for (const item of items) expect(names(item)).toEqual([...names(item)].sort());
    const instances = find(envelope, 'rasd:InstanceID').map((one) => one.text);
    expect(instances).toHaveLength(items.length);
    expect(new Set(instances).size).toBe(items.length);
    expect(instances).not.toContain('0');
    for (const parent of find(envelope, 'rasd:Parent')) expect(instances).toContain(parent.text);
    const types = find(envelope, 'rasd:ResourceType').map((one) => one.text);
    expect(types).toEqual(['3', '4', '6', '17', '17', '5', '15', '10', '10', '10']);
    expect(find(envelope, 'vssd:InstanceID')[0]?.text).toBe('0');
    expect(find(envelope, 'vssd:VirtualSystemType')[0]?.text).toBe('vmx-15');
    const hardware = find(envelope, 'VirtualHardwareSection')[0];
    expect(new Set(names(hardware))).toEqual(new Set(['Info', 'System', 'Item', 'vmw:Config']));
    expect(names(hardware).lastIndexOf('Item')).toBeLessThan(names(hardware).indexOf('vmw:Config'));
    expect(hardware?.attributes['ovf:transport']).toBe('com.vmware.guestInfo iso');
  });

  it('asks for UEFI and secure boot in VMware’s words, which others may ignore', () => {
    expect(find(envelope, 'vmw:Config').map((config) => config.attributes)).toEqual([
      { 'ovf:required': 'false', 'vmw:key': 'bootOptions.efiSecureBootEnabled', 'vmw:value': 'true' },
      { 'ovf:required': 'false', 'vmw:key': 'firmware', 'vmw:value': 'efi' },
    ]);
  });

  it('has the product’s facts in order, and properties under their categories', () => {
    const product = find(envelope, 'ProductSection')[0]!;
    expect(names(product)).toEqual([
      'Info',
      'Product',
      'Vendor',
      'Version',
      'FullVersion',
      'ProductUrl',
      'VendorUrl',
      'Property',
      'Category',
      'Property',
      'Property',
    ]);
    const keys = find(product, 'Property').map((one) => one.attributes['ovf:key']);
    expect(keys).toEqual(['secret', 'ip', 'mtu']);
    const [secret, ip] = find(product, 'Property');
    expect(secret?.attributes).toMatchObject({ 'ovf:password': 'true', 'ovf:userConfigurable': 'false' });
    expect(ip?.attributes['ovf:qualifiers']).toBe('ValueMap{&quot;a&quot;,&quot;b&quot;}');
  });

  it('keeps text as it is but for what XML cannot hold', () => {
    expect(find(envelope, 'Annotation')[0]?.text).toBe('One\nTwo "quoted" &lt;tag&gt;  &amp; more');
    expect(find(envelope, 'Name')[0]?.text).toBe('Tiny &amp; &lt;co&gt;');
    const attribute = xmlText(xml('a', { b: 'x\ny\t"<&' }));
    expect(attribute).toContain('b="x&#10;y&#9;&quot;&lt;&amp;"');
  });

  it('leaves out what is not there', () => {
    const bare = parse(
      ovfText({
        ...FULL,
        hardware: { ...FULL.hardware, nics: [], firmware: 'bios', secureBoot: false },
        product: {
          ...FULL.product,
          vendor: null,
          version: null,
          fullVersion: null,
          url: null,
          vendorUrl: null,
        },
        properties: [],
        transport: [],
        annotation: null,
        eula: null,
      }),
    );
    for (const name of [
      'NetworkSection',
      'AnnotationSection',
      'EulaSection',
      'vmw:Config',
      'Property',
      'Vendor',
    ])
      expect(find(bare, name), name).toEqual([]);
    expect(find(bare, 'VirtualHardwareSection')[0]?.attributes).toEqual({});
  });

  it('gives the bytes that it always gave', () => {
    expect(createHash('sha256').update(ovfText(FULL)).digest('hex')).toMatchInlineSnapshot(
      `"44cbe7b4c30fb092b7b7e8228b57356efcae777195964b7bb0205fa1acb70733"`,
    );
  });
});

describe('disks on a controller', () => {
  it.each(Object.keys(CONTROLLERS) as Controller[])(
    '%s has as many units as disks, and leaves out 7 on SCSI',
    (controller) => {
      const count = CONTROLLERS[controller].disks;
      const ids = Array.from({ length: count }, (_, index) => `d${index}`);
      const items = hardwareItems({ ...FULL.hardware, controller, nics: [] }, ids, false);
      const disks = items
        .map((item) => parse(xmlText(item)))
        .filter((item) => item.attributes['xmlns'] === undefined);
      const units = disks
        .filter((item) => find(item, 'rasd:HostResource').length > 0)
        .map((item) => Number(find(item, 'rasd:AddressOnParent')[0]?.text));
      const isScsi = CONTROLLERS[controller].resourceType === 6;
      const all = Array.from({ length: isScsi ? count + 1 : count }, (_, unit) => unit);
      expect(units).toEqual(isScsi ? all.filter((unit) => unit !== 7) : all);
    },
  );
});

describe('a manifest', () => {
  it('has one line for each file, in the one spelling that importers take', () => {
    const files = [
      { href: 'a.ovf', hexDigest: 'ab'.repeat(32) },
      { href: 'a-disk1.vmdk', hexDigest: 'cd'.repeat(32) },
    ];
    expect(manifestText(files)).toBe(
      `SHA256(a.ovf)= ${'ab'.repeat(32)}\nSHA256(a-disk1.vmdk)= ${'cd'.repeat(32)}\n`,
    );
  });
});
