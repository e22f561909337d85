#!/bin/sh
# Runs in the live system: installs Alpine on the disk by the answers that are served at $1, then powers off.
set -eu
wget -qO answers "$1/answers"
# -e: root gets no password, so nothing is asked.
ERASE_DISKS=/dev/vda setup-alpine -e -f answers
# The way in for provisioning; provision.sh closes it.
mount /dev/vda3 /mnt
chroot /mnt sh -c 'echo root:bake | chpasswd'
echo 'PermitRootLogin yes' > /mnt/etc/ssh/sshd_config.d/provisioning.conf
umount /mnt
echo 'answers are in force' > /dev/ttyS0
poweroff
