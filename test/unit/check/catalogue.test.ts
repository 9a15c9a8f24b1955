import { describe, expect, it } from 'vitest';
import { checkCatalogue } from '../../../src/check/catalogue/catalogue.ts';
import { describeRemedy } from '../../../src/check/check.ts';
import type { Observation, ObservedStandby } from '../../../src/check/observation.ts';
import type { ObservedTrouble } from '../../../src/check/trouble-probe.ts';
import { judge } from '../../../src/check/verdict.ts';
import type { LastWords } from '../../../src/postgres/server-log.ts';
import type { SessionDefault } from '../../../src/postgres/session-defaults.ts';
import {
  builtInFormation,
  formationOf,
  hbaRule,
  healthyObservation,
  monitorNode,
  monitorOf,
  nodeOf,
  observedContainer,
  rowOf,
  trouble,
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
const container = (observation: Observation) => observedContainer(observation, 'pgaf-replica');
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
/** A standby that reports no longer, and what its container says of the keeper. */
const silent =
  (keeper: Partial<ObservedTrouble['keeper']> = {}): Break =>
  (observation) => {
    replicaRow(observation).secondsSinceReport = 31.5;
    observation.troubles['pgaf-replica'] = { ok: true, value: trouble({ runs: true }, keeper) };
  };
/** A Postgres that is down, and its last words. */
const down =
  (name: string, words: Partial<LastWords>, altered: Record<string, string> = {}): Break =>
  (observation) => {
    const failed =
      'Postgres does not run (/var/run/postgresql/.s.PGSQL.5432.lock: No such file or directory)';
    if (name === 'pgaf-monitor') observation.monitor = { ok: false, failed };
    else observation.nodes[name] = { ok: false, failed };
    const lastWords: LastWords = {
      severity: 'FATAL',
      message: '',
      detail: '',
      hint: '',
      before: '',
      ...words,
    };
    observation.troubles[name] = { ok: true, value: trouble({ runs: false, lastWords, altered }) };
  };
const threeHosts = Object.fromEntries(
  ['m1', 'm2', 'm3'].map((name) => [name, { status: 'Online', message: 'Fully operational' }]),
);
/** On a cluster of three. */
const placed =
  (locations: Record<string, string>): Break =>
  (observation) => {
    observation.hosts = { ok: true, value: threeHosts };
    for (const [name, location] of Object.entries(locations))
      Object.assign(observation.instances[name] ?? {}, { location });
  };
const days = (count: number) => count * 86_400;

const sessionDefault = (given: Partial<SessionDefault>): SessionDefault => ({
  name: 'default_transaction_read_only',
  value: 'off',
  ofServer: false,
  role: '',
  database: '',
  ...given,
});
/** A Postgres that is down, since its data directory is another's. */
const ofAnother =
  (unread: { folder: string; file: string }): Break =>
  (observation) => {
    down('pgaf-replica', {})(observation);
    observation.troubles['pgaf-replica'] = { ok: true, value: trouble({ unread }) };
  };

/** The check that must fail, what breaks it, the subject it must name, and what evidence and remedy must say. */
const breakages: [string, string, Break, string, RegExp, RegExp][] = [
  [
    'hosts-online',
    'a host that lets nothing start',
    (o) => {
      placed({ 'pgaf-monitor': 'm1', 'pgaf-primary': 'm2', 'pgaf-replica': 'm3' })(o);
      o.hosts = { ok: true, value: { ...threeHosts, m3: { status: 'Evacuated', message: '' } } };
    },
    'pgaf-replica',
    /its host m3 is evacuated: it runs, and once it stops it cannot be started there/,
    /`incus cluster restore m3`/,
  ],
  [
    'failure-domains',
    'monitor and primary on one host',
    placed({ 'pgaf-monitor': 'm2', 'pgaf-primary': 'm2', 'pgaf-replica': 'm3' }),
    'default',
    /^m2 takes the primary, pgaf-primary, and the monitor with it: no failover$/,
    /on different hosts.*incus cluster list/,
  ],
  [
    'nodes-registered',
    'a node that the monitor does not know',
    (o) => {
      monitorOf(o).nodes.pop();
      container(o).keeperConfig = '';
    },
    'pgaf-replica',
    /does not know it/,
    /run provision-pgaf/,
  ],
  [
    'nodes-registered',
    'a node that was dropped, and has its data still',
    (o) => void monitorOf(o).nodes.pop(),
    'pgaf-replica',
    /does not know it, and its container holds its data/,
    /make the node anew from pgaf-primary.*incus delete --force pgaf-replica/,
  ],
  [
    'nodes-registered',
    'the primary, which the monitor does not know: its data may be the only copy',
    (o) => void monitorOf(o).nodes.shift(),
    'pgaf-primary',
    /does not know it/,
    /delete nothing.*show state/,
  ],
  [
    'nodes-registered',
    'a primary that the file does not know',
    (o) => {
      const [row] = monitorOf(o).nodes;
      Object.assign(row ?? {}, { goalState: 'secondary', reportedState: 'secondary' });
      monitorOf(o).nodes.push(monitorNode({ nodeId: 3, name: 'pgaf-stray' }));
    },
    'pgaf-stray',
    /the formation file does not/,
    /do not drop it.*show state/,
  ],
  [
    'nodes-registered',
    'a node that the file does not know',
    (o) =>
      void monitorOf(o).nodes.push(monitorNode({ nodeId: 3, name: 'pgaf-stray', goalState: 'secondary' })),
    'pgaf-stray',
    /the formation file does not/,
    /see first whether it is meant to be there.*then add it.*drop node .*--name pgaf-stray.*show state/,
  ],
  [
    'own-sessions',
    'a monitor that is read-only for everybody',
    (o) => void monitorOf(o).sessionDefaults.push(sessionDefault({ value: 'on', ofServer: true })),
    'pgaf-monitor',
    /default_transaction_read_only is on for the server, so that no keeper can report/,
    /leaves those of everybody else.* env 'PGOPTIONS=.*' psql .*-d pg_auto_failover -c "ALTER ROLE autoctl_node IN DATABASE pg_auto_failover SET default_transaction_read_only = off"/,
  ],
  [
    'own-sessions',
    'a monitor with no time for a report',
    (o) =>
      void monitorOf(o).sessionDefaults.push(
        sessionDefault({ name: 'statement_timeout', value: '20ms', database: 'pg_auto_failover' }),
      ),
    'pgaf-monitor',
    /statement_timeout is 20ms for database pg_auto_failover, so that a report/,
    /SET statement_timeout = 0/,
  ],
  [
    'own-sessions',
    'a standby whose keeper asks in vain',
    (o) =>
      void nodeOf(o, 'pgaf-replica').sessionDefaults.push(
        sessionDefault({ name: 'default_transaction_isolation', value: 'serializable' }),
      ),
    'pgaf-replica',
    /default_transaction_isolation is serializable for every role, so that its keeper/,
    /incus exec pgaf-primary .*ALTER ROLE postgres IN DATABASE postgres SET default_transaction_isolation = 'read committed'/,
  ],
  [
    'own-sessions',
    'a library for all sessions of a node that is not there',
    (o) =>
      void nodeOf(o, 'pgaf-replica').access.missingLibraries.push({
        name: 'session_preload_libraries',
        missing: ['nothere'],
        there: ['auto_explain'],
      }),
    'pgaf-replica',
    /every session is refused, since session_preload_libraries names nothere/,
    /install what is missing.* -c session_preload_libraries= .*-c "ALTER SYSTEM SET session_preload_libraries = 'auto_explain'" -c "SELECT pg_reload_conf\(\)"/,
  ],
  [
    'passwords-last',
    'a password that ends soon',
    (o) =>
      void primary(o).access.roles.push({
        name: 'veza',
        expiredAt: '',
        expiresAt: '2026-12-03 00:00:00+00',
        connectionLimit: -1,
        scram: true,
      }),
    'pgaf-primary',
    /the password of veza is valid until 2026-12-03/,
    /a later end, or none/,
  ],
  [
    'postgres-starts',
    'a library that is not there, which somebody asked for by hand',
    down(
      'pgaf-replica',
      { message: 'could not access file "nothere": No such file or directory' },
      { shared_preload_libraries: 'pg_stat_statements, nothere' },
    ),
    'pgaf-replica',
    /FATAL: could not access file "nothere"/,
    /take it out of postgresql\.auto\.conf.*stop pg_autoctl && .*sed -i .*shared_preload_libraries .*postgresql\.auto\.conf && .*start pg_autoctl$/,
  ],
  [
    'postgres-starts',
    'a standby with less than its primary',
    down('pgaf-replica', {
      message: 'recovery aborted because of insufficient parameter settings',
      detail: 'max_connections = 20 is a lower setting than on the primary server, where its value was 100.',
    }),
    'pgaf-replica',
    /DETAIL: max_connections = 20 is a lower setting/,
    /provision-pgaf, which raises what is lower.*made anew from pgaf-primary/,
  ],
  [
    'postgres-starts',
    'a data directory that others may read',
    down('pgaf-replica', { message: 'data directory "/d" has invalid permissions' }),
    'pgaf-replica',
    /has invalid permissions/,
    /provision-pgaf, which gives the data directory/,
  ],
  [
    'postgres-starts',
    'a pg_hba.conf of root',
    down('pgaf-replica', {
      message: 'could not load pg_hba.conf',
      before: 'could not open configuration file "/d/pg_hba.conf": Permission denied',
    }),
    'pgaf-replica',
    /could not load pg_hba\.conf; before it: .*Permission denied/,
    /provision-pgaf, which gives the data directory/,
  ],
  [
    'postgres-starts',
    "a data directory that is all root's",
    ofAnother({ folder: 'root', file: 'root' }),
    'pgaf-replica',
    /cannot read its data directory, which belongs to root$/,
    /run provision-pgaf, which gives it back.*`incus exec pgaf-replica --project default --cwd \/ -- sh -c "systemctl stop pg_autoctl && chown -R -h postgres: \/var\/lib\/postgresql\/pgaf && systemctl start pg_autoctl"`/,
  ],
  [
    'postgres-starts',
    "a data directory that is a stranger's, who may need it",
    ofAnother({ folder: 'postgres', file: 'backup' }),
    'pgaf-replica',
    /cannot read its data directory, which belongs to backup$/,
    /where nobody else needs it.*`incus exec .* chown -R -h postgres: .*`.*: incus exec .* ls -la/,
  ],
  [
    'postgres-starts',
    "a tablespace's folder that is missing",
    down('pgaf-replica', {
      message: 'directory "/srv/ts" does not exist',
      hint: 'Create this directory for the tablespace before restarting the server.',
    }),
    'pgaf-replica',
    /HINT: Create this directory/,
    /provision-pgaf, which makes the tablespace's folder/,
  ],
  [
    'postgres-starts',
    'data that cannot be used, where another node is the primary',
    down('pgaf-replica', { severity: 'PANIC', message: 'could not locate a valid checkpoint record' }),
    'pgaf-replica',
    /PANIC: could not locate a valid checkpoint record/,
    /anew from pgaf-primary, the primary: incus delete --force pgaf-replica/,
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
    'no-maintenance',
    'a standby in maintenance',
    on(replicaRow, { reportedState: 'maintenance', goalState: 'maintenance' }),
    'pgaf-replica',
    /in maintenance for 121 s/,
    /incus exec pgaf-monitor .*stop_maintenance\(\d+\)/,
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
    /take that order back.*psql -X -p 5432 -d pg_auto_failover -c "UPDATE pgautofailover\.node SET goalstate = reportedstate WHERE nodeid = 2 AND goalstate = 'join_primary'"$/,
  ],
  [
    'keepers-report',
    'a keeper that is silent',
    silent(),
    'pgaf-replica',
    /last report is 31\.5 s old; its keeper has been quiet for 32 s as well/,
    /first make sure.*pg_isready --host pgaf-monitor\.incus .*&& .*pkill -KILL -f '\^pg_autoctl: node active'$/,
  ],
  [
    'keepers-report',
    'a keeper that was stopped by a signal',
    silent({ state: 'T' }),
    'pgaf-replica',
    /31\.5 s old; its keeper is stopped/,
    /pkill -CONT -f '\^pg_autoctl: node active'$/,
  ],
  [
    'keepers-report',
    'a keeper that copies its data',
    silent({ copies: true }),
    'pgaf-replica',
    /31\.5 s old; it copies or rewinds its data/,
    /wait: .*ps -u postgres/,
  ],
  [
    'keepers-report',
    'a keeper that is turned away, and begun anew would not start without the monitor',
    silent({
      lastError: {
        message: 'The monitor at pgaf-monitor.incus has extension version "1.6"',
        secondsAgo: 0.6,
      },
    }),
    'pgaf-replica',
    /31\.5 s old; its keeper says: The monitor at .* has extension version "1\.6"$/,
    /leave its process alone.*journalctl/,
  ],
  [
    'keepers-report',
    'a keeper of which its container could not tell',
    on(replicaRow, { secondsSinceReport: 31.5 }),
    'pgaf-replica',
    /last report is 31\.5 s old$/,
    /see what its keeper says: .*journalctl/,
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
    'a node whose keeper has yet to see that its Postgres is back',
    on(replicaRow, { postgresRuns: false }),
    'pgaf-replica',
    /reported 0\.4 s ago that its Postgres does not run/,
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
    /the standbys are there.*SELECT pgautofailover\.synchronous_standby_names\('default', 0\)"$/,
  ],
  [
    'synchronous-replication',
    'a standby that replicates asynchronously',
    on(primary, {
      standbys: [streaming({ syncState: 'async' })],
    }),
    'pgaf-primary',
    /0 standby\(s\) replicate synchronously; 1 asked for/,
    /the standbys are there/,
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
    'wal-agrees',
    'a standby that has run as a primary',
    (o) => {
      const value = { checkpoint: '0/3422838', primary: 'pgaf-primary', isOfPrimary: false };
      o.lineages['pgaf-replica'] = { ok: true, value };
    },
    'pgaf-replica',
    /at 0\/3422838, is not in the WAL of pgaf-primary/,
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
      replica(o).alteredSettings['recovery_min_apply_delay'] = '10min';
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
    /incus exec pgaf-replica .*pg_ctl stop --mode fast/,
  ],
  [
    'commits-finish',
    'commits that wait for a standby',
    on(primary, { waitingCommits: { count: 3, longestSeconds: 12.34 } }),
    'pgaf-primary',
    /3 commits wait for a standby, the longest for 12\.3 s/,
    /incus exec pgaf-replica .*pg_ctl stop --mode fast/,
  ],
  [
    'durable-commits',
    'a node without fsync',
    (o) => {
      replica(o).settings['fsync'] = 'off';
      replica(o).alteredSettings['fsync'] = 'off';
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
      primary(o).alteredSettings['synchronous_commit'] = 'local';
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
    'application-login',
    'a limit that keeps the clients of a drill out',
    (o) =>
      void primary(o).access.roles.push({
        name: 'veza',
        expiredAt: '',
        expiresAt: '',
        connectionLimit: 2,
        scram: true,
      }),
    'pgaf-primary',
    /veza may have 2 connections at a time/,
    /provision-pgaf/,
  ],
  [
    'application-session',
    'a server without a free slot',
    (o) => {
      o.logins['pgaf-replica'] = { ok: false, failed: 'sorry, too many clients already' };
    },
    'pgaf-replica',
    /too many clients/,
    /^end sessions that nobody needs.*pg_stat_activity/,
  ],
  [
    'application-session',
    'an answer that provisioning knows nothing of',
    (o) => {
      o.logins['pgaf-replica'] = { ok: false, failed: 'connect EHOSTUNREACH 10.0.0.3:5432' };
    },
    'pgaf-replica',
    /EHOSTUNREACH/,
    /^fix what it says(?!.*provision-pgaf)/,
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
      Object.assign(observedContainer(o, 'pgaf-primary').disk ?? {}, { availableBytes: 60e9 });
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
    /^fix the network's DNS.*getent/s,
  ],
  [
    'names-resolve',
    "a neighbour's word on an address",
    (o) => {
      Object.assign(container(o).names['pgaf-primary.incus'] ?? {}, { reverse: ['pgaf-primary'] });
    },
    'pgaf-replica',
    /leads back to pgaf-primary:/,
    /run provision-pgaf where systemd-resolved .*otherwise fix the network's DNS.*getent/s,
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
    'release-known',
    'an extension of a release that nobody knows yet',
    on(monitorOf, { extensionVersion: '2.3', availableExtensionVersion: '2.3' }),
    'pgaf-monitor',
    /^pg_auto_failover 2\.3 is newer than .* \(2\.0 to 2\.2\), and no failover is predicted for it$/,
    /docs\/versions\.md/,
  ],
  [
    'release-known',
    'keepers that are too old',
    (o) => {
      for (const read of Object.values(o.containers))
        if (read.ok) read.value.packages['pg-auto-failover-cli'] = '1.6.4-1';
    },
    'pgaf-monitor',
    /^pg_auto_failover 1\.6 is older than /,
    /docs\/versions\.md/,
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
    /under the profile balanced there is no such time: run provision-pgaf/,
  ],
  [
    'hosts-near-enough',
    'a host that is far away',
    on(container, { monitorRoundTripMs: 110 }),
    'pgaf-replica',
    /^a round trip to the monitor takes 110 ms: reports come 7\.6 s apart, of the 12 s that the monitor waits, and after a cut two nodes may take writes for 0\.3 s/,
    /choose timings: upstream, or give longer clocks of your own/,
  ],
  [
    'hosts-near-enough',
    'a host so far away that health checks fail as well',
    on(container, { monitorRoundTripMs: 600 }),
    'pgaf-replica',
    /and a health check takes 3 s of the 2 s that the monitor waits, and after a cut/,
    /^bring them nearer to each other; otherwise give longer clocks/,
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
      container(o).keeperConfig = container(o).keeperConfig?.replace(/timeout = \d+/, 'timeout = 99');
      replica(o).hbaText += 'host all all all trust\n';
    },
    'pgaf-replica',
    /network_partition_timeout is 99 s.*pg_hba\.conf has 'host all all all trust' besides/,
    /provision-pgaf/,
  ],
  [
    'matches-file',
    "a keeper's configuration that its own user cannot read",
    (o) => {
      container(o).keeperConfig = undefined;
    },
    'pgaf-replica',
    /^its user postgres cannot read \/var\/lib\/postgresql\/\.config\/pg_autoctl\S+pg_autoctl\.cfg, so that what it asks for is not known/,
    /provision-pgaf/,
  ],
  [
    'matches-file',
    'another TLS mode than its configuration should have',
    (o) => {
      container(o).keeperConfig = container(o).keeperConfig?.replace('sslmode = require', 'sslmode = prefer');
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
    'no-placeholder-password',
    'a user whom everybody can be',
    on(primary, { placeholders: ['veza', 'reporter'] }),
    'pgaf-primary',
    /password of veza, reporter is the placeholder/,
    /provision-pgaf with app-password/,
  ],
  [
    'no-placeholder-password',
    "the nodes' account at the monitor",
    on(monitorOf, { placeholders: ['autoctl_node'] }),
    'pgaf-monitor',
    /password of autoctl_node is the placeholder/,
    /provision-pgaf/,
  ],
  [
    'environment-kept',
    'a lab file for what is none',
    (o) => void Object.assign(o.instances['pgaf-replica'] ?? {}, { environment: 'production' }),
    'pgaf-replica',
    /provisioned as production, and the file says environment: lab/,
    /use the formation's own file/,
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
    expect(findings.map((finding) => finding.check)).toEqual(checkCatalogue.map((check) => check.id));
    expect(outcome).toBe('pass');
  });
});

