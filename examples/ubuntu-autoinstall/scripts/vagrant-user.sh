#!/bin/sh
# The user that Vagrant logs in as. /root/vagrant.pub is the public key that Vagrant knows, and replaces at first start.
set -eu
userdel -r installer 2> /dev/null || true
useradd -m -s /bin/bash vagrant
install -d -m 700 -o vagrant -g vagrant /home/vagrant/.ssh
install -m 600 -o vagrant -g vagrant /root/vagrant.pub /home/vagrant/.ssh/authorized_keys
rm -f /root/vagrant.pub
echo 'vagrant ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/vagrant
chmod 440 /etc/sudoers.d/vagrant
touch /etc/cloud/cloud-init.disabled
