/** Tests of checksum files in the shapes that are found in the wild. */
import { describe, expect, test } from 'vitest';
import { checksumText, findChecksum, parseChecksumFile } from '../../src/stages/fetch/checksum-file.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const LONG = 'c'.repeat(128);

const found = (checksums: object) => ({ type: 'checksums', checksums });

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
    ['one blank', `${A} other.iso\n${B} image.iso\n`],
    ['three blanks', `${A}   other.iso\n${B}   image.iso\n`],
    ['a tab', `${A}\tother.iso\n${B}\timage.iso\n`],
    ['the directories of Windows', `${A} *x\\other.iso\n${B} *x\\image.iso\n`],
    ['a mark at the beginning', `\ufeff${B}  image.iso\n`],
    ['returns alone', `${A}  other.iso\r${B}  image.iso\r`],
    ['a bare checksum alone', `${B}\n`],
    [
      'a signed message with dashes escaped',
      `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n- ${B}  image.iso\n- -----\n-----BEGIN PGP SIGNATURE-----\n${A}  image.iso\n-----END PGP SIGNATURE-----\n`,
    ],
    ['sha512 beside it', `${LONG}  image.iso\n${B}  image.iso\n`],
    [
      'a signed message',
      `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# image.iso: 5 bytes\nSHA256 (image.iso) = ${B}\n-----BEGIN PGP SIGNATURE-----\n\niQIzBAEB\n-----END PGP SIGNATURE-----\n`,
    ],
  ])('reads %s', (_, text) => {
    expect(findChecksum(text, ['image.iso'])).toEqual(found({ sha256: B }));
  });

  test('reads lines that begin with the name of the algorithm', () => {
    const text = `sha256: ${A}  rancheros.iso\nmd5: ${'d'.repeat(32)}  rancheros.iso\n`;
    expect(findChecksum(text, ['rancheros.iso'])).toEqual(found({ sha256: A }));
  });

  test('prefers the exact name to one in a directory', () => {
    expect(findChecksum(`${A}  old/image.iso\n${B}  image.iso\n`, ['image.iso'])).toEqual(
      found({ sha256: B }),
    );
  });

  test('takes sha512 where there is nothing else', () => {
    expect(findChecksum(`${LONG}  image.iso\n`, ['image.iso'])).toEqual(found({ sha512: LONG }));
  });

  test('asks for each name in turn', () => {
    expect(findChecksum(`${B}  second.iso\n`, ['first.iso', 'second.iso'])).toEqual(found({ sha256: B }));
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
    expect(parseChecksumFile(`\\${A}  two\\nlines\\\\here\n`)).toMatchObject([
      { name: 'two\nlines\\here', checksums: { sha256: A } },
    ]);
  });
});

describe('a name that is there twice', () => {
  const text = `${A}  amd64/image.iso\n${B}  arm64/image.iso\n`;

  test.each([
    ['/debian/amd64/image.iso', { sha256: A }],
    ['/debian/arm64/image.iso', { sha256: B }],
  ])('is decided by the directories of %s', (place, checksums) => {
    expect(findChecksum(text, [place])).toEqual(found(checksums));
  });

  test.each(['image.iso', '/image.iso', '/riscv/image.iso'])('is not guessed for %s', (place) => {
    expect(findChecksum(text, [place])).toMatchObject({
      type: 'ambiguous',
      name: 'image.iso',
      lines: [
        { line: 1, text: `${A}  amd64/image.iso` },
        { line: 2, text: `${B}  arm64/image.iso` },
      ],
    });
  });

  test('and means the same file both times is no trouble', () => {
    const twice = `${A}  image.iso\n${A} *./image.iso\n${LONG}  image.iso\n`;
    expect(findChecksum(twice, ['/image.iso'])).toEqual(found({ sha256: A }));
  });

  test('with two checksums for the very same path is not guessed', () => {
    expect(findChecksum(`${A}  image.iso\n${B}  image.iso\n`, ['/image.iso'])).toMatchObject({
      type: 'ambiguous',
    });
  });
});

describe('the bytes of a checksum file', () => {
  const line = `${A}  größe.iso\r\n`;
  const little = Buffer.from(line, 'utf16le');

  test.each([
    ['UTF-8', Buffer.from(line)],
    ['UTF-8 with its mark', Buffer.from(`\ufeff${line}`)],
    ['UTF-16 as Windows writes it', Buffer.concat([Buffer.of(0xff, 0xfe), little])],
    ['UTF-16 without its mark', little],
    ['UTF-16 the other way round', Buffer.concat([Buffer.of(0xfe, 0xff), Buffer.from(little).swap16()])],
  ])('may be %s', (_, bytes) => expect(checksumText(bytes)).toBe(line));
});
