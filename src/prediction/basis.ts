import type { Timings } from '../formation/timings.ts';

/** What a prediction is made from, as a formation has it now. Plain data. */
export interface LiveSettings {
  /** The monitor's clocks: pgautofailover.* of its Postgres. */
  monitor: Omit<Timings, 'networkPartitionTimeoutSeconds' | 'walSenderTimeoutMs'>;
  /** The formation's number_sync_standbys. */
  numberSyncStandbys: number;
  /** Every data node. */
  nodes: LiveNode[];
  /** Name of the node that the faults hit; another one gives the prediction for the time after a failover. */
  primary: string;
}

export interface LiveNode {
  name: string;
  /** A node of priority 0 is never promoted. */
  candidatePriority: number;
  replicationQuorum: boolean;
  /** Its keeper's timeout.network_partition_timeout. */
  networkPartitionTimeoutSeconds: number;
  /** wal_sender_timeout of its Postgres; 0 never gives a standby up. */
  walSenderTimeoutMs: number;
  /** wal_receiver_status_interval of its Postgres; 0 answers only when asked. */
  walReceiverStatusIntervalMs: number;
  /** wal_retrieve_retry_interval of its Postgres; upstream's default is 5 s. */
  walRetrieveRetryIntervalMs: number;
  /** A round trip from it to the monitor's host and back, where that is known. */
  monitorRoundTripMs?: number | undefined;
  /** What its keeper needs besides the clocks (docs/timings.md). */
  helpers: {
    /** RES_OPTIONS=timeout:1 attempts:1 in pg_autoctl's environment. */
    quickNameLookups: boolean;
    /** keepalives_idle, tcp_user_timeout and so on in its URI of the monitor. */
    monitorKeepalives: boolean;
    /** It once saw a standby while the monitor was away: last_secondary_contact in its state file; false where not known. */
    remembersStandby: boolean;
  };
}
