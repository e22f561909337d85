#!/bin/sh
# Runs inside the new system, once, when its packages are there: last settings, then away with all that differs from
# one build to the next.
set -eu

systemctl --quiet enable systemd-networkd.service systemd-resolved.service ssh-host-keys.service
# Updates come as a new image, and there is no foreign program to run: these would only cost time at every start.
systemctl --quiet disable apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service
systemctl --quiet mask systemd-binfmt.service proc-sys-fs-binfmt_misc.automount
ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf

# Keys and identities are made by each appliance for itself, at its first start.
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub /var/lib/dbus/machine-id /var/lib/systemd/random-seed
: > /etc/machine-id

# Settings of the host that built the image are no part of it.
rm -f /etc/apt/apt.conf.d/99mmdebstrap /etc/apt/sources.list.d/* /etc/apt/auth.conf.d/*
cp /root/sources.list /etc/apt/sources.list
rm -f /root/sources.list

rm -f /vmlinuz.old /initrd.img.old
rm -rf /var/cache/ldconfig/aux-cache /var/cache/debconf/*-old /var/lib/dpkg/*-old
rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid-
find /var/log -type f -delete
find /usr/share/doc /usr/share/man /usr/share/locale -depth -type d -empty -delete 2>/dev/null || true
rm -f "$0"
