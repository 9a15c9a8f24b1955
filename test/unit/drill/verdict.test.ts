import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { outcomes } from '../../../src/contract/outcome.ts';
import type { DrillRecord } from '../../../src/drill/record.ts';
import { judgeDrill } from '../../../src/drill/verdict/verdict.ts';
import { healthyVerdict, passingDrill, unhealthyVerdict } from '../builders.ts';

const judged = (given: Partial<DrillRecord>) => judgeDrill(passingDrill(given));
const promotionAfter = (seconds: number) => ({
  promotion: {
    node: 'pgaf-replica',
    seconds,
    at: '2025-01-01T00:00:10.800Z',
    heardBy: 'notification' as const,
  },
});
/** What is in a record whose drill ended before its fault. */
const untouched = {
  faultAt: undefined,
  injectedSeconds: undefined,
  proof: undefined,
  promotion: undefined,
  undoSeconds: undefined,
  settledSeconds: undefined,
  final: undefined,
};

describe('a drill passes', () => {
  it('when the standby took over in time and every node is healthy again', () => {
    expect(judged({})).toEqual({
      outcome: 'pass',
      message:
        'pgaf-replica took over from pgaf-primary in 9.800 s (target 60 s); no clients were watched, so nothing is told of their writes; all nodes healthy 4.250 s after its return',
      rtoSeconds: 9.8,
      rejoinSeconds: 4.25,
    });
  });

  it('with a promotion exactly at the target', () => {
    expect(judged(promotionAfter(60)).outcome).toBe('pass');
  });
});

describe('a drill that an earlier release recorded', () => {
  it('is held against no deadline, which it does not have', () => {
    expect(judged({ rejoinDeadlineSeconds: undefined, settledSeconds: 3000 }).outcome).toBe('pass');
  });
});

describe('a drill on a formation that is not healthy', () => {
  it('ends with code 1 and stops nothing', () => {
    const verdict = judged({ ...untouched, target: undefined, baseline: unhealthyVerdict() });
    expect(verdict.outcome).toBe('unhealthy');
    expect(verdict.message).toMatch(
      /^no drill on a formation that is not healthy, nothing was stopped: formation default is not healthy: pgaf-replica/,
    );
    expect(verdict).toMatchObject({ rtoSeconds: undefined, rejoinSeconds: undefined });
  });

  it('that could not be judged is an error', () => {
    const baseline = { ...healthyVerdict(), outcome: 'error' as const, message: 'not read' };
    expect(judged({ ...untouched, target: undefined, baseline }).outcome).toBe('error');
  });
});

describe('a drill that is held', () => {
  it('is not begun, and says why', () => {
    const held = 'release freeze (user.pgha.hold of the project default)';
    expect(judged({ ...untouched, target: undefined, baseline: undefined, held })).toMatchObject({
      outcome: 'unhealthy',
      message: `drills are held, nothing was touched: ${held}`,
    });
  });
});

describe('a drill on a formation whose health could not be told', () => {
  it('is refused as such', () => {
    const baseline = { ...healthyVerdict(), outcome: 'error' as const, message: 'too little could be read' };
    expect(judged({ ...untouched, target: undefined, baseline })).toMatchObject({
      outcome: 'error',
      message:
        'no drill on a formation whose health cannot be told, nothing was stopped: too little could be read',
    });
  });
});

describe('a drill misses its objective', () => {
  it.each<[string, Partial<DrillRecord>, RegExp]>([
    [
      'when the promotion came a millisecond late',
      promotionAfter(60.001),
      /took over 60\.001 s after .*; the target is 60 s$/,
    ],
    [
      'when nobody was promoted',
      { promotion: undefined },
      /^no standby was promoted in the 180 s after the power of pgaf-primary was cut$/,
    ],
    [
      'when the formation did not converge',
      { settledSeconds: undefined, final: undefined },
      /did not converge in time/,
    ],
    [
      'when all nodes were healthy a millisecond after the deadline',
      { rejoinDeadlineSeconds: 4.249 },
      /^all nodes were healthy 4\.250 s after the fault was undone; the deadline is 4\.249 s$/,
    ],
    [
      'when it converged but is not healthy',
      { final: unhealthyVerdict() },
      /converged but is not healthy: .*catchingup/,
    ],
    [
      'when another node than the promoted one is primary in the end',
      { final: healthyVerdict() },
      /^pgaf-replica should be primary afterwards, and pgaf-primary is$/,
    ],
    [
      'in both ways at once',
      { ...promotionAfter(75), settledSeconds: undefined },
      /took over 75\.000 s after .*; the formation did not converge/,
    ],
  ])('%s', (_, given, message) => {
    const verdict = judged(given);
    expect(verdict.outcome).toBe('missed');
    expect(verdict.message).toMatch(message);
  });

  it('and still tells the RTO it measured', () => {
    expect(judged(promotionAfter(75)).rtoSeconds).toBe(75);
  });
});

