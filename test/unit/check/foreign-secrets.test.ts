import { describe, expect, it } from 'vitest';
import { parseContainer } from '../../../src/check/container-probe.ts';
import { observeMonitor, observeNode } from '../../../src/check/sql-probe.ts';
import { parseTrouble } from '../../../src/check/trouble-probe.ts';
import { membersOf } from '../../../src/formation/formation.ts';
import { hasMonitorUri } from '../../../src/member/keeper-config.ts';
import type { Session } from '../../../src/postgres/session.ts';
import { formationOf } from '../builders.ts';

/** What others have configured may hold passwords. What is read of it goes into reports, which are kept as artifacts. */

const keeper = `[pg_autoctl]
role = keeper
monitor = postgres://autoctl_node:S3cret-of-keepers@pgaf-monitor.incus:5432/pg_auto_failover?sslmode=require
[replication]
slot = pgautoctl
password = S3cret of standbys
`;
const unit = '[Service]\nEnvironment="PGPASSWORD=S3cret of unit" LANG=C\nExecStart=/usr/bin/pg_autoctl run\n';
const hba = 'local all postgres peer\nhost all all 10.0.0.0/8 ldap ldapbindpasswd="S3cret of ldap"\n';
const hex = (text: string) => Buffer.from(text).toString('hex');
const formation = formationOf('keep: [access]\nmonitor: { name: pgaf-monitor }');

describe('a secret that others have configured is in no observation', () => {
  it("of a container: pg_autoctl's configuration, and its service file", () => {
    const output = `keeper ${hex(keeper)}\nunit ${hex(unit)}\n`;
    const observed = parseContainer(output, { fromMs: 0, toMs: 0 });
    expect(JSON.stringify(observed)).not.toContain('S3cret');
    expect(observed.keeperConfig).toContain('role = keeper');
    expect(observed.service.unit).toContain('ExecStart=/usr/bin/pg_autoctl run');
    // That a password stands there still shows: such a string becomes no argument of a command.
    expect(hasMonitorUri(formation, membersOf(formation)[0], observed.keeperConfig ?? '')).toBe(true);
  });

  it('of what a keeper and Postgres complain of', () => {
    const line =
      '1764358654.310 db1 pg_autoctl[246]: 19:37:34 251 ERROR cannot connect to "host=a password=S3cret"';
    const output = `clock ${hex('1764358655')}\njournal ${hex(line)}\nprinted ${hex('FATAL:  password = S3cret')}\n`;
    const observed = parseTrouble(output);
    expect(JSON.stringify(observed)).not.toContain('S3cret');
    expect(observed.keeper.lastError?.message).toContain('cannot connect to');
  });

  it('of a Postgres: its pg_hba.conf', async () => {
    const query = async (text: string) => (text.includes('hba_text') ? [{ hba_text: hba }] : []);
    const session = { query } as unknown as Session;
    for (const { hbaText } of [
      await observeMonitor(session, formation),
      await observeNode(session, formation, 'salt'),
    ]) {
      expect(hbaText).not.toContain('S3cret');
      expect(hbaText).toContain('local all postgres peer\nhost all all 10.0.0.0/8 ldap ');
    }
  });
});

describe('a password in a URL of the formation file', () => {
  it.each(['http://u:S3cret@S3cretTail@proxy:3128', 'http://u:S3c/ret@proxy', 'http://S3cret@proxy'])(
    'is in no error: %s',
    (proxy) => {
      const file = `postgres: { packages: { proxy: "${proxy}" } }`;
      expect(() => formationOf(file)).toThrow(/proxy: must be the http or https URL of a proxy/);
      expect(() => formationOf(file)).not.toThrow(/S3c|Tail/);
    },
  );
});
