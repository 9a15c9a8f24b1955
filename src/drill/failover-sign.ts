import { isPromoted } from '../monitor/nodes.ts';

/** What the monitor announced of a node, as far as it matters here. */
interface Announced {
  node: string;
  reportedState: string;
  goalState: string;
}

/** Goals that the monitor gives in a failover and at no other time (pg_auto_failover's group_state_machine.c). */
const goals: readonly string[] = [
  'draining',
  'demote_timeout',
  'demoted',
  'report_lsn',
  'fast_forward',
  'prepare_promotion',
  'stop_replication',
];

/** Whether an announcement says that the primary is being, or has been, replaced. Pure. */
export function isFailoverSign(announced: Announced, primary: string): boolean {
  return goals.includes(announced.goalState) || (announced.node !== primary && isPromoted(announced));
}