describe('one problem fails its own check and no other, and names where, what and what to do', () => {
  it.each(breakages)('%s: %s', (id, _, breakIt, subject, evidence, remedy) => {
    const observation = healthyObservation();
    breakIt(observation);
    const { findings, outcome } = judge(observation, builtInFormation(), { failOn: 'warning' });
    const failed = findings.filter((finding) => finding.status === 'fail' || finding.status === 'unknown');
    expect(failed.map((finding) => [finding.check, finding.status])).toEqual([[id, 'fail']]);
    const found = failed[0]?.faults.find((problem) => problem.subject === subject);
    expect(found?.evidence).toMatch(evidence);
    expect(found && describeRemedy(found.remedy)).toMatch(remedy);
    for (const finding of findings.filter(({ status }) => status === 'follows'))
      expect(finding.because).toContain(id);
    expect(outcome).toBe('unhealthy');
  });

  it('in every state every command line says where: remote, project, service and data of that member', () => {
    const own = builtInFormation();
    const elsewhere = {
      ...own,
      incus: { ...own.incus, remote: 'far', project: 'p' },
      monitor: { ...own.monitor, unit: 'ha.service', pgdata: '/srv/m' },
      nodes: own.nodes.map((node) => ({ ...node, unit: 'ha.service', pgdata: '/srv/n' })),
    };
    let seen = 0;
    for (const [id, what, breakIt] of breakages) {
      const observation = healthyObservation();
      breakIt(observation);
      const { findings } = judge(observation, elsewhere, { failOn: 'warning' });
      const told = findings.flatMap(({ faults }) => faults.map(({ remedy }) => describeRemedy(remedy)));
      for (const line of told) {
        const commands = line.match(/incus [a-z]+ [^&`]*/g) ?? [];
        seen += commands.length;
        for (const command of commands)
          if (!/^incus (?:export|is|cluster)/.test(command))
            expect(command, `${id}: ${what}`).toMatch(/ far:[\w-]* .*--project p|--project p.* far:/);
        expect(line, `${id}: ${what}`).not.toMatch(
          /(?:-u|start|stop|restart|enable|SIGKILL|KILL) pg_autoctl\b/,
        );
        expect(line, `${id}: ${what}`).not.toContain('/var/lib/postgresql/pgaf');
      }
    }
    expect(seen).toBeGreaterThan(50);
  });

  it.each<[string, Break]>([
    [
      'what a role has of its own',
      (o) => {
        monitorOf(o).sessionDefaults.push(
          sessionDefault({ value: 'on', ofServer: true }),
          sessionDefault({ value: 'off', role: 'autoctl_node' }),
          sessionDefault({ value: 'off', role: 'postgres' }),
        );
      },
    ],
    [
      'a time that is enough',
      (o) => {
        const given = { name: 'statement_timeout', value: '30s' } as const;
        monitorOf(o).sessionDefaults.push(sessionDefault(given));
        primary(o).sessionDefaults.push(sessionDefault(given));
      },
    ],
    [
      'a primary that is serializable',
      (o) =>
        void primary(o).sessionDefaults.push(
          sessionDefault({ name: 'default_transaction_isolation', value: 'serializable', ofServer: true }),
        ),
    ],
    [
      'a node that only reads, which is for another check',
      (o) => void replica(o).sessionDefaults.push(sessionDefault({ value: 'on', ofServer: true })),
    ],
  ])("pg_auto_failover's own sessions do their work with %s", (_, given) => {
    const observation = healthyObservation();
    given(observation);
    const found = judge(observation, builtInFormation()).findings.filter(({ status }) => status !== 'pass');
    expect(found).toEqual([]);
  });

  it('there is such a problem for every check that reads what a container, Postgres or the monitor says', () => {
    const broken = new Set(breakages.map(([id]) => id));
    const others = [
      'monitor-reachable',
      'nodes-reachable',
      'client-uri',
      'rto-target',
      'placement-matches-file',
      'cluster-settings',
    ];
    expect(checkCatalogue.map((check) => check.id).filter((id) => !broken.has(id))).toEqual(others);
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
    const ids = checkCatalogue.map((check) => check.id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const check of checkCatalogue) {
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

  it('is unknown where its settings could not be read, and no pass', () => {
    const formation = formationOf('environment: lab\ntimings: fast');
    const observation = healthyObservation(formation);
    delete monitorOf(observation).clocks['primary_demote_timeout'];
    const verdict = judge(observation, formation, { rtoTargetSeconds: 60 });
    expect(finding(verdict)?.status).toBe('unknown');
    expect(verdict.outcome).toBe('error');
  });

  it('is not judged where it was not asked for', () => {
    const formation = formationOf('timings: upstream');
    const { findings } = judge(healthyObservation(formation), formation);
    expect(findings.find(({ check }) => check === 'rto-target')?.status).toBe('pass');
  });
});
