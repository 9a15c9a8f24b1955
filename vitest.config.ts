import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that last long are begun first, so that nobody waits for one of them alone. */
class LongOnesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification) => moduleId.endsWith('/test/unit/release.test.ts');
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

/** Scripts for containers are files, imported as text: the build has the same (scripts/build.mjs). */
const scriptsAsText = {
  name: 'scripts-as-text',
  transform: (code: string, id: string) =>
    /\.(pl|sh)$/.test(id) ? { code: `export default ${JSON.stringify(code)}`, map: null } : undefined,
};

/**
 * Lab tests that measure nothing: they run in a second lab beside the others, which have figures to tell. A file that
 * drills, or holds a time against an aim, is not one of them.
 */
const beside = [
  'bad-input',
  'checks-many',
  'checks-mended',
  'checks-replication',
  'checks-service',
  'checks-surroundings',
  'checks-three',
  'doctor',
  'existing-formation',
  'hostile',
  'incus',
  'lab',
  'lifecycle',
  'packages',
  'resolved',
  'secrets',
  'security',
  'surroundings',
  'terminal',
].map((name) => `test/lab/${name}.test.ts`);

const inALab = {
  globalSetup: ['test/lab/only-in-a-lab.ts'],
  setupFiles: ['test/lab/tidy.ts', 'test/lab/journals.ts'],
  // The files share real containers: one at a time, each test with the time a drill needs.
  fileParallelism: false,
  maxWorkers: 1,
  testTimeout: 180_000,
  hookTimeout: 300_000,
};

/** What only a server can show needs one (test/runner/README.md). */
const withoutServer = process.env['PGHA_TEST_RUNNER']?.startsWith('gitea-server')
  ? []
  : ['test/runner/server/**'];

/** The kinds of tests, each with its own command; see test/run. No test is ever retried. */
export default defineConfig({
  test: {
    sequence: { sequencer: LongOnesFirst },
    projects: [
      {
        plugins: [scriptsAsText],
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          // Property tests take their time on a machine that is busy with a lab.
          testTimeout: 60_000,
          // Some wait for a clock or for a process of theirs: one more than there are processors.
          maxWorkers: availableParallelism() + 1,
          // It imports JSON without the attribute that Node asks for; Vite does not mind.
          server: { deps: { inline: [/@actions\/(workflow-parser|expressions)/] } },
        },
      },
      {
        plugins: [scriptsAsText],
        test: {
          name: 'runner',
          include: ['test/runner/**/*.test.ts'],
          exclude: withoutServer,
          globalSetup: ['test/lab/only-in-a-lab.ts'],
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 500_000,
          // In the second lab a base image is made first, while the other has its own made.
          hookTimeout: 400_000,
        },
      },
      {
        plugins: [scriptsAsText],
        test: { ...inALab, name: 'lab', include: ['test/lab/**/*.test.ts'], exclude: beside },
      },
      { plugins: [scriptsAsText], test: { ...inALab, name: 'beside', include: beside } },
      {
        plugins: [scriptsAsText],
        test: {
          ...inALab,
          name: 'cluster',
          include: ['test/cluster/**/*.test.ts'],
          globalSetup: ['test/cluster/only-in-a-cluster.ts'],
          setupFiles: [],
        },
      },
    ],
  },
});
