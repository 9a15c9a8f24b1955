import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { scriptsAsModules } from '../scripts/scripts-as-modules.mjs';

const root = join(import.meta.dirname, '..');

/** The sources as JavaScript, for tests that run them in a process of their own. It takes a few seconds. */
export interface Compiled {
  /** URL to import a module from, by its path under src/ without the extension. */
  url(module: string): string;
  remove(): void;
}

export function compileSources(): Compiled {
  mkdirSync(join(root, 'build'), { recursive: true });
  // Inside the project, so that packages are found.
  const folder = mkdtempSync(join(root, 'build', 'test-'));
  const tsc = join(root, 'node_modules', '.bin', 'tsc');
  const project = join(root, 'tsconfig.build.json');
  // Types are checked elsewhere.
  execFileSync(tsc, ['-p', project, '--outDir', folder, '--noCheck'], { timeout: 120_000 });
  scriptsAsModules(folder);
  return {
    url: (module) => pathToFileURL(join(folder, 'src', `${module}.js`)).href,
    remove: () => rmSync(folder, { recursive: true }),
  };
}
