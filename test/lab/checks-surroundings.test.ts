import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stateFileOf } from '../../src/member/keeper-state.ts';
import { serverPem } from '../../src/member/tls.ts';
import { placeholderPassword } from '../../src/postgres/placeholder.ts';
import { breakableFormation } from './breakable.ts';
import {
  alterSystem,
  asPrinted,
  type Breakage,
  check,
  isMended,
  isToldAndMended,
  losesReloadOfTls,
  reportedFindings,
  rolesOf,
  sql,
  toldOf,
  writtenFormation,
} from './breakage.ts';
import { some } from './extent.ts';
import { containersOf, labFormation } from './formations.ts';
import { eventually, type Finished, incus, inside, runAction } from './harness.ts';

/** Checks on clients, files, certificates, names and versions: each broken for real, and mended as told. */

const formation = breakableFormation();
const { monitor, path } = formation;
const pgdata = '/var/lib/postgresql/pgaf/node';

const breakages: Breakage[] = [
  {
    check: 'application-login',
    what: 'whatever keeps the application out, or from writing',
    breakIt: async () => {
      for (const statement of [
        "ALTER ROLE veza VALID UNTIL '2024-01-01' CONNECTION LIMIT 2 NOLOGIN",
        'ALTER ROLE veza SET default_transaction_read_only = on',
        'ALTER ROLE veza IN DATABASE veza SET default_transaction_read_only = off',
        "ALTER DATABASE veza SET role = 'postgres'",
        'REVOKE CONNECT ON DATABASE veza FROM PUBLIC',
        'ALTER DATABASE veza OWNER TO postgres',
        'ALTER DATABASE veza CONNECTION LIMIT 3',
        'ALTER DATABASE veza ALLOW_CONNECTIONS false',
      ])
        await sql(formation.primary, statement);
    },
  },
  {
    check: 'application-login',
    what: "the rules of the application's clients are gone",
    breakIt: () => inside(formation.standby, 'sed', '-i', '/clients/,$d', `${pgdata}/pg_hba.conf`),
    follows: ['matches-file'],
  },
  {
    check: 'application-login',
    what: 'the database is gone',
    breakIt: () => sql(formation.primary, 'DROP DATABASE veza WITH (FORCE)'),
  },
  {
    check: 'certificate-valid',
    what: 'a certificate ends in five days',
    breakIt: () => inside(formation.standby, 'sh', '-c', shortLived, 'sh', serverPem, pgdata),
  },
  {
    check: 'names-resolve',
    what: 'a wrong address in /etc/hosts',
    breakIt: () =>
      inside(formation.standby, 'sh', '-c', `echo "10.99.99.99 ${formation.primary}.incus" >> /etc/hosts`),
    byHand: () => inside(formation.standby, 'sed', '-i', '/^10\\.99\\.99\\.99 /d', '/etc/hosts'),
  },
  {
    check: 'clocks-agree',
    what: 'one container reads a clock that is ahead',
    // The kernel's clock is that of the host, and of every other container here: what reads it is what can be off.
    breakIt: () => inside(formation.standby, 'sh', '-c', aheadByFiveSeconds),
    byHand: () => inside(formation.standby, 'rm', '/usr/local/bin/date'),
  },
  {
    check: 'versions-equal',
    what: 'one node has another pg_autoctl',
    breakIt: () => inside(formation.standby, 'sh', '-c', otherVersion, 'sh', 'pg-auto-failover-cli'),
  },
  {
    check: 'settings-in-force',
    what: 'a setting waits for a restart',
    breakIt: () => alterSystem(formation.standby, 'SET track_activity_query_size = 2048'),
  },
  {
    check: 'keepers-fence',
    what: 'a keeper has forgotten its standby',
    breakIt: () => inside(formation.standby, 'perl', '-e', forget, stateFileOf(pgdata)),
  },
  {
    check: 'matches-file',
    what: 'a clock of the monitor',
    breakIt: () => alterSystem(monitor, 'SET pgautofailover.primary_demote_timeout = 1000'),
  },
  {
    check: 'matches-file',
    what: "a node's own clock",
    breakIt: () => alterSystem(formation.standby, 'RESET wal_sender_timeout'),
  },
  {
    check: 'matches-file',
    what: 'a keeper has lost the reload for its TLS',
    breakIt: async () => {
      const members = containersOf(formation);
      const all = await Promise.all(
        members.map((member) => inside(member, 'openssl', 'x509', '-in', serverPem)),
      );
      await inside(formation.standby, 'sh', '-c', 'printf %s "$1" > /etc/pgha/all.pem', 'sh', all.join(''));
      await losesReloadOfTls(formation.standby, 'require', '/etc/pgha/all.pem');
    },
  },
  {
    check: 'application-session',
    what: "the application's password is another",
    inputs: { 'app-password': placeholderPassword },
    breakIt: () => sql(formation.primary, "ALTER ROLE veza PASSWORD 'another'"),
  },
  {
    check: 'no-interrupted-drill',
    what: 'a drill left its mark',
    breakIt: () =>
      incus('config', 'set', formation.standby, 'user.pgha.drill={"drill":"killed","fault":"stop"}'),
  },
];

