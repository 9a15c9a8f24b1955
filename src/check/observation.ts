import type { UriEnd } from '../application/by-uri.ts';
import type { Via } from '../application/route.ts';
import type { MonitorNode } from '../monitor/nodes.ts';
import type { HbaRule } from '../postgres/hba-rules.ts';
import type { AccessFacts } from '../postgres/obstacles.ts';
import type { MissingLibraries } from '../postgres/preloads.ts';
import type { SessionDefault } from '../postgres/session-defaults.ts';
import type { ObservedContainer } from './container-probe.ts';
import type { ObservedTrouble } from './trouble-probe.ts';

/**
 * Everything that the checks judge, read at one time, as plain data: a recorded observation can be judged
 * again. `failed` says why a part could not be read; one unreachable node never hides what the others say.
 */
export interface Observation {
  /** Wall-clock stamp of the reading, for people. */
  observedAt: string;
  /** By name: every container of the formation's file. */
  instances: Record<string, ObservedInstance>;
  /** By name: the members of the Incus cluster; undefined where it is none, and in older records. */
  hosts?: Read<Record<string, ObservedHost>> | undefined;
  /**
   * The cluster's healing_threshold in seconds, 0 where it heals nothing; its value is undefined where this user may not read
   * it. Undefined where Incus is no cluster, and in older records.
   */
  healing?: Read<number | undefined> | undefined;
  /** What persons keep drills from beginning with; undefined in older records. */
  holds?: Read<ObservedHold[]> | undefined;
  /** By name: what the containers themselves say, that of the monitor among them. */
  containers: Record<string, Read<ObservedContainer>>;
  monitor: Read<ObservedMonitor>;
  /** By name: the data nodes of the formation's file. */
  nodes: Record<string, Read<ObservedNode>>;
  /** By name: of the members whose Postgres does not answer or whose keeper is silent, what they say of it. */
  troubles: Record<string, Read<ObservedTrouble>>;
  /** By name, of the standbys that give reason to ask: whether their data is of the primary's history. */
  lineages: Record<string, Read<ObservedLineage>>;
  /**
   * By name, of the nodes that have settings waiting for a restart: why Postgres would not start with them, undefined
   * where nothing speaks against it.
   */
  dryStarts: Record<string, Read<string | undefined>>;
  /** By name: whether the application could log in with its password; empty where no password was given. */
  logins: Record<string, Read<ObservedLogin>>;
  /** Where the application's own connection string leads; undefined where none was given, or no password, and in older records. */
  uri?: ObservedUri;
}

export type Read<T> = { ok: true; value: T } | { ok: false; failed: string };

export interface ObservedLineage {
  /** Where the standby's last checkpoint is, such as `0/3422838`. */
  checkpoint: string;
  /** The only node that is not in recovery, whose WAL was looked at. */
  primary: string;
  /** Whether that has a checkpoint there. */
  isOfPrimary: boolean;
}

/** A person's hold on drills: see holdKey. */
export interface ObservedHold {
  on: 'project' | 'monitor';
  name: string;
  reason: string;
}

export interface ObservedHost {
  /** Incus' word: `Online`, `Offline`, `Evacuated`, `Blocked`. */
  status: string;
  message: string;
  /** Undefined in older records. */
  groups?: readonly string[];
}

export interface ObservedInstance {
  /** Incus' status, `missing`, or `Unknown` where its host cannot be asked. */
  status: string;
  /** Why nothing of it is known, such as `its host m2 does not answer`. */
  unheard?: string | undefined;
  /** The mark that a drill leaves on a container while its fault is in force. */
  drillMark: string | undefined;
  /** Its own `limits.cpu`, `limits.memory` and root disk's size, as Incus has them; those of profiles left out. */
  limits: { cpu: string | undefined; memory: string | undefined; disk: string | undefined };
  /** The member of the cluster that it is on; undefined where Incus is no cluster. */
  location?: string | undefined;
  /** Its `cluster.evacuate`, or that of a profile; undefined where neither sets it. */
  evacuation?: string | undefined;
  /** What provisioning noted on it of its formation's environment; undefined where it noted nothing. */
  environment: string | undefined;
}

