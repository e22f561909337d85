/** The `{{ .Name }}` words of boot commands and kernel command lines, and what stands for them. */

/** Values for the words. */
export interface BootValues {
  readonly HTTPIP: string;
  readonly HTTPPort: string;
  /** The first part of the path of every answer file. */
  readonly HTTPPath: string;
  readonly Name: string;
}

/** Both together are the address of the answers, which is one of a path: nobody but the guest can guess it. */
const ADDRESS = /\{\{\s*\.HTTPIP\s*\}\}:\{\{\s*\.HTTPPort\s*\}\}(?!\/\{\{\s*\.HTTPPath\s*\}\})/g;
const WORD = /\{\{(.*?)\}\}/gs;

/** The text with all words replaced; `unknown` is told those that mean nothing, and says what they become. */
export function fillPlaceholders(
  text: string,
  values: BootValues,
  unknown: (word: string) => string = (word) => word,
): string {
  const address = '{{ .HTTPIP }}:{{ .HTTPPort }}/{{ .HTTPPath }}';
  const whole = text.replace(ADDRESS, values.HTTPPath === '' ? '$&' : address);
  // Behind the last `}}` there is no word: looking for its end from every `{{` would take forever.
  const end = whole.lastIndexOf('}}') + 2;
  const filled = whole.slice(0, end).replace(WORD, (word, inner: string) => {
    const name = inner.trim().replace(/^\./, '');
    const isKnown = inner.trim().startsWith('.') && Object.hasOwn(values, name);
    return isKnown ? values[name as keyof BootValues] : unknown(word);
  });
  return filled + whole.slice(end);
}
