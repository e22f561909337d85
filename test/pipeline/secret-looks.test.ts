/** Which values of variables are taken for secrets. */
import { describe, expect, it } from 'vitest';
import { looksSecret } from '../../src/pipeline/secret-looks.ts';

describe('a variable', () => {
  it.each([
    ['password', 'hunter22'],
    ['db_password', 'x1y2z3'],
    ['root-passwd', 'toor!'],
    ['TOKEN', 'abc123'],
    ['api_key', 'abcdef'],
    ['private_key', 'MIIE'],
    ['whatever', 'ghp_abcdefghijklmnopqrstuvwxyz0123456789'],
    ['whatever', 'AKIAIOSFODNN7EXAMPLE'],
    ['admin_key', '-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl'],
    ['jwt', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x'],
  ])('%s with %j looks like a secret', (name, value) => expect(looksSecret(name, value)).toBe(true));

  it.each([
    ['admin_key', 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI me@host'],
    ['ssh_key', 'ecdsa-sha2-nistp256 AAAA me'],
    ['ssh_key', 'sk-ssh-ed25519@openssh.com AAAA me'],
    ['password_hash', 'x$y'],
    ['root_password', '$6$salt$hash'],
    ['token_file', '/etc/token'],
    ['password_length', '12'],
    ['use_password', 'true'],
    ['keyboard', 'de'],
    ['keymap', 'de-latin1'],
    ['monkey', 'banana'],
    ['passenger', 'Jane'],
    ['tokenizer', 'bpe'],
    ['release', 'bookworm'],
    ['password', ''],
  ])('%s with %j does not', (name, value) => expect(looksSecret(name, value)).toBe(false));
});