describe('check-formation tells, and its remedy mends', () => {
  it.each(some(breakages, 7))('$check: $what', (breakage) => isToldAndMended(path, breakage));

  it('client-uri: a connection string that leaves a node out', async () => {
    const given = `postgres://veza:secret-in-uri@${formation.primary}.incus:5432/veza`;
    const found = await check(path, { 'client-uri': given });
    expect(toldOf(found).failed, found.log).toEqual(['client-uri']);
    expect(found.log).toContain(`it leaves out ${formation.standby}.incus:5432`);
    expect(found.log.replaceAll(/^::add-mask::.*$/gm, '')).not.toContain('secret-in-uri');
    // The remedy is words: use the output formation-uri.
    const mended = await check(path, { 'client-uri': found.outputs['formation-uri'] ?? '' });
    expect(mended.code, mended.log).toBe(0);
  });
});

describe('a connection string that cannot be read', () => {
  const right = () =>
    `${formation.primary}.incus,${formation.standby}.incus/veza?target_session_attrs=read-write`;

  it.each([
    ['with an @ in its password', () => `postgres://veza:hunter2@S3cretTail@${right()}`],
    [
      'with percent signs that make no sense',
      () => `postgres://veza:S3cretTail@${right().replace('veza?', '%zz?')}`,
    ],
    ['with a / in its password', () => `postgres://veza:hunter2/S3cretTail@${right()}`],
  ])('%s is told, and nothing of it is written anywhere', async (_, given) => {
    const reports = mkdtempSync(join(tmpdir(), 'pgha-reports-'));
    const inputs = { 'client-uri': given(), 'report-folder': reports };
    const { code, log, outputs, summary } = await check(path, inputs);
    expect(code, log).toBe(3);
    expect(outputs['message']).toContain('input client-uri: ');
    const files = readdirSync(reports).map((name) => readFileSync(join(reports, name), 'utf8'));
    rmSync(reports, { recursive: true });
    const written = [log.replaceAll(/^::add-mask::.*$/gm, ''), summary, ...files, ...Object.values(outputs)];
    expect(written.join('\n')).not.toMatch(/S3cret|hunter2/);
  });
});

const aheadByFiveSeconds = `
printf '#!/bin/sh\\nexec /usr/bin/date --date "+5 seconds" "$@"\\n' > /usr/local/bin/date
chmod 755 /usr/local/bin/date
`;

