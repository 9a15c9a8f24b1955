import { describe, expect, it } from 'vitest';
import { transitions } from '../../src/monitor/transitions.ts';
import { breakableFormation } from './breakable.ts';
import {
  alterSystem,
  asPrinted,
  autoctl,
  type Breakage,
  check,
  isMended,
  isToldAndMended,
  onMonitor,
  reportedFindings,
  rolesOf,
  sql,
  toldOf,
  untilTold,
  writtenFormation,
} from './breakage.ts';
import { cutBridge, healBridge } from './bridge.ts';
import { everything, some } from './extent.ts';
import { labFormation } from './formations.ts';
import { eventually, incus, inside, runAction } from './harness.ts';

/** Checks on the members and on what the monitor wants of them: each broken for real, and mended as told. */

const formation = breakableFormation();
const { monitor, path } = formation;

const breakages: Breakage[] = [
  {
    check: 'monitor-reachable',
    what: 'the monitor is frozen',
    breakIt: () => incus('pause', monitor),
  },
  {
    check: 'nodes-reachable',
    what: "the standby's container is stopped",
    breakIt: () => incus('stop', '--force', formation.standby),
  },
  {
    check: 'nodes-reachable',
    what: "a standby's keeper was restarted with an order that it cannot follow, and left its Postgres down",
    breakIt: async () => {
      await orderImpossible();
      await inside(formation.standby, 'systemctl', 'restart', 'pg_autoctl');
    },
    follows: ['no-stuck-transition', 'states-converged'],
  },
  {
    check: 'services-run',
    what: 'pg_autoctl is stopped on the standby',
    breakIt: () => inside(formation.standby, 'systemctl', 'stop', 'pg_autoctl'),
    follows: ['nodes-reachable'],
  },
  {
    check: 'services-run',
    what: 'pg_autoctl would not start after a reboot',
    breakIt: () => inside(formation.primary, 'systemctl', 'disable', 'pg_autoctl'),
  },
  {
    check: 'unit-file',
    what: 'a limit in the unit file',
    breakIt: () =>
      inside(formation.standby, 'sed', '-i', 's/65536/1024/', '/etc/systemd/system/pg_autoctl.service'),
  },
  {
    check: 'open-files',
    what: 'Postgres may open too few files',
    breakIt: () => fewFiles(formation.standby),
  },
  {
    check: 'keepers-report',
    what: "the standby's keeper hangs",
    breakIt: () => inside(formation.standby, 'pkill', '-STOP', '-f', '^pg_autoctl: node active'),
  },
  {
    check: 'keepers-report',
    what: 'the monitor does not let the standby in',
    breakIt: async () => {
      const hba = '/var/lib/postgresql/pgaf/monitor/pg_hba.conf';
      await inside(monitor, 'sed', '-i', `/ ${formation.standby}[.]incus /d`, hba);
      await sql(monitor, 'SELECT pg_reload_conf()');
    },
    follows: ['matches-file'],
  },
  {
    check: 'no-stuck-transition',
    what: 'the monitor gave an order that no keeper can follow',
    breakIt: orderImpossible,
  },
  {
    check: 'no-maintenance',
    what: 'the standby is in maintenance',
    // pg_autoctl, which waits for what comes of it, may miss that.
    breakIt: () =>
      onMonitor(
        monitor,
        `SELECT pgautofailover.start_maintenance(nodeid) FROM pgautofailover.node WHERE nodename = '${formation.standby}'`,
      ),
  },
  {
    check: 'nodes-healthy',
    what: "the monitor's health checks do not reach the standby",
    breakIt: () => cutBridge(monitor, formation.standby),
    byHand: () => healBridge(),
  },
  {
    check: 'one-writable-primary',
    what: 'the primary is set read-only',
    breakIt: () => alterSystem(formation.primary, 'SET default_transaction_read_only = on'),
  },
];

/** Postgres of a node may open fewer files than its unit grants. */
const fewFiles = (node: string) => {
  const script = 'prlimit --pid "$(head -n 1 "$1")" --nofile=1024:1024';
  return inside(node, 'sh', '-c', script, 'sh', '/var/lib/postgresql/pgaf/node/postmaster.pid');
};

