import { describe, expect, it } from 'vitest';
import {
  hbaAddress,
  hostsInMonitorHba,
  monitorHba,
  monitorIdent,
  nodeHba,
} from '../../../src/member/pg-hba.ts';
import { builtInFormation, formationOf } from '../builders.ts';

const hosts = ['pgaf-primary.incus', 'pgaf-replica.incus'];
const rules = (text: string) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));

describe("the monitor's pg_hba.conf", () => {
  it('lets in postgres by peer authentication, and the nodes by TLS and password', () => {
    expect(rules(monitorHba(hosts))).toEqual([
      'local all postgres peer',
      'local pg_auto_failover autoctl_node,autoctl peer map=pgha',
      'hostssl pg_auto_failover autoctl_node pgaf-primary.incus scram-sha-256',
      'hostssl pg_auto_failover autoctl_node pgaf-replica.incus scram-sha-256',
    ]);
  });

  it('tells whom it lets in', () => {
    expect(hostsInMonitorHba(monitorHba(hosts))).toEqual(hosts);
    expect(hostsInMonitorHba('')).toEqual([]);
  });

  it('lets them in again, addresses as names, where it is written anew from what it said', () => {
    const all = [...hosts, '10.1.2.3', 'fd00::1'];
    const once = monitorHba(all.map((host) => hbaAddress(host) ?? ''));
    expect(hostsInMonitorHba(once)).toEqual(all);
    expect(monitorHba(hostsInMonitorHba(once).map((host) => hbaAddress(host) ?? ''))).toBe(once);
  });

  it("has the map that lets postgres be pg_autoctl's accounts", () => {
    expect(rules(monitorIdent())).toEqual(['pgha postgres autoctl_node', 'pgha postgres autoctl']);
  });
});

describe("a data node's pg_hba.conf", () => {
  it('lets in the nodes and the declared clients, each by TLS and password, and nobody else', () => {
    expect(rules(nodeHba(builtInFormation(), 'pgaf-monitor.incus', hosts))).toEqual([
      'local all postgres peer',
      'hostssl postgres pgautofailover_monitor pgaf-monitor.incus trust',
      'hostssl postgres,replication pgautofailover_replicator pgaf-primary.incus scram-sha-256',
      'hostssl postgres,replication pgautofailover_replicator pgaf-replica.incus scram-sha-256',
      'hostssl "veza" "veza" 10.0.0.0/8 scram-sha-256',
    ]);
  });

  it('has a rule for each user, database and network, and trust only where it is asked for by name', () => {
    const formation = formationOf(`
postgres:
  clients: [10.1.0.0/16, 'fd00::/8']
  databases: [{ name: reports, owner: reporter }]
  users: [{ name: reporter, databases: [reports, veza], clients: [10.2.0.0/16] }]
  access: [{ user: reporter, database: reports, clients: [10.3.0.1/32], method: trust }]
`);
    expect(rules(nodeHba(formation, 'm.incus', [])).slice(2)).toEqual([
      'hostssl "reports" "reporter" 10.3.0.1/32 trust',
      'hostssl "veza" "veza" 10.1.0.0/16 scram-sha-256',
      'hostssl "veza" "veza" fd00::/8 scram-sha-256',
      'hostssl "reports" "reporter" 10.2.0.0/16 scram-sha-256',
      'hostssl "veza" "reporter" 10.2.0.0/16 scram-sha-256',
    ]);
  });
});

describe('the host of a node that the monitor knows and the file does not', () => {
  it.each([
    ['old-node.incus', 'old-node.incus'],
    ['pgaf_1', 'pgaf_1'],
    ['10.0.0.7', '10.0.0.7/32'],
    ['fd00::7', 'fd00::7/128'],
  ])('%s gets a rule for %s', (host, address) => {
    expect(hbaAddress(host)).toBe(address);
  });

  it.each([
    '',
    'all',
    'ALL',
    'samenet',
    'samehost',
    '.incus',
    '0.0.0.0/0',
    '10.0.0.0/8',
    'a.incus trust',
    'a.incus scram-sha-256\nhost all all 0.0.0.0/0 trust #',
    'a\thost',
    '"a"',
    'a,b',
    '@file',
    'a.'.repeat(200),
  ])('%j gets none', (host) => {
    expect(hbaAddress(host)).toBeUndefined();
  });
});
