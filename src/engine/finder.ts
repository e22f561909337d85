/** The checkout as a kind's input discovery sees it: every look is remembered. */
import type { Files, Stamp } from '../host/host.ts';
import { byCodeUnit, type JsonValue } from '../model/json.ts';
import type { InputFinder } from '../stages/kind.ts';
import { findPath } from './inputs.ts';
import type { Looks } from './looks.ts';

/** A YAML text as plain JSON, or what is wrong with it. */
export type YamlReader = (
  text: string,
) => Promise<{ readonly value: JsonValue } | { readonly problem: string }>;

/** Looks through the checkout; paths are relative to the pipeline file, also those that `list` gives. */
export function inputFinder(files: Files, looks: Looks, parseYaml: YamlReader): InputFinder {
  const readText = async (path: string) => {
    const stamp = looks.stamp(path);
    if (stamp === null || stamp.type === 'directory') return null;
    if (stamp.type === 'link') {
      const real = files.realPath(looks.absolute(path));
      if (real !== null) looks.stamp(real);
    }
    const text = await files.readText(looks.absolute(path));
    return text.ok ? text.value : null;
  };
  return {
    readText,
    async readYaml(path) {
      const text = await readText(path);
      return text === null ? null : parseYaml(text);
    },
    kindOf(path) {
      return Promise.resolve(typeOf(looks.stamp(path), () => files.stampTarget(looks.absolute(path))));
    },
    list(directory) {
      const isDirectory = looks.stamp(directory)?.type === 'directory';
      return Promise.resolve(isDirectory ? [...findPath(directory, looks).keys()].sort(byCodeUnit) : []);
    },
  };
}

function typeOf(stamp: Stamp | null, target: () => Stamp | null): 'file' | 'directory' | 'other' | null {
  const seen = stamp?.type === 'link' ? target() : stamp;
  if (seen === null) return null;
  return seen.type === 'file' || seen.type === 'directory' ? seen.type : 'other';
}
