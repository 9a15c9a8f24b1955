import { getEventListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { onAbort } from '../../../src/clock/abort.ts';
import { retryUntil, sleep, withDeadline } from '../../../src/clock/deadline.ts';
import { CancelledError, DeadlineError } from '../../../src/contract/errors.ts';

const never = () => new Promise<never>(() => {});
const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

async function thrown(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => new Error('nothing was thrown'),
    (error: unknown) => error,
  );
}

describe('work under a deadline', () => {
  it('hands back what it found in time', async () => {
    expect(await withDeadline('a number', 1000, async () => 42)).toBe(42);
  });

  it('throws what it threw', async () => {
    const error = new Error('refused');
    expect(await thrown(withDeadline('x', 1000, () => Promise.reject(error)))).toBe(error);
  });

  it('ends at the deadline even when it ignores its signal, and says what it waited for', async () => {
    const started = performance.now();
    const error = await thrown(withDeadline('Postgres to answer', 50, never));
    expect(error).toBeInstanceOf(DeadlineError);
    expect(String(error)).toBe('DeadlineError: gave up after 0.05 s waiting for Postgres to answer');
    expect(performance.now() - started).toBeLessThan(500);
  });

  it('gets back the time in which this process did not run, and no more than its deadline again', async () => {
    const busy = (ms: number) => {
      for (const until = performance.now() + ms; performance.now() < until; );
    };
    // An answer that is due while nobody can read it.
    const answer = withDeadline('an answer', 300, () => delay(320, 'answer'));
    await delay(10);
    busy(1200);
    expect(await answer).toBe('answer');
    const silence = thrown(withDeadline('an answer', 300, never));
    await delay(10);
    busy(1200);
    const runsAgainAt = performance.now();
    expect(String(await silence)).toBe('DeadlineError: gave up after 0.3 s waiting for an answer');
    expect(performance.now() - runsAgainAt).toBeGreaterThan(250);
    expect(performance.now() - runsAgainAt).toBeLessThan(800);
  });

  it('is given up all the same where this process is held up again and again', async () => {
    const started = performance.now();
    const holdingUp = setInterval(() => {
      for (const until = performance.now() + 550; performance.now() < until; );
    }, 1);
    const error = await thrown(withDeadline('an answer', 300, never));
    clearInterval(holdingUp);
    expect(error).toBeInstanceOf(DeadlineError);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('is told of the deadline by its signal', async () => {
    let told: unknown;
    await thrown(
      withDeadline('x', 20, (signal) => {
        signal.addEventListener('abort', () => {
          told = signal.reason;
        });
        return never();
      }),
    );
    expect(told).toBeInstanceOf(DeadlineError);
  });

  it('that ends late, well or not, disturbs nobody', async () => {
    const late = async (failing: boolean) => {
      await delay(40);
      if (failing) throw new Error('late');
      return 'late';
    };
    expect(await thrown(withDeadline('x', 10, () => late(false)))).toBeInstanceOf(DeadlineError);
    expect(await thrown(withDeadline('x', 10, () => late(true)))).toBeInstanceOf(DeadlineError);
    await delay(60);
  });
});

describe('work whose parent is cancelled', () => {
  it('ends at once with the reason, even when it ignores its signal', async () => {
    const parent = new AbortController();
    const reason = new CancelledError('cancelled by SIGTERM');
    setTimeout(() => parent.abort(reason), 20);
    expect(await thrown(withDeadline('x', 60_000, never, parent.signal))).toBe(reason);
  });

  it('is never begun when that was before it', async () => {
    const reason = new CancelledError('cancelled by SIGINT');
    let begun = false;
    const work = async () => {
      begun = true;
    };
    expect(await thrown(withDeadline('x', 1000, work, AbortSignal.abort(reason)))).toBe(reason);
    expect(begun).toBe(false);
  });
});

describe('nothing is left behind that keeps the process or fills the parent', () => {
  const cases: [string, (signal: AbortSignal, parent: AbortController) => Promise<unknown>][] = [
    ['that succeeds', async () => 'done'],
    ['that fails', () => Promise.reject(new Error('no'))],
    [
      'that throws before it promises anything',
      () => {
        throw new Error('at once');
      },
    ],
    [
      'that ignores the cancellation',
      (_, parent) => {
        setImmediate(() => parent.abort(new CancelledError('stop')));
        return never();
      },
    ],
  ];

  it.each(cases)('by work %s', async (_, work) => {
    const parent = new AbortController();
    const before = timers();
    await withDeadline('x', 30_000, (signal) => work(signal, parent), parent.signal).catch(() => {});
    await delay(5);
    expect(timers()).toBeLessThanOrEqual(before);
    expect(getEventListeners(parent.signal, 'abort')).toEqual([]);
  });

  it('by work that ignores its deadline', async () => {
    const parent = new AbortController();
    await thrown(withDeadline('x', 10, never, parent.signal));
    await delay(5);
    expect(getEventListeners(parent.signal, 'abort')).toEqual([]);
  });
});

describe('sleep', () => {
  it('lasts as long as it was told to', async () => {
    const started = performance.now();
    await sleep(30);
    expect(performance.now() - started).toBeGreaterThan(25);
  });

  it('ends at once with the reason of its signal', async () => {
    const parent = new AbortController();
    const reason = new CancelledError('enough');
    setTimeout(() => parent.abort(reason), 10);
    expect(await thrown(sleep(60_000, parent.signal))).toBe(reason);
    expect(await thrown(sleep(60_000, parent.signal))).toBe(reason);
  });
});

describe('trying again until a deadline', () => {
  const pace = { deadlineMs: 120, pauseMs: 10 };

  it('ends with the first answer', async () => {
    let attempts = 0;
    const found = await retryUntil('an answer', { deadlineMs: 5000, pauseMs: 1 }, async () => {
      attempts++;
      if (attempts === 1) throw new Error('not yet');
      return attempts < 3 ? undefined : attempts;
    });
    expect(found).toBe(3);
  });

  it.each([0, '', false, null])('takes %j for an answer', async (answer) => {
    expect(await retryUntil('x', pace, async () => answer)).toBe(answer);
  });

  it('tells the last error when it gives up', async () => {
    let attempts = 0;
    const error = await thrown(
      retryUntil('pgaf-monitor to answer', pace, () => Promise.reject(new Error(`refused ${++attempts}`))),
    );
    expect(error).toBeInstanceOf(DeadlineError);
    expect(String(error)).toBe(
      `DeadlineError: gave up after 0.12 s waiting for pgaf-monitor to answer (last error: refused ${attempts})`,
    );
    expect(attempts).toBeGreaterThan(1);
  });

  it('tells no error of long ago', async () => {
    let attempts = 0;
    const error = await thrown(
      retryUntil('x', pace, async () => {
        if (++attempts === 1) throw new Error('at first');
        return undefined;
      }),
    );
    expect(String(error)).toBe('DeadlineError: gave up after 0.12 s waiting for x');
  });

  it('gives up on an attempt that hangs', async () => {
    expect(await thrown(retryUntil('x', pace, never))).toBeInstanceOf(DeadlineError);
  });

  it('stops with its signal, between attempts and during one', async () => {
    for (const attempt of [async () => undefined, never]) {
      const parent = new AbortController();
      const reason = new CancelledError('stop');
      setTimeout(() => parent.abort(reason), 30);
      const options = { deadlineMs: 60_000, pauseMs: 10_000, signal: parent.signal };
      expect(await thrown(retryUntil('x', options, attempt))).toBe(reason);
    }
  });
});

describe('many that wait for one signal', () => {
  it('are no leak to Node, which prints a warning of more than ten listeners, and leave none behind', async () => {
    const warnings: Error[] = [];
    const hear = (warning: Error) => warnings.push(warning);
    process.on('warning', hear);
    const { signal } = new AbortController();
    const waits = Array.from({ length: 64 }, async () => {
      await Promise.all([sleep(20, signal), withDeadline('x', 1000, (inner) => sleep(30, inner), signal)]);
    });
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    await Promise.all(waits);
    // Node tells of it later.
    await delay(20);
    process.off('warning', hear);
    expect(warnings).toEqual([]);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('are all told of its abort, each once, but those that wait no more', () => {
    const stop = new AbortController();
    const told: string[] = [];
    const forget = onAbort(stop.signal, () => told.push('gone'));
    onAbort(stop.signal, () => told.push('first'));
    onAbort(stop.signal, () => told.push('second'));
    forget();
    stop.abort();
    onAbort(stop.signal, () => told.push('late'));
    onAbort(undefined, () => told.push('never'))();
    expect(told).toEqual(['first', 'second', 'late']);
  });
});
