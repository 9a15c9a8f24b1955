import { messageOf } from '../contract/errors.ts';
import { refused, type Seen, seen, unseen } from './doctor-finding.ts';

/**
 * Does what shows something, and keeps what came of it. Throws nothing: a thing that is missing is what the doctor is there
 * to tell, and the rest is looked at all the same.
 * @param signal where it aborts, nothing was seen
 */
export async function lookSafely<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<Seen<T>> {
  if (signal?.aborted) return unseen(interrupted(signal));
  try {
    return seen(await work());
  } catch (error) {
    if (signal?.aborted) return unseen(interrupted(signal));
    return refused(messageOf(error));
  }
}

const interrupted = (signal: AbortSignal) => `not looked at: ${messageOf(signal.reason)}`;

/** The same of what this user may lack the right to read, where nothing follows from that. */
export async function lookIfAllowed<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<Seen<T>> {
  return await lookSafely(work, signal).then((found) => (found.is === 'refused' ? unseen(found.why) : found));
}

/** What depends on something that was not seen is not looked at either. */
export async function after<A, T>(
  earlier: Seen<A>,
  name: string,
  work: (value: A) => Promise<Seen<T>>,
): Promise<Seen<T>> {
  return earlier.is === 'seen' ? await work(earlier.value) : unseen(`not looked at, for want of ${name}`);
}
