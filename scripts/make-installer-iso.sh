#!/bin/sh
# make-installer-iso.sh OUT.iso: a bootable CD image that installs Debian 12 on the first blank disk, unattended.
#
# It reads appliance/ beside the current directory and Debian's packages, from the mirrors that this host's own apt is
# set up with (or DEBIAN_MIRROR). Root is not needed: without it, mmdebstrap works in a user name space. The same
# packages give the same bytes.
set -eu

out=${1:?usage: make-installer-iso.sh OUT.iso}
suite=bookworm
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
: "${SOURCE_DATE_EPOCH:=1672531200}"
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
# Slim hosts keep depmod and its like out of an ordinary user's PATH.
export PATH="$PATH:/usr/sbin:/sbin"
umask 022

die() {
  echo "make-installer-iso: $*" >&2
  exit 1
}
say() { echo "make-installer-iso: $*"; }

for tool in mmdebstrap xorriso cpio zstd depmod apt-get; do
  command -v "$tool" > /dev/null || die "needs $tool (scripts/packages.txt names the Debian packages)"
done
isolinux=/usr/lib/ISOLINUX/isolinux.bin
ldlinux=/usr/lib/syslinux/modules/bios/ldlinux.c32
for file in "$isolinux" "$ldlinux" "$keyring"; do
  [ -f "$file" ] || die "needs $file (packages isolinux, syslinux-common, debian-archive-keyring)"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# One line per repository of this host that is Debian's own, whichever way its sources are written down.
sources() {
  if [ -n "${DEBIAN_MIRROR:-}" ]; then
    echo "deb [signed-by=$keyring] $DEBIAN_MIRROR $suite main"
    return
  fi
  # shellcheck disable=SC2016  # apt fills these in; what it does not know it leaves as it is
  apt-get indextargets --format '$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)' 'Created-By: Packages' |
    while IFS='|' read -r uri release component origin; do
      case $release in "$suite" | "$suite-updates" | "$suite-security") ;; *) continue ;; esac
      case $origin in Debian | '$('*) ;; *) continue ;; esac
      [ "$component" = main ] || continue
      echo "deb [signed-by=$keyring] $uri $release main"
    done | sort -u
}
sources > "$work/sources.list"
grep -q " $suite main" "$work/sources.list" ||
  die "apt on this host has no source for Debian $suite; set DEBIAN_MIRROR to the address of a mirror"

# How this host reaches its mirrors: proxies and the like. Taken out of the image again by customize.sh.
apt-config dump | grep -E '^Acquire::(http|https|ForceIPv[46]|Retries|Languages)' > "$work/apt.conf" || true
{
  echo 'Acquire::Languages "none";'
  echo 'APT::Install-Recommends "false";'
} >> "$work/apt.conf"

# Everything that goes into the image besides packages, as one archive with fixed owners, modes and dates.
mkdir "$work/overlay"
cp -R appliance/rootfs/. "$work/overlay/"
mkdir -p "$work/overlay/root" "$work/overlay/etc/dpkg/dpkg.cfg.d"
cp appliance/customize.sh "$work/overlay/root/customize.sh"
chmod 755 "$work/overlay/root/customize.sh"
mv "$work/overlay/etc/apt/sources.list" "$work/overlay/root/sources.list"
cp appliance/dpkg.cfg "$work/overlay/etc/dpkg/dpkg.cfg.d/appliance"
cp appliance/disk-modules "$work/overlay/etc/initramfs-tools/disk-modules"
archive() { tar --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime="@$SOURCE_DATE_EPOCH" "$@"; }
# Only the leaves: directories of the base system keep their own modes.
(cd "$work/overlay" && find . ! -type d | sort > "$work/overlay.list")
archive --no-recursion -C "$work/overlay" -T "$work/overlay.list" -cf "$work/overlay.tar"

packages=$(sed -e 's/#.*//' appliance/packages | tr -s ' \n' ',,' | sed -e 's/^,//' -e 's/,$//')
say "collecting Debian $suite"
# In a user name space mmdebstrap is another user, who may not look into this one's directories.
[ "$(id -u)" = 0 ] || temporary=/tmp
HOME=${temporary:-${HOME:-/tmp}} TMPDIR=${temporary:-${TMPDIR:-/tmp}} mmdebstrap --quiet --variant=minbase --format=tar \
  --include="$packages" --aptopt="$work/apt.conf" --dpkgopt=appliance/dpkg.cfg \
  --setup-hook='mkdir -p "$1/boot"' \
  --essential-hook="tar-in $work/overlay.tar /" \
  --customize-hook="chroot \"\$1\" /root/customize.sh" \
  --customize-hook='rm -f "$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap"' \
  "$suite" "$work/rootfs.tar" - < "$work/sources.list"

