/** Where a file is to come from, as a user may write it: a URL, a path, an output of another stage. */
import { z } from 'zod';
import type { ArtifactOption } from '../kind.ts';
import { artifact } from '../options.ts';

/** An address of a file outside of the checkout: http, https, file, or an absolute path. Its content is named by a checksum. */
type Address = string;

/** An Address, or what enters a fingerprint by its own digest. */
type Source = Address | ArtifactOption;

const EXPECTED =
  'expected an https://, http:// or file:// URL, the path of a file beside the pipeline, or an output of another stage';

/** One address that needs a checksum. */
export function address() {
  return z
    .string()
    .refine(isAddress, { error: 'expected an https://, http:// or file:// URL, or an absolute path' });
}

/** An address, a file of the checkout (a relative path), or an output of another stage. */
export function source() {
  return z.union([z.string(), artifact()], { error: EXPECTED }).transform((value, context): Source => {
    if (typeof value !== 'string' || isAddress(value)) return value;
    const path = checkoutPath(value);
    if (path !== null) return { $file: path };
    context.addIssue({ code: 'custom', message: EXPECTED });
    return z.NEVER;
  });
}

/** Whether it is an address rather than a path of the checkout. */
function isAddress(text: string): boolean {
  if (text.startsWith('/')) return !text.includes('\0');
  return /^(https?|file):\/\//i.test(text) && URL.canParse(text);
}

/** The absolute path that a file URL or a path names; null for http and https. */
export function localPath(from: Address): string | null {
  if (from.startsWith('/')) return from;
  const url = new URL(from);
  return url.protocol === 'file:' ? decoded(url.pathname) : null;
}

/** An address fit to be shown: neither credentials nor a query, which may hold a signature. */
export function shownAddress(from: Address): string {
  if (from.startsWith('/')) return from;
  const url = new URL(from);
  const user = url.username !== '' || url.password !== '' ? '***@' : '';
  return `${url.protocol}//${user}${url.host}${url.pathname}${url.search === '' ? '' : '?…'}`;
}

/** Values in a query that are shorter name a version or a mirror; longer ones may be a signature. */
const SHORTEST_TOKEN = 12;

/** The parts of an address that must not reach a log: credentials, and what may be a token in the query. */
export function secretsOf(from: Address): readonly string[] {
  if (from.startsWith('/')) return [];
  const { username, password, searchParams } = new URL(from);
  const tokens = [...searchParams.values()].filter((value) => value.length >= SHORTEST_TOKEN);
  // A user without a password is a token.
  const credentials = password === '' ? username : password;
  return [...(credentials === '' ? [] : [credentials, decoded(credentials)]), ...tokens];
}

/** Values of request headers that must not reach a log. */
export function secretsOfHeaders(headers: { readonly [name: string]: string }): readonly string[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    /auth|cookie|token|key|secret|password/i.test(name) ? [value, ...value.split(/\s+/).slice(1)] : [],
  );
}

/** The last segment of an address's path, decoded: what a checksum file calls the file. Empty when there is none. */
export function fileNameOf(from: Address): string {
  const path = pathOf(from);
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The path of an address, decoded. */
export function pathOf(from: Address): string {
  return from.startsWith('/') ? from : decoded(new URL(from).pathname);
}

/** A relative path, normalised, that stays below the directory of the pipeline; else null. */
export function checkoutPath(text: string): string | null {
  if (text.includes('\0') || /^[a-z][a-z0-9+.-]*:/i.test(text)) return null;
  const segments: string[] = [];
  for (const segment of text.split('/')) {
    if (segment === '..' && segments.pop() === undefined) return null;
    if (segment !== '' && segment !== '.' && segment !== '..') segments.push(segment);
  }
  return segments.length === 0 ? null : segments.join('/');
}

/** Percent-decoded; a text that is no valid encoding stays as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
