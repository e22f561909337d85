/** Paths in a pipeline: relative to its file, `/` separated, inside its directory, the same on every machine. */

/** A path without `.` and empty segments, or why it cannot be used. */
export function normalisePath(text: string): { readonly path: string } | { readonly problem: string } {
  if (text === '') return { problem: 'the path is empty' };
  if (/[\p{Cc}]/u.test(text)) return { problem: 'the path holds control characters' };
  if (text.startsWith('/') || /^[A-Za-z]:[\\/]/.test(text))
    return { problem: 'the path is absolute: write it relative to the pipeline file' };
  if (text.includes('\\')) return { problem: 'the path holds a `\\`: segments are separated by `/`' };
  if (text === '~' || text.startsWith('~/')) return { problem: '`~` is not expanded: write a relative path' };
  const segments: string[] = [];
  for (const segment of text.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment !== '..') segments.push(segment);
    else if (segments.pop() === undefined)
      return { problem: 'the path leaves the directory of the pipeline' };
  }
  return segments.length === 0
    ? { problem: 'the path is the directory of the pipeline itself' }
    : { path: segments.join('/') };
}

/** Why an input pattern cannot be used, or null; `!` excludes, `*` and the like are looked at when files are. */
export function patternProblem(pattern: string): string | null {
  const body = pattern.startsWith('!') ? pattern.slice(1) : pattern;
  if (body === '.' || body === './') return null;
  const result = normalisePath(body);
  return 'problem' in result ? result.problem : null;
}

/** Paths that an output cannot take: what bake itself reads and keeps beside the pipeline. */
export function reservedProblem(path: string, pipelineFile: string, cacheDir: string | null): string | null {
  const inside = (directory: string): boolean => path === directory || path.startsWith(`${directory}/`);
  if (path === pipelineFile) return 'the path is the pipeline file itself';
  if (path === 'bake.lock') return 'the path is `bake.lock`, which bake writes';
  if (inside('.git')) return 'the path lies in `.git`';
  if (inside('.bake-kept')) return 'the path lies in `.bake-kept`, where bake keeps what it replaces';
  const cache = normalisePath(cacheDir ?? 'cache');
  if ('path' in cache && inside(cache.path)) return `the path lies in the cache directory \`${cache.path}\``;
  return null;
}
