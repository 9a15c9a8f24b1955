import type { Via } from '../application/route.ts';
import type { Verdict } from '../check/verdict.ts';
import type { Activity } from '../evidence/activity.ts';
import type { LedgerRead, LedgerVerdict } from '../evidence/ledger.ts';
import type { Scene } from '../evidence/times.ts';
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
  /** For how long the fault was held back once all was ready, so that it falls anywhere among the health checks. */
  holdBackSeconds: number;
  /** What ran: server_version_num of the primary, and the version of the monitor's extension. */
  versions: { postgres: number; autoFailover: string } | undefined;
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
  /** What the application's clients saw; undefined where none were watched to the end. */
  clients: ClientsRecord | undefined;
  /** Why there are no clients' figures. */
  clientsMissing: string | undefined;
  /** Why clients who were watched have no figures: what was seen could not be judged. */
  clientsFailed: string | undefined;
  /** When the role was back at the node that had it before, where it was handed back; and why that was done. */
  handedBack: { seconds: number; because: string } | undefined;
  /** What kept the role from being handed back. */
  handBackFailed: string | undefined;
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

/** What was kept of the application's clients: their journal lies beside the report, and is judged again by it. */
export interface ClientsRecord {
  /** Where they connected from, and what that adds to each round trip. */
  via: Via;
  /** The container, where it was one. */
  vantage: string | undefined;
  addedMs: number;
  sessions: number;
  /** Of each session, at most. */
  writesPerSecond: number;
  /** The journal's file, in the report's folder. */
  journal: string;
  /** Who was who, on the journal's clock. */
  scene: Scene;
  /** The rows that stood on the primary after the fault, as often as they were read. */
  reads: LedgerRead[];
  ledger: LedgerVerdict;
  /** Whether they wrote on the primary when all was over. */
  writeAtEnd: boolean;
  /** Reasons why a read is missing. */
  unread: string[];
  activity: Activity[];
}
