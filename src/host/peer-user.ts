/** Which user is at the other end of a connection over loopback: the port may be found by everybody on this host. */
import { readFileSync } from 'node:fs';

const TABLE = '/proc/net/tcp';
/** The kernel gives the table a page at a time: a connection may be missed while others come and go. */
const MOST_READS = 5;

/**
 * The user id of whoever connected from `peerPort` to `ownPort`, both on 127.0.0.1, as the kernel tells it; null when it does
 * not, because the connection is gone again or there is no such table on this system.
 */
export function peerUser(peerPort: number, ownPort: number): number | null {
  const address = (port: number) => `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const wanted = ` ${address(peerPort)} ${address(ownPort)} `;
  try {
    for (let reads = 0; reads < MOST_READS; reads++) {
      const user = userIn(readFileSync(TABLE, 'latin1'), wanted);
      if (user !== null) return user;
    }
    return null;
  } catch {
    return null;
  }
}

function userIn(table: string, wanted: string): number | null {
  const at = table.indexOf(wanted);
  if (at === -1) return null;
  // State, queues, timer and retransmissions come before the user.
  const user = table
    .slice(at + wanted.length, at + 200)
    .trim()
    .split(/\s+/)[4];
  return user !== undefined && /^\d+$/.test(user) ? Number(user) : null;
}
