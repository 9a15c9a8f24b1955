import { afterAll, describe, expect, it } from 'vitest';
import { breakableFormation } from './breakable.ts';
import {
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
} from './breakage.ts';
import { eventually, incus, inside, runAction } from './harness.ts';

/** Where a check says "run provision-pgaf", that ends it: broken for real, told, mended by it, and nothing left to do. */

/** `PGHA_DEBIAN=13` runs this file on Debian 13. */
const debian = process.env['PGHA_DEBIAN'] === '13' ? 13 : 12;
const formation = breakableFormation({ debian });
const { monitor, path } = formation;
const data = '/var/lib/postgresql/pgaf/node';
/** Told by that check, whose printed command line is provisioning; it ends the problem, and has nothing to do after. */
async function provisioningMends(id: string): Promise<string> {
  const found = await untilTold(path, id);
  const [problem] = reportedFindings(found).find((finding) => finding.check === id)?.faults ?? [];
  expect(problem?.remedy.run, found.log).toMatch(/^pgha provision-pgaf /);
  const log = await asPrinted(problem?.remedy.run ?? 'false');
  await isMended(path);
  const again = await runAction('provision-pgaf', { formation: path });
  expect(again.outputs['message'], again.log).toMatch(/^nothing to change/);
  return log;
}

describe('a standby whose settings are built in, and whose primary has more', () => {
  /** The primary's Postgres is restarted without a failover, and its standby then pauses replay. */
  async function primaryHasMore(): Promise<number> {
    const connections = Number(await sql(formation.standby, 'SHOW max_connections')) + 40;
    await autoctl(formation.standby, 'set', 'node', 'candidate-priority', '0');
    await sql(formation.standby, 'ALTER SYSTEM RESET max_connections');
    await sql(formation.primary, `ALTER SYSTEM SET max_connections = ${connections}`);
    const bin = (await inside(formation.primary, 'sh', '-c', 'ls -d /usr/lib/postgresql/*/bin')).trim();
    await inside(
      formation.primary,
      'runuser',
      '-u',
      'postgres',
      '--',
      `${bin}/pg_ctl`,
      'stop',
      '-m',
      'fast',
      '-D',
      data,
    );
    await eventually('the primary to have more', 30_000, async () => {
      const told = await sql(formation.primary, 'SHOW max_connections').catch(() => '');
      return told === String(connections);
    });
    await eventually('the standby to pause', 60_000, async () => {
      return (await sql(formation.standby, 'SELECT pg_is_wal_replay_paused()').catch(() => '')) === 't';
    });
    return connections;
  }

  it('starts again with what the primary has', async () => {
    const connections = await primaryHasMore();
    await incus('restart', '--force', formation.standby);
    await onMonitor(
      monitor,
      `SELECT pgautofailover.set_node_candidate_priority('default', '${formation.standby}', 50)`,
    );
    const log = await provisioningMends('postgres-starts');
    expect(log).toContain(`set max_connections to ${connections}`);
    expect(await sql(formation.standby, 'SHOW max_connections')).toBe(String(connections));
    expect((await rolesOf(monitor)).primary).toBe(formation.primary);
  });
});

