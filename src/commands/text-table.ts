/** Plain text in columns, for help and the description of kinds. */

/** Two columns; the second wraps within itself, and moves below the first where the terminal is narrow. */
export function table(rows: readonly (readonly [string, string])[], width: number): readonly string[] {
  const first = Math.max(...rows.map(([left]) => left.length)) + 4;
  const isNarrow = width - first < 30;
  const indent = isNarrow ? 8 : first;
  return rows.flatMap(([left, right]) => {
    const [start = '', ...rest] = wrap(right, width - indent);
    const more = rest.map((line) => ' '.repeat(indent) + line);
    return isNarrow
      ? [`  ${left}`, ' '.repeat(indent) + start, ...more]
      : [`  ${left}`.padEnd(first) + start, ...more];
  });
}

/** Lines of at most `width` characters, broken at spaces. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
