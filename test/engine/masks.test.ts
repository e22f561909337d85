/** Masking: no spelling of a secret gets through, in one text or in lines that break it. */
import { describe, expect, it } from 'vitest';
import { ActionLog } from '../../src/engine/action-log.ts';
import { LineMasks, Masks } from '../../src/engine/masks.ts';
import { lineSplitter } from '../../src/host/line-splitter.ts';
import { realHost } from '../../src/host/real.ts';
import { processorMs } from '../support/processor-time.ts';

function masksOf(...secrets: readonly string[]): Masks {
  const masks = new Masks();
  for (const secret of secrets) masks.add(secret);
  return masks;
}

function masked(text: string, ...secrets: readonly string[]): string {
  return masksOf(...secrets).apply(text);
}

/** What a log shows of bytes that arrive in these pieces. */
function logged(pieces: readonly (string | Uint8Array)[], ...secrets: readonly string[]): string {
  const masks = new LineMasks(masksOf(...secrets));
  const lines: string[] = [];
  const splitter = lineSplitter((line, cut) => lines.push(...masks.add(line, cut)));
  for (const piece of pieces) splitter.push(Buffer.from(piece));
  splitter.end();
  lines.push(...masks.end());
  return lines.join('\n');
}

const SECRET = "hunter2'Pa$$w0rd+/ü&end";
const utf8 = Buffer.from(SECRET);
const base64 = (text: string | Buffer) => Buffer.from(text).toString('base64');
const json = JSON.stringify(SECRET);
const url = encodeURIComponent(SECRET).replaceAll("'", '%27');

describe('masks', () => {
  it('replace a secret wherever it stands', () => {
    expect(masked('a hunter2 b hunter2', 'hunter2')).toBe('a *** b ***');
  });

  it('know base64, URL and JSON spellings', () => {
    const secret = 'p@ss "word"/1';
    for (const spelling of [
      Buffer.from(secret).toString('base64').replace(/=+$/, ''),
      encodeURIComponent(secret),
      JSON.stringify(secret).slice(1, -1),
    ]) {
      expect(masked(`<${spelling}>`, secret)).toBe('<***>');
    }
  });

  it('cover each line of a secret of several lines', () => {
    const key = '-----BEGIN KEY-----\nabcdef\nghijkl\n-----END KEY-----\n';
    expect(masked('abcdef', key)).toBe('***');
    expect(masked('x ghijkl y', key)).toBe('x *** y');
  });

  it('leave no rest of a longer secret that contains a shorter one', () => {
    expect(masked('tokentoken', 'token', 'tokentoken')).toBe('***');
  });

  it('leave text alone when a value is too short to be told from it', () => {
    expect(masked('a b c', 'a', '')).toBe('a b c');
  });

  it('take signs with a meaning in patterns as they are', () => {
    expect(masked('x a.c y abc', 'a.c')).toBe('x *** y abc');
  });

  it('are applied to every text within a failure', () => {
    const failure = { code: 'x', list: ['a hunter2'], at: { hunter2: 1, none: null } };
    expect(masksOf('hunter2').applyDeep(failure)).toEqual({
      code: 'x',
      list: ['a ***'],
      at: { '***': 1, none: null },
    });
  });
});

