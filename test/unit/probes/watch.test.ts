import { afterEach, describe, expect, it } from 'vitest';
import { now } from '../../../src/clock/clock.ts';
import { sleep } from '../../../src/clock/deadline.ts';
import { BrokenError, LateAnswerError } from '../../../src/probes/broken.ts';
import { LookHistory } from '../../../src/probes/looks.ts';
import { holdsAtEnd, longestOutage, probeOutages, unknownSeconds } from '../../../src/probes/outages.ts';
import type { ReadyProbe } from '../../../src/probes/ready.ts';
import { ProbeWatch, TrippedError } from '../../../src/probes/watch.ts';
import { keptLog } from '../builders.ts';

/** What many looks amount to, whatever they look at. */

const running: ProbeWatch[] = [];
afterEach(async () => {
  for (const each of running.splice(0)) await each.stop();
});

const probe = (look: ReadyProbe['look'], given: Partial<ReadyProbe['probe']> = {}): ReadyProbe => ({
  probe: {
    name: 'api',
    intervalSeconds: 0.05,
    timeoutSeconds: 0.5,
    asks: { kind: 'tcp', host: 'a', port: 1 },
    ...given,
  },
  shown: 'tcp a:1',
  look,
});

async function watching(...probes: ReadyProbe[]): Promise<ProbeWatch> {
  const watch = await ProbeWatch.start(probes, { log: keptLog(), signal: new AbortController().signal });
  running.push(watch);
  return watch;
}

/** A service that is up or not. */
const service = () => {
  const state = { isUp: true };
  return {
    state,
    look: async () => {
      await sleep(5);
      if (!state.isUp) throw new BrokenError('it is down');
    },
  };
};

const stateOf = (watch: ProbeWatch) => watch.recorded(0)[0]?.stretches.map(({ state }) => state);

describe('a watch', () => {
  it('tells an outage between the last good answer and the first good one after it', async () => {
    const { state, look } = service();
    const watch = await watching(probe(look));
    await sleep(200);
    const downAt = now();
    state.isUp = false;
    await sleep(400);
    const upAt = now();
    state.isUp = true;
    expect(await watch.holdAgain(5000, new AbortController().signal)).toBe(true);
    const [record] = watch.recorded(0);
    const [outage, ...others] = probeOutages(record ?? { stretches: [] });
    expect(others).toEqual([]);
    const lasted = (upAt - downAt) / 1000;
    expect(outage?.least).toBeLessThanOrEqual(lasted);
    expect(outage?.most).toBeGreaterThanOrEqual(lasted);
    expect(outage?.seconds).toBeGreaterThanOrEqual(outage?.least ?? 99);
    expect(outage?.why).toBe('it is down');
    expect(record && holdsAtEnd(record)).toBe(true);
  });

  it('knows at once whether its probes hold, and when they do not hold again', async () => {
    const { state, look } = service();
    state.isUp = false;
    const watch = await watching(
      probe(look),
      probe(async () => {}, { name: 'other' }),
    );
    expect(watch.broken).toEqual(['api: it is down']);
    const asked = now();
    expect(await watch.holdAgain(0, new AbortController().signal)).toBe(false);
    expect(now() - asked).toBeLessThan(5000);
    await expect(watch.holdAgain(60_000, AbortSignal.timeout(50))).rejects.toThrow();
  });

  it('trips where a probe stays broken for longer than it may, and only then', async () => {
    const { state, look } = service();
    const hanging = probe(
      async (signal) => {
        if (!state.isUp) await sleep(60_000, signal);
      },
      { name: 'hangs', abortSeconds: 0.1, timeoutSeconds: 60 },
    );
    const watch = await watching(probe(look, { abortSeconds: 0.3 }), hanging);
    watch.arm(now());
    state.isUp = false;
    await sleep(150);
    state.isUp = true;
    await sleep(300);
    expect(watch.tripped.aborted).toBe(false);
    const downAt = now();
    state.isUp = false;
    while (!watch.tripped.aborted && now() - downAt < 10_000) await sleep(10);
    const { trip } = watch.tripped.reason as TrippedError;
    expect(watch.tripped.reason).toBeInstanceOf(TrippedError);
    // The other has given no answer yet, and nobody knows that it is broken.
    expect(trip).toMatchObject({ probe: 'api', allowedSeconds: 0.3, why: 'it is down' });
    expect(trip.brokenSeconds).toBeGreaterThanOrEqual(0.3);
  });

  it('does not trip before the fault, or once that is undone', async () => {
    const { state, look } = service();
    const watch = await watching(probe(look, { abortSeconds: 0.1 }));
    state.isUp = false;
    await sleep(300);
    watch.arm(now());
    watch.disarm();
    await sleep(300);
    expect(watch.tripped.aborted).toBe(false);
  });

  it('takes what came late while this process did not run for unknown, and a refusal for what it is', async () => {
    const stall = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    let isStalling = false;
    const late = probe(
      async () => {
        if (!isStalling) return;
        await sleep(10);
        stall(700);
        throw new LateAnswerError('no answer in 0.5 s', 500);
      },
      { intervalSeconds: 60 },
    );
    const refused = probe(
      async () => {
        if (isStalling) throw new BrokenError('refused');
      },
      { name: 'refused' },
    );
    isStalling = true;
    const watch = await watching(late, refused);
    const [first, second] = watch.recorded(0);
    expect(first?.stretches).toMatchObject([{ state: 'unknown', looks: 1 }]);
    expect(first?.stretches[0]?.why).toMatch(/this runner itself did not run for 0\.[67]/);
    expect(probeOutages(first ?? { stretches: [] })).toEqual([]);
    expect(unknownSeconds(first ?? { stretches: [] })).toBeGreaterThan(0.5);
    expect(second?.stretches[0]).toMatchObject({ state: 'broken', why: 'refused' });
  });

  it('knows nothing of a time between two looks in which this process did not run', async () => {
    const watch = await watching(probe(async () => {}));
    await sleep(150);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 800);
    await sleep(300);
    expect(stateOf(watch)).toEqual(['good', 'unknown', 'good']);
    expect(longestOutage(watch.recorded(0)[0] ?? { stretches: [] })).toBeUndefined();
  });
});

describe('looks', () => {
  it('are bounded, however often a probe changes', () => {
    const looks = new LookHistory();
    for (let at = 0; at < 10_000; at++)
      looks.note({ state: at % 2 === 0 ? 'good' : 'broken', asked: at, told: at + 0.5 });
    const { stretches, unrecordedLooks } = looks.recorded(0);
    expect(stretches.length).toBe(400);
    expect(unrecordedLooks).toBe(9600);
  });
});
