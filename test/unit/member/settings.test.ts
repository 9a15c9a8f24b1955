import { describe, expect, it } from 'vitest';
import { formationUri, membersOf, numberSyncStandbys } from '../../../src/formation/formation.ts';
import { timingsProfiles } from '../../../src/formation/timings.ts';
import { monitorUri, partitionTimeoutOf } from '../../../src/member/keeper-config.ts';
import { dataNodeSettings, monitorSettings } from '../../../src/member/settings.ts';
import { unitText } from '../../../src/member/unit.ts';
import { builtInFormation, formationOf } from '../builders.ts';

describe("a formation's clocks as Postgres settings", () => {
  it('are those of pg_auto_failover on the monitor, with their unit', () => {
    expect(monitorSettings(timingsProfiles.upstream)).toEqual({
      'pgautofailover.health_check_period': '5000ms',
      'pgautofailover.health_check_timeout': '5000ms',
      'pgautofailover.health_check_max_retries': '2',
      'pgautofailover.health_check_retry_delay': '2000ms',
      'pgautofailover.node_considered_unhealthy_timeout': '20000ms',
      'pgautofailover.primary_demote_timeout': '30000ms',
    });
  });

  it("are wal_sender_timeout on a data node, beside the file's own settings", () => {
    const formation = formationOf(
      'timings: upstream\npostgres: { settings: { shared_buffers: 1GB, max_connections: 200, jit: false } }',
    );
    expect(dataNodeSettings(formation)).toEqual({
      wal_sender_timeout: '30000ms',
      wal_receiver_status_interval: '1s',
      shared_buffers: '1GB',
      max_connections: '200',
      jit: 'off',
    });
  });
});

describe("the keeper's network_partition_timeout", () => {
  it.each([
    [
      'as pg_autoctl writes it',
      '[timeout]\nnetwork_partition_timeout = 20\nprepare_promotion_catchup = 30\n',
      20,
    ],
    ['as it was set', '[timeout]\nnetwork_partition_timeout=5\n', 5],
    ['indented', '[timeout]\n  network_partition_timeout  =  3', 3],
    ['when it is not written: upstream’s default', '[timeout]\nother = 1\n', 20],
    ['when only a comment names it', '# network_partition_timeout = 7\n', 20],
    ['in no file at all', '', 20],
  ])('%s', (_, config, expected) => {
    expect(partitionTimeoutOf(config)).toBe(expected);
  });
});

describe('the systemd unit', () => {
  const [monitor, primary] = membersOf(builtInFormation());

  it('restarts pg_autoctl for ever, with enough open files', () => {
    if (!primary) throw new Error('the built-in formation has data nodes');
    const lines = unitText(primary, 15).split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        'User=postgres',
        'Environment=PGDATA=/var/lib/postgresql/pgaf/node',
        'Environment=PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin',
        'ExecStart=/usr/bin/pg_autoctl run',
        'Restart=on-failure',
        'LimitNOFILE=65536',
        'StartLimitIntervalSec=0',
        'WantedBy=multi-user.target',
      ]),
    );
    expect(lines.indexOf('StartLimitIntervalSec=0')).toBeLessThan(lines.indexOf('[Service]'));
    expect(lines.at(-1)).toBe('');
  });

  it("is the monitor's own on the monitor", () => {
    if (!monitor) throw new Error('the built-in formation has a monitor');
    expect(unitText(monitor, 16)).toContain('Environment=PGDATA=/var/lib/postgresql/pgaf/monitor\n');
  });
});

describe('number_sync_standbys for a requested number of synchronous standbys', () => {
  const formation = (nodes: number, syncStandbys: number) =>
    formationOf(
      `replication: { sync-standbys: ${syncStandbys}, quorum: ${syncStandbys > 0} }\n` +
        `nodes: [${Array.from({ length: nodes }, (_, index) => `{ name: pg${index} }`).join(', ')}]`,
    );
  it.each([
    ['0 with two data nodes, where pg_auto_failover refuses 1', 2, 1, 0],
    ['1 with three', 3, 1, 1],
    ['2 with four', 4, 2, 2],
    ['1 with four, if no more is asked for', 4, 1, 1],
    ['0 where none is asked for', 3, 0, 0],
  ])('is %s', (_, nodes, asked, number) => {
    expect(numberSyncStandbys(formation(nodes, asked))).toBe(number);
  });
});

describe('connection strings', () => {
  it('name every data node, ask for the writable one, and hold no password', () => {
    expect(formationUri(builtInFormation())).toBe(
      'postgres://veza@pgaf-primary.incus:5432,pgaf-replica.incus:5432/veza?target_session_attrs=read-write&sslmode=require',
    );
  });

  it("follow the file's port, domain, names, database and user", () => {
    const uri = formationUri(
      formationOf(
        'incus: { domain: lab }\npostgres: { port: 6543, database: shop, user: app }\nnodes: [{ name: a }, { name: b }, { name: c }]',
      ),
    );
    expect(uri).toBe(
      'postgres://app@a.lab:6543,b.lab:6543,c.lab:6543/shop?target_session_attrs=read-write&sslmode=require',
    );
  });

  it('lead keepers to the monitor', () => {
    const [monitor] = membersOf(builtInFormation());
    if (!monitor) throw new Error('the built-in formation has a monitor');
    expect(monitorUri(builtInFormation(), monitor, '')).toBe(
      'postgres://autoctl_node@pgaf-monitor.incus:5432/pg_auto_failover?sslmode=require&keepalives_idle=1&keepalives_interval=1&keepalives_count=2&tcp_user_timeout=3000',
    );
  });
});
