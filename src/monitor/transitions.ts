import type { MonitorNode } from './nodes.ts';

/**
 * The orders that a keeper can follow: from each state that it reports, the goals it knows a way to
 * (fsm.c, KeeperFSM; the same in 2.0 and 2.2 unless noted; the lab holds it against `pg_autoctl do fsm gv`;
 * `orders-that-keepers-follow` of formation/releases.ts).
 * A monitor may ask for another one all the same, and keeps asking: the keeper then says "pg_autoctl does not know
 * how to reach state …" once a second, and once restarted leaves its Postgres down (#774, #1025; seen in the lab).
 */
export const transitions: Readonly<Record<string, readonly string[]>> = {
  init: ['single', 'wait_standby', 'report_lsn'],
  dropped: ['single', 'wait_standby', 'report_lsn'],
  single: ['wait_primary'],
  wait_primary: ['single', 'primary', 'join_primary', 'apply_settings', 'demoted'],
  join_primary: ['single', 'primary', 'wait_primary', 'draining', 'demoted', 'demote_timeout'],
  primary: [
    'single',
    'wait_primary',
    'join_primary',
    'apply_settings',
    'draining',
    'demoted',
    'demote_timeout',
    'prepare_maintenance',
    'maintenance',
  ],
  apply_settings: [
    'single',
    'primary',
    'wait_primary',
    'join_primary',
    'draining',
    'demoted',
    'demote_timeout',
  ],
  draining: ['single', 'demote_timeout', 'demoted', 'report_lsn'],
  demote_timeout: ['single', 'primary', 'demoted'],
  demoted: ['single', 'catchingup', 'report_lsn'],
  wait_standby: ['catchingup'],
  catchingup: ['single', 'secondary', 'prepare_promotion', 'wait_maintenance', 'maintenance', 'report_lsn'],
  secondary: [
    'single',
    'catchingup',
    'prepare_promotion',
    'wait_standby',
    'wait_maintenance',
    'maintenance',
    'report_lsn',
  ],
  report_lsn: ['single', 'secondary', 'prepare_promotion', 'fast_forward', 'join_secondary'],
  fast_forward: ['prepare_promotion'],
  join_secondary: ['secondary'],
  prepare_promotion: ['single', 'stop_replication', 'wait_primary'],
  stop_replication: ['single', 'wait_primary'],
  wait_maintenance: ['maintenance'],
  prepare_maintenance: ['maintenance', 'catchingup', 'report_lsn'],
  maintenance: ['catchingup', 'report_lsn'],
};

/** Whether a node's keeper knows a way from the state that it reports to its goal; unknown states have one. */
export function canFollow({
  reportedState,
  goalState,
}: Pick<MonitorNode, 'reportedState' | 'goalState'>): boolean {
  return (
    reportedState === goalState ||
    goalState === 'dropped' ||
    (transitions[reportedState]?.includes(goalState) ?? true)
  );
}