/** What an operator, or a script of his, may have done. */
const undone: Pick<Breakage, 'check' | 'what' | 'breakIt'>[] = [
  {
    check: 'nodes-reachable',
    what: "a standby's container is gone",
    breakIt: () => incus('delete', '--force', formation.standby),
  },
  {
    check: 'nodes-reachable',
    // The primary has been told of a healthy standby and waits for it to connect, which never comes.
    what: "a standby's container is gone that its primary waits for",
    breakIt: async () => {
      await incus('delete', '--force', formation.standby);
      const alone = `SELECT goalstate = 'wait_primary' AND reportedstate = 'wait_primary' FROM pgautofailover.node WHERE nodename = '${formation.primary}'`;
      await eventually(
        'the primary to go on alone',
        60_000,
        async () => (await onMonitor(monitor, alone)) === 't',
      );
      await onMonitor(
        monitor,
        `UPDATE pgautofailover.node SET goalstate = 'primary' WHERE nodename = '${formation.primary}'`,
      );
    },
  },
  {
    check: 'nodes-registered',
    what: 'a node was dropped, and its container deleted',
    breakIt: async () => {
      await incus('delete', '--force', formation.standby);
      await onMonitor(
        monitor,
        `SELECT pgautofailover.remove_node(nodeid, force => true) FROM pgautofailover.node WHERE nodename = '${formation.standby}'`,
      );
    },
  },
  {
    check: 'services-run',
    what: 'the unit file is gone',
    breakIt: async () => {
      await inside(formation.standby, 'systemctl', 'disable', '--now', 'pg_autoctl');
      await inside(formation.standby, 'rm', '/etc/systemd/system/pg_autoctl.service');
      await inside(formation.standby, 'systemctl', 'daemon-reload');
    },
  },
  {
    // The monitor of 2.0 takes a refused login for a sign of life (health_check_worker.c), that of 2.1 does not.
    check: debian === 12 ? 'matches-file' : 'nodes-healthy',
    what: "the rule of the monitor's health checks is gone from pg_hba.conf",
    breakIt: async () => {
      await inside(formation.standby, 'sed', '-i', '/pgautofailover_monitor/d', `${data}/pg_hba.conf`);
      await sql(formation.standby, 'SELECT pg_reload_conf()');
    },
  },
  {
    check: 'standbys-streaming',
    // As pg_autoctl of 2.0 was seen to leave it behind; a start of Postgres alone does not write it again.
    what: "a standby's primary_conninfo is empty",
    breakIt: async () => {
      const conf = `${data}/postgresql-auto-failover-standby.conf`;
      await inside(formation.standby, 'sed', '-i', "s/^primary_conninfo.*/primary_conninfo = ''/", conf);
      await sql(formation.standby, 'SELECT pg_reload_conf()');
    },
  },
  {
    check: 'matches-file',
    what: 'pg_hba.conf lets in whoever asks',
    breakIt: async () => {
      const rule = 'echo "host all all 0.0.0.0/0 trust" >> "$1"';
      await inside(formation.standby, 'sh', '-c', rule, 'sh', `${data}/pg_hba.conf`);
      await sql(formation.standby, 'SELECT pg_reload_conf()');
    },
  },
  {
    check: 'sync-standbys-possible',
    what: 'number_sync_standbys is higher than the standbys allow',
    breakIt: () => onMonitor(monitor, 'UPDATE pgautofailover.formation SET number_sync_standbys = 1'),
  },
  {
    check: 'matches-file',
    what: 'a candidate priority is another',
    breakIt: () => autoctl(formation.standby, 'set', 'node', 'candidate-priority', '20'),
  },
  {
    check: 'matches-file',
    what: "a keeper's network_partition_timeout is another",
    breakIt: async () => {
      await autoctl(formation.standby, 'config', 'set', 'timeout.network_partition_timeout', '77');
      await inside(formation.standby, 'systemctl', 'reload', 'pg_autoctl');
    },
  },
  {
    check: 'matches-file',
    what: "a keeper's connection string for the monitor is another",
    breakIt: async () => {
      const uri = await inside(
        formation.standby,
        'sh',
        '-c',
        "sed -n 's/^monitor = //p' /var/lib/postgresql/.config/pg_autoctl/var/lib/postgresql/pgaf/node/pg_autoctl.cfg",
      );
      await autoctl(
        formation.standby,
        'config',
        'set',
        'pg_autoctl.monitor',
        `${uri.trim()}&connect_timeout=9`,
      );
      await inside(formation.standby, 'systemctl', 'reload', 'pg_autoctl');
    },
  },
];

describe('provisioning, which the check asks for, ends it', () => {
  it.each(undone)('$check: $what', async ({ check: id, breakIt }) => {
    await breakIt();
    await provisioningMends(id);
  });
});

