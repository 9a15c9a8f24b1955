import { describe, expect, it } from 'vitest';
import { catalogue } from '../../../src/check/catalogue/catalogue.ts';
import { told } from '../../../src/check/check.ts';
import type { Observation, ObservedStandby } from '../../../src/check/observation.ts';
import { judge } from '../../../src/check/verdict.ts';
import {
  builtInFormation,
  containerOf,
  formationOf,
  hbaRule,
  healthyObservation,
  monitorNode,
  monitorOf,
  nodeOf,
  rowOf,
} from '../builders.ts';

type Break = (observation: Observation) => void;
/** Sets what was read otherwise. */
const on =
  <T extends object>(pick: (observation: Observation) => T, given: Partial<T>): Break =>
  (observation) => {
    Object.assign(pick(observation), given);
  };
const primary = (observation: Observation) => nodeOf(observation, 'pgaf-primary');
const replica = (observation: Observation) => nodeOf(observation, 'pgaf-replica');
const container = (observation: Observation) => containerOf(observation, 'pgaf-replica');
const replicaRow = (observation: Observation) => rowOf(observation, 'pgaf-replica');

const streaming = (given: Partial<ObservedStandby> = {}): ObservedStandby => ({
  applicationName: 'pgautofailover_standby_2',
  state: 'streaming',
  syncState: 'quorum',
  lagBytes: 0,
  replayLagBytes: 0,
  replayLagSeconds: undefined,
  ...given,
});
const days = (count: number) => count * 86_400;

