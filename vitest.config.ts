import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** By itself vitest would leave one of two processors idle. */
const WORKERS = Math.max(2, availableParallelism() - 1);

// `unit` and `story` need nothing but Node; `machine` boots real QEMU and runs real Ansible.
/** What esbuild's loader `text` does in the program. */
const pythonText = {
  name: 'python-text',
  load: (id: string) =>
    id.endsWith('.py') ? `export default ${JSON.stringify(readFileSync(id, 'utf8'))};` : null,
};

export default defineConfig({
  plugins: [pythonText],
  test: {
    globalSetup: ['test/support/build-once.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A process takes more than vitest's one second to start where two tests have a processor each.
    expect: { poll: { timeout: 20_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/machine/**'],
          maxWorkers: WORKERS,
        },
      },
      {
        extends: true,
        test: {
          name: 'machine',
          include: ['test/machine/**/*.test.ts'],
          testTimeout: 900_000,
          hookTimeout: 900_000,
          maxWorkers: 2,
          // After the others, which measure work and time.
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
