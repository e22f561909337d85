/** A plain table for people: columns as wide as they must be, two spaces between, nothing at the ends of lines. */

/** Columns of sizes and numbers are flushed right. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, at) =>
    Math.max(title.length, ...rows.map((row) => (row[at] ?? '').length)),
  );
  const isNumeric = head.map(
    (_, at) => rows.length > 0 && rows.every((row) => /^(\d.*)?$/.test(row[at] ?? '')),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, at) => (isNumeric[at] ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd();
  return `${[head, ...rows].map(line).join('\n')}\n`;
}
