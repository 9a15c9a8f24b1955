import { spawn } from 'node:child_process';
import { withDeadline } from '../clock/deadline.ts';
import { EnvironmentError, lastLines } from '../contract/errors.ts';
import type { Incus } from './incus.ts';

/** Takes the lock or says `busy`; holds it until its input ends, which it does however its client ends. */
const hold = `
exec 9>"/run/pgha-$1.lock"
flock -n 9 || { echo busy; exec sleep 1; }
echo held; exec cat >/dev/null
`;

const deadlineMs = 15_000;

/** A lock in a container's own /run, before there is a database to lock in. A killed owner lets go of it. */
export interface ContainerLock {
  /** Whether it is no longer held, without having been released. */
  lost(): boolean;
  release(): void;
}

/**
 * @param name letters, digits, `-` and `_`
 * @returns undefined when another process holds it
 * @throws EnvironmentError when the container cannot be reached, DeadlineError when it does not answer
 */
export async function lockInContainer(
  incus: Incus,
  instance: string,
  name: string,
  signal?: AbortSignal,
): Promise<ContainerLock | undefined> {
  const child = spawn('incus', incus.argv('exec', instance, '-T', '--', 'sh', '-c', hold, 'sh', name), {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  // It must not keep our process, and its end is ours to cause.
  child.stdin.on('error', () => {});
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-2000);
  });
  let released = false;
  const release = () => {
    released = true;
    // Its input ends, and the lock with it; the client is not killed before that has arrived.
    child.stdin.end();
    setTimeout(() => child.kill('SIGKILL'), 2000).unref();
  };
  const lost = () => !released && (child.exitCode !== null || child.signalCode !== null);
  const answer = (inner: AbortSignal) =>
    new Promise<boolean>((resolve, reject) => {
      let said = '';
      child.stdout.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (/held|busy/.test(said)) resolve(said.includes('held'));
      });
      inner.addEventListener('abort', () => reject(inner.reason));
      child.on('error', reject);
      child.on('close', (code) => {
        const why = `(exit code ${code}): ${lastLines(stderr, 2)}`;
        reject(new EnvironmentError(`the lock in ${instance} could not be taken ${why}`));
      });
    });
  try {
    if (await withDeadline(`the lock in ${instance}`, deadlineMs, answer, signal)) return { lost, release };
  } catch (error) {
    release();
    throw error;
  }
  release();
  return undefined;
}
