/** Opens the screen and keyboard of a running machine to VNC viewers of this host. */
import type { Qmp } from './qmp.ts';

/** Where viewers look for screens; of a free port in between QEMU takes the first. */
const PORTS = { first: 5900, last: 6899 };

/** Has QEMU listen on loopback; the address, or null when it cannot. */
export async function openVnc(qmp: Qmp): Promise<string | null> {
  const address = { type: 'inet', host: '127.0.0.1', port: String(PORTS.first), to: PORTS.last };
  const opened = await qmp.command('display-update', { type: 'vnc', addresses: [address] });
  const answer = opened.ok ? await qmp.command('query-vnc') : opened;
  if (!answer.ok) return null;
  const { enabled, host, service } = answer.value as Partial<Record<'host' | 'service', string>> & {
    readonly enabled?: boolean;
  };
  return enabled === true && host !== undefined && service !== undefined ? `${host}:${service}` : null;
}
