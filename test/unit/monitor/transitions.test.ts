import { describe, expect, it } from 'vitest';
import { canFollow, transitions } from '../../../src/monitor/transitions.ts';

const order = (reportedState: string, goalState: string) => canFollow({ reportedState, goalState });

describe('an order of the monitor', () => {
  it('can be followed along every step of a failover and a rejoin', () => {
    const paths = [
      ['primary', 'draining', 'demote_timeout', 'demoted', 'catchingup', 'secondary'],
      ['secondary', 'prepare_promotion', 'stop_replication', 'wait_primary', 'primary'],
      ['secondary', 'report_lsn', 'prepare_promotion', 'stop_replication', 'wait_primary'],
      ['secondary', 'report_lsn', 'join_secondary', 'secondary'],
    ];
    for (const path of paths)
      for (const [index, goal] of path.slice(1).entries()) expect(order(path[index] ?? '', goal)).toBe(true);
  });

  it.each([
    ['demote_timeout', 'wait_primary', '#1025'],
    ['draining', 'wait_primary', '#774'],
  ])('from %s to %s cannot (%s)', (reported, goal) => {
    expect(order(reported, goal)).toBe(false);
  });

  it('can always be followed where there is nothing to do, and where the node is dropped', () => {
    for (const state of Object.keys(transitions)) {
      expect(order(state, state)).toBe(true);
      expect(order(state, 'dropped')).toBe(true);
    }
  });

  it('is not judged from a state that is not known here', () => {
    expect(order('a state of a later release', 'primary')).toBe(true);
  });

  it('leads only to states that lead on', () => {
    for (const goal of Object.values(transitions).flat()) expect(Object.keys(transitions)).toContain(goal);
  });
});
