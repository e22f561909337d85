/** package-lock.json must be whole: `npm ci` refuses one that lacks a package for another platform, and so would every fresh clone. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

interface Entry {
  readonly version?: string;
  readonly resolved?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const file = join(import.meta.dirname, '../../package-lock.json');
const { packages } = JSON.parse(readFileSync(file, 'utf8')) as { packages: Readonly<Record<string, Entry>> };

/** Where npm looks for a dependency of the package at `path`: beside it, then further up. */
function placesOf(path: string, name: string): readonly string[] {
  const at = path.lastIndexOf('/node_modules/');
  const here = `${path === '' ? '' : `${path}/`}node_modules/${name}`;
  if (path === '') return [here];
  return [here, ...placesOf(at < 0 ? '' : path.slice(0, at), name)];
}

it('names every optional package, also those of platforms that a registry does not have', () => {
  const absent = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !placesOf(path, name).some((place) => packages[place]?.version !== undefined))
      .map((name) => `${path} wants ${name}`),
  );
  expect(absent).toEqual([]);
});

it('names no registry, so that it serves whichever one npm is set up with', () => {
  expect(Object.values(packages).filter(({ resolved }) => resolved !== undefined)).toEqual([]);
});
