/** How programs write a value: as it is, quoted, escaped, encoded. What `masks.ts` looks for. */

export interface Spellings {
  /** Read as they stand, whatever breaks them into lines. */
  readonly text: ReadonlySet<string>;
  /** The characters of base64 that a value decides, wherever it stands in what was encoded; `+` and `/` as in RFC 4648. */
  readonly base64: ReadonlySet<string>;
  /** Digits alone, in lower case. */
  readonly hex: ReadonlySet<string>;
}

/** Shorter values would turn ordinary text into asterisks. */
const SHORTEST = 3;
/** Encoded pieces shorter than this are found in ordinary text too. */
const SHORTEST_PIECE = 8;
/** Shorter values are found by chance in the gigabytes of a disk. */
const SHORTEST_IN_FILE = 6;
/** Of longer values, which are keys and files, only what is usual is looked for. */
const LONG = 256;

/** All spellings of a secret; of one with several lines each line counts too. */
export function spellingsOf(secret: string): Spellings {
  const text = new Set<string>();
  const base64 = new Set<string>();
  const hex = new Set<string>();
  const lines = secret.split(/\r\n|\n|\r/).map((line) => line.trim());
  for (const value of new Set([secret, secret.trim(), ...lines])) {
    if (value.length < SHORTEST) continue;
    for (const spelling of textSpellings(value)) text.add(spelling);
    const bytes = Buffer.from(value);
    addBase64(bytes, base64);
    if (value.length <= LONG) addBase64(Buffer.from(value, 'utf16le'), base64);
    addHex(bytes, value.length <= LONG, hex);
  }
  return { text, base64, hex };
}

/** The spellings of a secret as bytes in a file, for what is searched at the speed of a disk. */
export function byteSpellings(secret: string): readonly Buffer[] {
  const found = new Map<string, Buffer>();
  const add = (bytes: Buffer, least = SHORTEST_PIECE) => {
    if (bytes.length >= least) found.set(bytes.toString('latin1'), bytes);
  };
  const lines = secret.split(/\r\n|\n|\r/).map((line) => line.trim());
  for (const value of new Set([secret.trim(), ...lines])) {
    const bytes = Buffer.from(value);
    const encoded = new Set<string>();
    addBase64(bytes, encoded);
    for (const piece of encoded) {
      add(Buffer.from(piece));
      add(Buffer.from(piece.replaceAll('+', '-').replaceAll('/', '_')));
    }
    add(bytes, SHORTEST_IN_FILE);
    add(Buffer.from(value, 'utf16le'));
    add(Buffer.from(bytes.toString('hex')));
    for (const spelling of [
      urlStrict(value),
      jsonOf(value),
      htmlOf(value, '&#x27;'),
      value.replaceAll("'", "'\\''"),
    ])
      add(Buffer.from(spelling));
  }
  return [...found.values()];
}

