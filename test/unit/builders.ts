import type { CampaignRecord, JudgedDrill } from '../../src/campaign/campaign-record.ts';
import type { HistoryEntry } from '../../src/campaign/drill-history.ts';
import { proofOf } from '../../src/campaign/proof.ts';
import type { ObservedContainer } from '../../src/check/container-probe.ts';
import type {
  Observation,
  ObservedInstance,
  ObservedMonitor,
  ObservedNode,
} from '../../src/check/observation.ts';
import type { ObservedTrouble } from '../../src/check/trouble-probe.ts';
import { judge, type Verdict } from '../../src/check/verdict.ts';
import type { Log } from '../../src/contract/log.ts';
import type { ClientsRecord, DrillRecord } from '../../src/drill/record.ts';
import { type DrillVerdict, judgeDrill } from '../../src/drill/verdict/verdict.ts';
import type { LedgerVerdict } from '../../src/evidence/record.ts';
import { type FaultName, faultCatalogue } from '../../src/faults/catalogue.ts';
import { loadFormation, parseFormation } from '../../src/formation/file/load.ts';
import { type Formation, type Member, membersOf, sslMode } from '../../src/formation/formation.ts';
import { monitorUri } from '../../src/member/keeper-config.ts';
import { monitorHba, nodeHba } from '../../src/member/pg-hba.ts';
import { dataNodeSettings, monitorSettings } from '../../src/member/settings.ts';
import { authorityFile, serverPem } from '../../src/member/tls.ts';
import { unitText } from '../../src/member/unit.ts';
import type { MonitorNode } from '../../src/monitor/nodes.ts';
import type { HbaRule } from '../../src/postgres/hba-rules.ts';

/** What stands when no formation is given: pgaf-monitor, pgaf-primary, pgaf-replica, in a lab. */
export const builtInFormation = (): Formation => loadFormation('', '/nowhere');

export const formationOf = (yaml: string): Formation => parseFormation(yaml, 'f.yaml');

/** What should come of a fault; of the loss of a host, of one that has the primary alone. */
export function expectedOf(fault: FaultName): DrillRecord['expected'] {
  const { expected } = faultCatalogue[fault];
  return expected === 'by-placement' ? 'failover' : expected;
}

export function monitorNode(given: Partial<MonitorNode> = {}): MonitorNode {
  const state = given.goalState ?? 'primary';
  return {
    nodeId: 1,
    name: 'pgaf-primary',
    host: `${given.name ?? 'pgaf-primary'}.incus`,
    port: 5432,
    reportedState: state,
    goalState: state,
    health: 1,
    postgresRuns: true,
    candidatePriority: 50,
    replicationQuorum: true,
    reportedTimeline: 1,
    reportedLsn: '0/5000148',
    reportedReplicationState: state === 'primary' ? '' : 'quorum',
    secondsSinceReport: 0.4,
    secondsSinceHealthCheck: 0.3,
    secondsSinceStateChange: 120.5,
    ...given,
  };
}

export function hbaRule(given: Partial<HbaRule> = {}): HbaRule {
  return {
    type: 'hostssl',
    databases: ['veza'],
    users: ['veza'],
    address: '10.0.0.0',
    netmask: '255.0.0.0',
    method: 'scram-sha-256',
    error: null,
    ...given,
  };
}

