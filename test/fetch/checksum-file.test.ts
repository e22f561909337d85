/** Tests of checksum files in the shapes that are found in the wild. */
import { describe, expect, test } from 'vitest';
import { findChecksum, parseChecksumFile } from '../../src/stages/fetch/checksum-file.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const LONG = 'c'.repeat(128);

describe('findChecksum', () => {
  test.each([
    ['GNU, text mode', `${A}  other.iso\n${B}  image.iso\n`],
    ['GNU, binary mode', `${A} *other.iso\n${B} *image.iso\n`],
    ['GNU with a directory', `${A}  ./other.iso\n${B}  ./x/image.iso\n`],
    ['CRLF', `${A}  other.iso\r\n${B}  image.iso\r\n`],
    ['BSD', `SHA256 (other.iso) = ${A}\nSHA256 (image.iso) = ${B}\n`],
    ['OpenSSL 1', `SHA256(other.iso)= ${A}\nSHA256(image.iso)= ${B}\n`],
    ['OpenSSL 3', `SHA2-256(other.iso)= ${A}\nSHA2-256(image.iso)= ${B}\n`],
    ['upper case', `${B.toUpperCase()}  image.iso\n`],
    ['a bare checksum alone', `${B}\n`],
    ['sha512 beside it', `${LONG}  image.iso\n${B}  image.iso\n`],
    [
      'a signed message',
      `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# image.iso: 5 bytes\nSHA256 (image.iso) = ${B}\n-----BEGIN PGP SIGNATURE-----\n\niQIzBAEB\n-----END PGP SIGNATURE-----\n`,
    ],
  ])('reads %s', (_, text) => {
    expect(findChecksum(text, ['image.iso'])).toEqual({ sha256: B });
  });

  test('reads lines that begin with the name of the algorithm', () => {
    const text = `sha256: ${A}  rancheros.iso\nmd5: ${'d'.repeat(32)}  rancheros.iso\n`;
    expect(findChecksum(text, ['rancheros.iso'])).toEqual({ sha256: A });
  });

  test('prefers the exact name to one in a directory', () => {
    expect(findChecksum(`${A}  old/image.iso\n${B}  image.iso\n`, ['image.iso'])).toEqual({ sha256: B });
  });

  test('takes sha512 where there is nothing else', () => {
    expect(findChecksum(`${LONG}  image.iso\n`, ['image.iso'])).toEqual({ sha512: LONG });
  });

  test('asks for each name in turn', () => {
    expect(findChecksum(`${B}  second.iso\n`, ['first.iso', 'second.iso'])).toEqual({ sha256: B });
  });

  test('does not take the checksum of another file, nor one whose name merely ends alike', () => {
    expect(findChecksum(`${A}  other.iso\n${A}  my-image.iso\n`, ['image.iso'])).toBeNull();
  });

  test('does not take a bare checksum for one of several', () => {
    expect(findChecksum(`${A}\n${B}\n`, ['image.iso'])).toBeNull();
  });

  test('does not take md5 and sha1', () => {
    expect(parseChecksumFile(`${'d'.repeat(32)}  image.iso\nSHA1 (image.iso) = ${'e'.repeat(40)}\n`)).toEqual(
      [],
    );
  });

  test('undoes the escapes that GNU writes for odd names', () => {
    expect(parseChecksumFile(`\\${A}  two\\nlines\\\\here\n`)).toEqual([
      { name: 'two\nlines\\here', checksums: { sha256: A } },
    ]);
  });
});
