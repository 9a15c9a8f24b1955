import { describe, expect, it } from 'vitest';
import { breakableFormation } from './breakable.ts';
import {
  alterSystem,
  autoctl,
  type Breakage,
  check,
  inBackground,
  isMended,
  isToldAndMended,
  onMonitor,
  sql,
  toldOf,
  untilTold,
} from './breakage.ts';
import { cutBridge, healBridge } from './bridge.ts';
import { everything, some } from './extent.ts';
import { becomesHealthy, inside } from './harness.ts';

/** Checks on what reaches another node, and stays: each broken for real, and mended as told. */

const formation = breakableFormation({
  furnish: ({ primary }) => sql(primary, 'CREATE TABLE IF NOT EXISTS pgha_checks ()'),
});
const { monitor, path } = formation;

const breakages: Breakage[] = [
  {
    check: 'synchronous-replication',
    what: 'the standby was taken out of the quorum',
    breakIt: () => autoctl(formation.standby, 'set', 'node', 'replication-quorum', 'false'),
    follows: ['matches-file'],
  },
  {
    check: 'standbys-streaming',
    what: "the standbys' account has another password",
    breakIt: async () => {
      // Since then, the standby's control file is on the timeline before: it is on the new one all the same.
      await handOver();
      await sql(formation.primary, "ALTER ROLE pgautofailover_replicator PASSWORD 'another'");
      await inside(formation.standby, 'pkill', '-f', '^postgres: walreceiver');
    },
  },
  {
    check: 'replay-runs',
    what: 'replay is paused',
    breakIt: () => sql(formation.standby, 'SELECT pg_wal_replay_pause()'),
  },
  {
    check: 'replay-runs',
    what: 'replay is delayed',
    breakIt: () => alterSystem(formation.standby, "SET recovery_min_apply_delay = '1min'"),
  },
  {
    check: 'replication-lag',
    what: 'a query on the standby holds up its replay',
    breakIt: async () => {
      await holdUpReplay();
      const write =
        "pg_logical_emit_message(false, 'pgha', repeat('x', 1000000)) FROM generate_series(1, 80)";
      await sql(formation.primary, `SELECT ${write}`);
    },
  },
  {
    check: 'commits-finish',
    what: 'a commit waits for a standby that does not replay',
    breakIt: async () => {
      await holdUpReplay();
      await inBackground(
        formation.primary,
        'SET synchronous_commit = remote_apply; INSERT INTO pgha_checks DEFAULT VALUES',
      );
    },
  },
  {
    check: 'durable-commits',
    what: 'no commit waits for a standby',
    breakIt: () => alterSystem(formation.primary, 'SET synchronous_commit = local'),
  },
  {
    check: 'durable-commits',
    what: "the application's do not",
    breakIt: () => sql(formation.primary, 'ALTER ROLE veza SET synchronous_commit = off'),
    byHand: () => sql(formation.primary, 'ALTER ROLE veza RESET synchronous_commit'),
  },
  {
    check: 'failover-possible',
    what: 'the standby may not be promoted',
    breakIt: () => autoctl(formation.standby, 'set', 'node', 'candidate-priority', '0'),
    follows: ['matches-file'],
  },
  {
    check: 'replication-slots',
    what: 'a slot without a reader',
    breakIt: () => sql(formation.primary, "SELECT pg_create_physical_replication_slot('forgotten', true)"),
    byHand: () => sql(formation.primary, "SELECT pg_drop_replication_slot('forgotten')"),
  },
];

describe('check-formation tells, and its remedy mends', () => {
  it.each(some(breakages, 6))('$check: $what', (breakage) => isToldAndMended(path, breakage));
});

describe('a standby that came up as a primary', () => {
  /** As pg_autoctl has it do where it empties the standby's settings just as it starts its Postgres. */
  async function comesUpAsPrimary(): Promise<void> {
    await inside(formation.standby, 'systemctl', 'stop', 'pg_autoctl');
    const script = `cd /var/lib/postgresql/pgaf/node
      ctl() { runuser -u postgres -- /usr/lib/postgresql/15/bin/pg_ctl -D "$PWD" -w "$@" < /dev/null > /dev/null; }
      mv standby.signal /root/; ctl start; runuser -u postgres -- psql -XAtqc CHECKPOINT; ctl stop -m fast
      mv /root/standby.signal .`;
    await inside(formation.standby, 'sh', '-ec', script);
    await inside(formation.standby, 'systemctl', 'start', 'pg_autoctl');
  }

  it('is told by its WAL, though its timeline is the same, and is made anew as printed', () =>
    isToldAndMended(path, {
      check: 'wal-agrees',
      what: 'a standby has written a checkpoint of its own',
      breakIt: comesUpAsPrimary,
    }));

  it.runIf(everything)('is told as the cause where its Postgres does not get up any more', () =>
    isToldAndMended(path, {
      check: 'wal-agrees',
      what: 'a standby waits for records that its primary never wrote',
      breakIt: async () => {
        await comesUpAsPrimary();
        await sql(formation.primary, 'CREATE TABLE pgha_lineage AS SELECT generate_series(1, 1000)');
        await sql(formation.primary, 'DROP TABLE pgha_lineage');
        await inside(formation.standby, 'systemctl', 'restart', 'pg_autoctl');
      },
      follows: ['nodes-reachable'],
    }),
  );
});

describe('the link between primary and standby alone is cut', () => {
  it('is told as a standby that does not stream, and the commits that hang as its consequence (#997)', async () => {
    await cutBridge(formation.primary, formation.standby, true);
    try {
      await inBackground(formation.primary, 'INSERT INTO pgha_checks DEFAULT VALUES');
      const found = await untilTold(path, 'standbys-streaming');
      expect(toldOf(found).failed, found.log).toEqual(['standbys-streaming']);
      await new Promise((next) => setTimeout(next, 5000));
      const later = await check(path);
      expect(toldOf(later).failed, later.log).toEqual(['standbys-streaming']);
      expect(toldOf(later).follows, later.log).toContain('commits-finish');
    } finally {
      await healBridge();
    }
    await isMended(path);
  });
});

/** A planned failover, after which the formation is healthy. */
async function handOver(): Promise<void> {
  await onMonitor(monitor, "SELECT pgautofailover.perform_failover('default', 0)");
  await becomesHealthy(path, 60_000);
  await formation.readRoles();
}

/** A query on the standby against a lock that its replay needs: max_standby_streaming_delay is 30 s. */
async function holdUpReplay(): Promise<void> {
  await inBackground(formation.standby, 'LOCK TABLE pgha_checks IN ACCESS SHARE MODE; SELECT pg_sleep(60)');
  await sql(formation.primary, 'BEGIN; LOCK TABLE pgha_checks IN ACCESS EXCLUSIVE MODE; COMMIT');
}