function dataNode(formation: Formation, primary: boolean): ObservedNode {
  const [monitor, ...nodes] = membersOf(formation);
  return {
    serverVersion: 160_004,
    secondsSinceStart: 3600,
    inRecovery: !primary,
    checkpointByte: 0x3000060,
    readOnly: false,
    placeholders: [],
    sessionDefaults: [],
    timeline: 1,
    synchronousStandbyNames: primary ? 'ANY 1 (pgautofailover_standby_2)' : '',
    standbys: (primary ? nodes.slice(1) : []).map((_, index) => ({
      applicationName: `pgautofailover_standby_${index + 2}`,
      state: 'streaming',
      syncState: 'quorum',
      lagBytes: 0,
      replayLagBytes: 0,
      replayLagSeconds: undefined,
    })),
    walReceiver: primary ? '' : 'streaming',
    replayPaused: false,
    waitingCommits: { count: 0, longestSeconds: 0 },
    slots: [{ name: 'pgautofailover_standby_2', active: primary, retainedBytes: 0, walStatus: 'reserved' }],
    walBytes: 32 * 1024 * 1024,
    maxWalBytes: 1024 ** 3,
    archiver: { enabled: false, failing: false },
    settings: {
      archive_mode: 'off',
      fsync: 'on',
      full_page_writes: 'on',
      recovery_min_apply_delay: '0',
      ssl_ca_file: authorityFile(formation),
      synchronous_commit: 'on',
      wal_receiver_status_interval: '1s',
      wal_retrieve_retry_interval: '5s',
      wal_sender_timeout: '16s',
    },
    alteredSettings: dataNodeSettings(formation),
    pendingRestart: [],
    filedSettings: {},
    commitOverrides: [],
    roles: ['veza'],
    access: { roles: [], databases: [], settings: [], missingLibraries: [] },
    databases: ['veza'],
    hbaRules: [
      hbaRule(),
      hbaRule({
        databases: ['postgres'],
        users: ['pgautofailover_monitor'],
        address: monitor.host,
        netmask: null,
        method: 'trust',
      }),
    ],
    hbaText: nodeHba(
      formation,
      monitor.host,
      nodes.map(({ host }) => host),
    ),
  };
}

/** As pg_autoctl writes it. */
function tlsSection(formation: Formation): string {
  return `[ssl]\nsslmode = ${sslMode(formation)}\nca_file = ${authorityFile(formation)}\ncert_file = ${serverPem}\nkey_file = ${serverPem}\n`;
}

function container(formation: Formation, member: Member): ObservedContainer {
  const members = membersOf(formation);
  const addressOf = (host: string) => `10.77.7.${members.findIndex((each) => each.host === host) + 10}`;
  return {
    service: {
      active: 'active',
      enabled: 'enabled',
      unit: unitText(member, formation.postgres.version),
      restarts: 0,
    },
    openFiles: { limit: 65_536, possible: 1_048_576 },
    disk: { sizeBytes: 100e9, availableBytes: 80e9, inodes: 1_000_000, inodesAvailable: 900_000 },
    certificate: {
      subject: `CN=${member.name}`,
      notAfter: '2026-01-01T00:00:00.000Z',
      secondsLeft: 360 * 86_400,
      selfSigned: true,
    },
    keeperConfig:
      member.role === 'monitor'
        ? `[pg_autoctl]\nrole = monitor\n${tlsSection(formation)}`
        : `[pg_autoctl]\nmonitor = ${monitorUri(formation, members[0], '')}\n${tlsSection(formation)}[timeout]\nnetwork_partition_timeout = ${formation.timings.networkPartitionTimeoutSeconds}\n`,
    standbyMemory: member.role === 'monitor' ? 'unknown' : 'yes',
    ...(member.role === 'data' && { monitorRoundTripMs: 0.2 }),
    packages: { [`postgresql-${formation.postgres.version}`]: '16.4-1', 'pg-auto-failover-cli': '2.2-1' },
    addresses: [addressOf(member.host)],
    names: Object.fromEntries(
      members.map(({ host }) => [host, { addresses: [addressOf(host)], reverse: [host] }]),
    ),
    clock: { aheadSeconds: 0.01, uncertainSeconds: 0.05 },
  };
}

