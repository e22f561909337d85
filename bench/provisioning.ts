/** The appliance that is provisioned by bake and by Packer: one installer, three playbooks of three tasks, one conversion. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newDirectory } from './sites.ts';
import type { Bench } from './suite.ts';

/** How the installer reaches the package mirrors, as this process does. */
export const NETWORK: { readonly [name: string]: string } = Object.fromEntries(
  ['DEBIAN_MIRROR', 'http_proxy', 'https_proxy', 'no_proxy'].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  }),
);

export const PLAYBOOKS = ['base', 'app', 'site'] as const;

const DISK_MIB = 2048;
const MEMORY_MIB = 512;

/** A directory with the installer's parts, the playbooks, a pipeline for each part of the work, and templates for Packer. */
export function provisioningSite(bench: Bench): string {
  const site = newDirectory(bench, 'appliance-site');
  for (const part of ['appliance', 'scripts/make-installer-iso.sh'])
    cpSync(join(bench.root, part), join(site, part), { recursive: true });
  mkdirSync(join(site, 'playbooks'));
  for (const [name, text] of Object.entries(TASKS))
    writeFileSync(join(site, `playbooks/${name}.yml`), playbook(name, text));
  writeSitePlaybook(site, 0);
  writeFileSync(join(site, 'pipeline.yaml'), PIPELINE);
  writeFileSync(join(site, 'convert.yaml'), CONVERSION);
  return site;
}

/** The third playbook, another for every edition: as somebody edits the one file that changes all the time. */
export function writeSitePlaybook(site: string, edition: number): void {
  writeFileSync(join(site, 'playbooks/site.yml'), playbook('site', siteTasks(edition)));
}

/** Templates: one installs, the other boots what was installed and provisions it. The installer powers off at its end, which ends a build of Packer. */
export function writePackerTemplates(site: string, publicKey: string): void {
  const machine = {
    type: 'qemu',
    accelerator: 'tcg',
    headless: true,
    cpus: 2,
    memory: MEMORY_MIB,
    disk_size: `${DISK_MIB}M`,
    disk_interface: 'virtio',
    disk_cache: 'unsafe',
    disk_discard: 'unmap',
    disk_detect_zeroes: 'unmap',
    net_device: 'virtio-net',
    iso_checksum: 'none',
    format: 'qcow2',
    skip_compaction: true,
    boot_wait: '1s',
    shutdown_timeout: '30m',
  };
  const key = Buffer.from(`${publicKey.trim()}\n`).toString('base64');
  const install = {
    ...machine,
    iso_url: 'installer.iso',
    output_directory: 'packer-install',
    vm_name: 'installed.qcow2',
    communicator: 'none',
    qemuargs: [['-cpu', 'max']],
  };
  const provision = {
    ...machine,
    iso_url: 'packer-install/installed.qcow2',
    disk_image: true,
    output_directory: 'packer-provision',
    vm_name: 'disk.qcow2',
    ssh_username: 'root',
    ssh_private_key_file: 'key',
    ssh_timeout: '10m',
    shutdown_command: 'poweroff',
    qemuargs: [
      ['-cpu', 'max'],
      ['-device', 'virtio-rng-pci'],
      ['-smbios', `type=11,value=io.systemd.credential.binary:ssh.authorized_keys.root=${key}`],
    ],
  };
  const provisioners = PLAYBOOKS.map((name) => ({
    type: 'ansible',
    playbook_file: `playbooks/${name}.yml`,
    user: 'root',
    use_proxy: false,
  }));
  writeFileSync(join(site, 'install.json'), JSON.stringify({ builders: [install] }));
  writeFileSync(join(site, 'provision.json'), JSON.stringify({ builders: [provision], provisioners }));
}

const PIPELINE = `bake: 1
name: provisioning
stages:
  installer:
    run: scripts/make-installer-iso.sh installer.iso
    inputs: [scripts/make-installer-iso.sh, "appliance/**"]
    tools: [mmdebstrap, xorriso, zstd]
    pass_env: [DEBIAN_MIRROR, http_proxy, https_proxy, no_proxy]
    outputs: { iso: installer.iso }
  install:
    uses: qemu-install
    with:
      iso: \${{ stages.installer.outputs.iso }}
      disk_size: ${DISK_MIB}MiB
      memory: ${MEMORY_MIB}MiB
      accelerator: tcg
      wait_for: [{ serial: "installation complete", timeout: 30m }]
  provision:
    uses: ansible-provision
    with:
      disk: \${{ stages.install.outputs.disk }}
      playbooks: [${PLAYBOOKS.map((name) => `playbooks/${name}.yml`).join(', ')}]
      memory: ${MEMORY_MIB}MiB
      accelerator: tcg
  vmdk:
    uses: qcow2-to-vmdk
    with: { disk: "\${{ stages.provision.outputs.disk }}" }
  pack:
    uses: ovf-pack
    with:
      disk: \${{ stages.vmdk.outputs.vmdk }}
      product: { name: Bench, version: "1" }
      hardware: { cpus: 1, memory: ${MEMORY_MIB}MiB }
    outputs: { ova: appliance.ova }
`;

/** The last two stages alone, for a disk that somebody else made. */
const CONVERSION = `bake: 1
name: conversion
stages:
  vmdk:
    uses: qcow2-to-vmdk
    with: { disk: packer-provision/disk.qcow2 }
  pack:
    uses: ovf-pack
    with:
      disk: \${{ stages.vmdk.outputs.vmdk }}
      product: { name: Bench, version: "1" }
      hardware: { cpus: 1, memory: ${MEMORY_MIB}MiB }
    outputs: { ova: packed.ova }
`;

const TASKS = {
  base: `    - name: Host name
      ansible.builtin.copy: { dest: /etc/hostname, content: "bench\\n", mode: "0644" }
    - name: A group for those who may look after it
      ansible.builtin.group: { name: operators, system: true }
    - name: Greeting
      ansible.builtin.copy:
        dest: /etc/motd
        content: "An appliance with {{ ansible_facts['memtotal_mb'] }} MB of memory\\n"
        mode: "0644"
`,
  app: `    - name: Where it lives
      ansible.builtin.file: { path: /opt/app, state: directory, owner: root, group: operators, mode: "0750" }
    - name: What it does
      ansible.builtin.copy:
        dest: /opt/app/serve
        content: "#!/bin/sh\\nexec python3 -m http.server --directory /opt/app 8080\\n"
        mode: "0755"
    - name: How it is started
      ansible.builtin.copy:
        dest: /etc/systemd/system/app.service
        content: "[Service]\\nExecStart=/opt/app/serve\\n[Install]\\nWantedBy=multi-user.target\\n"
        mode: "0644"
`,
};

function siteTasks(edition: number): string {
  return `    - name: A page
      ansible.builtin.copy: { dest: /opt/app/index.html, content: "edition ${edition}.\\n", mode: "0644" }
    - name: A setting
      ansible.builtin.lineinfile: { path: /etc/environment, line: "APP_EDITION=${edition}", create: true, mode: "0644" }
    - name: Started at boot
      ansible.builtin.systemd: { name: app.service, enabled: true }
`;
}

function playbook(name: string, tasks: string): string {
  return `- name: ${name}\n  hosts: all\n  tasks:\n${tasks}`;
}
