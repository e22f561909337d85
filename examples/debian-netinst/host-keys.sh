#!/bin/sh
# Debian makes SSH host keys when the package is installed; a template must make them at the first boot of each copy.
set -eu
cat > /etc/systemd/system/ssh-host-keys.service <<'UNIT'
[Unit]
Description=Host keys of the SSH server, made at the first start
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
Before=ssh.service

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
UNIT
systemctl enable ssh-host-keys.service