/** A formation in perfect health; its first node is the primary. */
export function healthyObservation(formation: Formation = builtInFormation()): Observation {
  const names = formation.nodes.map((node) => node.name);
  const members = membersOf(formation);
  return {
    observedAt: '2025-01-01T00:00:00.000Z',
    instances: Object.fromEntries(members.map(({ name }) => [name, observedInstance()])),
    containers: Object.fromEntries(
      members.map((member) => [member.name, { ok: true, value: container(formation, member) }]),
    ),
    monitor: {
      ok: true,
      value: {
        serverVersion: 160_004,
        extensionVersion: '2.2',
        availableExtensionVersion: '2.2',
        numberSyncStandbys: names.length <= 2 ? 0 : formation.replication.syncStandbys,
        clocks: Object.fromEntries(
          Object.entries(monitorSettings(formation.timings)).map(([name, value]) => [
            name.replace('pgautofailover.', ''),
            Number.parseInt(value, 10),
          ]),
        ),
        formations: [formation.name],
        hbaText: monitorHba(
          membersOf(formation)
            .slice(1)
            .map(({ host }) => host),
        ),
        sslCaFile: authorityFile(formation),
        placeholders: [],
        sessionDefaults: [],
        missingLibraries: [],
        formationUri: 'postgres://pgaf-primary.incus:5432,pgaf-replica.incus:5432/veza',
        nodes: names.map((name, index) =>
          monitorNode({ nodeId: index + 1, name, goalState: index === 0 ? 'primary' : 'secondary' }),
        ),
      },
    },
    nodes: Object.fromEntries(
      names.map((name, index) => [name, { ok: true, value: dataNode(formation, index === 0) }]),
    ),
    troubles: {},
    lineages: {},
    dryStarts: {},
    logins: {},
  };
}

/** What a container says of a Postgres that does not answer or a keeper that is silent. */
export function trouble(
  postgres: Partial<ObservedTrouble['postgres']> = {},
  keeper: Partial<ObservedTrouble['keeper']> = {},
): ObservedTrouble {
  return {
    postgres: {
      runs: false,
      lastWords: undefined,
      startup: undefined,
      unread: undefined,
      altered: {},
      ...postgres,
    },
    keeper: { state: 'S', copies: false, quietSeconds: 32, lastError: undefined, ...keeper },
  };
}

export function observedInstance(given: Partial<ObservedInstance> = {}): ObservedInstance {
  return {
    status: 'Running',
    drillMark: undefined,
    environment: undefined,
    limits: { cpu: undefined, memory: undefined, disk: undefined },
    ...given,
  };
}

/** What was read of a container, to be changed by a test. */
export function observedContainer(observation: Observation, name: string): ObservedContainer {
  const read = observation.containers[name];
  if (!read?.ok) throw new Error(`the test's observation holds no readable container ${name}`);
  return read.value;
}

/** What was read of a data node, to be changed by a test. */
export function nodeOf(observation: Observation, name: string): ObservedNode {
  const read = observation.nodes[name];
  if (!read?.ok) throw new Error(`the test's observation holds no readable ${name}`);
  return read.value;
}

export function monitorOf(observation: Observation): ObservedMonitor {
  if (!observation.monitor.ok) throw new Error("the test's observation holds no readable monitor");
  return observation.monitor.value;
}

/** A node's row on the monitor, to be changed by a test. */
export function rowOf(observation: Observation, name: string): MonitorNode {
  const row = monitorOf(observation).nodes.find((node) => node.name === name);
  if (!row) throw new Error(`the test's monitor does not know ${name}`);
  return row;
}

export const healthyVerdict = (): Verdict => judge(healthyObservation(), builtInFormation());

/** The verdict on a formation whose standby is still catching up. */
export function unhealthyVerdict(): Verdict {
  const observation = healthyObservation();
  Object.assign(rowOf(observation, 'pgaf-replica'), {
    reportedState: 'catchingup',
    secondsSinceStateChange: 3,
  });
  return judge(observation, builtInFormation());
}

