import { describe, expect, it } from 'vitest';
import { membersOf } from '../../../src/formation/formation.ts';
import { noFacts, parseFacts, UnreadFilesError } from '../../../src/provision/facts.ts';
import { givenBackByHand } from '../../../src/provision/members/repair.ts';
import { builtInFormation } from '../builders.ts';

const [node] = membersOf(builtInFormation());
const hex = (text: string) => Buffer.from(text).toString('hex');
const unit = '[Service]\nExecStart=/usr/bin/pg_autoctl run\n';
const hba = '# TYPE  DATABASE\nlocal all all trust\nhost "veza" all é trust';

/** What the probe prints in a node that is up. */
const provisioned = `codename bookworm
installed postgresql-15 installed 15.8-0
installed postgresql-15-auto-failover installed 2.0-2
installed pg-auto-failover-cli config-files 2.0-2
installed python3-psycopg2 not-installed 
active active
enabled enabled
unit ${hex(unit)}
hba ${hex(hba)}
keeper ${hex('[timeout]\nnetwork_partition_timeout = 5\n')}
passwords ${hex('*:*:*:autoctl_node:geheim-é\n')}
passwordmode postgres:600
certificate expiring
pemhash 0123abcd
ca ${hex('-----BEGIN CERTIFICATE-----\n')}
settings ${hex('wal_sender_timeout\n')}
pgdata var/lib/postgresql/pgaf/node/pg_autoctl.cfg
created yes
cluster 15 main
cluster 16 my
`;

/** What it prints in a fresh container: systemctl knows no such unit, dpkg no such package. */
const fresh = 'codename jammy\nactive inactive\nenabled \n';

describe('facts of a node that is up', () => {
  const facts = parseFacts(provisioned, node);

  it('tell what is installed, and nothing that is only half gone', () => {
    expect([...facts.packages.versions.keys()]).toEqual(['postgresql-15', 'postgresql-15-auto-failover']);
  });

  it('hold the files byte for byte', () => {
    expect(facts.unit).toBe(unit);
    expect(Buffer.from(facts.hba ?? '', 'latin1').toString('utf8')).toBe(hba);
    expect(facts.keeperConfig).toBe('[timeout]\nnetwork_partition_timeout = 5\n');
  });

  it("tell the release, the service, the data directory and the distribution's clusters", () => {
    expect(facts).toMatchObject({
      packages: { codename: 'bookworm' },
      serviceActive: true,
      serviceEnabled: true,
      created: true,
      distributionClusters: ['15 main', '16 my'],
    });
  });
});

describe("clusters whose folders, which are postgres', have names of an attacker's", () => {
  it.each([
    'cluster .. ..',
    'cluster 15 ../../x',
    'cluster 15 a b',
    'cluster 15 ',
    'cluster x main',
    'cluster 15 -x',
  ])('%j is passed over', (line) => {
    expect(parseFacts(`${line}\ncluster 15 main\n`, node).distributionClusters).toEqual(['15 main']);
  });
});

describe('facts of what pgha itself put there', () => {
  it('are read as they were written', () => {
    expect(parseFacts(provisioned, node)).toMatchObject({
      passwordFile: '*:*:*:autoctl_node:geheim-é\n',
      passwordFileMode: 'postgres 600',
      certificate: 'expiring',
      serverPemHash: '0123abcd',
      ca: '-----BEGIN CERTIFICATE-----\n',
      managedSettings: 'wal_sender_timeout\n',
      dataDirectories: ['/var/lib/postgresql/pgaf/node'],
    });
  });
});

describe('facts of a fresh container', () => {
  it('are that nothing is there', () => {
    expect(parseFacts(fresh, node)).toEqual({
      ...noFacts,
      packages: { ...noFacts.packages, codename: 'jammy' },
    });
  });

  it('are the same where the container prints nothing at all', () => {
    expect(parseFacts('', node)).toMatchObject({ packages: { codename: '' }, created: false });
  });
});

describe('a creation that was interrupted', () => {
  const begun = `created yes\nkeeper ${hex('[pg_autoctl]\n')}\n`;
  it('is none yet: the service is set up last', () => {
    expect(parseFacts(begun, node).created).toBe(false);
    expect(parseFacts(`${begun}unit ${hex(unit)}\n`, node).created).toBe(true);
    expect(parseFacts(`${begun}active active\n`, node).created).toBe(true);
  });
});

describe('a service', () => {
  it.each([
    ['active', 'enabled', true, true],
    ['activating', 'enabled', false, true],
    ['failed', 'enabled', false, true],
    ['active', 'disabled', true, false],
    ['active', 'masked', true, false],
    ['unknown', '', false, false],
  ])('that is %s and %s', (active, enabled, serviceActive, serviceEnabled) => {
    expect(parseFacts(`active ${active}\nenabled ${enabled}\n`, node)).toMatchObject({
      serviceActive,
      serviceEnabled,
    });
  });
});

describe('files that are there and cannot be read', () => {
  const unread = (key: string) => `${fresh}unread ${key} ${hex('Permission denied')}\n`;

  it.each(['keeper', 'version'])('are not taken for absent: %s', (key) => {
    expect(() => parseFacts(unread(key), node)).toThrow(
      /^pgaf-monitor has files that its user postgres cannot read: \/var\/lib\/postgresql\/.* \(Permission denied\)/,
    );
  });

  it('are told with the command line that gives them back, where provisioning does not', () => {
    const formation = builtInFormation();
    const unreadFiles = new UnreadFilesError('pgaf-monitor has files that its user postgres cannot read: X');
    expect(givenBackByHand(formation, node, unreadFiles, 'a link leads to /var/lib/postgresql/pgaf')).toBe(
      'pgaf-monitor has files that its user postgres cannot read: X; what it holds is not known then, and nothing is changed; they are not given back by themselves: a link leads to /var/lib/postgresql/pgaf. Where nobody else is at work on them, do it (incus exec pgaf-monitor --project default --cwd / -- chown -R -h postgres: /var/lib/postgresql/pgaf), and run this again',
    );
  });

  it.each(['hba', 'ident'] as const)('are unknown where they may be written anew: %s', (key) => {
    expect(parseFacts(unread(key), node)[key]).toBeUndefined();
    expect(parseFacts(fresh, node)[key]).toBe('');
  });

  it('are unknown passwords', () => {
    expect(parseFacts(unread('passwords'), node).passwordFile).toBeUndefined();
  });
});