/** The check that must fail, what breaks it, the subject it must name, and what evidence and remedy must say. */
const breakages: [string, string, Break, string, RegExp, RegExp][] = [
  [
    'nodes-registered',
    'a node that the monitor does not know',
    (o) => void monitorOf(o).nodes.pop(),
    'pgaf-replica',
    /does not know it/,
    /run provision-pgaf/,
  ],
  [
    'nodes-registered',
    'a node that the file does not know',
    (o) =>
      void monitorOf(o).nodes.push(monitorNode({ nodeId: 3, name: 'pgaf-stray', goalState: 'secondary' })),
    'pgaf-stray',
    /the formation file does not/,
    /drop node .*--name pgaf-stray/,
  ],
  [
    'states-converged',
    'a standby that catches up',
    on(replicaRow, { reportedState: 'catchingup', secondsSinceStateChange: 10.5 }),
    'pgaf-replica',
    /reported catchingup, goal secondary, for 10\.5 s; last report 0\.4 s ago/,
    /incus exec pgaf-replica .*journalctl/,
  ],
  [
    'states-converged',
    'a standby in maintenance',
    on(replicaRow, { reportedState: 'maintenance', goalState: 'maintenance' }),
    'pgaf-replica',
    /goal maintenance/,
    /pgaf-replica/,
  ],
  [
    'no-stuck-transition',
    'a report_lsn that does not end',
    on(replicaRow, { reportedState: 'report_lsn', goalState: 'report_lsn' }),
    'pgaf-replica',
    /report_lsn for 121 s/,
    /restart pg_autoctl/,
  ],
  [
    'no-stuck-transition',
    'an election that has too few candidates',
    (o) => {
      monitorOf(o).numberSyncStandbys = 1;
      Object.assign(replicaRow(o), { reportedState: 'report_lsn', goalState: 'report_lsn' });
      monitorOf(o).nodes.push(
        monitorNode({ nodeId: 3, name: 'pgaf-replica', goalState: 'secondary', reportedState: 'secondary' }),
        monitorNode({ nodeId: 4, name: 'pgaf-replica', goalState: 'secondary', reportedState: 'secondary' }),
      );
    },
    'pgaf-replica',
    /report_lsn/,
    /needs 2 candidates and has 1.*set formation number-sync-standbys .*--formation default 0/,
  ],
  [
    'no-stuck-transition',
    'an order that no keeper can follow',
    on(replicaRow, { reportedState: 'secondary', goalState: 'join_primary' }),
    'pgaf-replica',
    /goal join_primary for 121 s/,
    /take that order back.*psql -p 5432 -d pg_auto_failover -c "UPDATE pgautofailover\.node SET goalstate = reportedstate WHERE nodeid = 2 AND goalstate = 'join_primary'"$/,
  ],
  [
    'keepers-report',
    'a keeper that is silent',
    on(replicaRow, { secondsSinceReport: 31.5 }),
    'pgaf-replica',
    /last report is 31\.5 s old/,
    /pkill -KILL -f '\^pg_autoctl: node active'$/,
  ],
  [
    'keepers-report',
    'a keeper that the monitor does not let in',
    (o) => {
      replicaRow(o).secondsSinceReport = 31.5;
      monitorOf(o).hbaText = monitorOf(o).hbaText.replace(/^.*pgaf-replica.*$/m, '');
    },
    'pgaf-replica',
    /31\.5 s old, and pg_hba\.conf of pgaf-monitor does not let it in/,
    /run provision-pgaf/,
  ],
  [
    'matches-file',
    'a monitor that would let a node in no longer',
    (o) => {
      monitorOf(o).hbaText = monitorOf(o).hbaText.replace(/^.*pgaf-replica.*$/m, '');
    },
    'pgaf-monitor',
    /pg_hba\.conf does not let pgaf-replica\.incus in/,
    /run provision-pgaf/,
  ],
  [
    'nodes-healthy',
    'a node that health checks do not reach',
    on(replicaRow, { health: 0 }),
    'pgaf-replica',
    /bad/,
    /incus exec pgaf-monitor .*pg_isready --host pgaf-replica\.incus/,
  ],
  [
    'nodes-healthy',
    'a node whose Postgres started after the last health check',
    on(replica, { secondsSinceStart: 0.2 }),
    'pgaf-replica',
    /started 0\.2 s ago, and the monitor has not heard of it/,
    /again in a few seconds/,
  ],
  [
    'nodes-healthy',
    'a node not yet checked',
    on(replicaRow, { health: -1 }),
    'pgaf-replica',
    /not known yet/,
    /let pgaf-monitor reach pgaf-replica\.incus:5432/,
  ],
  [
    'one-writable-primary',
    'two nodes that take writes',
    on(replica, { inRecovery: false }),
    'default',
    /names pgaf-primary as primary; writes are taken by pgaf-primary and pgaf-replica/,
    /incus exec pgaf-replica .*stop pg_autoctl/,
  ],
  [
    'one-writable-primary',
    'a primary that is still fenced',
    on(primary, { readOnly: true }),
    'default',
    /names pgaf-primary as primary; writes are taken by none; pgaf-primary is set read-only/,
    /run provision-pgaf/,
  ],
  [
    'sync-standbys-possible',
    'a leftover number_sync_standbys',
    on(monitorOf, { numberSyncStandbys: 1 }),
    'default',
    /number_sync_standbys is 1 and needs 2 standbys in the quorum, which has 1/,
    /provision-pgaf/,
  ],
  [
    'synchronous-replication',
    'a node that somebody took out of the quorum',
    (o) => {
      replicaRow(o).replicationQuorum = false;
      Object.assign(primary(o), { synchronousStandbyNames: '' });
    },
    'pgaf-primary',
    /synchronous_standby_names is ''.*not in the quorum: pgaf-replica/,
    /provision-pgaf/,
  ],
  [
    'synchronous-replication',
    'a primary that waits for nobody',
    on(primary, { synchronousStandbyNames: '' }),
    'pgaf-primary',
    /synchronous_standby_names is '' and 1 standby/,
    /bring the standbys back/,
  ],
  [
    'synchronous-replication',
    'a standby that replicates asynchronously',
    on(primary, {
      standbys: [streaming({ syncState: 'async' })],
    }),
    'pgaf-primary',
    /0 standby\(s\) replicate synchronously; 1 asked for/,
    /bring the standbys back/,
  ],
  [
    'standbys-streaming',
    'a standby without a WAL receiver',
    on(replica, { walReceiver: '' }),
    'pgaf-replica',
    /WAL receiver is not running/,
    /run provision-pgaf.*incus exec pgaf-replica .*journalctl/,
  ],
  [
    'standbys-streaming',
    'a standby that its primary does not know',
    (o) => {
      replica(o).walReceiver = 'streaming';
      Object.assign(primary(o).standbys[0] as ObservedStandby, { applicationName: 'another' });
    },
    'pgaf-replica',
    /is streaming, and pgaf-primary does not know of it/,
    /run provision-pgaf/,
  ],
  [
    'standbys-streaming',
    'a standby that waits for its primary',
    on(replica, { walReceiver: 'waiting' }),
    'pgaf-replica',
    /WAL receiver is waiting/,
    /incus exec pgaf-replica .*journalctl/,
  ],
  [
    'timelines-agree',
    'a node left on an old timeline',
    on(primary, { timeline: 2 }),
    'pgaf-replica',
    /timeline 1, the formation is on 2/,
    /incus delete --force pgaf-replica/,
  ],
  [
    'application-login',
    'a node without the role',
    on(replica, { roles: [] }),
    'pgaf-replica',
    /no role veza/,
    /provision-pgaf/,
  ],
  [
    'application-login',
    'a node without the database',
    on(primary, { databases: [] }),
    'pgaf-primary',
    /no database veza/,
    /provision-pgaf/,
  ],
  [
    'application-login',
    'a standby without a way in',
    on(replica, { hbaRules: [] }),
    'pgaf-replica',
    /no pg_hba\.conf entry for veza on veza from 10\.0\.0\.0\/8/,
    /provision-pgaf/,
  ],
  [
    'application-login',
    'a node that turns clients away',
    (o) => void replica(o).hbaRules.unshift(hbaRule({ method: 'reject' })),
    'pgaf-replica',
    /rejects veza/,
    /provision-pgaf/,
  ],
  [
    'application-login',
    'a file that does not load',
    (o) => void replica(o).hbaRules.push(hbaRule({ error: 'invalid CIDR mask' })),
    'pgaf-replica',
    /does not load: invalid CIDR mask/,
    /provision-pgaf/,
  ],
  [
    'services-run',
    'a service that was stopped',
    on((o) => container(o).service, { active: 'inactive' }),
    'pgaf-replica',
    /pg_autoctl\.service is inactive/,
    /systemctl start pg_autoctl/,
  ],
  [
    'services-run',
    'a service that restarts again and again',
    on((o) => container(o).service, { active: 'activating', restarts: 7 }),
    'pgaf-replica',
    /is activating, after 7 restarts/,
    /journalctl/,
  ],
  [
    'services-run',
    'a service that would not start after a reboot',
    on((o) => container(o).service, { enabled: 'disabled' }),
    'pgaf-replica',
    /is disabled/,
    /systemctl enable pg_autoctl/,
  ],
  [
    'unit-file',
    'a unit that somebody edited',
    (o) => {
      container(o).service.unit = container(o).service.unit.replace('65536', '1024');
    },
    'pgaf-replica',
    /'LimitNOFILE=1024' in place of 'LimitNOFILE=65536'/,
    /provision-pgaf/,
  ],
  [
    'open-files',
    'a Postgres that may open few files',
    on(container, { openFiles: { limit: 1024, possible: 20_000 } }),
    'pgaf-replica',
    /may open 1024 files; the unit grants 65536, and the container can give 20000/,
    /pg_ctl stop --mode fast --pgdata \/var\/lib\/postgresql\/pgaf\/node/,
  ],
  [
    'replay-runs',
    'a standby whose replay is paused',
    on(replica, { replayPaused: true }),
    'pgaf-replica',
    /replay is paused/,
    /pg_wal_replay_resume/,
  ],
  [
    'replay-runs',
    'a standby that is meant to be late',
    (o) => {
      replica(o).settings['recovery_min_apply_delay'] = '10min';
    },
    'pgaf-replica',
    /recovery_min_apply_delay is 10min/,
    /RESET recovery_min_apply_delay/,
  ],
  [
    'replication-lag',
    'a standby that is far behind',
    on(primary, { standbys: [streaming({ lagBytes: 80e6, replayLagBytes: 90e6 })] }),
    'pgaf-replica',
    /80\.0 MB to flush, 90\.0 MB to replay/,
    /incus restart --force pgaf-replica/,
  ],
  [
    'commits-finish',
    'commits that wait for a standby',
    on(primary, { waitingCommits: { count: 3, longestSeconds: 12.34 } }),
    'pgaf-primary',
    /3 commits wait for a standby, the longest for 12\.3 s/,
    /incus restart --force pgaf-replica/,
  ],
  [
    'durable-commits',
    'a node without fsync',
    (o) => {
      replica(o).settings['fsync'] = 'off';
    },
    'pgaf-replica',
    /fsync is off, not on/,
    /ALTER SYSTEM RESET fsync/,
  ],
  [
    'durable-commits',
    'commits that wait for nobody',
    (o) => {
      primary(o).settings['synchronous_commit'] = 'local';
    },
    'pgaf-primary',
    /synchronous_commit is local, not on or remote_apply/,
    /ALTER SYSTEM RESET synchronous_commit/,
  ],
  [
    'durable-commits',
    'a role whose commits wait for nobody',
    on(primary, { commitOverrides: ['veza: off'] }),
    'pgaf-primary',
    /set otherwise for veza: off/,
    /RESET/,
  ],
  [
    'failover-possible',
    'a standby that may never be promoted',
    on(replicaRow, { candidatePriority: 0 }),
    'default',
    /no standby can be promoted: candidate priority 0 on pgaf-replica/,
    /provision-pgaf/,
  ],
  [
    'application-session',
    'a password that is refused',
    (o) => {
      o.logins['pgaf-replica'] = { ok: false, failed: 'password authentication failed for user "veza"' };
    },
    'pgaf-replica',
    /veza on veza: password authentication failed/,
    /provision-pgaf/,
  ],
  [
    'disk-space',
    'a disk that is full',
    on(container, { disk: { sizeBytes: 10e9, availableBytes: 0, inodes: 100, inodesAvailable: 50 } }),
    'pgaf-replica',
    /0 B of 10\.0 GB left \(0 %\)/,
    /du -xah .* \/var\/lib\/postgresql\/pgaf \/var\/log$/,
  ],
  [
    'disk-space',
    'a disk that fills',
    on(container, { disk: { sizeBytes: 10e9, availableBytes: 1e9, inodes: 100, inodesAvailable: 50 } }),
    'pgaf-replica',
    /1\.0 GB of 10\.0 GB left \(10 %\)/,
    /limits\.disk/,
  ],
  [
    'replication-slots',
    'a slot that nobody reads',
    (o) =>
      void primary(o).slots.push({
        name: 'forgotten',
        active: false,
        retainedBytes: 5e9,
        walStatus: 'extended',
      }),
    'pgaf-primary',
    /slot forgotten has no reader and keeps 5\.0 GB of WAL/,
    /pg_drop_replication_slot\('forgotten'\)/,
  ],
  [
    'replication-slots',
    'a slot that is lost',
    (o) =>
      void primary(o).slots.push({
        name: 'pgautofailover_standby_9',
        active: false,
        retainedBytes: 0,
        walStatus: 'lost',
      }),
    'pgaf-primary',
    /slot pgautofailover_standby_9 is lost/,
    /pg_drop_replication_slot/,
  ],
  [
    'wal-retention',
    'an archiver that fails',
    on(primary, { archiver: { enabled: true, failing: true } }),
    'pgaf-primary',
    /last attempt to archive WAL failed/,
    /pg_stat_archiver/,
  ],
  [
    'wal-retention',
    'WAL that piles up',
    (o) => {
      primary(o).walBytes = 60e9;
      Object.assign(containerOf(o, 'pgaf-primary').disk ?? {}, { availableBytes: 60e9 });
    },
    'pgaf-primary',
    /pg_wal has 60\.0 GB, 60\.0 GB are left; slot pgautofailover_standby_2/,
    /max_slot_wal_keep_size/,
  ],
  [
    'certificate-valid',
    'a certificate that ends soon',
    (o) => {
      Object.assign(container(o).certificate ?? {}, { secondsLeft: days(20) });
    },
    'pgaf-replica',
    /certificate of CN=pgaf-replica ends in 20 days/,
    /provision-pgaf, which renews it/,
  ],
  [
    'certificate-valid',
    "a certificate of one's own CA that has ended",
    (o) => {
      Object.assign(container(o).certificate ?? {}, { secondsLeft: -1, selfSigned: false });
    },
    'pgaf-replica',
    /has ended/,
    /with a new tls-certificate and tls-key/,
  ],
  [
    'names-resolve',
    'a name that leads nowhere',
    (o) => {
      delete container(o).names['pgaf-primary.incus'];
    },
    'pgaf-replica',
    /pgaf-primary\.incus does not resolve/,
    /getent ahosts pgaf-primary\.incus/,
  ],
  [
    'names-resolve',
    'a name that leads to an old address',
    (o) => {
      container(o).names['pgaf-primary.incus'] = { addresses: ['10.77.7.99'], reverse: [] };
    },
    'pgaf-replica',
    /resolves to 10\.77\.7\.99, and pgaf-primary has 10\.77\.7\.11/,
    /getent/,
  ],
  [
    'names-resolve',
    'an address that leads back to another name',
    (o) => {
      Object.assign(container(o).names['pgaf-primary.incus'] ?? {}, { reverse: ['host-11.lan'] });
    },
    'pgaf-replica',
    /leads back to host-11\.lan/,
    /getent/,
  ],
  [
    'clocks-agree',
    'a clock that is ahead',
    on(container, { clock: { aheadSeconds: 65, uncertainSeconds: 0.1 } }),
    'pgaf-replica',
    /65\.0 s ahead of the others/,
    /synchronise/,
  ],
  [
    'versions-equal',
    'an older pg_autoctl',
    (o) => {
      container(o).packages['pg-auto-failover-cli'] = '2.1-1';
    },
    'pgaf-replica',
    /pg-auto-failover-cli 2\.1-1, the others have 2\.2-1/,
    /apt-get -q update && apt-get -q install .*pg-auto-failover-cli=2\.2-1"$/,
  ],
  [
    'versions-equal',
    'an extension that was not updated',
    on(monitorOf, { extensionVersion: '2.1' }),
    'pgaf-monitor',
    /runs pgautofailover 2\.1, and 2\.2 is installed/,
    /restart pg_autoctl/,
  ],
  [
    'versions-equal',
    'a server that was not restarted after its upgrade',
    on(primary, { serverVersion: 160_003 }),
    'pgaf-primary',
    /Postgres 160003 runs, the others have 160004/,
    /restart/,
  ],
  [
    'settings-in-force',
    'a setting that waits for a restart',
    on(replica, { pendingRestart: ['max_connections'] }),
    'pgaf-replica',
    /max_connections waits for a restart/,
    /pg_ctl stop/,
  ],
  [
    'one-writer-in-cuts',
    'a standby whose connection ends late',
    (o) => {
      primary(o).settings['wal_sender_timeout'] = '1min';
    },
    'default',
    /after a full-cut two nodes may take writes for up to [\d.]+ s/,
    /balanced or fast/,
  ],
  [
    'keepers-fence',
    'a keeper that never saw a standby',
    on(container, { standbyMemory: 'no' }),
    'pgaf-replica',
    /does not remember a standby/,
    /provision-pgaf/,
  ],
  [
    'matches-file',
    'a clock of the monitor',
    (o) => {
      monitorOf(o).clocks['health_check_period'] = 7000;
    },
    'pgaf-monitor',
    /health_check_period is 7000, the file asks for 2000/,
    /provision-pgaf/,
  ],
  [
    'matches-file',
    "a clock of a node's Postgres",
    (o) => {
      replica(o).alteredSettings = { wal_receiver_status_interval: '1s' };
    },
    'pgaf-replica',
    /wal_sender_timeout is not set, the file asks for 16000ms/,
    /provision-pgaf/,
  ],
  [
    'matches-file',
    'a priority',
    on(replicaRow, { candidatePriority: 60 }),
    'pgaf-replica',
    /candidate priority is 60, the file asks for 50/,
    /provision-pgaf/,
  ],
  [
    'matches-file',
    "a keeper's clock, and a rule that nobody wrote down",
    (o) => {
      container(o).keeperConfig = container(o).keeperConfig.replace(/timeout = \d+/, 'timeout = 99');
      replica(o).hbaText += 'host all all all trust\n';
    },
    'pgaf-replica',
    /network_partition_timeout is 99 s.*pg_hba\.conf has 'host all all all trust' besides/,
    /provision-pgaf/,
  ],
  [
    'matches-file',
    'another TLS mode than its configuration should have',
    (o) => {
      container(o).keeperConfig = container(o).keeperConfig.replace('sslmode = require', 'sslmode = prefer');
    },
    'pgaf-replica',
    /pg_autoctl is set to sslmode 'prefer' and the CA '', the file asks for tls: self-signed/,
    /provision-pgaf/,
  ],
  [
    'matches-file',
    'a CA that a lost reload left in force',
    (o) => {
      replica(o).settings['ssl_ca_file'] = '/etc/pgha/ca.pem';
    },
    'pgaf-replica',
    /Postgres has ssl_ca_file '\/etc\/pgha\/ca\.pem' in force, the file asks for tls: self-signed/,
    /provision-pgaf/,
  ],
  [
    'matches-file',
    "a CA that a lost reload left in force in the monitor's Postgres",
    (o) => {
      monitorOf(o).sslCaFile = '/etc/pgha/ca.pem';
    },
    'pgaf-monitor',
    /Postgres has ssl_ca_file/,
    /provision-pgaf/,
  ],
  [
    'no-interrupted-drill',
    'a mark that a killed drill left',
    (o) => void Object.assign(o.instances['pgaf-replica'] ?? {}, { drillMark: '{"drill":"abc"}' }),
    'pgaf-replica',
    /marked by a drill/,
    /each undoes what was left behind/,
  ],
];

