import { type ExecFileOptions, execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { eventually, figure, root } from './harness.ts';
import { tolerable } from './meter.ts';

/** The lab itself, in a lab of another name beside the one that the other tests use. */

const name = 'spare';
/** Without input: `incus launch` reads a configuration from a standard input that stays open. */
function run(file: string, args: string[], options: ExecFileOptions = {}): Promise<{ stdout: string }> {
  const running = promisify(execFile)(file, args, { ...options, encoding: 'utf8' });
  running.child.stdin?.end();
  return running;
}
const lab = (...args: string[]) =>
  run(join(root, 'lab', 'lab'), args, { env: { ...process.env, PGHA_LAB: name }, timeout: 240_000 });

afterAll(() => lab('down'));

describe('the lab', () => {
  it('is raised once by two terminals at once, and again in no time', async () => {
    await Promise.all([lab('up'), lab('up')]);
    const started = performance.now();
    await lab('up');
    figure('lab up when it is up', (performance.now() - started) / 1000);
    expect(performance.now() - started).toBeLessThan(tolerable(500));
    expect((await lab('status')).stdout).toContain('debian/12');
  });

  it('runs a command where the containers can be reached, and passes its exit code on', async () => {
    await lab('exec', '--', 'incus', 'launch', 'debian/12', 'one');
    // Nothing listens there: a refusal comes from the container itself, and is an answer.
    const knock = 'exec 3<>"/dev/tcp/$(incus list -f csv -c 4 one | cut -d" " -f1)/9"';
    await eventually('the container to answer', 20_000, () =>
      lab('exec', '--', 'timeout', '2', 'bash', '-c', knock).then(
        () => true,
        (error: Error) => error.message.includes('Connection refused'),
      ),
    );
    await expect(lab('exec', '--', 'sh', '-c', 'exit 7')).rejects.toMatchObject({ code: 7 });
  });

  it('leaves nothing behind after down', async () => {
    const { stdout: env } = await lab('env');
    expect(env).toContain(name);
    const started = performance.now();
    await lab('down');
    figure('lab down with one container', (performance.now() - started) / 1000);
    await eventually('every trace to be gone', 10_000, async () => (await traces()).length === 0).catch(
      async () => {
        expect(await traces()).toEqual([]);
      },
    );
    await expect(lab('status')).rejects.toMatchObject({ code: 1 });
  });

  it('goes down twice without complaint', async () => {
    await lab('down');
    await lab('down');
  });
});

/** Whatever of the lab is still there: processes, namespaces, mounts, interfaces, control groups, folders. */
async function traces(): Promise<string[]> {
  const found: string[] = [];
  const mine = new RegExp(`pgha-lab[-/]${name}\\b`);
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const text = ['cmdline', 'environ'].map((file) => readQuietly(`/proc/${pid}/${file}`)).join('\0');
    if (mine.test(text) && Number(pid) !== process.pid)
      found.push(`process ${pid}: ${text.replaceAll('\0', ' ').slice(0, 200)}`);
  }
  const lines = [
    ...(await run('ip', ['netns', 'list'])).stdout.split('\n'),
    ...(await run('ip', ['-o', 'link'])).stdout.split('\n'),
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
