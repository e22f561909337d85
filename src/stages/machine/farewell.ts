/** The last things done in a guest before a layer is cut or it is shut down, as shell scripts. */
import type { SshLogin } from '../../machine/ssh-login.ts';
import { removeKey, takeKeyOut } from '../../machine/temporary-key.ts';

const OWN_FILES = '/tmp/.bake-ansible /tmp/bake-*';

/** Between two steps: what bake left is removed and everything is on the disk. */
export function settleScript({ temporaryKey }: SshLogin): string {
  return `${temporaryKey === null ? '' : takeKeyOut(temporaryKey)}rm -rf ${OWN_FILES}
sync
exit 0
`;
}

/** At the end: no trace of bake's login is left either, and freed blocks are given back to the disk. */
export function farewellScript({ temporaryKey }: SshLogin): string {
  // Not every guest has fstrim, and not every file system can: what stays is only a larger image.
  return `${temporaryKey === null ? '' : removeKey(temporaryKey)}rm -rf ${OWN_FILES}
sync
fstrim --all >/dev/null 2>&1
exit 0
`;
}

/**
 * What must not be the same on every machine made from an image, and what nobody wants to ship. systemd makes a new
 * machine id when the file is empty; SSH host keys must be made by a unit of the image.
 */
export const GENERALIZE_SCRIPT = `for file in /etc/machine-id; do [ -e "$file" ] && : > "$file"; done
[ -L /var/lib/dbus/machine-id ] || rm -f /var/lib/dbus/machine-id
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret
rm -f /var/lib/dhcp/*.leases /var/lib/dhclient/*.leases /var/lib/NetworkManager/*.lease
rm -f /root/.bash_history /root/.ash_history /home/*/.bash_history /home/*/.ash_history
rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin
command -v journalctl >/dev/null 2>&1 && journalctl --rotate --vacuum-time=1s >/dev/null 2>&1
rm -rf /var/log/journal/*
find /var/log -type f -exec sh -c 'for log; do : > "$log"; done' sh {} +
find /tmp /var/tmp -mindepth 1 -maxdepth 1 ! -name 'systemd-private-*' -exec rm -rf {} +
`;
