#!/bin/sh
# Small: no package caches, and free space given back to the image. The disk passes on what the file system trims, so
# nothing need be filled with zeros.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -y autoremove --purge
apt-get clean
rm -rf /var/lib/apt/lists/*
fstrim -av