describe('check-formation tells, and its remedy mends', () => {
  it.each(some(breakages, 6))('$check: $what', (breakage) => isToldAndMended(path, breakage));

  it.runIf(everything)(
    "open-files: the primary's Postgres may open too few files, and the clocks are balanced",
    async () => {
      const balanced = writtenFormation(labFormation(12, { timings: 'balanced' }).yaml);
      await provisioned(balanced);
      const before = await rolesOf(monitor);
      const last = await onMonitor(monitor, 'SELECT max(eventid) FROM pgautofailover.event');
      await isToldAndMended(balanced, {
        check: 'open-files',
        what: 'the primary, with balanced',
        breakIt: () => fewFiles(before.primary),
      });
      // It was asked for: a restart may bring a failover about as well.
      expect(await rolesOf(monitor)).toEqual({ primary: before.standby, standby: before.primary });
      const asked = `SELECT count(*) FROM pgautofailover.event WHERE eventid > ${last} AND description ~ 'user-initiated failover'`;
      expect(await onMonitor(monitor, asked)).not.toBe('0');
      await provisioned(path);
    },
  );
});

async function provisioned(file: string): Promise<string> {
  const { code, log } = await runAction('provision-pgaf', { formation: file });
  expect(code, log).toBe(0);
  return log;
}

const data = '/var/lib/postgresql/pgaf/node';

/** Ends the standby's Postgres, which its keeper then cannot start again. */
async function startsNoMore(breakIt: () => Promise<unknown>): Promise<void> {
  await breakIt();
  const stop = `kill -INT "$(head -n 1 ${data}/postmaster.pid)"`;
  await inside(formation.standby, 'sh', '-c', stop);
}

/** Ends Postgres, with the WAL put aside that its control file names: as where a snapshot has the one and not the other. */
const setBack = `
set -e
mkdir "$1-wal"
chown postgres: "$1-wal"
pid=$(head -n 1 "$1/postmaster.pid")
mv "$1"/pg_wal/0* "$1-wal"
kill -QUIT "$pid"
`;

/** What has kept a Postgres from starting, each mended as printed. */
const downfalls: Breakage[] = [
  {
    check: 'postgres-starts',
    what: 'its data directory may be read by others, and pg_hba.conf is of root',
    breakIt: () =>
      startsNoMore(() =>
        inside(formation.standby, 'sh', '-c', `chown root: ${data}/pg_hba.conf; chmod 0770 ${data}`),
      ),
    follows: ['nodes-reachable'],
  },
  {
    check: 'postgres-starts',
    what: 'somebody has asked for a library that is not there',
    breakIt: () =>
      startsNoMore(() => sql(formation.standby, "ALTER SYSTEM SET shared_preload_libraries = 'nothere'")),
    follows: ['nodes-reachable'],
  },
  {
    check: 'postgres-starts',
    what: 'it has fewer connections than its primary',
    breakIt: () => startsNoMore(() => sql(formation.standby, 'ALTER SYSTEM SET max_connections = 20')),
    follows: ['nodes-reachable'],
  },
  {
    check: 'postgres-starts',
    what: "a tablespace's folder is missing",
    breakIt: async () => {
      await inside(formation.primary, 'install', '-d', '-o', 'postgres', '-m', '0700', '/srv/ts');
      // An earlier run in the same lab may have left one.
      await sql(formation.primary, 'DROP TABLESPACE IF EXISTS pgha_checks');
      await sql(formation.primary, "CREATE TABLESPACE pgha_checks LOCATION '/srv/ts'");
    },
    follows: ['nodes-reachable'],
  },
  {
    check: 'postgres-starts',
    what: 'its data is of no use any more',
    breakIt: async () => {
      await startsNoMore(() => Promise.resolve());
      const spoil = `printf spoilt | dd of=${data}/global/pg_control bs=1 seek=100 conv=notrunc`;
      await inside(
        formation.standby,
        'sh',
        '-c',
        `sleep 0.5; ${spoil}; kill -INT "$(head -n 1 ${data}/postmaster.pid)" || true`,
      );
    },
    follows: ['nodes-reachable'],
  },
];

