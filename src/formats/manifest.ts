/** The manifest (.mf) of an OVF package, in the one spelling that importers take. (DSP0243 5.1) */

/**
 * One line per file: no space before the parenthesis, none before `=`, one after it, lower-case hex, LF. SHA256, which all
 * of vSphere 6 and later take; SHA1 is refused there, SHA512 not read by all.
 */
export function manifestText(
  files: readonly { readonly href: string; readonly hexDigest: string }[],
): string {
  return files.map(({ href, hexDigest }) => `SHA256(${href})= ${hexDigest}\n`).join('');
}
