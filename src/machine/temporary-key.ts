/** The key that bake hands to a guest for its own login: how it gets in, and how every trace of it goes. */

/** Where systemd puts the key: in memory, so that no layer of a disk holds it. */
const KEY_FILE = '/run/bake/authorized_keys';
/** Read by sshd beside the first unless it is told otherwise; nobody else uses it. */
const LINK = '/root/.ssh/authorized_keys2';
const KEYS = '/root/.ssh/authorized_keys';

/**
 * systemd credentials that let root in with this key. Distributions that have sshd read `authorized_keys` alone get it
 * there, too, beside what is in it: bake takes that line out before it keeps a layer.
 */
export function keyCredentials(publicKey: string): { readonly [name: string]: string } {
  const lines = [
    'd /run/bake 0700 root root -',
    `f ${KEY_FILE} 0600 root root - ${publicKey}`,
    `L ${LINK} - - - - ${KEY_FILE}`,
    `f ${KEYS} 0600 root root -`,
    `w+ ${KEYS} - - - - ${publicKey}\\n`,
  ];
  return { 'tmpfiles.extra': `${lines.join('\n')}\n` };
}

/** Shell commands that take the key off the disk. The link stays, for whoever boots from the layer; it leads nowhere then. */
export function takeKeyOut(publicKey: string): string {
  return `keys=${KEYS}
if [ -f "$keys" ]; then
  grep -vxF '${publicKey}' "$keys" > "$keys.bake"
  cat "$keys.bake" > "$keys" && rm -f "$keys.bake" || exit 1
  [ -s "$keys" ] || rm -f "$keys"
fi
`;
}

/** The same, with the link: nobody logs in with it any more. */
export function removeKey(publicKey: string): string {
  return `${takeKeyOut(publicKey)}[ ! -L ${LINK} ] || rm -f ${LINK}
`;
}
