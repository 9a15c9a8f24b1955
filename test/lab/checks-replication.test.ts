import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  allRun,
  alterSystem,
  autoctl,
  type Breakage,
  check,
  formationFile,
  inBackground,
  isToldAndMended,
  onMonitor,
  rolesOf,
  sql,
  tellTimes,
  toldOf,
  untilTold,
} from './breakage.ts';
import { cutBridge, healBridge } from './bridge.ts';
import { some } from './extent.ts';
import { containersOf, labFormation } from './formations.ts';
import { becomesHealthy, inside, runAction } from './harness.ts';

/** Checks on what reaches another node, and stays: each broken for real, and mended as told. */

const formation = labFormation(12);
const { monitor } = formation;
const path = formationFile(formation.yaml);
let primary: string;
let standby: string;

beforeAll(async () => {
  const { code, log } = await runAction('provision-pgaf', { formation: path });
  expect(code, log).toBe(0);
  ({ primary, standby } = await rolesOf(monitor));
  await sql(primary, 'CREATE TABLE IF NOT EXISTS pgha_checks ()');
});

afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail') return;
  await healBridge();
  await allRun(containersOf(formation));
  await runAction('provision-pgaf', { formation: path });
});

afterAll(tellTimes);

const breakages: Breakage[] = [
  {
    check: 'synchronous-replication',
    what: 'the standby was taken out of the quorum',
    breakIt: () => autoctl(standby, 'set', 'node', 'replication-quorum', 'false'),
    follows: ['matches-file'],
  },
  {
    check: 'standbys-streaming',
    what: "the standbys' account has another password",
    breakIt: async () => {
      // Since then, the standby's control file is on the timeline before: it is on the new one all the same.
      await handOver();
      await sql(primary, "ALTER ROLE pgautofailover_replicator PASSWORD 'another'");
      await inside(standby, 'pkill', '-f', '^postgres: walreceiver');
    },
  },
  {
    check: 'replay-runs',
    what: 'replay is paused',
    breakIt: () => sql(standby, 'SELECT pg_wal_replay_pause()'),
  },
  {
    check: 'replay-runs',
    what: 'replay is delayed',
    breakIt: () => alterSystem(standby, "SET recovery_min_apply_delay = '1min'"),
  },
  {
    check: 'replication-lag',
    what: 'a query on the standby holds up its replay',
    breakIt: async () => {
      await holdUpReplay();
      const write =
        "pg_logical_emit_message(false, 'pgha', repeat('x', 1000000)) FROM generate_series(1, 80)";
      await sql(primary, `SELECT ${write}`);
    },
  },
  {
    check: 'commits-finish',
    what: 'a commit waits for a standby that does not replay',
    breakIt: async () => {
      await holdUpReplay();
      await inBackground(
        primary,
        'SET synchronous_commit = remote_apply; INSERT INTO pgha_checks DEFAULT VALUES',
      );
    },
  },
  {
    check: 'durable-commits',
    what: 'no commit waits for a standby',
    breakIt: () => alterSystem(primary, 'SET synchronous_commit = local'),
  },
  {
    check: 'durable-commits',
    what: "the application's do not",
    breakIt: () => sql(primary, 'ALTER ROLE veza SET synchronous_commit = off'),
    byHand: () => sql(primary, 'ALTER ROLE veza RESET synchronous_commit'),
  },
  {
    check: 'failover-possible',
    what: 'the standby may not be promoted',
    breakIt: () => autoctl(standby, 'set', 'node', 'candidate-priority', '0'),
    follows: ['matches-file'],
  },
  {
    check: 'replication-slots',
    what: 'a slot without a reader',
    breakIt: () => sql(primary, "SELECT pg_create_physical_replication_slot('forgotten', true)"),
  },
];

describe('check-formation tells, and its remedy mends', () => {
  it.each(some(breakages, 6))('$check: $what', (breakage) => isToldAndMended(path, breakage));
});

describe('the link between primary and standby alone is cut', () => {
  it('is told as a standby that does not stream, and the commits that hang as its consequence (#997)', async () => {
    await cutBridge(primary, standby, true);
    try {
      await inBackground(primary, 'INSERT INTO pgha_checks DEFAULT VALUES');
      const found = await untilTold(path, 'standbys-streaming');
      expect(toldOf(found).failed, found.log).toEqual(['standbys-streaming']);
      await new Promise((next) => setTimeout(next, 5000));
      const later = await check(path);
      expect(toldOf(later).failed, later.log).toEqual(['standbys-streaming']);
      expect(toldOf(later).follows, later.log).toContain('commits-finish');
    } finally {
      await healBridge();
    }
    const mended = await check(path, { 'wait-seconds': '60' });
    expect(mended.code, mended.log).toBe(0);
  });
});

/** A planned failover, after which the formation is healthy. */
async function handOver(): Promise<void> {
  await onMonitor(monitor, "SELECT pgautofailover.perform_failover('default', 0)");
  await becomesHealthy(path, 60_000);
  ({ primary, standby } = await rolesOf(monitor));
}

/** A query on the standby against a lock that its replay needs: max_standby_streaming_delay is 30 s. */
async function holdUpReplay(): Promise<void> {
  await inBackground(standby, 'LOCK TABLE pgha_checks IN ACCESS SHARE MODE; SELECT pg_sleep(60)');
  await sql(primary, 'BEGIN; LOCK TABLE pgha_checks IN ACCESS EXCLUSIVE MODE; COMMIT');
}