describe('a healthy formation', () => {
  it('passes every check', () => {
    const { findings, outcome } = judge(healthyObservation(), builtInFormation());
    expect(findings.filter((finding) => finding.status !== 'pass')).toEqual([]);
    expect(findings.map((finding) => finding.check)).toEqual(catalogue.map((check) => check.id));
    expect(outcome).toBe('pass');
  });
});

describe('one fault fails its own check and no other, and names where, what and what to do', () => {
  it.each(breakages)('%s: %s', (id, _, breakIt, subject, evidence, remedy) => {
    const observation = healthyObservation();
    breakIt(observation);
    const { findings, outcome } = judge(observation, builtInFormation(), { failOn: 'warning' });
    const failed = findings.filter((finding) => finding.status === 'fail' || finding.status === 'unknown');
    expect(failed.map((finding) => [finding.check, finding.status])).toEqual([[id, 'fail']]);
    const found = failed[0]?.faults.find((fault) => fault.subject === subject);
    expect(found?.evidence).toMatch(evidence);
    expect(found && told(found.remedy)).toMatch(remedy);
    for (const finding of findings.filter(({ status }) => status === 'follows'))
      expect(finding.because).toContain(id);
    expect(outcome).toBe('unhealthy');
  });

  it('there is such a fault for every check that reads what a container, Postgres or the monitor says', () => {
    const broken = new Set(breakages.map(([id]) => id));
    const others = ['monitor-reachable', 'nodes-reachable', 'client-uri', 'rto-target'];
    expect(catalogue.map((check) => check.id).filter((id) => !broken.has(id))).toEqual(others);
  });

  it("the monitor's primary that stands by while another takes writes is told with both names", () => {
    const observation = healthyObservation();
    Object.assign(primary(observation), { inRecovery: true, walReceiver: 'streaming' });
    replica(observation).inRecovery = false;
    const { findings } = judge(observation, builtInFormation());
    const found = findings.find((finding) => finding.check === 'one-writable-primary');
    expect(found?.faults[0]?.evidence).toBe(
      'the monitor names pgaf-primary as primary; writes are taken by pgaf-replica',
    );
  });
});

