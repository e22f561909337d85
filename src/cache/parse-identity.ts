/** Which process a record names, checked: records outlive processes, and others may write them. */
import type { ProcessIdentity } from '../host/host.ts';

const LONGEST = 1_000;

/** The identity in a JSON object; null when there is no sound one. */
export function parseIdentity(text: string): ProcessIdentity | null {
  try {
    return identityIn(JSON.parse(text));
  } catch {
    return null;
  }
}

/** The same of what was parsed already. */
function identityIn(value: unknown): ProcessIdentity | null {
  if (typeof value !== 'object' || value === null) return null;
  const { pid, startedAt, realm } = value as { readonly [key: string]: unknown };
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid < 1) return null;
  if (typeof startedAt !== 'string' || typeof realm !== 'string') return null;
  return startedAt.length > LONGEST || realm.length > LONGEST ? null : { pid, startedAt, realm };
}
