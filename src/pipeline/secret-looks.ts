/** Whether a variable's value looks like a secret: values of variables enter fingerprints and are stored with results. */

const SECRET_NAME =
  /(?:^|[_-])(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|credentials?|(?:api|access|auth|private|signing|secret|encryption|ssh)[_-]?key|apikey)(?:$|[_-])/i;
/** Names that say something about a secret instead of holding it. */
const ABOUT_ONE =
  /(?:^|[_-])(?:hash|hashed|digest|file|path|dir|name|id|url|length|version|public|pub|ttl|policy)(?:$|[_-])/i;
/** Keys and hashes that may be public, and texts that name another place. */
const PUBLIC =
  /^(?:(?:ssh-|ecdsa-|sk-)\S+ |-----BEGIN (?:CERTIFICATE|PUBLIC KEY|SSH2 PUBLIC KEY)|\$(?:1|2[aby]|5|6|y|argon2id?)\$)/;
/** What the well-known services begin their tokens with, and private keys. */
const TOKEN =
  /^(?:gh[pousr]_\w{20}|github_pat_\w{20}|glpat-[\w-]{16}|xox[abprs]-|sk_live_|sk-[\w-]{20}|AKIA[0-9A-Z]{12}|npm_\w{20}|pypi-\w{16}|hv[sb]\.\w{16}|eyJ[\w-]+\.eyJ)|-----BEGIN [A-Z ]*PRIVATE KEY-----/;

/** By its name, or by what it begins with; a public key is none, whatever it is called. */
export function looksSecret(name: string, value: string): boolean {
  if (TOKEN.test(value.trim())) return true;
  if (value.trim() === '' || PUBLIC.test(value.trim())) return false;
  if (/^(?:true|false|yes|no|\d{1,3})$/i.test(value.trim())) return false;
  return SECRET_NAME.test(name) && !ABOUT_ONE.test(name);
}
