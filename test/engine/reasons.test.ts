/** Reasons: one sentence for each difference, in words a person would use. */
import { describe, expect, it } from 'vitest';
import { compareManifests, fieldOf } from '../../src/engine/changes.ts';
import { reasonsOfChange } from '../../src/engine/reasons.ts';
import type { Manifest } from '../../src/model/action.ts';
import type { PlannedAction } from '../../src/model/plan.ts';

const hex = (digit: string) => `sha256:${digit.repeat(64)}` as never;

const BEFORE: Manifest = {
  format: 2,
  kind: 'ovf-pack',
  kindVersion: 1,
  options: { disk: { artifact: hex('a') }, product: { version: '1.0.0' }, old: 1 },
  env: { LEVEL: '9' },
  secrets: { TOKEN: '1' },
  inputs: {
    'a.yml': { digest: hex('1') },
    gone: { digest: hex('2') },
    link: { link: 'x' },
    x: { digest: hex('3') },
  },
  outputs: { ova: 'a.ova' },
  tools: { 'qemu-img': 'qemu-img version 7.2.22 (Debian)' },
  platform: 'linux/x64',
};

const AFTER: Manifest = {
  ...BEFORE,
  kindVersion: 2,
  options: { disk: { artifact: hex('b') }, product: { version: '1.0.1' }, added: [1] },
  env: { LEVEL: '8' },
  secrets: { TOKEN: '2' },
  inputs: {
    'a.yml': { digest: hex('9') },
    link: { link: 'y' },
    'files/new.txt': { digest: hex('4') },
    x: { digest: hex('3'), executable: true },
  },
  outputs: { ova: 'dist/a.ova' },
  tools: { 'qemu-img': 'qemu-img version 8.0 (Debian)' },
  platform: 'linux/arm64',
};

const ACTION = {
  name: 'pack',
  kind: 'ovf-pack',
  options: { disk: { $artifact: { action: 'ansible-provision', output: 'disk' } } },
  env: {},
} as unknown as PlannedAction;

describe('reasons', () => {
  it('name every difference', () => {
    expect(reasonsOfChange(ACTION, BEFORE, AFTER)).toEqual([
      'input a.yml changed (11111111 → 99999999)',
      'input files/new.txt is new',
      'input gone is gone',
      'input link changed (link to x → link to y)',
      'input x: the executable bit changed',
      'option added is new: [1]',
      'disk from ansible-provision changed',
      'option old is gone: it was 1',
      'option product.version changed: "1.0.0" → "1.0.1"',
      'variable LEVEL changed: "9" → "8"',
      'version of the secret TOKEN changed: "1" → "2"',
      'tool qemu-img: 7.2.22 → 8.0',
      'path of the output ova changed: "a.ova" → "dist/a.ova"',
      'kind ovf-pack: version 1 → 2',
      'platform: linux/x64 → linux/arm64',
    ]);
  });

  it('are none where nothing differs', () => {
    expect(reasonsOfChange(ACTION, BEFORE, BEFORE)).toEqual([]);
  });

  it('shorten what is long', () => {
    const long = { ...BEFORE, options: { text: 'x'.repeat(500) } };
    const longer = { ...BEFORE, options: { text: 'y'.repeat(500) } };
    expect(reasonsOfChange(ACTION, long, longer)[0]?.length).toBeLessThan(200);
  });

  it('have fields for programs', () => {
    expect(compareManifests(BEFORE, AFTER).map(fieldOf)).toContain('options.product.version');
    expect(compareManifests(BEFORE, AFTER).map(fieldOf)).toContain('kindVersion');
  });
});
