/** Whether the user wants everything on the way to be hashed again. */
import type { Invocation } from './command.ts';

/** True with `--verify` or `BAKE_VERIFY` set to anything but 0. */
export function wantsVerification({ flags, env }: Pick<Invocation, 'flags' | 'env'>): boolean {
  const said = env['BAKE_VERIFY'];
  return flags['verify'] === true || (said !== undefined && said !== '' && said !== '0');
}
