/** The keys of a US keyboard as QEMU names them (qcodes), by Packer's names for special keys and by the character they type. */

/** Packer's special keys, in lower case, as the plugin SDK's boot command grammar has them. */
const SPECIAL: Readonly<Record<string, string>> = {
  bs: 'backspace',
  del: 'delete',
  enter: 'ret',
  return: 'ret',
  esc: 'esc',
  tab: 'tab',
  up: 'up',
  down: 'down',
  left: 'left',
  right: 'right',
  spacebar: 'spc',
  insert: 'insert',
  home: 'home',
  end: 'end',
  pageup: 'pgup',
  pagedown: 'pgdn',
  menu: 'compose',
  leftalt: 'alt',
  rightalt: 'alt_r',
  leftctrl: 'ctrl',
  rightctrl: 'ctrl_r',
  leftshift: 'shift',
  rightshift: 'shift_r',
  leftsuper: 'meta_l',
  rightsuper: 'meta_r',
  leftcommand: 'meta_l',
  rightcommand: 'meta_r',
  leftoption: 'alt',
  rightoption: 'alt_r',
  ...Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`f${index + 1}`, `f${index + 1}`])),
};

/** How the special keys are written, for suggestions. */
export const SPECIAL_KEY_NAMES: readonly string[] = [
  ...['bs', 'del', 'enter', 'return', 'esc', 'tab', 'up', 'down', 'left', 'right', 'spacebar', 'insert'],
  ...['home', 'end', 'pageUp', 'pageDown', 'menu', 'leftAlt', 'rightAlt', 'leftCtrl', 'rightCtrl'],
  ...['leftShift', 'rightShift', 'leftSuper', 'rightSuper', 'leftCommand', 'rightCommand'],
  ...['leftOption', 'rightOption', ...Array.from({ length: 12 }, (_, index) => `f${index + 1}`)],
];

/** Pairs of characters on one key: without and with shift. */
const PRINTED: Readonly<Record<string, string>> = {
  grave_accent: '`~',
  minus: '-_',
  equal: '=+',
  bracket_left: '[{',
  bracket_right: ']}',
  backslash: '\\|',
  semicolon: ';:',
  apostrophe: `'"`,
  comma: ',<',
  dot: '.>',
  slash: '/?',
  ...Object.fromEntries([...'1234567890'].map((digit, index) => [digit, digit + '!@#$%^&*()'[index]])),
  ...Object.fromEntries([...'abcdefghijklmnopqrstuvwxyz'].map((key) => [key, key + key.toUpperCase()])),
};

/** One key on the way to a character. */
export interface KeyStroke {
  readonly key: string;
  readonly shift: boolean;
}

const CHARACTERS: ReadonlyMap<string, KeyStroke> = new Map([
  [' ', { key: 'spc', shift: false }],
  ['\n', { key: 'ret', shift: false }],
  ['\t', { key: 'tab', shift: false }],
  ...Object.entries(PRINTED).flatMap(([key, pair]): [string, KeyStroke][] => [
    [pair.charAt(0), { key, shift: false }],
    [pair.charAt(1), { key, shift: true }],
  ]),
]);

/** The key with one of Packer's special names, whatever its case; null when there is none. */
export function specialKey(name: string): string | null {
  const lower = name.toLowerCase();
  return Object.hasOwn(SPECIAL, lower) ? (SPECIAL[lower] ?? null) : null;
}

/** How a character is typed on a US keyboard; null when it is not on it. */
export function keyOf(character: string): KeyStroke | null {
  return CHARACTERS.get(character) ?? null;
}