say 'making the installer'
mkdir -p "$work/tree" "$work/initrd/bin" "$work/initrd/tmp" "$work/initrd/dev" "$work/iso/isolinux"
tar -xf "$work/rootfs.tar" -C "$work/tree" --no-same-owner --wildcards \
  ./lib ./lib64 ./boot/vmlinuz-\* ./usr/lib64 ./usr/lib/x86_64-linux-gnu/\*.so\* ./usr/lib/modules \
  ./usr/bin/busybox ./usr/bin/tar ./usr/bin/zstd ./usr/sbin/sfdisk ./usr/sbin/mke2fs

# Real programs out of the new system, with the libraries that its own dynamic loader finds for them.
loader=$work/tree/usr/lib64/ld-linux-x86-64.so.2
libraries=$work/tree/usr/lib/x86_64-linux-gnu
ln -s usr/lib "$work/initrd/lib"
ln -s usr/lib64 "$work/initrd/lib64"
mkdir -p "$work/initrd/usr/lib64" "$work/initrd/usr/lib/x86_64-linux-gnu"
cp -L "$loader" "$work/initrd/usr/lib64/"
for program in usr/bin/tar usr/bin/zstd usr/sbin/sfdisk usr/sbin/mke2fs; do
  install -D -m 755 "$work/tree/$program" "$work/initrd/$program"
  "$loader" --library-path "$libraries" --list "$work/tree/$program" |
    sed -n "s#.* => $libraries/\([^ ]*\) .*#\1#p" |
    while read -r library; do cp -L "$libraries/$library" "$work/initrd/usr/lib/x86_64-linux-gnu/"; done
done
install -m 755 "$work/tree/usr/bin/busybox" "$work/initrd/bin/busybox"
install -m 755 appliance/initrd/init "$work/initrd/init"

# The modules that reach a disk and a CD, with all that they need.
kernel=$(ls "$work/tree/usr/lib/modules")
modules=usr/lib/modules/$kernel
{
  sed -e 's/#.*//' -e '/^$/d' appliance/disk-modules
  echo sr_mod
  echo isofs
} > "$work/initrd/modules"
while read -r module; do
  pattern=$(printf %s "$module" | sed 's/[-_]/[-_]/g')
  grep -E "(^|/)$pattern\.ko:" "$work/tree/$modules/modules.dep" | tr -d : | tr ' ' '\n'
done < "$work/initrd/modules" | sort -u |
  while read -r file; do install -D -m 644 "$work/tree/$modules/$file" "$work/initrd/$modules/$file"; done
cp "$work/tree/$modules/modules.order" "$work/tree/$modules"/modules.builtin* "$work/initrd/$modules/"
depmod -b "$work/initrd" "$kernel"

find "$work/initrd" "$work/iso" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
(cd "$work/initrd" && find . | sort | cpio --quiet --reproducible -R 0:0 -o -H newc) | zstd -q -9 -T2 > "$work/iso/initrd.zst"
cp "$work/tree/boot/vmlinuz-$kernel" "$work/iso/vmlinuz"
cp "$isolinux" "$ldlinux" appliance/isolinux/isolinux.cfg "$work/iso/isolinux/"
# -T2 whatever the machine has: one thread alone would give other bytes.
zstd -q -9 -T2 "$work/rootfs.tar" -o "$work/iso/rootfs.tar.zst"
chmod -R u=rwX,go=rX "$work/iso"
find "$work/iso" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

xorriso -report_about WARNING -volume_date all_file_dates "=$SOURCE_DATE_EPOCH" -preparer_id bake \
  -as mkisofs -quiet -r -volid APPLIANCE -b isolinux/isolinux.bin -c isolinux/boot.cat \
  -no-emul-boot -boot-load-size 4 -boot-info-table -o "$out" "$work/iso"
say "$(du -m "$out" | cut -f1) MiB in $out"
