import { defineConfig } from 'vitest/config';

/** Three kinds of tests, each with its own command; see test/run. No test is ever retried. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          // Property tests take their time on a machine that is busy with a lab.
          testTimeout: 60_000,
          // It imports JSON without the attribute that Node asks for; Vite does not mind.
          server: { deps: { inline: [/@actions\/(workflow-parser|expressions)/] } },
        },
      },
      {
        test: {
          name: 'runner',
          include: ['test/runner/**/*.test.ts'],
          globalSetup: ['test/lab/only-in-a-lab.ts'],
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 500_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'lab',
          include: ['test/lab/**/*.test.ts'],
          globalSetup: ['test/lab/only-in-a-lab.ts'],
          setupFiles: ['test/lab/tidy.ts', 'test/lab/journals.ts'],
          // The files share real containers: one at a time, each test with the time a drill needs.
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 180_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