function textSpellings(value: string): readonly string[] {
  const quoted = [
    value.replaceAll("'", "'\\''"),
    value.replaceAll("'", `'"'"'`),
    value.replaceAll("'", "''"),
    value.replaceAll('"', '""'),
    value.replaceAll('%', '%%'),
    value.replaceAll('$', '$$$$'),
    value.replace(/["\\$`]/g, '\\$&'),
    value.replace(/[^A-Za-z0-9_./,:=@%+\-\u0080-\uffff\n]/g, '\\$&'),
    value.replaceAll('/', '_'),
    value.replaceAll('/', '-'),
  ];
  const base64 = Buffer.from(value).toString('base64');
  return [
    value,
    ...quoted,
    ...urlSpellings(value),
    ...jsonSpellings(value),
    ...reprSpellings(value),
    ...htmlSpellings(value),
    encodeURIComponent(base64.replace(/=+$/, '')),
  ];
}

/** Every byte but letters, digits and `-_.~`, as RFC 3986 has it. */
function urlStrict(value: string): string {
  return component(value).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** A text with half a character in it, which an environment cannot hold, is encoded as what would be written of it. */
function component(value: string): string {
  return encodeURIComponent(Buffer.from(value).toString('utf8'));
}

function urlSpellings(value: string): readonly string[] {
  const strict = urlStrict(value);
  const loose = component(value);
  const form = (text: string) => text.replaceAll('%20', '+');
  const everyByte = [...Buffer.from(value)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
  return [
    loose,
    strict,
    form(loose),
    form(strict),
    strict.replaceAll('%2F', '/'),
    strict.replaceAll('%2A', '*'),
    strict.replaceAll('~', '%7E'),
    form(strict).replaceAll('%2A', '*').replaceAll('~', '%7E'),
    encodeURI(Buffer.from(value).toString('utf8')),
    component(loose),
    component(strict),
    ...(value.length <= LONG ? [everyByte] : []),
  ];
}

function jsonOf(value: string): string {
  return JSON.stringify(value).slice(1, -1);
}

function jsonSpellings(value: string): readonly string[] {
  const json = jsonOf(value);
  const ascii = json.replace(/[\u007f-\uffff]/g, unicodeEscape);
  const forHtml = (text: string) => text.replace(/[<>&]/g, unicodeEscape);
  const all = [json, ascii, forHtml(json), forHtml(ascii), json.replace(/[<>&'+]/g, unicodeEscape)];
  return [...all, ...all.map((one) => one.replaceAll('/', '\\/')), ...all.map(jsonOf)];
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** As languages write a value into their source, with either kind of quotes around it. */
function reprSpellings(value: string): readonly string[] {
  const controls = value
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', '\\n')
    .replaceAll('\t', '\\t')
    .replaceAll('\r', '\\r');
  const forms = [
    controls,
    controls
      .replace(/[\u0080-\u00ff]/g, (sign) => `\\x${sign.charCodeAt(0).toString(16)}`)
      .replace(/[\u0100-\uffff]/g, unicodeEscape),
    bytewise(controls, (byte) => `\\x${byte.toString(16)}`),
    bytewise(controls, (byte) => `\\${byte.toString(8)}`),
  ];
  return forms.flatMap((form) => [form, form.replaceAll("'", "\\'"), form.replaceAll('"', '\\"')]);
}

/** The text with the bytes of everything beyond ASCII written by `write`. */
function bytewise(text: string, write: (byte: number) => string): string {
  return text.replace(/[\u0080-\uffff]+/g, (run) => [...Buffer.from(run)].map(write).join(''));
}

function htmlOf(value: string, apostrophe: string, quote = '&quot;'): string {
  return value
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', quote)
    .replaceAll("'", apostrophe);
}

function htmlSpellings(value: string): readonly string[] {
  const forms = ["'", '&#x27;', '&#39;', '&#039;', '&apos;'].map((apostrophe) => htmlOf(value, apostrophe));
  const all = [...forms, htmlOf(value, "'", '"'), htmlOf(value, '&#39;', '&#34;')];
  return [...all, ...all.map((one) => one.replace(/[\u0080-\uffff]/g, (sign) => `&#${sign.charCodeAt(0)};`))];
}

/** For each of the three places that a value can have within groups of three bytes, the characters that it alone decides. */
function addBase64(bytes: Buffer, found: Set<string>): void {
  for (const before of [0, 1, 2]) {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    const piece = encoded.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
    if (piece.length >= SHORTEST_PIECE || before === 0) found.add(piece);
  }
}

function addHex(bytes: Buffer, isShort: boolean, found: Set<string>): void {
  const digits = bytes.toString('hex');
  if (digits.length < SHORTEST_PIECE) return;
  found.add(digits);
  // `0x68, 0x75`, of which the `x` and what stands between them do not count.
  if (isShort) found.add([...bytes].map((byte) => `0${byte.toString(16).padStart(2, '0')}`).join(''));
}
