import { describe, expect, it } from 'vitest';
import {
  describeNodes,
  isConverged,
  isPromoted,
  isSettled,
  isSucceeded,
  servingPrimary,
  settledPrimary,
} from '../../../src/monitor/nodes.ts';
import { monitorNode } from '../builders.ts';

const states = (reportedState: string, goalState: string) => ({ reportedState, goalState });
const primary = monitorNode();
const replica = monitorNode({ nodeId: 2, name: 'pgaf-replica', goalState: 'secondary' });
const third = monitorNode({ nodeId: 3, name: 'pgaf-third', goalState: 'secondary' });

describe('a standby is promoted', () => {
  it.each(['wait_primary', 'primary'])('when it reports %s and is meant to be that', (state) => {
    expect(isPromoted(states(state, state))).toBe(true);
  });

  it.each([
    ['a goal of wait_primary alone is only permission', 'stop_replication', 'wait_primary'],
    ['a goal of primary alone is only permission', 'wait_primary', 'primary'],
    ['a report alone may be of yesterday', 'wait_primary', 'demote_timeout'],
    ['an old primary that drains is none', 'primary', 'draining'],
    ['Postgres is promoted but read-only still in stop_replication', 'stop_replication', 'stop_replication'],
    ['preparing is not being', 'prepare_promotion', 'prepare_promotion'],
    ['a single node was never promoted', 'single', 'single'],
    ['a secondary is none', 'secondary', 'secondary'],
    ['no state at all is none', '', ''],
  ])('otherwise not: %s', (_, reported, goal) => {
    expect(isPromoted(states(reported, goal))).toBe(false);
  });
});

describe('a node has converged', () => {
  it('when it reports the state that the monitor wants of it, whichever that is', () => {
    expect(isConverged(states('catchingup', 'catchingup'))).toBe(true);
    expect(isConverged(states('catchingup', 'secondary'))).toBe(false);
  });
});

describe('the settled primary', () => {
  it.each(['primary', 'wait_primary', 'single'])('is the one node that has converged on %s', (state) => {
    const node = monitorNode({ goalState: state });
    expect(settledPrimary([replica, node])).toBe(node);
  });

  it.each([
    ['in an empty formation', []],
    ['among secondaries', [replica, third]],
    ['while the old one drains', [monitorNode({ goalState: 'draining', reportedState: 'primary' }), replica]],
    [
      'while the new one is only permitted',
      [monitorNode({ goalState: 'wait_primary', reportedState: 'secondary' })],
    ],
    ['where two claim to be it', [primary, monitorNode({ nodeId: 2, name: 'pgaf-replica' })]],
    ['where one is primary and another waits to be', [primary, monitorNode({ goalState: 'wait_primary' })]],
  ])('is nobody %s', (_, nodes) => {
    expect(settledPrimary(nodes)).toBeUndefined();
  });
});

describe('the node that serves on', () => {
  it.each(['primary', 'wait_primary', 'single'])(
    'is the only one that is to, also on its way to %s',
    (goalState) => {
      const node = monitorNode({ reportedState: 'wait_primary', goalState });
      expect(servingPrimary([replica, node])).toBe(node);
    },
  );

  it.each([
    ['among secondaries', [replica, third]],
    [
      'while the new one is only permitted',
      [monitorNode({ goalState: 'wait_primary', reportedState: 'secondary' })],
    ],
    ['where it is to be demoted', [monitorNode({ goalState: 'demoted', reportedState: 'primary' }), replica]],
    [
      'where one is primary and another is to be',
      [primary, monitorNode({ goalState: 'wait_primary', reportedState: 'secondary' })],
    ],
  ])('is nobody %s', (_, nodes) => {
    expect(servingPrimary(nodes)).toBeUndefined();
  });
});

describe('a formation is settled', () => {
  it('with one primary and secondaries, all converged and healthy', () => {
    expect(isSettled([primary, replica])).toBe(true);
    expect(isSettled([replica, third, primary])).toBe(true);
  });

  it.each([
    ['without nodes', []],
    ['with one node', [monitorNode({ goalState: 'single' })]],
    ['with a primary alone', [primary]],
    ['with secondaries alone', [replica, third]],
    ['with two primaries', [primary, monitorNode({ nodeId: 2, name: 'b' })]],
    ['with a primary that waits for its standby', [monitorNode({ goalState: 'wait_primary' }), replica]],
    ['with a standby that catches up', [primary, { ...replica, reportedState: 'catchingup' }]],
    ['with a standby in maintenance', [primary, monitorNode({ nodeId: 2, goalState: 'maintenance' })]],
    ['with a node of bad health', [primary, { ...replica, health: 0 }]],
    ['with a node whose health is not known yet', [{ ...primary, health: -1 }, replica]],
    [
      'with a standby whose keeper reported that its Postgres does not run',
      [primary, { ...replica, postgresRuns: false }],
    ],
  ])('not %s', (_, nodes) => {
    expect(isSettled(nodes)).toBe(false);
  });
});

describe('nodes in words', () => {
  it('tell where each is, where it is meant to go, and its health', () => {
    const late = { ...replica, reportedState: 'catchingup', health: 0 };
    expect(describeNodes([primary, late])).toBe(
      'pgaf-primary: primary, pgaf-replica: catchingup → secondary (not healthy)',
    );
    expect(describeNodes([])).toBe('no node is registered');
  });
});

describe('a frozen node', () => {
  const wait = states('wait_primary', 'wait_primary');
  it.each([
    ['a primary that is one still', states('primary', 'primary'), states('secondary', 'secondary'), false],
    ['a standby', states('secondary', 'secondary'), states('primary', 'primary'), false],
    ['a standby that is given up', states('secondary', 'catchingup'), wait, false],
    ['a primary in whose place another writes', states('primary', 'demoted'), wait, true],
    [
      'a primary while another is promoted',
      states('primary', 'draining'),
      states('secondary', 'prepare_promotion'),
      true,
    ],
    ['a primary beside another', states('primary', 'primary'), wait, true],
  ])('%s', (_, own, other, succeeded) => {
    const nodes = [monitorNode({ name: 'one', ...own }), monitorNode({ name: 'two', ...other })];
    expect(isSucceeded('one', nodes)).toBe(succeeded);
  });

  it('that the monitor does not know is known to nobody', () => {
    expect(isSucceeded('three', [monitorNode({ name: 'one' })])).toBeUndefined();
  });
});
