/** Names for content (Digest) and for work (Fingerprint), both sha256 and told apart by the type checker. */

/** `sha256:<64 hex>` of a file's bytes or of a tree's canonical manifest. Names content. */
export type Digest = string & { readonly __brand: 'Digest' };

/** `sha256:<64 hex>` of an Action's canonical manifest. Names work. */
export type Fingerprint = string & { readonly __brand: 'Fingerprint' };

const PATTERN = /^sha256:[0-9a-f]{64}$/;

/** A Digest from 64 lower-case hex digits, as `crypto.Hash.digest('hex')` gives them. */
export function digestOfHex(hex: string): Digest {
  return `sha256:${hex}` as Digest;
}

/** A Fingerprint from 64 lower-case hex digits. */
export function fingerprintOfHex(hex: string): Fingerprint {
  return `sha256:${hex}` as Fingerprint;
}

/** Whether a text is a well-formed digest; narrows it. */
export function isDigest(text: string): text is Digest {
  return PATTERN.test(text);
}

/** Whether a text is a well-formed fingerprint; narrows it. */
export function isFingerprint(text: string): text is Fingerprint {
  return PATTERN.test(text);
}

/** The 64 hex digits of a digest or fingerprint. */
export function hexOf(name: Digest | Fingerprint): string {
  return name.slice('sha256:'.length);
}

/** The first 12 hex digits, for people. */
export function shortName(name: Digest | Fingerprint): string {
  return name.slice('sha256:'.length, 'sha256:'.length + 12);
}
