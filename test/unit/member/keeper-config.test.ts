import { describe, expect, it } from 'vitest';
import { membersOf } from '../../../src/formation/formation.ts';
import {
  configured,
  hasMonitorUri,
  hasTls,
  tlsFilesIn,
  wantedMonitorUri,
  writesHba,
} from '../../../src/member/keeper-config.ts';
import { formationOf } from '../builders.ts';

const config = `[pg_autoctl]
role = keeper
monitor = postgres://autoctl_node@m.incus:5432/pg_auto_failover?sslmode=require
[postgresql]
port =5432
[ssl]
  sslmode\t=  verify-full  \r
ca_file =
key_file = /etc/pgha/server.pem
`;

describe("pg_autoctl's configuration file", () => {
  it.each([
    ['role', 'keeper'],
    ['monitor', 'postgres://autoctl_node@m.incus:5432/pg_auto_failover?sslmode=require'],
    ['port', '5432'],
    ['sslmode', 'verify-full'],
    ['ca_file', ''],
    ['key_file', '/etc/pgha/server.pem'],
    ['cert_file', ''],
    ['file', ''],
  ])('says of %s: %j', (key, value) => {
    expect(configured(config, key)).toBe(value);
  });

  it.each(['\n', ' ', '\t\n', 'port', 'port ', 'port = '])(
    'is read in no time where it is two megabytes of %j, which whoever is postgres may make it',
    (text) => {
      const started = performance.now();
      configured(text.repeat(2_000_000 / text.length), 'port');
      expect(performance.now() - started).toBeLessThan(2000);
    },
  );
});

describe('what a formation file says stays', () => {
  const uri = (parameters: string, account = 'autoctl_node') =>
    `monitor = postgres://${account}@10.0.0.10:5432/pg_auto_failover?${parameters}\n`;
  const patient = uri('sslmode=verify-ca&sslrootcert=/etc/ssl/ca.pem');
  const kept = formationOf('tls: verify-full\nkeep: [access, certificates]');
  const [monitor] = membersOf(kept);

  it("the monitor's connection string does, but for the patience of libpq", () => {
    const wanted = wantedMonitorUri(kept, monitor, patient);
    expect(wanted).toBe(
      'postgres://autoctl_node@10.0.0.10:5432/pg_auto_failover?sslmode=verify-ca&sslrootcert=/etc/ssl/ca.pem&keepalives_idle=1&keepalives_interval=1&keepalives_count=2&tcp_user_timeout=3000',
    );
    expect(hasMonitorUri(kept, monitor, patient)).toBe(false);
    expect(hasMonitorUri(kept, monitor, `monitor = ${wanted}\n`)).toBe(true);
  });

  it.each([
    uri('sslmode=require', 'autoctl_node:secret'),
    uri('sslmode=require&password=secret'),
    uri('sslmode=verify-full&sslkey=/a&sslpassword=secret'),
    uri('sslmode=require&pass%77ord=secret'),
  ])('one that holds a password is left as it is: %s', (text) => {
    expect(hasMonitorUri(kept, monitor, text)).toBe(true);
  });

  it("the monitor's connection string names the keeper's own CA where certificates stay and it does not", () => {
    const certificates = formationOf('tls: verify-full\nkeep: [certificates]');
    const config = `${uri('sslmode=verify-full&sslrootcert=/etc/ssl/ca.pem')}ca_file = /etc/ssl/ca.pem\n`;
    const wanted = wantedMonitorUri(certificates, monitor, config);
    expect(wanted).toContain('?sslmode=verify-full&sslrootcert=/etc/ssl/ca.pem&keepalives_idle=1');
    expect(hasMonitorUri(certificates, monitor, `monitor = ${wanted}\nca_file = /etc/ssl/ca.pem\n`)).toBe(
      true,
    );
    const ours = formationOf('tls: verify-full');
    expect(wantedMonitorUri(ours, monitor, config)).toContain('sslrootcert=/etc/pgha/ca.pem&');
  });

  it('certificates do, wherever they are; the mode is as the file says', () => {
    const files = 'cert_file = /etc/ssl/a.pem\nkey_file = /etc/ssl/a.key\nca_file = /etc/ssl/ca.pem\n';
    expect(hasTls(kept, `sslmode = verify-full\n${files}`)).toBe(true);
    expect(hasTls(kept, `sslmode = verify-ca\n${files}`)).toBe(false);
    expect(tlsFilesIn(files)).toEqual({
      certificate: '/etc/ssl/a.pem',
      key: '/etc/ssl/a.key',
      authority: '/etc/ssl/ca.pem',
    });
  });
});

it('pg_autoctl writes rules of its own unless it is told to skip that', () => {
  expect(['hba_level = minimal\n', 'role = keeper\n', 'hba_level = skip\n', ''].map(writesHba)).toEqual([
    true,
    true,
    false,
    false,
  ]);
});