describe('a Postgres that does not start is quoted, and its remedy mends', () => {
  it.each(some(downfalls, 1))('$what', (breakage) => isToldAndMended(path, breakage));

  it.runIf(everything)(
    "a primary's that was set back, whose standby may not take over: its PANIC is quoted, and nothing is to be deleted",
    async () => {
      await autoctl(formation.standby, 'set', 'node', 'candidate-priority', '0');
      await inside(formation.primary, 'sh', '-c', setBack, 'sh', data);
      const found = await untilTold(path, 'postgres-starts');
      const [problem] =
        reportedFindings(found).find((finding) => finding.check === 'postgres-starts')?.faults ?? [];
      expect(problem?.subject, found.log).toBe(formation.primary);
      expect(problem?.evidence).toContain('PANIC: could not locate a valid checkpoint record');
      expect(problem?.remedy.say).toContain('delete nothing, save it first');
      expect(problem?.remedy.run).toBeUndefined();
      await inside(formation.primary, 'sh', '-c', `mv ${data}-wal/* ${data}/pg_wal/ && rmdir ${data}-wal`);
      await eventually('the primary to take writes', 60_000, async () => {
        const told = await sql(formation.primary, 'SELECT pg_is_in_recovery()').catch(() => '');
        return told === 'f';
      });
      await autoctl(formation.standby, 'set', 'node', 'candidate-priority', '50');
      await isMended(path);
      expect((await rolesOf(monitor)).primary).toBe(formation.primary);
    },
  );

  it.runIf(everything)(
    'a node that is made anew gets the folders of tablespaces, which its container lacks',
    async () => {
      const { primary, standby } = formation;
      for (const node of [primary, standby])
        await inside(node, 'install', '-d', '-o', 'postgres', '-m', '0700', '/srv/ts-new');
      await sql(primary, "CREATE TABLESPACE pgha_new LOCATION '/srv/ts-new'");
      await sql(primary, 'CREATE TABLE pgha_new TABLESPACE pgha_new AS SELECT 1 AS one');
      await incus('delete', '--force', standby);
      expect(await provisioned(path)).toMatch(
        new RegExp(`${standby} +make the folders of tablespaces: /srv/ts-new`),
      );
      await isMended(path);
      expect(await sql(standby, 'SELECT one FROM pgha_new')).toBe('1');
      await sql(primary, 'DROP TABLE pgha_new');
      await sql(primary, 'DROP TABLESPACE pgha_new');
    },
  );

  it('a setting that Postgres would not start with is refused in its own words, and no node is touched', async () => {
    const settings = 'shared_preload_libraries: "pg_stat_statements, nothere"';
    const bad = writtenFormation(
      formation.yaml.replace(/^postgres:$/m, `postgres:\n  settings:\n    ${settings}`),
    );
    const before = await sql(formation.standby, 'SELECT pg_postmaster_start_time()');
    const { code, log } = await runAction('provision-pgaf', { formation: bad });
    expect(code, log).toBe(3);
    expect(log).toMatch(/postgres\.settings: .*FATAL: could not access file "nothere"/);
    expect(await sql(formation.standby, 'SELECT pg_postmaster_start_time()')).toBe(before);
    expect(await sql(formation.standby, 'SHOW shared_preload_libraries')).not.toContain('nothere');
    expect(await inside(formation.standby, 'cat', `${data}/postgresql.auto.conf`)).not.toContain('nothere');
  });
});

describe('a monitor of another version', () => {
  it('is the cause, told before the keepers that it turns away, and its remedy mends', async () => {
    await onMonitor(monitor, "UPDATE pg_extension SET extversion = '1.6' WHERE extname = 'pgautofailover'");
    let found = await check(path);
    await eventually('the keepers to fall silent', 40_000, async () => {
      found = await check(path);
      return toldOf(found).follows.includes('keepers-report');
    });
    expect(toldOf(found).failed, found.log).toEqual(['versions-equal']);
    const [problem] =
      reportedFindings(found).find((finding) => finding.check === 'versions-equal')?.faults ?? [];
    await asPrinted(problem?.remedy.run ?? 'false');
    await isMended(path);
    expect((await rolesOf(monitor)).primary).toBe(formation.primary);
  });
});

describe('the orders that a keeper can follow', () => {
  it('are those that we know of: an order on no way of theirs is taken back', async () => {
    const env = ['env', 'PG_AUTOCTL_DEBUG=1', 'PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin'];
    const told = await inside(
      formation.standby,
      'runuser',
      '-u',
      'postgres',
      '--',
      ...env,
      'pg_autoctl',
      'do',
      'fsm',
      'gv',
    );
    const ways = [...told.matchAll(/^\s*(\w+) -> (\w+) \[/gm)].map(([, from, to]) => `${from} → ${to}`);
    const known = Object.entries(transitions).flatMap(([from, goals]) =>
      goals.map((to) => `${from} → ${to}`),
    );
    expect(known.sort()).toEqual([...new Set(ways)].sort());
  });

  it('are all that provisioning waits for: it takes another one back, and ends healthy', async () => {
    await orderImpossible();
    const { code, log } = await runAction('provision-pgaf', { formation: path, 'converge-seconds': '60' });
    expect(code, log).toBe(0);
    expect(log).toMatch(
      new RegExp(`${formation.standby} +take back the order join_primary, to which no keeper knows a way`),
    );
  });
});

/** As in #774 and #1025: a goal that lies on no way from the state that the node is in. */
async function orderImpossible(): Promise<void> {
  const order = "goalstate = 'join_primary', statechangetime = now() - interval '1 hour'";
  await onMonitor(monitor, `UPDATE pgautofailover.node SET ${order} WHERE nodename = '${formation.standby}'`);
}
