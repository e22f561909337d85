/** Results as a table for a terminal, as Markdown, and as JSON. */
import { spreadOf } from './statistics.ts';
import type { SuiteResult, Verdict } from './suite.ts';
import { isMet } from './suite.ts';

export interface Report {
  readonly schemaVersion: 1;
  readonly startedAt: string;
  readonly commit: string;
  readonly machine: { readonly [name: string]: string };
  readonly runs: number;
  readonly suites: readonly ({ readonly name: string; readonly summary: string } & SuiteResult)[];
}

/** A suite's figures as Markdown, which also reads well on a terminal. */
export function suiteText(suite: Report['suites'][number]): string {
  const lines = [`## ${suite.name}: ${suite.summary}`, ''];
  const base = suite.series[0];
  if (base !== undefined) {
    const rows = suite.series.map((one) => {
      const wall = spreadOf(one.wallMs);
      const ratios = spreadOf(one.wallMs.map((ms, round) => ms / (base.wallMs[round] ?? Number.NaN)));
      const rss = one.maxRssBytes.length > 0 ? `${Math.round(spreadOf(one.maxRssBytes).high / 1e6)} MB` : '';
      return [
        one.name,
        milliseconds(wall.median),
        `${milliseconds(wall.low)} to ${milliseconds(wall.high)}`,
        (wall.median / spreadOf(base.wallMs).median).toFixed(2),
        `${ratios.low.toFixed(2)} to ${ratios.high.toFixed(2)}`,
        String(one.wallMs.length),
        rss,
      ];
    });
    const heads = ['what', 'median', '10 to 90 %', `× ${base.name}`, 'paired 10 to 90 %', 'n', 'memory'];
    const columns = rows.some((row) => row[6] !== '') ? 7 : 6;
    const cut = (row: readonly string[]) => row.slice(0, columns);
    lines.push(...table(cut(heads), rows.map(cut)), '');
  }
  if (suite.verdicts.length > 0)
    lines.push(...table(['goal', 'limit', 'measured', ''], suite.verdicts.map(verdictRow)), '');
  lines.push(...suite.notes.map((note) => `- ${note}`));
  return lines.join('\n').trimEnd();
}

/** The whole report as a page. */
export function pageText(report: Report): string {
  const machine = Object.entries(report.machine).map(([name, value]) => `- ${name}: ${value}`);
  return `# Performance

Measured by \`npm run bench\`: contestants in turn, every run checked to have done exactly what it should. Ratios are ratios of medians;
the spread is that of the ratios within one round. Times of different suites cannot be compared: only ratios within one can.

${machine.join('\n')}
- commit: ${report.commit}
- measured: ${report.startedAt}

${report.suites.map(suiteText).join('\n\n')}
`;
}

function verdictRow(verdict: Verdict): readonly string[] {
  const { what, measured, limit, unit, bound } = verdict;
  const met = isMet(verdict);
  return [
    what,
    `${bound === 'most' ? '≤' : '≥'} ${limit} ${unit}`,
    measured === null ? 'peer not measured' : `${figure(measured)} ${unit}`,
    met === null ? 'not measured' : met ? 'met' : 'NOT MET',
  ];
}

function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}

function milliseconds(ms: number): string {
  return ms >= 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${ms.toFixed(ms < 100 ? 1 : 0)} ms`;
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(heads), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)];
}
