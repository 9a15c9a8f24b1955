import { onAbort } from '../clock/abort.ts';
import { withDeadline } from '../clock/deadline.ts';
import { EnvironmentError, lastLines } from '../contract/errors.ts';
import { startClient, unstartable, withoutHints } from './command.ts';
import type { Incus } from './incus.ts';
import hold from './scripts/hold-lock.sh';

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
  const child = startClient(incus.argv('exec', instance, '-T', '--', 'sh', '-c', hold, 'sh', name));
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
        said = (said + chunk.toString()).slice(-100);
        if (/held|busy/.test(said)) resolve(said.includes('held'));
      });
      onAbort(inner, () => reject(inner.reason as unknown));
      child.on('error', (error) => reject(unstartable('incus', error)));
      child.on('close', (code) => {
        const why = `(exit code ${code}): ${lastLines(withoutHints(stderr), 2)}`;
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
