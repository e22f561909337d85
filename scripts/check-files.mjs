// House rules on source files: at most 400 lines, a first line that says what the file is.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const LIMIT = 400;
const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard', 'src'], { encoding: 'utf8' })
  .split('\n')
  .filter((name) => name.endsWith('.ts'));
const problems = [];
for (const file of files) {
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    continue; // Deleted but not yet committed.
  }
  const lines = text.split('\n').length - 1;
  if (lines > LIMIT) problems.push(`${file}: ${lines} lines, the limit is ${LIMIT}`);
  if (!text.replace(/^#!.*\n/, '').startsWith('/**'))
    problems.push(`${file}: does not open with a /** sentence that says what it is */`);
}
for (const problem of problems) console.error(problem);
process.exit(problems.length === 0 ? 0 : 1);