describe('a drill that cannot tell is an error', () => {
  it.each<[string, Partial<DrillRecord>, RegExp]>([
    [
      'without a proven fault',
      { proof: undefined },
      /nothing shows that the fault took hold on pgaf-primary/,
    ],
    [
      'when its fault was over before the undo',
      { disturbed: 'pgaf-primary was back before the drill undid the fault' },
      /^pgaf-primary was back before the drill undid the fault, so the drill proves nothing$/,
    ],
    [
      'when the fault cannot be shown on this formation',
      { ...untouched, fault: 'disk-full', impossible: 'it has no disk of its own' },
      /^fault not proven: disk-full cannot be shown here: it has no disk of its own$/,
    ],
    [
      'when nobody saw whether the formation was healthy by the deadline',
      {
        settledBetween: { least: 13, most: 16 },
        rejoinDeadlineSeconds: 4.25,
        blind: [{ from: 13, to: 16, why: 'the monitor did not answer' }],
      },
      /^whether the formation was healthy within 4\.25 s cannot be told: all nodes were healthy 4\.250 s \(between .*\) after the fault was undone, as the watch .*\(the monitor did not answer\)$/,
    ],
    [
      'when nobody looked afterwards',
      { final: undefined },
      /^whether the formation is healthy afterwards cannot be told: it was not read$/,
    ],
    [
      'when what was read afterwards tells nothing',
      { final: { ...healthyVerdict(), outcome: 'error', message: 'too little could be read' } },
      /healthy afterwards cannot be told: too little could be read$/,
    ],
    ['without a fault at all', untouched, /no fault was injected/],
    [
      'interrupted before the fault',
      { ...untouched, interrupted: 'cancelled by SIGINT' },
      /cancelled by SIGINT; nothing had been stopped$/,
    ],
    [
      'interrupted after the fault',
      { promotion: undefined, settledSeconds: undefined, interrupted: 'cancelled by SIGTERM' },
      /cancelled by SIGTERM; pgaf-primary was brought back, and a failover that had begun may still complete/,
    ],
    ['interrupted when all had gone well', { interrupted: 'cancelled by SIGTERM' }, /cancelled by SIGTERM/],
    [
      'that could not bring its container back',
      { undoFailed: 'Incus is gone', settledSeconds: undefined },
      /^pgaf-primary could not be brought back: Incus is gone; start it by hand and run check-formation$/,
    ],
    [
      'interrupted and unable to undo',
      { interrupted: 'SIGINT', undoFailed: 'Incus is gone', settledSeconds: undefined },
      /start it by hand.*; the drill was interrupted: SIGINT$/,
    ],
  ])('%s', (_, given, message) => {
    const verdict = judged(given);
    expect(verdict.outcome).toBe('error');
    expect(verdict.message).toMatch(message);
  });

  it('whatever else it missed: the higher code stands, and its sentence', () => {
    const verdict = judged({ proof: undefined, promotion: undefined, settledSeconds: undefined });
    expect(verdict.outcome).toBe('error');
    expect(verdict.message).not.toMatch(/promoted|converge/);
  });

  it('without a baseline, as nobody knows what the fault found', () => {
    expect(judged({ baseline: undefined }).outcome).toBe('error');
  });
});

describe('whatever a record holds', () => {
  const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
  const text = maybe(fc.constantFrom('because', 'Incus is gone'));
  const offset = maybe(fc.double({ min: 0, max: 400, noNaN: true }));
  const verdict = fc.constantFrom(
    healthyVerdict(),
    { ...healthyVerdict(), primary: 'pgaf-replica' },
    unhealthyVerdict(),
    { ...healthyVerdict(), outcome: 'error' as const },
  );
  const anyRecord: fc.Arbitrary<Partial<DrillRecord>> = fc.record({
    baseline: verdict,
    target: maybe(fc.constant('pgaf-primary')),
    faultAt: maybe(fc.constant('2025-01-01T00:00:01.000Z')),
    proof: text,
    promotion: maybe(
      fc.double({ min: 0, max: 120, noNaN: true }).map((seconds) => promotionAfter(seconds).promotion),
    ),
    undoSeconds: offset,
    settledSeconds: offset,
    final: maybe(verdict),
    impossible: text,
    disturbed: text,
    interrupted: text,
    undoFailed: text,
  });

  it('there is an outcome and a sentence', () => {
    fc.assert(
      fc.property(anyRecord, (given) => {
        // Without a target there was neither a fault nor an undo.
        const before = given.target === undefined ? { ...untouched, undoFailed: undefined } : {};
        const { outcome, message } = judged({ ...given, ...before });
        expect(outcomes).toContain(outcome);
        expect(message).toMatch(/^\S.*\S$/);
        expect(message).not.toMatch(/undefined|NaN|\[object/);
      }),
      { numRuns: 500 },
    );
  });

  it('it passes only with a healthy baseline, a proven fault, a promotion in time, and health afterwards', () => {
    fc.assert(
      fc.property(anyRecord, (given) => {
        const record = passingDrill(given);
        const whole =
          record.baseline?.outcome === 'pass' &&
          record.target !== undefined &&
          record.faultAt !== undefined &&
          record.proof !== undefined &&
          record.promotion !== undefined &&
          record.promotion.seconds <= record.rtoTargetSeconds &&
          record.undoSeconds !== undefined &&
          record.settledSeconds !== undefined &&
          record.settledSeconds - record.undoSeconds <= 180 &&
          record.final?.outcome === 'pass' &&
          record.final.primary === record.promotion.node &&
          record.impossible === undefined &&
          record.disturbed === undefined &&
          record.interrupted === undefined &&
          record.undoFailed === undefined;
        expect(judgeDrill(record).outcome === 'pass').toBe(whole);
      }),
      { numRuns: 1000 },
    );
  });

  it('it is judged the same way again after a round trip through its report', () => {
    fc.assert(
      fc.property(anyRecord, (given) => {
        const record = passingDrill(given);
        expect(judgeDrill(JSON.parse(JSON.stringify(record)))).toEqual(judgeDrill(record));
      }),
      { numRuns: 200 },
    );
  });
});
