import { describe, expect, it } from 'vitest';
import { configured } from '../../../src/member/keeper-config.ts';

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
