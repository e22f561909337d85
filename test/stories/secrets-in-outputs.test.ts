/** A secret that a stage leaves in what it makes: told of, and never in the cache. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Checkout, Rig } from '../support/rig.ts';

const SECRET = "hunter2'Pa$$w0rd+/ü&end";

/** Files below a directory in which a text is, or whose names have it. */
function holding(directory: string, text: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((path) => {
    const place = join(directory, path);
    return path.includes(text) || (statSync(place).isFile() && readFileSync(place).includes(text));
  });
}

describe('a secret in an output', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await Rig.make();
  });
  afterAll(() => rig[Symbol.asyncDispose]());

  let count = 0;
  function made(run: string, inOutputs: string | null, more = ''): Checkout {
    const said = inOutputs === null ? '' : `, in_outputs: ${inOutputs}`;
    const lines = run.split('\n').map((line) => `      ${line}`);
    return rig.checkout(`checkout-${++count}`, {
      'pipeline.yaml': `bake: 1
name: s
stages:
  a:
    run: |
${lines.join('\n')}
    secrets: { TOKEN: { from: MINE, version: "1"${said} } }
    outputs: { o: o }
${more}`,
    });
  }
  const env = (checkout: Checkout) => ({ env: { MINE: SECRET, BAKE_CACHE_DIR: checkout.path('cache') } });

  it.each([
    ['as it is', 'printf "x%s" "$TOKEN" > o'],
    ['in base64', 'printf "bob:%s" "$TOKEN" | base64 -w0 > o'],
    ['in hex', 'printf %s "$TOKEN" | od -An -tx1 | tr -d " \\n" > o'],
    ['across the pieces in which files are read', '{ head -c 1048570 /dev/zero; printf %s "$TOKEN"; } > o'],
    ['in a file of a directory', 'mkdir -p o/d; echo fine > o/d/x; printf %s "$TOKEN" > o/d/y'],
  ])('%s is placed, warned of and not kept', async (_, command) => {
    const checkout = made(command, null);
    const first = await checkout.run([], env(checkout));
    expect(first.code).toBe(0);
    expect(first.stdout).toContain('[secret-in-output]');
    expect(first.stdout).not.toContain(SECRET);
    expect(checkout.has('o')).toBe(true);
    expect(holding(checkout.path('cache'), SECRET)).toEqual([]);
    // Not kept, so it runs again, and is told of again.
    const second = await checkout.run([], env(checkout));
    expect([second.code, second.outcomes]).toEqual([0, { a: 'built' }]);
    expect(second.stdout).toContain('[secret-in-output]');
  });

  it('is there for the stages of the same run that read it', async () => {
    const more = `  b:
    run: 'wc -c < \${{ stages.a.outputs.o }} > n'
    outputs: { n: n }
`;
    const checkout = made('printf %s "$TOKEN" > o', null, more);
    expect((await checkout.run([], env(checkout))).outcomes).toEqual({ a: 'built', b: 'built' });
    expect(checkout.read('n').trim()).toBe(String(Buffer.byteLength(SECRET)));
    expect(holding(checkout.path('cache'), SECRET)).toEqual([]);
    expect((await checkout.run([], env(checkout))).outcomes).toEqual({ a: 'built', b: 'fresh' });
  });

  it('that was allowed is no result for who does not allow it any more', async () => {
    const checkout = made('printf %s "$TOKEN" > o', 'ignore');
    expect((await checkout.run([], env(checkout))).outcomes).toEqual({ a: 'built' });
    expect((await checkout.run([], env(checkout))).outcomes).toEqual({ a: 'fresh' });
    checkout.write({ 'pipeline.yaml': checkout.read('pipeline.yaml').replace('ignore', 'error') });
    const refused = await checkout.run([], env(checkout));
    expect([refused.code, refused.stages['a']?.failure?.code]).toEqual([1, 'secret-in-output']);
    const explained = await checkout.bake(['explain', 'pipeline.yaml', 'a'], env(checkout));
    expect(explained.stdout).toContain('the secret TOKEN is no longer ignored in outputs');
  });

  it('fails the stage where that is said, before anything is stored', async () => {
    const checkout = made('printf %s "$TOKEN" > o', 'error');
    const run = await checkout.run([], env(checkout));
    expect([run.code, run.stages['a']?.failure?.code]).toEqual([1, 'secret-in-output']);
    expect(checkout.has('o')).toBe(false);
    expect(holding(checkout.path('cache'), SECRET)).toEqual([]);
  });

  it('is kept where that is said', async () => {
    const checkout = made('printf %s "$TOKEN" > o', 'ignore');
    const first = await checkout.run([], env(checkout));
    expect(first.stdout).not.toContain('secret-in-output');
    expect((await checkout.run([], env(checkout))).outcomes).toEqual({ a: 'fresh' });
  });

  it.each([
    ['the name of a file', 'mkdir -p o; : > "o/$(printf %s "$TOKEN" | tr / _)"'],
    ['the name of a directory', 'mkdir -p "o/$(printf %s "$TOKEN" | tr / _)/d"'],
    ['the target of a link', 'mkdir -p o; ln -s "https://x/?t=$TOKEN" o/l'],
  ])('as %s fails the stage', async (_, command) => {
    const checkout = made(command, null);
    const run = await checkout.run([], env(checkout));
    expect([run.code, run.stages['a']?.failure?.code]).toEqual([1, 'secret-in-output']);
    expect(run.stdout + run.stderr).not.toContain(SECRET.slice(0, 12));
    expect(checkout.has('o')).toBe(false);
    expect(holding(checkout.path('cache'), SECRET.slice(0, 12))).toEqual([]);
  });

  it('that is not there is nothing to tell of', async () => {
    const checkout = made('echo "$TOKEN" | sha256sum > o', null);
    expect((await checkout.run([], env(checkout))).stdout).not.toContain('secret');
    expect((await checkout.run([], env(checkout))).outcomes).toEqual({ a: 'fresh' });
  });

  it('a variable that looks like one is warned of by its name', async () => {
    const checkout = rig.checkout('variable', {
      'pipeline.yaml': `bake: 1
name: v
vars: { password: "", admin_key: "" }
stages:
  a: { run: 'echo "\${{ vars.password }}\${{ vars.admin_key }}" > o', outputs: { o: o } }
`,
    });
    const given = ['--var', 'admin_key=ssh-ed25519 AAAA me', '--var'];
    const secret = await checkout.bake(['validate', ...given, 'password=xyzzy-plugh'], env(checkout));
    expect(secret.stderr).toContain('the value of `password` from --var looks like a secret');
    expect(secret.stderr).not.toContain('xyzzy-plugh');
    expect(secret.stderr).not.toContain('`admin_key`');
  });
});
