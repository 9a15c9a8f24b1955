import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { root, type startAction } from './harness.ts';

/** Process id of the guard that was started last from a checkout on this lab: the drills of another have theirs. */
export async function newestGuard(checkout = root): Promise<number> {
  const { stdout } = await promisify(execFile)('pgrep', ['-f', `${checkout}/dist/guard/main.js`]);
  const guards = stdout.trim().split('\n').map(Number).filter(isOnThisLab);
  const [newest] = guards.sort((one, other) => startOf(other) - startOf(one));
  if (newest === undefined) throw new Error('no guard runs on this lab');
  return newest;
}

/** Clock ticks since boot (field 22 of proc_pid_stat(5)). Process ids do not tell: in a long run they begin anew. */
function startOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  } catch {
    return 0;
  }
}

function isOnThisLab(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .includes(`INCUS_DIR=${process.env['INCUS_DIR']}`);
  } catch {
    return false;
  }
}

/** Who is killed of a drill: its process group, it alone, its guard alone, or both. */
export const victims = ['group', 'drill', 'guard', 'both'] as const;

/** Kills them, as the kernel's OOM killer might. A drill that has no guard yet has nothing to undo. */
export async function killThem(
  victim: (typeof victims)[number],
  { child }: Pick<ReturnType<typeof startAction>, 'child'>,
  checkout = root,
): Promise<void> {
  const drill = child.pid ?? 0;
  const guard =
    victim === 'guard' || victim === 'both' ? await newestGuard(checkout).catch(() => undefined) : undefined;
  if (guard !== undefined) process.kill(guard, 'SIGKILL');
  if (victim === 'drill') process.kill(drill, 'SIGKILL');
  if (victim === 'group' || victim === 'both') process.kill(-drill, 'SIGKILL');
}
