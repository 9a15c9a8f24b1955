import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { costliest, lasts, waterfall } from '../../../src/drill/verdict/waterfall.ts';
import type { FaultName } from '../../../src/faults/catalogue.ts';

type Announced = Parameters<typeof waterfall>[0][number];

/** A crash-stop of pgaf-primary with the profile fast, as a drill recorded it. */
const recorded: Announced[] = (
  [
    [-0.394, 'pgaf-replica', 'secondary', 'secondary'],
    [3.9, 'pgaf-primary', 'primary', 'primary'],
    [3.959, 'pgaf-replica', 'secondary', 'prepare_promotion'],
    [3.959, 'pgaf-primary', 'primary', 'draining'],
    [4.047, 'pgaf-replica', 'prepare_promotion', 'prepare_promotion'],
    [4.047, 'pgaf-replica', 'prepare_promotion', 'stop_replication'],
    [4.047, 'pgaf-primary', 'primary', 'demote_timeout'],
    [6.282, 'pgaf-replica', 'stop_replication', 'stop_replication'],
    [9.671, 'pgaf-replica', 'stop_replication', 'wait_primary'],
    [9.671, 'pgaf-primary', 'primary', 'demoted'],
    [9.847, 'pgaf-replica', 'wait_primary', 'wait_primary'],
    [13.835, 'pgaf-replica', 'wait_primary', 'primary'],
    [14.005, 'pgaf-replica', 'primary', 'primary'],
  ] as const
).map(([seconds, node, reportedState, goalState]) => ({ seconds, node, reportedState, goalState }));

const bounds = (steps: ReturnType<typeof waterfall>) => steps.map(({ from, to }) => [from, to]);

describe('the waterfall of a failover', () => {
  it('has a step for each order of the monitor, and the setting that decides it', () => {
    const steps = waterfall(recorded, 'pgaf-replica');
    expect(bounds(steps)).toEqual([
      [0, 3.959],
      [3.959, 4.047],
      [4.047, 6.282],
      [6.282, 9.671],
      [9.671, 9.847],
    ]);
    expect(steps.map(({ setting }) => setting !== null)).toEqual([true, false, false, true, false]);
    expect(costliest(steps)?.name).toMatch(/^detection/);
    expect(lasts(costliest(steps) ?? { name: '', from: 0, to: 0, setting: null })).toBe(3.959);
  });

  it('goes on to the first write of a client that was late, and not for one that wrote before the announcement', () => {
    expect(bounds(waterfall(recorded, 'pgaf-replica', { clientRtoSeconds: 11.2 })).at(-1)).toEqual([
      9.847, 11.2,
    ]);
    expect(waterfall(recorded, 'pgaf-replica', { clientRtoSeconds: 9.8 })).toEqual(
      waterfall(recorded, 'pgaf-replica'),
    );
  });

  it('begins an election of several standbys with their reports of position', () => {
    const of = (seconds: number, reportedState: string, goalState: string): Announced => ({
      seconds,
      node: 'b',
      reportedState,
      goalState,
    });
    const steps = waterfall(
      [
        of(4, 'secondary', 'report_lsn'),
        of(6, 'report_lsn', 'report_lsn'),
        of(7, 'report_lsn', 'prepare_promotion'),
        of(8, 'prepare_promotion', 'stop_replication'),
        of(13, 'stop_replication', 'wait_primary'),
        of(13.2, 'wait_primary', 'wait_primary'),
      ],
      'b',
    );
    expect(bounds(steps).slice(0, 2)).toEqual([
      [0, 4],
      [4, 8],
    ]);
  });

  it('names the longest step, also one that no setting decides, as of a handover', () => {
    const handover = waterfall(
      [
        ['secondary', 'prepare_promotion', 0.1],
        ['prepare_promotion', 'stop_replication', 2.4],
        ['stop_replication', 'wait_primary', 2.6],
        ['wait_primary', 'wait_primary', 3.1],
      ].map(([reportedState, goalState, seconds]) => ({
        node: 'b',
        reportedState: String(reportedState),
        goalState: String(goalState),
        seconds: Number(seconds),
      })),
      'b',
    );
    expect(costliest(handover)).toMatchObject({ name: expect.stringMatching(/^election/), setting: null });
  });

  it('lays no time to a setting that did not run: of a monitor that was told, or an old primary that answered', () => {
    const settingsOf = (fault: FaultName) =>
      waterfall(recorded, 'pgaf-replica', { fault }).map(({ setting }) => setting !== null);
    for (const fault of ['switchover', 'kill-postgres', 'disk-full'] as const)
      expect(settingsOf(fault), fault).toEqual([false, false, false, false, false]);
    expect(settingsOf('reboot')).toEqual([true, false, false, false, false]);
    expect(settingsOf('network-cut')).toEqual([true, false, false, true, false]);
  });

  it('lays the time of steps whose end was not announced to no setting', () => {
    const [first] = waterfall(recorded.slice(-3), 'pgaf-replica');
    expect(first).toMatchObject({ from: 0, to: 9.847, setting: null, isMixed: true });
  });

  it('is empty where nobody was promoted', () => {
    expect(waterfall(recorded, undefined)).toEqual([]);
    expect(waterfall([], 'pgaf-replica')).toEqual([]);
    expect(costliest([])).toBeUndefined();
  });

  it('has no gap and no overlap, whatever was missed', () => {
    fc.assert(
      fc.property(
        fc.subarray(recorded),
        fc.option(fc.double({ min: 0, max: 20, noNaN: true })),
        (heard, client) => {
          const steps = waterfall(heard, 'pgaf-replica', { clientRtoSeconds: client ?? undefined });
          for (const [index, { from, to }] of steps.entries()) {
            expect(from).toBe(index === 0 ? 0 : steps[index - 1]?.to);
            expect(to).toBeGreaterThanOrEqual(from);
          }
        },
      ),
    );
  });
});