describe('a spelling', () => {
  it.each([
    ['as it is', SECRET],
    ['in capitals', SECRET.toUpperCase().replace('Ü', 'ü')],
    ['base64', base64(SECRET)],
    ['base64 without padding', base64(SECRET).replace(/=+$/, '')],
    ['base64 after one byte', base64(`x${SECRET}`)],
    ['base64 after two bytes', base64(`xy${SECRET}`)],
    ['base64 of user:secret', base64(`bob:${SECRET}`)],
    ['base64 within more', base64(`{"user":"bob","password":"${SECRET}","more":"z"}`)],
    ['base64 for URLs', base64(SECRET).replaceAll('+', '-').replaceAll('/', '_')],
    ['base64 of UTF-16', base64(Buffer.from(SECRET, 'utf16le'))],
    ['base64 in a URL', encodeURIComponent(base64(SECRET))],
    ['base64 in JSON', base64(SECRET).replaceAll('/', '\\/')],
    ['hex', utf8.toString('hex')],
    ['hex in capitals', utf8.toString('hex').toUpperCase()],
    ['hex with spaces', utf8.toString('hex').replace(/../g, '$& ')],
    ['hex in pairs of bytes', utf8.toString('hex').replace(/..../g, '$& ')],
    ['hex with colons', utf8.toString('hex').replace(/..(?=.)/g, '$&:')],
    ['hex escapes', utf8.toString('hex').replace(/../g, '\\x$&')],
    ['a C array', utf8.toString('hex').replace(/../g, '0x$&, ')],
    ['a URL part', url],
    ['a URL part with small hex digits', url.replace(/%../g, (hex) => hex.toLowerCase())],
    ['a form field', url.replaceAll('%20', '+')],
    ['a URL path', url.replaceAll('%2F', '/')],
    ['a URL within a URL', encodeURIComponent(url)],
    ['every byte of a URL', utf8.toString('hex').replace(/../g, '%$&')],
    ['JSON', json],
    ['JSON in ASCII', json.replace('ü', '\\u00fc')],
    ['JSON with large hex digits', json.replace('ü', '\\u00FC')],
    ['JSON with slashes escaped', json.replace('/', '\\/')],
    ['JSON for HTML', json.replace('&', '\\u0026')],
    ['JSON in JSON', JSON.stringify(json)],
    ['single quotes of a shell', `'${SECRET.replace("'", "'\\''")}'`],
    ['other quotes of a shell', `'${SECRET.replace("'", `'"'"'`)}'`],
    ['double quotes of a shell', `"${SECRET.replaceAll('$', '\\$')}"`],
    ['backslashes of a shell', SECRET.replace(/['$&]/g, '\\$&')],
    ['C quotes of a shell', `$'${SECRET.replace("'", "\\'").replace('ü', '\\303\\274')}'`],
    ['Python', `"${SECRET}"`],
    ['Python in ASCII', `'${SECRET.replace("'", "\\'").replace('ü', '\\xfc')}'`],
    ['bytes of Python', `b"${SECRET.replace('ü', '\\xc3\\xbc')}"`],
    ['SQL and YAML', `'${SECRET.replace("'", "''")}'`],
    ['a makefile', SECRET.replaceAll('$', '$$$$')],
    ['HTML', SECRET.replace('&', '&amp;').replace("'", '&#x27;')],
    ['HTML of another library', SECRET.replace('&', '&amp;').replace("'", '&#39;')],
    ['HTML with quotes as they are', SECRET.replace('&', '&amp;')],
    ['HTML in ASCII', SECRET.replace('&', '&amp;').replace("'", '&#039;').replace('ü', '&#252;')],
    ['XML', SECRET.replace('&', '&amp;').replace("'", '&apos;')],
    ['a file name', SECRET.replace('/', '_')],
    ['with a colour inside', `${SECRET.slice(0, 5)}\u001b[31m${SECRET.slice(5)}`],
    ['with colours everywhere', SECRET.split('').join('\u001b[0;1m')],
    ['in a link of a terminal', `\u001b]8;;${url}\u001b\\`],
  ])('%s is masked', (_, spelling) => {
    for (const text of [masked(`<${spelling}>`, SECRET), logged([`<${spelling}>\n`], SECRET)]) {
      expect(text).toContain('***');
      // Nothing of it but what stands around it: quotes, the user, and digits that belong to those.
      for (let at = 0; at + 6 <= spelling.length; at++) {
        const piece = spelling.slice(at, at + 6);
        if (/^[\w+/]*$/.test(piece) && /hunter|Pa|w0rd/.test(piece)) expect(text).not.toContain(piece);
      }
      expect(text.length).toBeLessThan(70);
    }
  });

  it.each([1, 4, 10, 20, 57, 64, 76])('base64 in lines of %i is masked', (columns) => {
    const lines = base64(`bob:${SECRET}`).replace(new RegExp(`.{${columns}}`, 'g'), '$&\n');
    const text = logged([`begin\n${lines}\nend\n`], SECRET);
    expect(text).toContain('***');
    const rest = text.replace('begin', '').replace('end', '').replace(/\s/g, '');
    expect(rest.replace('***', '').length).toBeLessThanOrEqual(12);
  });

  it('of one line, and of the whole, of a secret of several lines is masked', () => {
    const key = '-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n';
    const line = base64('xhkiG9w0BAQEFAASC');
    expect(masked(line, key)).toMatch(/^.{0,3}\*\*\*$/);
    expect(masked(base64(key), key)).toMatch(/^\*\*\*$/);
    expect(masked(Buffer.from(key).toString('hex'), key)).toMatch(/^\*\*\*(0a)?$/);
    expect(masked(JSON.stringify(key), key)).toBe('"***"');
    expect(logged([`a\n${key}b\n`], key)).toBe('a\n***\nb');
  });
});

describe('a secret in pieces', () => {
  it.each(Array.from({ length: SECRET.length - 1 }, (_, index) => index + 1))(
    'is masked when it is written in two writes, the first of %i characters',
    (at) => {
      expect(logged(['a ', SECRET.slice(0, at), `${SECRET.slice(at)} b\n`], SECRET)).toBe('a *** b');
    },
  );

  it.each(['\r', '\n', '\r\n'])('is masked when %j breaks it', (breaks) => {
    expect(logged([`a ${SECRET.slice(0, 8)}${breaks}${SECRET.slice(8)} b\n`], SECRET)).toBe('a *** b');
  });

  it.each(Array.from({ length: 24 }, (_, index) => index))(
    'is masked when a long line is cut %i characters before its end',
    (after) => {
      const text = logged([`${'x'.repeat(65_536 - after)}${SECRET}${'y'.repeat(150_000)}\nend\n`], SECRET);
      expect(text).toContain('***');
      expect(text).not.toMatch(/hunter|w0rd|end.*end/s);
    },
  );

  it('is masked when it is short and a long line is cut within it', () => {
    const text = logged([`${'x'.repeat(65_534)}zq7kv${'y'.repeat(10)}\n`], 'zq7kv');
    expect(text).not.toMatch(/zq|7kv/);
  });

  it('is not made out of ordinary lines by a short value', () => {
    expect(logged(['all\none\n'], 'llon')).toBe('all\none');
  });

  it('is hidden when it never ends', () => {
    expect(logged([`a ${SECRET.slice(0, 12)}`], SECRET)).toBe('a ***');
    expect(logged([`a ${SECRET.slice(0, 12)}\nb`], SECRET)).toBe(`a ${SECRET.slice(0, 12)}\nb`);
  });

  it('holds nothing back for longer than it must', () => {
    const masks = new LineMasks(masksOf(SECRET));
    expect(masks.add('a line', false)).toEqual(['a line']);
    expect(masks.add('a hunt', false)).toEqual([]);
    expect(masks.held()).toEqual(['a hunt']);
    expect(masks.add('ing ground', false)).toEqual(['a hunt', 'ing ground']);
  });

  it('is masked from then on when it becomes known while lines are held back', () => {
    const masks = masksOf(SECRET);
    const lines = new LineMasks(masks);
    lines.add(`topsecret ${SECRET.slice(0, 9)}`, false);
    masks.add('topsecret');
    expect(lines.add('x', false)).toEqual([`*** ${SECRET.slice(0, 9)}`, 'x']);
  });
});

describe('the log of an action', () => {
  it('ends with what was held back, and shows it in the tail before', async () => {
    const seen: string[] = [];
    const log = new ActionLog('/dev/null', realHost().files, masksOf(SECRET), (line) => seen.push(line));
    log.line('one');
    log.line(`two ${SECRET.slice(0, 10)}`);
    expect(seen).toEqual(['one']);
    expect(log.tail()).toEqual(['one', 'two ***']);
    await log.close();
    expect(seen).toEqual(['one', 'two ***']);
  });
});

describe('a hundred megabytes', () => {
  it('are read in time that grows with their length alone', () => {
    const masks = new LineMasks(masksOf(SECRET, 'a'.repeat(40), `${'b'.repeat(60)}\n`.repeat(50)));
    const line = `${'ab'.repeat(20)}${'a'.repeat(39)} ${'b'.repeat(40)}`;
    let count = 0;
    const took = processorMs(() => {
      for (let index = 0; index < 40_000; index++) count += masks.add(line, false).length;
      count += masks.end().length;
    });
    expect(count).toBe(40_000);
    // 5 MB of the worst there is, at 50 ns a character.
    expect(took).toBeLessThan(5_000);
  });
});
