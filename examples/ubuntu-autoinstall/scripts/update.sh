#!/bin/sh
# All updates; the stage reboots into the new kernel afterwards.
set -eu
export DEBIAN_FRONTEND=noninteractive
cloud-init status --wait || true
apt-get update
apt-get -y dist-upgrade
