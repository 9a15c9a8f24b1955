import type { Verdict } from '../check/verdict.ts';
import type { Expected, FaultName } from '../faults/catalogue.ts';

/**
 * What a drill saw, as plain data: verdict, tables and pictures are pure functions of it, so that a recorded
 * drill can be judged and drawn again. Times named `…Seconds` are offsets from the fault on the drill's
 * monotonic clock; `…At` are wall-clock stamps for people.
 */
export interface DrillRecord {
  id: string;
  formation: string;
  fault: FaultName;
  /** What should come of the fault. */
  expected: Expected;
  startedAt: string;
  rtoTargetSeconds: number;
  /** How long the drill waits for a promotion. */
  promotionDeadlineSeconds: number;
  /** For how long the drill looked out for a failover, where none is due. */
  watchSeconds: number;
  /** The formation before the fault; its outcome decides whether there is a fault at all. */
  baseline: Verdict | undefined;
  /** Who was primary before the fault. */
  primary: string | undefined;
  /** Why the fault cannot be shown on this formation: nothing was touched. */
  impossible: string | undefined;
  /** The container that the fault hits, and when it was issued (zero of every offset). */
  target: string | undefined;
  faultAt: string | undefined;
  /** When the command that injects the fault had returned. */
  injectedSeconds: number | undefined;
  /** What showed that the fault took hold; undefined when nothing did. */
  proof: string | undefined;
  /** What showed just before the undo that a lasting fault was still in force. */
  proofAtUndo: string | undefined;
  /** Why the fault did not last as long as the drill meant it to. */
  disturbed: string | undefined;
  promotion: { node: string; seconds: number; at: string; heardBy: 'notification' | 'table' } | undefined;
  /** Whether the primary took writes when it was looked at, where it should have stayed primary. */
  serving: boolean | undefined;
  /** When undoing began. */
  undoSeconds: number | undefined;
  /** When every node was converged and healthy again, as the monitor or a later check had it. */
  settledSeconds: number | undefined;
  /** The formation afterwards. */
  final: Verdict | undefined;
  /** What the monitor announced, in order; also those shortly before the fault. */
  announcements: RecordedAnnouncement[];
  /** Why the drill ended before its end. */
  interrupted: string | undefined;
  /** What went wrong while undoing the fault: the container may need a hand. */
  undoFailed: string | undefined;
  /** Whole run, seconds. */
  tookSeconds: number;
}

export interface RecordedAnnouncement {
  seconds: number;
  node: string;
  reportedState: string;
  goalState: string;
  health: number;
}
