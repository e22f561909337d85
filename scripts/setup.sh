#!/bin/sh
# setup.sh build|test: makes a checkout ready: Debian packages (scripts/packages.txt), node_modules, the program in
# lib/. Does only what is missing, says what it does, and is done at once when nothing is missing. Fetches packages
# and nothing else.
set -eu

use=${1:?usage: setup.sh build|test}
case $use in
  build | test) ;;
  *) echo 'usage: setup.sh build|test' >&2 && exit 2 ;;
esac
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }

# Two at once, in one checkout, must not trample on each other: the second waits here. The lock goes with the process.
if command -v flock > /dev/null; then
  exec 9< scripts/setup.sh
  flock -n 9 || {
    say 'waiting for another setup in this checkout'
    flock 9
  }
fi

wanted() {
  while read -r group package _; do
    case $group in
      build) echo "$package" ;;
      test) [ "$use" = build ] || echo "$package" ;;
    esac
  done < scripts/packages.txt
}

# The wanted packages that dpkg does not list as installed.
missing() {
  # shellcheck disable=SC2046,SC2016  # a list of words; dpkg-query fills in the fields
  dpkg-query -W -f '${Package} ${db:Status-Status}\n' $(wanted) 2> /dev/null | sed -n 's/ installed$//p' | sort -u > "$list"
  wanted | sort -u | comm -23 - "$list" | tr '\n' ' '
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    env DEBIAN_FRONTEND=noninteractive "$@"
  elif [ -t 0 ]; then
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  else
    sudo -n env DEBIAN_FRONTEND=noninteractive "$@"
  fi
}

apt_install() {
  # Several at once on one machine wait for each other. Output is shown only if something goes wrong.
  as_root apt-get -q -y -o DPkg::Lock::Timeout=600 install --no-install-recommends "$@" > "$log" 2>&1
}

install_packages() {
  packages=$(missing)
  [ -n "$packages" ] || return 0
  if [ "$(id -u)" != 0 ] && ! command -v sudo > /dev/null; then
    say "these Debian packages are missing: $packages"
    say "and this is neither root nor is there sudo. As root: apt-get install --no-install-recommends $packages"
    exit 1
  fi
  say "installing Debian packages: $packages"
  # shellcheck disable=SC2086  # a list of words
  if ! apt_install $packages; then
    # Package lists that are absent or out of date are the usual reason.
    say 'renewing the package lists first'
    as_root apt-get -q -o DPkg::Lock::Timeout=600 update > "$log" 2>&1 || true
    # shellcheck disable=SC2086
    apt_install $packages || {
      cat "$log" >&2
      say "cannot install: $packages"
      exit 1
    }
  fi
}

# Elsewhere than on Debian: nothing is installed, but what is missing is named.
name_programs() {
  absent=
  for program in qemu-system-x86_64 qemu-img ansible-playbook ssh mmdebstrap xorriso zstd cpio; do
    command -v "$program" > /dev/null || absent="$absent $program"
  done
  [ -z "$absent" ] || say "this is not Debian: install by hand what is missing here:$absent"
}

log=$(mktemp)
list=$(mktemp)
trap 'rm -f "$log" "$list"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if command -v dpkg-query > /dev/null && command -v apt-get > /dev/null; then
  install_packages
else
  name_programs
fi

lock=$(sha256sum package-lock.json)
if [ "$(cat node_modules/.setup-stamp 2> /dev/null)" != "$lock" ]; then
  say 'npm ci'
  npm ci --no-progress --loglevel=error >&2
  echo "$lock" > node_modules/.setup-stamp
fi

# What V8 compiled beforehand is of use to the very same version of Node alone.
sources=$(
  {
    ls -iL "$(command -v node)"
    wc -c < "$(command -v node)"
    find src scripts/build.mjs scripts/compile-code.mjs scripts/keep-code.cjs package.json package-lock.json -type f -exec sha256sum {} + | LC_ALL=C sort
  } | sha256sum
)
if [ "$(cat lib/.setup-stamp 2> /dev/null)" != "$sources" ]; then
  say 'building the program'
  node scripts/build.mjs
  echo "$sources" > lib/.setup-stamp
fi
