/** `bake init`: a first pipeline that runs as it is, and never over another file. */
import { basename, dirname, resolve } from 'node:path';
import { realHost } from '../host/real.ts';
import { nameProblem } from '../pipeline/names.ts';
import type { CommandModule } from './command.ts';
import { pipelineArguments } from './load-plan.ts';
import { printFailures } from './print-failures.ts';
import { table } from './text-table.ts';

export const run: CommandModule['run'] = async (invocation) => {
  const { file, targets } = pipelineArguments(invocation.positionals);
  const [argument] = targets;
  if (argument !== undefined)
    return printFailures(invocation, [{ code: 'unexpected-argument', argument, command: 'init' }]);
  const { files } = realHost();
  const path = resolve(invocation.cwd, file);
  if (files.stamp(path) !== null) return printFailures(invocation, [{ code: 'file-exists', path: file }]);
  const directory = basename(dirname(path));
  const name = nameProblem(directory) === null ? directory : 'first';
  const written = await files.writeFile(path, starterPipeline(name));
  if (!written.ok) return printFailures(invocation, [written.failure]);
  const named = file === 'pipeline.yaml' ? '' : ` ${file}`;
  const next: readonly (readonly [string, string])[] = [
    [`bake plan${named}`, 'what would run, and why'],
    [`bake run${named}`, 'build it; a second time there is nothing to do'],
    ['bake stages', 'the kinds for machine images: install, provision, convert, pack'],
  ];
  invocation.write(`wrote ${file}\n\nWhat next:\n${table(next, 100).join('\n')}\n`);
  return 0;
};

/** Two commands, one after the other, that need no files: enough to see what is run, what is not, and why. */
function starterPipeline(name: string): string {
  return `# A first pipeline. \`bake run\` builds it; run it again and nothing is done; change a line and see what is.
bake: 1
name: "${name}"

vars:
  version: "1.0.0"        # \`bake run --var version=1.1.0\` sets another

stages:
  # Any command is a stage. It runs in an empty directory that holds what it declares, and nothing else.
  greeting:
    run: |
      echo "Hello from version \${{ vars.version }}" > greeting.txt
    outputs:
      text: greeting.txt

  # A reference to an output is what makes one stage need another.
  # Nothing needs this one: its outputs are put beside this file.
  shout:
    run: tr a-z A-Z < \${{ stages.greeting.outputs.text }} > dist/loud.txt
    outputs:
      text: dist/loud.txt
`;
}
