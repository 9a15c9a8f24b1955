import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { root } from './harness.ts';

/** Process id of the guard that was started last from this checkout: others' drills on the machine have theirs. */
export async function newestGuard(): Promise<number> {
  const { stdout } = await promisify(execFile)('pgrep', ['-n', '-f', `${root}/dist/guard/main.js`]);
  return Number(stdout.trim());
}
