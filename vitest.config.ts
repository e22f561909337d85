import { defineConfig } from 'vitest/config';

// `unit` and `story` need nothing but Node; `machine` boots real QEMU and runs real Ansible.
export default defineConfig({
  test: {
    globalSetup: ['test/support/build-once.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: ['test/machine/**'] } },
      {
        extends: true,
        test: {
          name: 'machine',
          include: ['test/machine/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          maxWorkers: 2,
        },
      },
    ],
  },
});