describe('the catalogue', () => {
  it('names every check once, in kebab case, with what it means', () => {
    const ids = catalogue.map((check) => check.id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const check of catalogue) {
      expect(check.id).toMatch(/^[a-z]+(-[a-z]+)+$/);
      expect(check.meaning).toMatch(/^(?:[a-z]|Postgres|WAL).{20,}[^.]$/);
    }
  });
});

describe('the target', () => {
  const judged = (yaml: string, rtoTargetSeconds: number) => {
    const formation = formationOf(`environment: lab\ntimings: ${yaml}`);
    return judge(healthyObservation(formation), formation, { rtoTargetSeconds });
  };
  const finding = (verdict: ReturnType<typeof judged>) =>
    verdict.findings.find(({ check }) => check === 'rto-target');

  it('is met by settings that lead to a promotion in time', () => {
    expect(finding(judged('balanced', 60))?.status).toBe('pass');
    expect(finding(judged('fast', 30))?.status).toBe('pass');
  });

  it('fails a healthy formation whose settings cannot meet it, with the setting that costs most', () => {
    const verdict = judged('upstream', 30);
    expect(verdict.outcome).toBe('unhealthy');
    expect(finding(verdict)).toMatchObject({ status: 'fail', severity: 'error' });
    expect(finding(verdict)?.faults[0]?.evidence).toMatch(/the target is 30 s; .*primary_demote_timeout/);
  });

  it('warns where it lies inside the interval', () => {
    const verdict = judged('balanced', 25);
    expect(verdict.outcome).toBe('pass');
    expect(finding(verdict)).toMatchObject({ status: 'fail', severity: 'warning' });
  });

  it('is not judged where it was not asked for', () => {
    const formation = formationOf('timings: upstream');
    const { findings } = judge(healthyObservation(formation), formation);
    expect(findings.find(({ check }) => check === 'rto-target')?.status).toBe('pass');
  });
});
