import { type ExecFileOptions, execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from './harness.ts';

/** The lab itself, under test: a lab of a name of its own, beside the one that the other tests use. */

/** Without input: `incus launch` reads a configuration from a standard input that stays open. */
export function runInTime(
  file: string,
  args: string[],
  options: ExecFileOptions = {},
): Promise<{ stdout: string; stderr: string }> {
  const running = promisify(execFile)(file, args, { timeout: 60_000, ...options, encoding: 'utf8' });
  running.child.stdin?.end();
  return running;
}

/** The lab's command line, for the lab of that name. */
export function labNamed(name: string): (...args: string[]) => Promise<{ stdout: string; stderr: string }> {
  return (...args) =>
    runInTime(join(root, 'lab', 'lab'), args, { env: { ...process.env, PGHA_LAB: name }, timeout: 240_000 });
}

/** Whatever of the lab is still there: processes, namespaces, mounts, interfaces, control groups, folders. */
export async function tracesOf(name: string): Promise<string[]> {
  const found: string[] = [];
  const mine = new RegExp(`pgha-lab[-/]${name}\\b`);
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const text = ['cmdline', 'environ'].map((file) => readQuietly(`/proc/${pid}/${file}`)).join('\0');
    if (mine.test(text) && Number(pid) !== process.pid)
      found.push(`process ${pid}: ${text.replaceAll('\0', ' ').slice(0, 200)}`);
  }
  const lines = [
    ...(await runInTime('ip', ['netns', 'list'])).stdout.split('\n'),
    ...(await runInTime('ip', ['-o', 'link'])).stdout.split('\n'),
    ...readQuietly('/proc/self/mounts').split('\n'),
  ];
  found.push(...lines.filter((line) => mine.test(line)));
  for (const folder of ['/run/pgha-lab', '/var/lib/pgha-lab', '/sys/fs/cgroup', '/sys/fs/cgroup/unified']) {
    found.push(
      ...list(folder)
        .filter((entry) => entry === name || mine.test(`${entry}`))
        .map((entry) => join(folder, entry)),
    );
  }
  return found;
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
