import { EnvironmentError, messageOf } from '../contract/errors.ts';

/**
 * Does something to every one side by side, and waits for all of them, whatever becomes of one.
 * @throws the error of one, or an EnvironmentError that has the messages of several
 */
export async function everyOne<T>(
  names: readonly string[],
  work: (name: string) => Promise<T>,
): Promise<T[]> {
  const settled = await Promise.allSettled(names.map(work));
  const failures = settled.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
  if (failures.length > 1) throw new EnvironmentError(failures.map(messageOf).join('; '));
  if (failures.length === 1) throw failures[0];
  return settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
}