/** A drill that went well: promoted after 9.8 s, healthy again 4.25 s after the undo. */
export function passingDrill(given: Partial<DrillRecord> = {}): DrillRecord {
  return {
    id: '0123456789ab',
    formation: 'default',
    fault: 'stop',
    expected: 'failover',
    startedAt: '2025-01-01T00:00:00.000Z',
    rtoTargetSeconds: 60,
    promotionDeadlineSeconds: 180,
    rejoinDeadlineSeconds: 180,
    watchSeconds: 0,
    holdBackSeconds: 0,
    versions: { postgres: 160_004, autoFailover: '2.2' },
    clients: undefined,
    clientsMissing: undefined,
    clientsFailed: undefined,
    handedBack: undefined,
    handBackFailed: undefined,
    disturbed: undefined,
    impossible: undefined,
    serving: undefined,
    primary: 'pgaf-primary',
    baseline: healthyVerdict(),
    target: 'pgaf-primary',
    faultAt: '2025-01-01T00:00:01.000Z',
    injectedSeconds: 0.712,
    proof: 'Incus shows the container as Stopped',
    proofAtUndo: 'Incus shows the container as Stopped',
    promotion: {
      node: 'pgaf-replica',
      seconds: 9.8,
      at: '2025-01-01T00:00:10.800Z',
      heardBy: 'notification',
    },
    undoSeconds: 9.85,
    settledSeconds: 14.1,
    final: { ...healthyVerdict(), primary: 'pgaf-replica', standbys: ['pgaf-primary'] },
    announcements: [
      { seconds: -3, node: 'pgaf-primary', reportedState: 'primary', goalState: 'primary', health: 1 },
      { seconds: 4.2, node: 'pgaf-primary', reportedState: 'primary', goalState: 'draining', health: 0 },
      {
        seconds: 9.8,
        node: 'pgaf-replica',
        reportedState: 'wait_primary',
        goalState: 'wait_primary',
        health: 1,
      },
    ],
    interrupted: undefined,
    undoFailed: undefined,
    tookSeconds: 15.6,
    ...given,
  };
}

/** A log that keeps its lines. */
export function keptLog(): Log & { lines: string[] } {
  const lines: string[] = [];
  return {
    lines,
    info: (line) => lines.push(`info ${line}`),
    warn: (line) => lines.push(`warn ${line}`),
    debug: (line) => lines.push(`debug ${line}`),
  };
}

interface ClientTimes {
  /** The last write that the old primary acknowledged, the new one's first, and the last of the drill; seconds. */
  lastBefore: number;
  firstAfter: number;
  until: number;
  oldPrimary?: string;
  /** Null where nobody was promoted: the old primary then acknowledges the later ones too. */
  newPrimary?: string | null;
}

/** What 4 sessions of 20 writes a second each saw of a fault that let no write through for a while. */
export function clientsRecord(
  { lastBefore, firstAfter, until, oldPrimary = 'pgaf-primary', newPrimary = 'pgaf-replica' }: ClientTimes,
  given: Partial<LedgerVerdict> = {},
): ClientsRecord {
  const moments = (from: number, to: number, every: number) =>
    Array.from(
      { length: Math.max(0, Math.floor((to - from) / every) + 1) },
      (_, index) => Math.round((from + index * every) * 100) / 100,
    );
  const before = moments(lastBefore - 4, lastBefore, 0.0125);
  const after = moments(firstAfter, until, 0.0125);
  const faultAt = 100_000;
  const lastSeq = before.length + after.length;
  return {
    via: 'vantage',
    vantage: 'pgaf-monitor',
    addedMs: 0.412,
    sessions: 4,
    writesPerSecond: 20,
    leastWritesAtRisk: 100,
    journal: 'failover-drill-default-0123456789ab.journal.ndjson',
    scene: { faultAt, oldPrimary, newPrimary: newPrimary ?? undefined },
    reads: [
      {
        node: newPrimary ?? oldPrimary,
        startedAt: faultAt + until * 1000 + 40,
        endedAt: faultAt + until * 1000 + 58,
        inRecovery: false,
        rows: { 'app1.1': [[1, lastSeq]] },
      },
    ],
    ledger: {
      acknowledgedWrites: lastSeq,
      failedWrites: 1,
      unknownWrites: 4,
      writesAtRisk: newPrimary === null ? before.filter((at) => at < 0).length : before.length,
      writesInFlight: 4,
      unknownPresent: 1,
      lost: { count: 0, rows: {} },
      phantoms: { count: 0, rows: {} },
      vanished: { count: 0, rows: {} },
      overlap: { count: 0, rows: {} },
      unverifiedWrites: 0,
      lateBySeconds: 0.007,
      inconclusive: [],
      clientRtoSeconds: newPrimary === null ? undefined : firstAfter,
      writeOutageSeconds:
        newPrimary === null ? undefined : Math.round((firstAfter - lastBefore) * 1000) / 1000,
      longestPauseSeconds: Math.round((firstAfter - lastBefore) * 1000) / 1000,
      dualPrimarySeconds: newPrimary === null ? undefined : 0,
      overlapSeconds: newPrimary === null ? undefined : 0,
      lastAcknowledgedSeconds: lastBefore,
      lastTakenSeconds: lastBefore,
      refusedSeconds: undefined,
      refusedBecause: undefined,
      staleReads: 0,
      lastStaleReadSeconds: undefined,
      refusals: [
        { node: oldPrimary, why: 'the connection could not be made: timeout', seconds: firstAfter - 0.2 },
      ],
      ...given,
    },
    writeAtEnd: true,
    unread: [],
    activity: [
      {
        node: oldPrimary,
        acknowledged: newPrimary === null ? [...before, ...after] : before,
        unknown: [2.01],
        failed: [],
      },
      ...(newPrimary === null
        ? []
        : [{ node: newPrimary, acknowledged: after, unknown: [], failed: [firstAfter - 0.4] }]),
    ],
  };
}