/** Key and certificate in one file, as provisioning writes them, and Postgres told to read them. */
const shortLived = `
set -e
umask 077
openssl req -x509 -newkey rsa:2048 -nodes -days 5 -subj "/CN=$(hostname).incus" -keyout /root/key.pem -out /root/cert.pem 2>&1
cat /root/key.pem /root/cert.pem > /root/server.pem
chown --reference="$1" /root/server.pem
mv /root/server.pem "$1"
kill -HUP "$(head -n 1 "$2/postmaster.pid")"
`;

/** The same package under another version, as after an upgrade of one node alone. */
const otherVersion = `
set -e
cd "$(mktemp -d)"
chmod 755 .
apt-get -qq update
apt-get -qq download "$1" 2>/dev/null
rm -rf /var/lib/apt/lists/*
dpkg-deb -R *.deb tree
sed -i 's/^Version: .*/&+later/' tree/DEBIAN/control
dpkg-deb -b tree later.deb >/dev/null
dpkg -i later.deb >/dev/null
`;

/** Zeroes last_secondary_contact. The keeper writes its state once a second: until it has kept the zero. */
const forget = `
my ($file, $held) = (@ARGV, 0);
for (1 .. 30) {
  open(my $state, "+<", $file) or die; sysseek($state, 64, 0); sysread($state, my $bytes, 8);
  exit 0 if unpack("q", $bytes) == 0 && ++$held > 1;
  sysseek($state, 64, 0); syswrite($state, pack("q", 0)); close($state); select(undef, undef, undef, 1.3);
}
die "it does not forget";
`;

describe('a setting of the primary that waits for a restart', () => {
  const setting = 'track_activity_query_size';
  const inForce = () => Promise.all(formation.nodes.map((name) => sql(name, `SHOW ${setting}`)));
  const problemsOf = (found: Finished) =>
    reportedFindings(found).find((each) => each.check === 'settings-in-force')?.faults ?? [];
  const waiting = async (nodes = 1) => {
    let found: Finished | undefined;
    await eventually('the check to tell of that setting alone', 30_000, async () => {
      found = await check(path);
      const { failed } = toldOf(found);
      return failed.join() === 'settings-in-force' && problemsOf(found).length === nodes;
    });
    return found === undefined ? [] : problemsOf(found);
  };

  it('is in force on every node after what is printed, one after the other, where every node has it', async () => {
    const before = await rolesOf(monitor);
    for (const name of formation.nodes) await alterSystem(name, `SET ${setting} = 4096`);
    const both = await waiting(2);
    expect(both.map(({ subject }) => subject)).toEqual([before.standby, before.primary]);
    expect(both[1]?.remedy.say).toContain('put the standbys right first');
    await asPrinted(both[0]?.remedy.run ?? 'false');
    const [left] = await waiting();
    expect(left?.remedy.say).toContain('switch over instead');
    await asPrinted(left?.remedy.run ?? 'false');
    await isMended(path);
    expect(await rolesOf(monitor)).toEqual({ primary: before.standby, standby: before.primary });
    expect(await inForce()).toEqual(['4kB', '4kB']);
  });

  it('is in force on every node after provisioning with the file that has it, where the primary alone had it', async () => {
    const before = await rolesOf(monitor);
    await alterSystem(before.primary, `SET ${setting} = 8192`);
    const [problem] = await waiting();
    expect(problem?.remedy.run).toBeUndefined();
    expect(problem?.remedy.say).toMatch(
      /not the same in the files of every node.*put it into postgres.settings/,
    );
    expect(await asPrinted(problem?.remedy.look ?? 'false')).toMatch(/track_activity_query_size \| 8192/);
    const wanted = writtenFormation(
      labFormation(12, {
        postgres: { version: 15, packages: 'distribution', settings: { [setting]: '8192' } },
      }).yaml,
    );
    const { code, log } = await runAction('provision-pgaf', { formation: wanted });
    expect(code, log).toBe(0);
    const mended = await check(wanted);
    expect(toldOf(mended).failed, mended.log).toEqual([]);
    expect(await inForce()).toEqual(['8kB', '8kB']);
  });
});
