import type { Found, FoundMember, FoundNode } from '../../../src/adoption/found.ts';
import type { NodeFound } from '../../../src/adoption/read.ts';
import type { HbaRule } from '../../../src/postgres/hba-rules.ts';

/** Formations as others make them, as they are found. */

export const rule = (text: string): HbaRule => {
  const [type = '', databases = '', users = '', ...rest] = text.split(' ');
  const [address, method = ''] = type === 'local' ? [null, rest[0]] : rest;
  const [ip = '', prefix] = (address ?? '').split('/');
  const isNetwork = prefix !== undefined;
  return {
    type,
    databases: databases.split(','),
    users: users.split(','),
    address: address === null ? null : isNetwork ? ip : (address ?? null),
    netmask: isNetwork ? netmaskOf(ip, Number(prefix)) : null,
    method,
    error: null,
  };
};

function netmaskOf(ip: string, prefix: number): string {
  if (ip.includes(':')) {
    const bits = '1'.repeat(prefix).padEnd(128, '0');
    return (bits.match(/.{16}/g) ?? []).map((group) => Number.parseInt(group, 2).toString(16)).join(':');
  }
  const bits = '1'.repeat(prefix).padEnd(32, '0');
  return (bits.match(/.{8}/g) ?? []).map((octet) => Number.parseInt(octet, 2)).join('.');
}

/** What initdb and pg_autoctl write with --auth trust. */
export const upstreamRules = [
  'local all all trust',
  'host all all 127.0.0.1/32 trust',
  'host all all ::1/128 trust',
  'local replication all trust',
  'hostssl all pgautofailover_monitor 10.0.0.10/32 trust',
  'hostssl replication pgautofailover_replicator 10.0.0.12/32 trust',
  'hostssl postgres pgautofailover_replicator 10.0.0.12/32 trust',
].map(rule);

export const keeperConfig = (lines: string) =>
  `[pg_autoctl]\nrole = keeper\nmonitor = postgres://autoctl_node@10.0.0.10:5432/pg_auto_failover?sslmode=require\n[ssl]\nactive = 1\nsslmode = require\n[timeout]\nnetwork_partition_timeout = 20\n${lines}`;

export const clocks = {
  health_check_period: 5000,
  health_check_timeout: 5000,
  health_check_retry_delay: 2000,
  health_check_max_retries: 2,
  node_considered_unhealthy_timeout: 20_000,
  primary_demote_timeout: 30_000,
};

const member = (container: string, given: Partial<FoundMember> = {}): FoundMember => ({
  container,
  host: container,
  pgdata: '/var/lib/postgresql/pgaf',
  unit: 'pgautofailover.service',
  port: 5432,
  keeperConfig: keeperConfig(''),
  postgresVersion: 15,
  certificate: { isSelfSigned: true },
  system: 'debian 12',
  packages: { 'postgresql-15': '15.8-0+deb12u1', 'pg-auto-failover-cli': '2.0-2' },
  ...given,
});

const postgres = (given: Partial<NodeFound> = {}): NodeFound => ({
  inRecovery: true,
  walSenderTimeoutMs: 30_000,
  databases: [{ name: 'app', owner: 'app' }],
  roles: [{ name: 'app', databases: ['app'] }],
  superusers: [],
  hbaRules: [...upstreamRules, rule('hostssl app app 10.0.0.0/8 scram-sha-256')],
  ...given,
});

const node = (number: number, given: Partial<FoundNode> = {}): FoundNode => {
  const host = `10.0.0.${10 + number}`;
  return {
    ...member(`db${number}`, { host }),
    row: {
      name: `node_${number}`,
      host,
      port: 5432,
      candidatePriority: 50,
      quorum: true,
      state: number === 1 ? 'primary' : 'secondary',
    },
    postgres: postgres({ inRecovery: number !== 1 }),
    ...given,
  };
};

/** As upstream's tutorial: no names, hosts by address, one data directory of any name, upstream's unit, trust. */
export const tutorial = (): Found => ({
  incus: { remote: 'local', project: 'default' },
  formation: { name: 'default', numberSyncStandbys: 0 },
  others: [],
  clocks: { ...clocks },
  monitor: { ...member('watcher', { host: '10.0.0.10' }), hbaRules: [...upstreamRules] },
  nodes: [node(1), node(2)],
});

/** As a role of Ansible's: Debian's folders, containers' names, its own service. */
export function roleMade(): Found {
  const place = { pgdata: '/var/lib/postgresql/15/main', unit: 'pg_autoctl.service' };
  const named = (number: number, name: string) => {
    const made = node(number, { ...place, container: name, host: `${name}.lxd.example` });
    return { ...made, row: { ...made.row, name, host: `${name}.lxd.example` } };
  };
  return {
    ...tutorial(),
    monitor: {
      ...member('pg-monitor', {
        host: 'pg-monitor.lxd.example',
        pgdata: '/var/lib/postgresql/15/monitor',
        unit: place.unit,
      }),
      hbaRules: [...upstreamRules],
    },
    nodes: [named(1, 'pg-one'), named(2, 'pg-two')],
  };
}

/** Three nodes on a monitor that serves others, too. */
export const shared = (): Found => ({
  ...tutorial(),
  formation: { name: 'orders', numberSyncStandbys: 1 },
  others: ['default'],
  nodes: [node(1), node(2), node(3)],
});
