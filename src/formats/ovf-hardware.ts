/** The virtual hardware of an OVF descriptor: one Item per device, children in the schema's alphabetical order. (DSP0243 8, CIM_ResourceAllocationSettingData) */
import type { XmlElement } from './xml.ts';
import { xml } from './xml.ts';

/** Disk controllers by the names people use, with how many disks each takes on its one controller. */
export const CONTROLLERS = {
  lsilogic: { resourceType: 6, subType: 'lsilogic', title: 'SCSI Controller', disks: 15 },
  lsilogicsas: { resourceType: 6, subType: 'lsilogicsas', title: 'SCSI Controller', disks: 15 },
  buslogic: { resourceType: 6, subType: 'buslogic', title: 'SCSI Controller', disks: 15 },
  pvscsi: { resourceType: 6, subType: 'VirtualSCSI', title: 'SCSI Controller', disks: 15 },
  sata: { resourceType: 20, subType: 'vmware.sata.ahci', title: 'SATA Controller', disks: 30 },
  nvme: { resourceType: 20, subType: 'vmware.nvme.controller', title: 'NVMe Controller', disks: 15 },
  ide: { resourceType: 5, subType: null, title: 'IDE Controller', disks: 2 },
} as const;

export type Controller = keyof typeof CONTROLLERS;

export const NIC_MODELS = ['E1000', 'E1000e', 'VmxNet3', 'PCNet32'] as const;

export type NicModel = (typeof NIC_MODELS)[number];

export interface OvfHardware {
  readonly cpus: number;
  readonly memoryBytes: number;
  /** One or more of `vmx-NN`, which says the oldest host that takes the appliance. */
  readonly virtualSystemType: string;
  readonly controller: Controller;
  readonly nics: readonly { readonly model: NicModel; readonly network: string }[];
  readonly firmware: 'bios' | 'efi';
  readonly secureBoot: boolean;
}

/** Unit 7 of a SCSI bus is the controller itself. */
const SCSI_OWN_UNIT = 7;
/** Where VMware's own exports start to count network adapters. */
const FIRST_NIC_ADDRESS = 7;

type RasdValue = string | number | boolean;

/** All Items of a VirtualHardwareSection, with InstanceIDs counted from 1. `withCdDrive` adds the drive by which the `iso` transport comes. */
export function hardwareItems(
  hardware: OvfHardware,
  diskIds: readonly string[],
  withCdDrive: boolean,
): readonly XmlElement[] {
  const items: XmlElement[] = [];
  const add = (values: Readonly<Record<string, RasdValue>>, required = true): number => {
    const instance = items.length + 1;
    items.push(item({ ...values, InstanceID: instance }, required));
    return instance;
  };

  add({
    AllocationUnits: 'hertz * 10^6',
    Description: 'Number of virtual CPUs',
    ElementName: `${hardware.cpus} virtual CPU(s)`,
    ResourceType: 3,
    VirtualQuantity: hardware.cpus,
  });
  const memoryMiB = hardware.memoryBytes / 2 ** 20;
  add({
    AllocationUnits: 'byte * 2^20',
    Description: 'Memory size',
    ElementName: `${memoryMiB} MB of memory`,
    ResourceType: 4,
    VirtualQuantity: memoryMiB,
  });
  const { resourceType, subType, title } = CONTROLLERS[hardware.controller];
  const controller = add({
    Address: 0,
    Description: title,
    ElementName: `${title} 0`,
    ...(subType === null ? {} : { ResourceSubType: subType }),
    ResourceType: resourceType,
  });
  for (const [index, diskId] of diskIds.entries())
    add({
      AddressOnParent: diskUnit(hardware.controller, index),
      ElementName: `Hard Disk ${index + 1}`,
      HostResource: `ovf:/disk/${diskId}`,
      Parent: controller,
      ResourceType: 17,
    });
  if (withCdDrive) addCdDrive(add, hardware.controller === 'ide' ? 1 : 0);
  for (const [index, nic] of hardware.nics.entries())
    add({
      AddressOnParent: FIRST_NIC_ADDRESS + index,
      AutomaticAllocation: true,
      Connection: nic.network,
      Description: `${nic.model} adapter on "${nic.network}"`,
      ElementName: `Ethernet ${index + 1}`,
      ResourceSubType: nic.model,
      ResourceType: 10,
    });
  return items;
}

function addCdDrive(
  add: (values: Readonly<Record<string, RasdValue>>, required?: boolean) => number,
  bus: number,
): void {
  const parent = add({
    Address: bus,
    Description: 'IDE Controller',
    ElementName: `IDE Controller ${bus}`,
    ResourceType: 5,
  });
  const drive = {
    AddressOnParent: 0,
    AutomaticAllocation: false,
    ElementName: 'CD/DVD Drive 1',
    Parent: parent,
    ResourceSubType: 'vmware.cdrom.remotepassthrough',
    ResourceType: 15,
  };
  add(drive, false);
}

/** The unit of the n-th disk on its controller. */
function diskUnit(controller: Controller, index: number): number {
  const isScsi = CONTROLLERS[controller].resourceType === 6;
  return isScsi && index >= SCSI_OWN_UNIT ? index + 1 : index;
}

function item(values: Readonly<Record<string, RasdValue>>, required: boolean): XmlElement {
  const children = Object.keys(values)
    .sort()
    .map((name) => xml(`rasd:${name}`, {}, String(values[name])));
  return xml('Item', { 'ovf:required': required ? null : false }, children);
}