describe('a keeper that goes on with the configuration of before', () => {
  /** In a formation that is settled but for it: the monitor has every node where it wants it. */
  it('is told of, and made to read it again', async () => {
    const file = '/var/lib/postgresql/.config/pg_autoctl/var/lib/postgresql/pgaf/node/pg_autoctl.cfg';
    const begun =
      'set -e; cp -p "$1" "$1.kept"; sed -i "s/^\\(monitor = .*\\):5432/\\1:5499/" "$1"; ! cmp -s "$1" "$1.kept"';
    await inside(formation.standby, 'sh', '-c', begun, 'sh', file);
    await inside(formation.standby, 'systemctl', 'reload', 'pg_autoctl');
    await eventually('its reports to end', 60_000, async () => {
      const silent = `SELECT reporttime < now() - interval '12 s' FROM pgautofailover.node WHERE nodename = '${formation.standby}'`;
      return (await onMonitor(monitor, silent)) === 't';
    });
    await inside(formation.standby, 'mv', `${file}.kept`, file);

    const told = await check(path);
    expect(toldOf(told).failed, told.log).toContain('keepers-report');
    const plan = await runAction('provision-pgaf', { formation: path, mode: 'plan' });
    expect(plan.log).toMatch(/pg_autoctl read its configuration again/);
    const applied = await runAction('provision-pgaf', { formation: path });
    expect(applied.code, applied.log).toBe(0);
    expect(applied.log).toMatch(/pg_autoctl read its configuration again/);
    const again = await runAction('provision-pgaf', { formation: path });
    expect(again.outputs['message'], again.log).toMatch(/^nothing to change/);
  });
});

/** Defaults of roles and databases, which pg_auto_failover's own sessions take as well. */
const defaults: Breakage[] = [
  {
    check: 'own-sessions',
    what: "the keepers' account may only read at the monitor",
    breakIt: async () => {
      await onMonitor(monitor, 'ALTER ROLE autoctl_node SET default_transaction_read_only = on');
      // The harm is real: no keeper can report any more.
      await endSessions('autoctl_node');
      await eventually('the reports to end', 30_000, async () => {
        const silent = "SELECT bool_and(reporttime < now() - interval '3 s') FROM pgautofailover.node";
        return (await onMonitor(monitor, silent)) === 't';
      });
    },
  },
  {
    check: 'own-sessions',
    what: "the monitor's own checks may only read",
    breakIt: () =>
      onMonitor(monitor, 'ALTER DATABASE pg_auto_failover SET default_transaction_read_only = on'),
  },
  {
    check: 'own-sessions',
    what: "a standby's keeper asks in serializable transactions, which no standby takes",
    breakIt: async () => {
      await sql(formation.primary, "ALTER ROLE postgres SET default_transaction_isolation = 'serializable'");
      await eventually('the standby to have it too', 10_000, async () => {
        return (
          (await sql(formation.standby, 'SHOW default_transaction_isolation').catch(() => 'serializable')) ===
          'serializable'
        );
      });
    },
  },
];

async function endSessions(role: string): Promise<void> {
  await onMonitor(
    monitor,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${role}'`,
  );
}

describe("defaults that hurt pg_auto_failover's own sessions are told, and the printed command line ends it", () => {
  afterAll(async () => {
    const at = (await rolesOf(monitor)).primary;
    for (const place of ['', ' IN DATABASE pg_auto_failover'])
      for (const role of ['autoctl_node', 'postgres'])
        await onMonitor(
          monitor,
          `BEGIN READ WRITE; ALTER ROLE ${role}${place} RESET default_transaction_read_only; COMMIT`,
        );
    const reset = 'ALTER DATABASE pg_auto_failover RESET default_transaction_read_only';
    await onMonitor(monitor, `BEGIN READ WRITE; ${reset}; COMMIT`);
    for (const place of ['', ' IN DATABASE postgres'])
      await sql(at, `ALTER ROLE postgres${place} RESET default_transaction_isolation`);
  });

  it.each(defaults)('$check: $what', (breakage) => isToldAndMended(path, breakage));
});
