import { describe, expect, it } from 'vitest';
import { asked } from '../../../src/evidence/witnesses.ts';
import type { Instance } from '../../../src/incus/answers.ts';

/** An Incus that tells these statuses in turn, and lets commands in or not. */
const incusOf = (statuses: (string | undefined)[], letsIn: boolean) => ({
  instance: async () => {
    const status = statuses.length > 1 ? statuses.shift() : statuses[0];
    return status === undefined ? undefined : ({ status } as Instance);
  },
  read: async () => {
    if (letsIn) return '';
    throw new Error('no commands today');
  },
});
const looks = (statuses: (string | undefined)[], letsIn: boolean) =>
  asked(incusOf(statuses, letsIn), { name: 'alpha' }, new AbortController().signal);

describe('the way into a container', () => {
  it.each([
    ['that is stopped', ['Stopped'], false],
    ['that is frozen', ['Frozen'], false],
    ['that is gone', [undefined], false],
    ['that runs', ['Running'], true],
    ['that is frozen while it is entered', ['Running', 'Frozen'], false],
  ])('tells of one %s', async (_, statuses, letsIn) => {
    await expect(looks(statuses, letsIn)).resolves.toBeUndefined();
  });

  it('tells nothing of one that runs and lets nobody in', async () => {
    await expect(looks(['Running'], false)).rejects.toThrow('no commands today');
  });
});
