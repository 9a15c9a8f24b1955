import type { Verdict } from '../check/verdict.ts';

/**
 * What a drill saw, as plain data: verdict, tables and pictures are pure functions of it, so that a recorded
 * drill can be judged and drawn again. Times named `…Seconds` are offsets from the fault on the drill's
 * monotonic clock; `…At` are wall-clock stamps for people.
 */
export interface DrillRecord {
  id: string;
  formation: string;
  fault: FaultName;
  startedAt: string;
  rtoTargetSeconds: number;
  /** How long the drill waits for a promotion. */
  promotionDeadlineSeconds: number;
  /** The formation before the fault; its outcome decides whether there is a fault at all. */
  baseline: Verdict | undefined;
  /** The container that the fault hits, and when it was issued (zero of every offset). */
  target: string | undefined;
  faultAt: string | undefined;
  /** When the command that injects the fault had returned. */
  injectedSeconds: number | undefined;
  /** What showed that the fault took hold; undefined when nothing did. */
  proof: string | undefined;
  /** Why the fault did not last as long as the drill meant it to. */
  disturbed: string | undefined;
  promotion: { node: string; seconds: number; at: string; heardBy: 'notification' | 'table' } | undefined;
  /** When undoing began. */
  undoSeconds: number | undefined;
  /** When the monitor had every node converged and healthy again. */
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

export const faultNames = ['stop'] as const;
export type FaultName = (typeof faultNames)[number];
