/** Whatever a stage, a file's name or the cache says: no command writes what a terminal or a job would obey. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forgeResults } from '../support/forged-cache.ts';
import { type Checkout, Rig } from '../support/rig.ts';

/** One of each kind of text that means harm; none has a letter `Q`, which marks what must be seen. */
const HARM = [
  'Q\u001b]0;owned\u0007',
  'Q\u001b[2J\u001b[8m',
  'Q\u009b2J\u009d0;owned\u009c',
  'Q\u001bP$q\u001b\\',
  '\n::set-env name=PATH::/tmp/evil Q',
  '\n  \u00a0::add-mask::Q',
  '\r::stop-commands::Q',
  '\n\u200d::set-output name=a::Q',
  '##[command]Q ##vso[task.complete]Q',
  'Q\u202etxt.exe\u2066\u200b',
].join('');

const PIPELINE = `bake: 1
name: words
stages:
  good:
    inputs: ["files/*"]
    run: cat files/said* | tee out.txt; cat files/said* >&2
    outputs: { out: out.txt }
`;

const COMMANDS: readonly (readonly string[])[] = [
  ['run'],
  ['run', '--verbose'],
  ['run', '--quiet'],
  ['run', '--json'],
  ['run', '--force', '--verbose'],
  ['run', '--force'],
  ['run', '-k', '--force'],
  ['log', 'good'],
  ['log', 'bad'],
  ['explain', 'good'],
  ['explain', 'good', '--json'],
  ['explain', 'bad'],
  ['plan'],
  ['plan', '--verbose'],
  ['plan', '--json'],
  ['graph'],
  ['graph', '--format', 'json'],
  ['graph', '--format', 'dot'],
  ['graph', '--format', 'mermaid'],
  ['cache', 'ls'],
  ['cache', 'ls', '--json'],
  ['cache', 'du'],
  ['machine', 'ls'],
  ['validate'],
  ['doctor'],
  ['get', `good.${HARM.replaceAll('\0', '')}`],
  ['run', HARM],
  [HARM],
];

/** What a terminal or a job would obey in a text that may have our own colours; null when there is nothing. */
function obeyed(text: string): string | null {
  const bare = text.replace(/\u001b\[(?:1|2|22|3[12346]|39)m/g, '');
  const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u202a-\u202e\u2028\u2066-\u2069]/.exec(
    bare,
  );
  if (control !== null)
    return `U+${control[0].charCodeAt(0).toString(16)} in ${JSON.stringify(bare.slice(Math.max(0, control.index - 60), control.index + 20))}`;
  const own = /^::(?:group|endgroup|error|warning)\b/;
  const lines = bare.split('\n').filter((line) => !own.test(line));
  return lines.find((line) => /^[\s\p{DI}]*:\p{DI}*:|##(?:vso)?\[/u.test(line)) ?? null;
}

describe('words of others', () => {
  let rig: Rig;
  let checkout: Checkout;
  const environment = (extra: Readonly<Record<string, string>> = {}) => ({
    env: { BAKE_CACHE_DIR: rig.path('cache'), ...extra },
  });

  beforeAll(async () => {
    rig = await Rig.make();
    checkout = rig.checkout('one', {
      'pipeline.yaml': `${PIPELINE}  bad:\n    inputs: ["files/*"]\n    run: cat files/said*; exit 3\n    outputs: { out: bad.txt }\n`,
      'files/said.txt': HARM,
    });
    // Linux lets a file have any name without a slash.
    checkout.write({ [`files/${HARM.replaceAll('/', '')}`]: 'x' });
    await checkout.bake(['run', '-k'], environment());
    const forged = forgeResults(rig.path('cache'), (result) => {
      result.origin.action = `a${HARM}`;
      result.manifest.options = { command: `x${HARM}` };
      for (const artifact of result.artifacts) artifact.path = `x${HARM}`;
    });
    expect(forged).toBeGreaterThan(0);
  });
  afterAll(() => rig[Symbol.asyncDispose]());

  // Named without the words themselves: this, too, may be the log of a job.
  it.each(COMMANDS.map((args, index) => [`${index}: bake ${args[0]?.replace(/\W.*/s, '')}`, args] as const))(
    '%s',
    async (_, args) => {
      const summary = rig.path('step-summary');
      for (const env of [
        { GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: summary },
        { FORCE_COLOR: '1' },
        {},
      ]) {
        const { stdout, stderr } = await checkout.bake(args, environment(env as Record<string, string>));
        const jobs = 'GITHUB_ACTIONS' in env;
        for (const text of [stdout, stderr]) {
          const found = obeyed(text);
          if (jobs || /^U\+/.test(found ?? '')) expect(found).toBeNull();
        }
        expect(stdout + stderr).not.toBe('');
      }
    },
    60_000,
  );

  it('are shown as far as they can be', async () => {
    const { stdout } = await checkout.bake(['log', 'good'], environment());
    expect(stdout).toContain('Q\n  \u00a0::add-mask::Q\n::stop-commands::Q');
    expect(stdout).toContain('Q\\u202etxt.exe\\u2066\\u200b');
  });

  it('are given as they are by `log --raw`', async () => {
    const { stdout } = await checkout.bake(['log', 'good', '--raw'], environment());
    expect(stdout).toContain('Q\u001b]0;owned\u0007Q\u001b[2J');
  });

  it('are data in what programs read', async () => {
    const summary = rig.path('summary.json');
    const trace = rig.path('trace.json');
    await checkout.bake(['run', '--force', '--summary', summary, '--trace', trace], environment());
    for (const file of [summary, trace]) {
      const text = readFileSync(file, 'utf8');
      expect(obeyed(text)).toBeNull();
      expect(JSON.parse(text)).toBeTypeOf('object');
    }
  });
});
