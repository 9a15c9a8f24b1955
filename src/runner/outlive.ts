/**
 * Has this process go on when nobody reads what it says: a runner that went away (EPIPE), a disk that is full (ENOSPC), a
 * terminal that was closed (EIO). What it is there for comes first. Node ignores SIGPIPE by itself.
 */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr])
    if (!stream.listeners('error').includes(unheard)) stream.on('error', unheard);
}

const unheard = () => {};

/** What tells a process to end, where it can be heard. */
export const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Does what may be done without. */
export function quietly(work: () => void): void {
  try {
    work();
  } catch {
    // Told nowhere: it was the telling that failed.
  }
}
