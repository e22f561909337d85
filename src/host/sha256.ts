/** sha256 of a short text or of bytes in memory, at once and for those who ask: a run with nothing to do does not, and loading `node:crypto` costs it 2.6 ms. */

/** 64 hexadecimal digits. */
export function sha256Hex(data: string | Uint8Array): string {
  return process.getBuiltinModule('node:crypto').hash('sha256', data, 'hex');
}
