/**
 * Who waits for a signal's abort. A signal has one listener of ours, however many wait: a drill with 64 clients has
 * hundreds of waits on one, and Node takes more than ten listeners for a leak and prints a warning.
 */
const waiting = new WeakMap<AbortSignal, Waiting>();

interface Waiting {
  acts: Set<{ act: () => void }>;
  listener: () => void;
}

/**
 * Calls `act` once when the signal aborts; at once when it has.
 * @returns what ends that, and must be called when the wait is over
 */
export function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal === undefined) return () => {};
  if (signal.aborted) {
    act();
    return () => {};
  }
  const found = waiting.get(signal) ?? listenTo(signal);
  const entry = { act };
  found.acts.add(entry);
  return () => {
    if (!found.acts.delete(entry) || found.acts.size > 0) return;
    signal.removeEventListener('abort', found.listener);
    waiting.delete(signal);
  };
}

function listenTo(signal: AbortSignal): Waiting {
  const acts: Waiting['acts'] = new Set();
  const listener = () => {
    waiting.delete(signal);
    for (const entry of acts) {
      acts.delete(entry);
      entry.act();
    }
  };
  const made = { acts, listener };
  waiting.set(signal, made);
  signal.addEventListener('abort', listener, { once: true });
  return made;
}
