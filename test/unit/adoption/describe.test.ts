import { describe as about, expect, it } from 'vitest';
import { strangersAsked } from '../../../src/adoption/asked.ts';
import { describe } from '../../../src/adoption/describe.ts';
import { parseFormation } from '../../../src/formation/file/load.ts';
import { membersOf, nodeNameOf } from '../../../src/formation/formation.ts';
import { timingsProfiles } from '../../../src/formation/timings.ts';
import { keeperConfig, roleMade, rule, shared, tutorial } from './foreign.ts';

/** The file of a formation that others have made says what is there, and is one that every action takes. */

const described = (found: ReturnType<typeof tutorial>, asked = {}) => {
  const { text, remarks } = describe(found, asked);
  return { text, remarks, formation: parseFormation(text, 'formation.yml') };
};

/** Upstream's clocks by themselves are worth a word. */
const ofClocks = expect.stringMatching(/^the clocks in force allow two primaries after a full cut/);

about('a formation as the tutorial makes it', () => {
  const { formation, remarks, text } = described(tutorial());

  it('is found where it is: by address, in its data directory, by its service and the names that the monitor has', () => {
    expect(membersOf(formation).map(({ name, host, pgdata, unit }) => [name, host, pgdata, unit])).toEqual([
      ['watcher', '10.0.0.10', '/var/lib/postgresql/pgaf', 'pgautofailover.service'],
      ['db1', '10.0.0.11', '/var/lib/postgresql/pgaf', 'pgautofailover.service'],
      ['db2', '10.0.0.12', '/var/lib/postgresql/pgaf', 'pgautofailover.service'],
    ]);
    expect(['db1', 'db2'].map((name) => nodeNameOf(formation, name))).toEqual(['node_1', 'node_2']);
  });

  it('keeps the clocks, packages, version and application that it has', () => {
    expect(formation).toMatchObject({
      name: 'default',
      environment: 'production',
      image: 'images:debian/12',
      timingsName: 'upstream',
      replication: { syncStandbys: 1 },
      postgres: {
        version: 15,
        packages: { source: 'distribution' },
        database: 'app',
        user: 'app',
        users: [{ name: 'app', databases: ['app'], clients: ['10.0.0.0/8'] }],
      },
    });
  });

  it('keeps nothing, and has nothing to be warned of but its clocks', () => {
    expect(formation.keep).toBeUndefined();
    expect(remarks).toEqual([ofClocks]);
    expect(text).toMatch(/^# Written by `pgha adopt`/);
  });
});

about('a formation whose nodes differ', () => {
  it('has the first value of each, and says so', () => {
    const found = tutorial();
    const [first, second] = found.nodes;
    if (!first || !second?.postgres) throw new Error('the tutorial has two nodes');
    second.keeperConfig = second.keeperConfig
      .replace('network_partition_timeout = 20', 'network_partition_timeout = 40')
      .replace('sslmode = require\n[timeout]', 'sslmode = verify-ca\n[timeout]');
    second.postgres.walSenderTimeoutMs = 60_000;
    expect(described(found).remarks).toEqual([
      ofClocks,
      'network_partition_timeout is not the same on all nodes (db1: 20 s, db2: 40 s): the file has the first, for all of them',
      'wal_sender_timeout is not the same on all nodes (db1: 30 s, db2: 60 s): the file has the first, for all of them',
      'sslmode is not the same on all nodes (db1: require, db2: verify-ca): the file has the first, for all of them',
    ]);
  });
});

about('a formation as a role makes it', () => {
  it('needs no word for what pgha has alike', () => {
    const { formation, text } = described(roleMade());
    expect(formation.incus.domain).toBe('lxd.example');
    expect(text).not.toMatch(/node-name|host:|unit:/);
    expect(membersOf(formation).map(({ pgdata }) => pgdata)).toEqual([
      '/var/lib/postgresql/15/monitor',
      '/var/lib/postgresql/15/main',
      '/var/lib/postgresql/15/main',
    ]);
  });

  it("needs none for data directories either that are called as pgha's", () => {
    const found = roleMade();
    found.monitor.pgdata = '/srv/pg/monitor';
    for (const each of found.nodes) each.pgdata = '/srv/pg/node';
    const { formation, text } = described(found);
    expect(formation.postgres.dataDirectory).toBe('/srv/pg');
    expect(text).not.toContain('pgdata');
  });
});

about('a formation on a monitor that serves others', () => {
  it('tells of it, and has all three nodes', () => {
    const { formation, remarks } = described(shared());
    expect(formation.nodes).toHaveLength(3);
    expect(formation.replication.syncStandbys).toBe(1);
    expect(formation.keep).toEqual(['monitor']);
    expect(remarks).toEqual([ofClocks, 'keep: monitor, since the monitor serves default as well']);
  });
});

about('what it has otherwise', () => {
  it('clocks of no profile are told one by one, and what they risk', () => {
    const found = tutorial();
    Object.assign(found.clocks, { primary_demote_timeout: 5000, node_considered_unhealthy_timeout: 3000 });
    const { formation, remarks } = described(found);
    expect(formation.timingsName).toBe('explicit');
    expect(formation.timings).toEqual({
      ...timingsProfiles.upstream,
      primaryDemoteTimeoutMs: 5000,
      nodeConsideredUnhealthyTimeoutMs: 3000,
    });
    expect(remarks.join()).toContain('two primaries');
  });

  it('priorities, and who is in the quorum', () => {
    const found = shared();
    Object.assign(found.nodes[2]?.row ?? {}, { candidatePriority: 0, quorum: false });
    const { formation } = described(found);
    expect(formation.nodes.map(({ candidatePriority, quorum }) => [candidatePriority, quorum])).toEqual([
      [50, true],
      [50, true],
      [0, false],
    ]);
  });

  it('asynchronous replication', () => {
    const found = tutorial();
    for (const { row } of found.nodes) row.quorum = false;
    expect(described(found).formation.replication).toEqual({ syncStandbys: 0, quorum: false });
  });

  it('a number of synchronous standbys that no file says', () => {
    const found = shared();
    found.formation.numberSyncStandbys = 0;
    const { formation, remarks } = described(found);
    expect(formation.replication.syncStandbys).toBe(1);
    expect(remarks.join()).toContain('number_sync_standbys is 0');
  });

  it("TLS that verifies, and a CA's certificate", () => {
    const found = tutorial();
    for (const each of found.nodes) {
      each.keeperConfig = keeperConfig('').replace('sslmode = require', 'sslmode = verify-full');
      each.certificate = { isSelfSigned: false };
    }
    const { formation, remarks } = described(found);
    expect(formation.tls).toBe('verify-full');
    expect(formation.keep).toEqual(['certificates']);
    expect(remarks).toEqual([ofClocks, 'keep: certificates, since a CA has issued those of db1, db2']);
  });

  it('no TLS, no service, no answer: each is told, and what could not be read stays as it is', () => {
    const found = tutorial();
    Object.assign(found.nodes[1] ?? {}, { keeperConfig: '', unit: '', postgres: undefined });
    const { formation, remarks } = described(found);
    expect(formation.keep).toEqual(['access']);
    expect(remarks).toEqual([
      ofClocks,
      'db2: connections need no TLS there; with this file they would',
      expect.stringContaining('db2: no service of systemd runs pg_autoctl'),
      'keep: access, since what pg_hba.conf of db2 says could not be read; without it provision-pgaf would write the file anew, without them',
    ]);
  });

  it('certificates that could not be read, which a CA may have issued', () => {
    const found = tutorial();
    const [, second] = found.nodes;
    Object.assign(second ?? {}, {
      keeperConfig: keeperConfig('[ssl]\ncert_file = /srv/my certs/server.pem\n'),
      certificate: undefined,
    });
    const { formation, remarks } = described(found);
    expect(formation.keep).toEqual(['certificates']);
    expect(remarks.at(-1)).toBe('keep: certificates, since those of db2 could not be read');
  });

  it('nothing of its databases where no node answers: none is taken for the only one there', () => {
    const found = tutorial();
    for (const each of found.nodes) each.postgres = undefined;
    const { formation, remarks } = described(found);
    expect(formation.keep).toEqual(['access']);
    expect(remarks.join()).toContain('is not known, since no node answers');
  });

  it('rules that no file says', () => {
    const found = tutorial();
    found.nodes[0]?.postgres?.hbaRules.push(
      rule('hostssl replication backup 10.0.0.9/32 scram-sha-256'),
      rule('hostssl app app 10.9.0.0/16 ldap'),
    );
    const { formation, remarks } = described(found);
    expect(formation.keep).toEqual(['access']);
    expect(remarks).toEqual([
      ofClocks,
      'keep: access, since pg_hba.conf has rules that no file says (hostssl replication backup 10.0.0.9/32 scram-sha-256; hostssl app app 10.9.0.0/16 ldap); without it provision-pgaf would write the file anew, without them',
    ]);
  });

  it('text that a monitor was told to have stands in no line of its own', () => {
    const found = shared();
    found.others = ['a\nnodes: []'];
    expect(described(found).text).toContain('serves a?nodes: [] as well');
  });
});

about('what somebody says is the application', () => {
  const named = (key: string) => `--${key}`;

  it('is what a node knows', () => {
    expect(strangersAsked(tutorial(), { database: 'app', user: 'app' }, named)).toEqual([]);
    expect(strangersAsked(tutorial(), {}, named)).toEqual([]);
  });

  it('is refused where it is misspelt: provisioning would make it anew', () => {
    expect(strangersAsked(tutorial(), { database: 'apq', user: 'postgres' }, named)).toEqual([
      '--database: there is no database "apq" (is app meant?); there are app',
      '--user: there is no role that may log in and is no superuser "postgres"; there are app',
    ]);
  });

  it('is believed where no node can be asked', () => {
    const found = tutorial();
    for (const each of found.nodes) each.postgres = undefined;
    expect(strangersAsked(found, { database: 'apq' }, named)).toEqual([]);
  });
});