/** The passing drill as the clients saw it too: no write acknowledged for 9.9 s, the first one 9.88 s after the fault. */
export const watchedDrill = (given: Partial<DrillRecord> = {}): DrillRecord =>
  passingDrill({ clients: clientsRecord({ lastBefore: -0.02, firstAfter: 9.88, until: 15.4 }), ...given });

/** A drill with its verdict, or with what a test says of it. */
export const judgedDrill = (record: DrillRecord, given: Partial<DrillVerdict> = {}): JudgedDrill => ({
  record,
  verdict: { ...judgeDrill(record), ...given },
});

/** What a history keeps of a drill. */
export const historyEntry = ({ record, verdict }: JudgedDrill): HistoryEntry => ({
  fingerprint: `0123456789abcdef ${record.fault}`,
  drill: record.id,
  at: record.startedAt,
  formation: record.formation,
  fault: record.fault,
  outcome: verdict.outcome,
  failover: record.expected === 'failover',
  longestPauseSeconds: null,
  rtoAtMostSeconds: null,
  unpromotedSeconds: null,
  rtoSeconds: verdict.rtoSeconds ?? null,
  clientRtoSeconds: verdict.clientRtoSeconds ?? null,
  writeOutageSeconds: verdict.writeOutageSeconds ?? null,
  rejoinSeconds: verdict.rejoinSeconds ?? null,
  acknowledgedWrites: verdict.acknowledgedWrites ?? null,
  writesAtRisk: verdict.writesAtRisk ?? null,
  lostWrites: verdict.lostWrites ?? null,
  dualPrimarySeconds: record.clients?.ledger.overlapSeconds ?? null,
  wrong: false,
});

/** The campaign of those drills, by default one that went well; several prove something together. */
export function campaignOf(
  drills: JudgedDrill[] = [judgedDrill(watchedDrill())],
  given: Partial<CampaignRecord> = {},
): CampaignRecord {
  const entries = drills.map(historyEntry);
  return {
    formation: 'default',
    rounds: drills.length,
    seed: drills.length > 1 ? 7 : undefined,
    selfTest: false,
    drills,
    proofs: [...new Set(entries.map(({ fault }) => fault))].map((fault) =>
      proofOf(
        entries.filter((entry) => entry.fault === fault),
        [],
        { targetSeconds: 60 },
      ),
    ),
    endedEarly: undefined,
    trouble: [],
    ...given,
  };
}
