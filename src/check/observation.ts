import type { MonitorNode } from '../monitor/nodes.ts';
import type { HbaRule } from '../postgres/hba.ts';

/**
 * Everything that the checks judge, read at one time, as plain data: a recorded observation can be judged
 * again. `failed` says why a part could not be read; one unreachable node never hides what the others say.
 */
export interface Observation {
  /** Wall-clock stamp of the reading, for people. */
  observedAt: string;
  /** By name: every container of the formation's file. */
  instances: Record<string, ObservedInstance>;
  monitor: Read<ObservedMonitor>;
  /** By name: the data nodes of the formation's file. */
  nodes: Record<string, Read<ObservedNode>>;
}

export type Read<T> = { ok: true; value: T } | { ok: false; failed: string };

export interface ObservedInstance {
  /** Incus' status, or `missing`. */
  status: string;
  /** The mark that a drill leaves on a container while its fault is in force. */
  drillMark: string | undefined;
}

export interface ObservedMonitor {
  extensionVersion: string;
  numberSyncStandbys: number;
  nodes: MonitorNode[];
}

export interface ObservedNode {
  serverVersion: number;
  /** Since its Postgres started, by that node's own clock. */
  secondsSinceStart: number;
  inRecovery: boolean;
  /** default_transaction_read_only: `on` while pg_auto_failover still fences a promoted standby. */
  readOnly: boolean;
  timeline: number;
  synchronousStandbyNames: string;
  /** pg_stat_replication on this node: the standbys that stream from it. */
  standbys: { applicationName: string; state: string; syncState: string; lagBytes: number }[];
  /** pg_stat_wal_receiver's status, or empty when there is no receiver. */
  walReceiver: string;
  /** Of the formation's users, those that may log in; of its databases, those that exist. */
  roles: string[];
  databases: string[];
  /** pg_hba.conf, in its order. */
  hbaRules: HbaRule[];
}
