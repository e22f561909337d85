/** Who listens in a guest, out of the kernel's own tables: no program need be installed there for it. */

/** A socket that takes what comes. */
export interface Listener {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  /** On the loopback address alone. */
  readonly loopback: boolean;
}

/** Prints each table after its name. */
export const LISTENERS_SCRIPT =
  'for table in tcp tcp6 udp udp6; do echo "= $table"; cat /proc/net/$table 2>/dev/null; done; true';

const LISTENING = { tcp: '0A', udp: '07' } as const;
const ENTRY = /^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ ([0-9A-F]{2}) /;
/** Addresses are words in the processor's order: 127.x.x.x, ::1, and the former as a part of IPv6. */
const LOOPBACK = /^(?:[0-9A-F]{6}7F|0{24}01000000|0{16}FFFF0000[0-9A-F]{6}7F)$/;

/** Reads what the script printed; each listener once, those that anybody reaches before those on the loopback address. */
export function parseListeners(printed: string): readonly Listener[] {
  const found = new Map<string, Listener>();
  let protocol: Listener['protocol'] = 'tcp';
  for (const line of printed.split('\n')) {
    const table = /^= (tcp|udp)6?$/.exec(line);
    if (table) protocol = table[1] as Listener['protocol'];
    const entry = ENTRY.exec(line);
    if (entry?.[3] !== LISTENING[protocol]) continue;
    const [, address = '', port = ''] = entry;
    const listener = { protocol, port: Number.parseInt(port, 16), loopback: LOOPBACK.test(address) };
    found.set(JSON.stringify(listener), listener);
  }
  return [...found.values()].sort((a, b) => a.port - b.port || Number(a.loopback) - Number(b.loopback));
}

/** `22, 68/udp, 5432 (loopback)`. */
export function listenersText(listeners: readonly Listener[]): string {
  const words = listeners.map(
    ({ protocol, port, loopback }) =>
      `${port}${protocol === 'udp' ? '/udp' : ''}${loopback ? ' (loopback)' : ''}`,
  );
  return words.length === 0 ? 'nothing' : words.join(', ');
}
