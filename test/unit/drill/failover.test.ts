import { expect, it } from 'vitest';
import { isFailoverSign } from '../../../src/drill/verdict/failover.ts';

const says = (node: string, reportedState: string, goalState = reportedState) =>
  isFailoverSign({ node, reportedState, goalState }, 'a');

it.each([
  ['a', 'primary', 'draining'],
  ['a', 'demote_timeout', 'demote_timeout'],
  ['a', 'primary', 'demoted'],
  ['b', 'secondary', 'prepare_promotion'],
  ['b', 'secondary', 'report_lsn'],
  ['b', 'prepare_promotion', 'stop_replication'],
  ['b', 'wait_primary', 'wait_primary'],
  ['b', 'primary', 'primary'],
])('%s: %s → %s tells of a failover', (node, reported, goal) => {
  expect(says(node, reported, goal)).toBe(true);
});

it.each([
  ['a', 'primary', 'primary'],
  ['a', 'primary', 'wait_primary'],
  ['a', 'wait_primary', 'wait_primary'],
  ['a', 'wait_primary', 'primary'],
  ['b', 'secondary', 'catchingup'],
  ['b', 'catchingup', 'secondary'],
  ['b', 'secondary', 'secondary'],
  ['b', 'secondary', 'maintenance'],
])('%s: %s → %s does not', (node, reported, goal) => {
  expect(says(node, reported, goal)).toBe(false);
});