export interface ObservedMonitor {
  serverVersion: number;
  /** Of pgautofailover: what runs, and what the installed package brings. */
  extensionVersion: string;
  availableExtensionVersion: string;
  numberSyncStandbys: number;
  /** The monitor's clocks: `pgautofailover.…` without its prefix, in milliseconds or as a number. */
  clocks: Record<string, number>;
  /** Names of every formation that this monitor knows. */
  formations: string[];
  /** What `pg_autoctl show uri` gives clients. */
  formationUri: string;
  /** What sessions of pg_auto_failover's own have by default. */
  sessionDefaults: SessionDefault[];
  /** Libraries that its sessions are to load, and that are not there. */
  missingLibraries: MissingLibraries[];
  /** Its pg_hba.conf. */
  hbaText: string;
  /** ssl_ca_file, as in force; '' for none. */
  sslCaFile: string;
  /** Of pg_auto_failover's accounts, those whose password is the placeholder; not looked for in a lab. */
  placeholders: string[];
  nodes: MonitorNode[];
}

export interface ObservedNode {
  serverVersion: number;
  /** Since its Postgres started, by that node's own clock. */
  secondsSinceStart: number;
  inRecovery: boolean;
  /** Where its last checkpoint, or restart point, is: a byte of the WAL. */
  checkpointByte: number;
  /** default_transaction_read_only: `on` while pg_auto_failover still fences a promoted standby. */
  readOnly: boolean;
  timeline: number;
  synchronousStandbyNames: string;
  /** pg_stat_replication on this node: the standbys that stream from it. */
  standbys: ObservedStandby[];
  /** pg_stat_wal_receiver's status, or empty when there is no receiver. */
  walReceiver: string;
  replayPaused: boolean;
  /** Sessions whose commit waits for a standby, and for how long the longest has waited. */
  waitingCommits: { count: number; longestSeconds: number };
  slots: ObservedSlot[];
  /** Size of pg_wal; and of what wal_keep_size and max_wal_size may keep there anyway. */
  walBytes: number;
  maxWalBytes: number;
  /** Whether WAL is archived, and whether the last attempt failed. */
  archiver: { enabled: boolean; failing: boolean };
  /** What bears on durability and fencing, as in force: by name. */
  settings: Record<string, string>;
  /** What ALTER SYSTEM has written, by name, and which of all settings wait for a restart. */
  alteredSettings: Record<string, string>;
  pendingRestart: string[];
  /**
   * Of the settings that take a restart, what the node's files say, by name: equal where two nodes of one observation have
   * the same, and of no use otherwise, since a value may be secret.
   */
  filedSettings: Record<string, string>;
  /** `ALTER ROLE … SET`, `ALTER DATABASE … SET` of synchronous_commit: `veza: off`. */
  commitOverrides: string[];
  /** What sessions of its keeper have by default. */
  sessionDefaults: SessionDefault[];
  /** Of the formation's users, those that may log in; of its databases, those that exist. */
  roles: string[];
  /** What bears on whether its users may log in and write. */
  access: AccessFacts;
  /** Of its users and pg_auto_failover's accounts, those whose password is the placeholder; not looked for in a lab. */
  placeholders: string[];
  databases: string[];
  /** pg_hba.conf, in its order. */
  hbaRules: HbaRule[];
  /** Its text, to be held against the one that it should be. */
  hbaText: string;
}

export interface ObservedStandby {
  applicationName: string;
  state: string;
  syncState: string;
  /** WAL that it has still to flush, and to replay. */
  lagBytes: number;
  replayLagBytes: number;
  /** pg_stat_replication.replay_lag: by the primary's clock; undefined while nothing is to be told. */
  replayLagSeconds: number | undefined;
}

export interface ObservedSlot {
  name: string;
  active: boolean;
  /** WAL that it keeps from being removed. */
  retainedBytes: number;
  /** `reserved`, `extended`, `unreserved`, `lost`, or '' for a slot that was never used. */
  walStatus: string;
}

/** Where a connection string leads. */
export interface ObservedUri {
  /** The system identifier of the formation's own cluster. */
  own: Read<string>;
  /** The server at the end of each of its hosts, in their order. */
  ends: Read<UriEnd>[];
}

/** A session of the application's, through its own way in. */
export interface ObservedLogin {
  user: string;
  database: string;
  /** `direct` from this machine, `vantage` from the monitor's container. */
  via: Via;
}
