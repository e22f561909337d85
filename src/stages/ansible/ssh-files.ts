/** Finds the files that the words of ssh and its kin name: those of the remote end are none. */

/** Options that take a value, by program. */
const WITH_VALUE = {
  ssh: 'BbcDEeFIiJLlmOoPpQRSWw',
  sftp: 'BbcDFiJloPRSsX',
  scp: 'cDFiJloPSX',
} as const;
/** Options whose value is a file; with sftp and scp, `-S` and `-D` are programs. */
const OF_FILE = { ssh: 'EFIiS', sftp: 'bFi', scp: 'Fi' } as const;
const OF_PROGRAM = { ssh: '', sftp: 'DS', scp: 'DS' } as const;

type Program = keyof typeof WITH_VALUE;

/** The files that the words after the program name, relative or absolute; null when it starts a program that is not known. */
export function sshFiles(program: Program, words: readonly string[]): readonly string[] | null {
  const files: string[] = [];
  let others = 0;
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    if (/^-./.test(word)) {
      const place = [...word].findIndex((letter, at) => at > 0 && WITH_VALUE[program].includes(letter));
      if (place === -1) continue;
      const value = word.slice(place + 1) || words[++index] || '';
      const found = filesOfOption(program, word.charAt(place), value);
      if (found === null) return null;
      files.push(...found);
      continue;
    }
    others += 1;
    // After the machine comes the command that runs there.
    if (program === 'ssh' && others > 1) break;
    if (program === 'scp' && !/^[^/]*:/.test(word)) files.push(word);
  }
  return files;
}

function filesOfOption(program: Program, letter: string, value: string): readonly string[] | null {
  if (OF_PROGRAM[program].includes(letter)) return null;
  if (letter === 'o') return filesOfSetting(value);
  return OF_FILE[program].includes(letter) ? [value] : [];
}

/** `IdentityFile=key` or `IdentityFile key`: several files in quotes or without. */
function filesOfSetting(setting: string): readonly string[] | null {
  const [, name = '', text = ''] = /^\s*(\w+)\s*[=\s]\s*(.*)$/s.exec(setting) ?? [];
  const values = [...text.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
  // A command that makes the connection, or that runs beside it.
  if (/command$/i.test(name) && name.toLowerCase() !== 'remotecommand') {
    const [program, ...words] = values;
    if (program === undefined || program === 'none') return [];
    return program === 'ssh' ? sshFiles('ssh', words) : null;
  }
  const isFile = /file2?$|path$|provider$|agent$|location$|keys$/i.test(name);
  return values.filter((value) => (isFile || value.startsWith('/')) && value !== 'none');
}
