#!/bin/sh
# Makes the administrator, whose key is in $ADMIN_KEY, and closes the door by which provisioning came in.
set -eu
apk add --no-cache doas
adduser -D -G wheel admin
# Without this OpenSSH takes the account for locked, and no key opens it.
echo 'admin:*' | chpasswd -e
install -d -m 700 -o admin -g wheel /home/admin/.ssh
printf '%s\n' "$ADMIN_KEY" > /home/admin/.ssh/authorized_keys
chown admin:wheel /home/admin/.ssh/authorized_keys
chmod 600 /home/admin/.ssh/authorized_keys
echo 'permit nopass :wheel' > /etc/doas.d/administrator.conf

printf 'PasswordAuthentication no\nPermitRootLogin no\n' > /etc/ssh/sshd_config.d/hardened.conf
rm -f /etc/ssh/sshd_config.d/provisioning.conf
passwd -l root
