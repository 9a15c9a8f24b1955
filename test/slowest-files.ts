import { relative } from 'node:path';
import type { Reporter, TestModule } from 'vitest/node';

/** A reporter: the files that took longest, with what they did before their first test and after the last. */
export default class SlowestFiles implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const files = modules.map((module) => {
      const { collectDuration, setupDuration, prepareDuration, duration } = module.diagnostic();
      return { module, ms: collectDuration + setupDuration + prepareDuration + duration };
    });
    const slowest = files.sort((a, b) => b.ms - a.ms).slice(0, 10);
    const all = files.reduce((sum, { ms }) => sum + ms, 0);
    const shown = (ms: number) => `${(ms / 1000).toFixed(1).padStart(8)} s`;
    const lines = slowest.map(
      ({ module, ms }) => `${shown(ms)}  ${relative('.', module.moduleId)} (${module.project.name})`,
    );
    process.stdout.write(
      `\nthe files that took longest, of ${files.length}:\n${[...lines, `${shown(all)}  all of them`].join('\n')}\n`,
    );
  }
}
