/** `bake stages [kind]`: the kinds of stages, or all that there is to know about one. */
import { suggest } from '../model/suggest.ts';
import { describeKind, type KindDescription } from '../pipeline/describe-kind.ts';
import { jsonText } from '../report/printable.ts';
import { stageKinds } from '../stages/index.ts';
import type { CommandModule } from './command.ts';
import { printFailures } from './print-failures.ts';
import { styleOf } from './stream-choice.ts';
import { table, wrap } from './text-table.ts';

type Bold = (text: string) => string;

export const run: CommandModule['run'] = async (invocation) => {
  const { bold } = styleOf(invocation.env, process.stdout);
  const width = Math.min(100, Math.max(40, process.stdout.columns ?? 100));
  const [name] = invocation.positionals;
  const isJson = invocation.flags['json'] === true;
  if (name === undefined) {
    const kinds = stageKinds().map(({ name, version, summary }) => ({ name, version, summary }));
    if (isJson) invocation.write(`${jsonText({ schemaVersion: 1, kinds }, 2)}\n`);
    else
      invocation.write(
        `${[
          ...table(
            kinds.map((kind) => [kind.name, kind.summary]),
            width,
          ),
          '',
          '`bake stages <kind>` describes one.',
        ].join('\n')}\n`,
      );
    return 0;
  }
  const kind = stageKinds().find((candidate) => candidate.name === name);
  if (!kind) {
    const known = stageKinds().map((candidate) => candidate.name);
    return printFailures(invocation, [
      { code: 'unknown-kind-argument', kind: name, known, suggestion: suggest(name, known) },
    ]);
  }
  const description = describeKind(kind);
  if (isJson) invocation.write(`${jsonText({ schemaVersion: 1, ...description }, 2)}\n`);
  else invocation.write(`${kindText(description, width, bold).join('\n')}\n`);
  return 0;
};

function kindText(kind: KindDescription, width: number, bold: Bold): readonly string[] {
  const options = kind.options.map((option): readonly [string, string] => {
    const preset = option.preset === null ? '' : `, ${option.preset} unless said`;
    const need = option.required ? ', required' : '';
    return [option.name, `${option.description} (${option.type}${preset}${need})`];
  });
  const outputs = kind.outputs.map((output): readonly [string, string] => [
    output.name,
    `${output.description} (${output.path} unless said)`,
  ]);
  return [
    `${bold(kind.name)}: ${kind.summary}`,
    ...(kind.description === '' ? [] : ['', ...paragraphs(kind.description, width)]),
    ...section('Options', options, width, bold),
    ...section('Outputs', outputs, width, bold),
    ...(kind.tools.length === 0 ? [] : ['', `${bold('Tools')}: ${kind.tools.join(', ')}`]),
    '',
    `${bold('Example')}:`,
    ...kind.example
      .trimEnd()
      .split('\n')
      .map((line) => `  ${line}`.trimEnd()),
  ];
}

function section(
  title: string,
  rows: readonly (readonly [string, string])[],
  width: number,
  bold: Bold,
): readonly string[] {
  return rows.length === 0 ? [] : ['', `${bold(title)}:`, ...table(rows, width)];
}

/** Markdown prose folded to the width; lists and code keep their lines. */
function paragraphs(markdown: string, width: number): readonly string[] {
  return markdown
    .trim()
    .split(/\n{2,}/)
    .flatMap((paragraph, index) => {
      const isProse = !/^(\s|[-*|`#]|\d+\.)/m.test(paragraph);
      const lines = isProse ? wrap(paragraph.replace(/\s*\n\s*/g, ' '), width) : paragraph.split('\n');
      return index === 0 ? lines : ['', ...lines];
    });
}
