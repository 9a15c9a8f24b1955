import { describe, expect, it } from 'vitest';
import { EnvironmentError } from '../../../src/contract/errors.ts';
import { LockHeldError } from '../../../src/monitor/lock.ts';
import { onceFree } from '../../../src/monitor/lock-wait.ts';
import { keptLog } from '../builders.ts';

const held = () => new LockHeldError('another run is at work', 'wait for it');

/** Refused so many times, and then let in. */
function refused(times: number): { tries: () => number; work: () => Promise<string> } {
  let tries = 0;
  return {
    tries: () => tries,
    work: async () => {
      tries++;
      if (tries <= times) throw held();
      return 'done';
    },
  };
}

const waiting = (waitMs: number) => {
  const log = keptLog();
  return { lines: log.lines, wait: { waitMs, log, signal: new AbortController().signal } };
};

describe('what another run holds up', () => {
  it('is done at once where nobody does', async () => {
    const { wait, lines } = waiting(1000);
    expect(await onceFree(wait, refused(0).work)).toBe('done');
    expect(lines).toEqual([]);
  });

  it('is not waited for where that is not asked for', async () => {
    const { work, tries } = refused(1);
    const { wait } = waiting(0);
    await expect(onceFree(wait, work)).rejects.toThrow('another run is at work; wait for it');
    expect(tries()).toBe(1);
  });

  it('is done once the other has ended, and told once', async () => {
    const { work, tries } = refused(1);
    const { wait, lines } = waiting(80);
    const anew: boolean[] = [];
    const told = (isAnew: boolean) => {
      anew.push(isAnew);
      return work();
    };
    expect(await onceFree(wait, told)).toBe('done');
    expect(tries()).toBe(2);
    expect(anew).toEqual([false, true]);
    expect(lines).toEqual([
      expect.stringContaining('another run is at work; waiting up to 0.08 s for it to end'),
    ]);
  });

  it('is given up where the other does not end in time', async () => {
    const { wait } = waiting(60);
    await expect(onceFree(wait, refused(99).work)).rejects.toThrow(
      /^another run is at work; it did not end in 0\.06 s \(input wait-for-lock-seconds\)$/,
    );
  });

  it('is not begun anew once it has changed something', async () => {
    const { work, tries } = refused(1);
    const { wait } = waiting(1000);
    await expect(onceFree(wait, work, () => false)).rejects.toThrow(LockHeldError);
    expect(tries()).toBe(1);
  });

  it('is given up at once for another reason', async () => {
    const { wait } = waiting(1000);
    const work = () => Promise.reject(new EnvironmentError('no Incus'));
    await expect(onceFree(wait, work)).rejects.toThrow(/^no Incus$/);
  });

  it('is given up when it is cancelled', async () => {
    const controller = new AbortController();
    const log = keptLog();
    setTimeout(() => controller.abort(new Error('cancelled')), 20);
    const wait = { waitMs: 60_000, log, signal: controller.signal };
    await expect(onceFree(wait, refused(99).work)).rejects.toThrow('cancelled');
  });
});
