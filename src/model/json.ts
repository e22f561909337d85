/** JSON values and their one canonical text, on which every fingerprint and digest of a document rests. */

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

export type JsonObject = { readonly [key: string]: JsonValue };

/**
 * The canonical text of a JSON value: no white space, keys sorted by UTF-16 code unit, so that it does not depend on
 * insertion order or locale (RFC 8785's ordering and number format).
 */
export function canonicalJson(value: JsonValue): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const object = value as JsonObject;
  let text = '';
  for (const key of sortedKeys(object))
    text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${canonicalJson(object[key] as JsonValue)}`;
  return `{${text}}`;
}

/** An object of which some members may be long: as maps, whose names are in order. */
export type LongJsonObject = {
  readonly [key: string]: JsonValue | ReadonlyMap<string, JsonValue>;
};

/** The canonical text of an object, with its maps as objects, in pieces: of one text of many megabytes each part is copied several times. */
export function* canonicalPieces(object: LongJsonObject): Iterable<string> {
  let before = '{';
  for (const key of Object.keys(object).sort(byCodeUnit)) {
    const value = object[key] as LongJsonObject[string];
    yield `${before}${JSON.stringify(key)}:`;
    if (value instanceof Map) yield* mapPieces(value);
    else yield canonicalJson(value as JsonValue);
    before = ',';
  }
  yield before === '{' ? '{}' : '}';
}

function* mapPieces(map: ReadonlyMap<string, JsonValue>): Iterable<string> {
  let before = '{';
  for (const [name, value] of map) {
    yield `${before}${JSON.stringify(name)}:${canonicalJson(value)}`;
    before = ',';
  }
  yield before === '{' ? '{}' : '}';
}

/** Sorting a hundred thousand paths that are in order takes longer than seeing that they are. */
function sortedKeys(object: JsonObject): readonly string[] {
  const keys = Object.keys(object);
  for (let at = 1; at < keys.length; at++)
    if ((keys[at - 1] as string) > (keys[at] as string)) return keys.sort(byCodeUnit);
  return keys;
}

/** Compares two texts by UTF-16 code unit: the same order in every locale. */
export function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
