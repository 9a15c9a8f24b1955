import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stateFileOf } from '../../src/member/keeper-state.ts';
import { serverPem } from '../../src/member/tls.ts';
import { placeholderPassword } from '../../src/provision/passwords.ts';
import {
  allRun,
  alterSystem,
  type Breakage,
  check,
  formationFile,
  isToldAndMended,
  losesReloadOfTls,
  rolesOf,
  sql,
  tellTimes,
  toldOf,
} from './breakage.ts';
import { some } from './extent.ts';
import { containersOf, labFormation } from './formations.ts';
import { incus, inside, runAction } from './harness.ts';

/** Checks on clients, files, certificates, names and versions: each broken for real, and mended as told. */

const formation = labFormation(12);
const { monitor } = formation;
const path = formationFile(formation.yaml);
const pgdata = '/var/lib/postgresql/pgaf/node';
let primary: string;
let standby: string;

beforeAll(async () => {
  const { code, log } = await runAction('provision-pgaf', { formation: path });
  expect(code, log).toBe(0);
  ({ primary, standby } = await rolesOf(monitor));
});

afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail') return;
  await allRun(containersOf(formation));
  await runAction('provision-pgaf', { formation: path });
});

afterAll(tellTimes);

const breakages: Breakage[] = [
  {
    check: 'application-login',
    what: "the rules of the application's clients are gone",
    breakIt: () => inside(standby, 'sed', '-i', '/clients/,$d', `${pgdata}/pg_hba.conf`),
    follows: ['matches-file'],
  },
  {
    check: 'application-login',
    what: 'the database is gone',
    breakIt: () => sql(primary, 'DROP DATABASE veza WITH (FORCE)'),
  },
  {
    check: 'certificate-valid',
    what: 'a certificate ends in five days',
    breakIt: () => inside(standby, 'sh', '-c', shortLived, 'sh', serverPem, pgdata),
  },
  {
    check: 'names-resolve',
    what: 'a wrong address in /etc/hosts',
    breakIt: () => inside(standby, 'sh', '-c', `echo "10.99.99.99 ${primary}.incus" >> /etc/hosts`),
    byHand: () => inside(standby, 'sed', '-i', '/^10\\.99\\.99\\.99 /d', '/etc/hosts'),
  },
  {
    check: 'clocks-agree',
    what: 'one container reads a clock that is ahead',
    // The kernel's clock is that of the host, and of every other container here: what reads it is what can be off.
    breakIt: () => inside(standby, 'sh', '-c', aheadByFiveSeconds),
    byHand: () => inside(standby, 'rm', '/usr/local/bin/date'),
  },
  {
    check: 'versions-equal',
    what: 'one node has another pg_autoctl',
    breakIt: () => inside(standby, 'sh', '-c', otherVersion, 'sh', 'pg-auto-failover-cli'),
  },
  {
    check: 'settings-in-force',
    what: 'a setting waits for a restart',
    breakIt: () => alterSystem(standby, 'SET track_activity_query_size = 2048'),
  },
  {
    check: 'keepers-fence',
    what: 'a keeper has forgotten its standby',
    breakIt: () => inside(standby, 'perl', '-e', forget, stateFileOf(pgdata)),
  },
  {
    check: 'matches-file',
    what: 'a clock of the monitor',
    breakIt: () => alterSystem(monitor, 'SET pgautofailover.primary_demote_timeout = 1000'),
  },
  {
    check: 'matches-file',
    what: "a node's own clock",
    breakIt: () => alterSystem(standby, 'RESET wal_sender_timeout'),
  },
  {
    check: 'matches-file',
    what: 'a keeper has lost the reload for its TLS',
    breakIt: async () => {
      const members = containersOf(formation);
      const all = await Promise.all(
        members.map((member) => inside(member, 'openssl', 'x509', '-in', serverPem)),
      );
      await inside(standby, 'sh', '-c', 'printf %s "$1" > /etc/pgha/all.pem', 'sh', all.join(''));
      await losesReloadOfTls(standby, 'require', '/etc/pgha/all.pem');
    },
  },
  {
    check: 'application-session',
    what: "the application's password is another",
    inputs: { 'app-password': placeholderPassword },
    breakIt: () => sql(primary, "ALTER ROLE veza PASSWORD 'another'"),
  },
  {
    check: 'no-interrupted-drill',
    what: 'a drill left its mark',
    breakIt: () => incus('config', 'set', standby, 'user.pgha.drill={"drill":"killed","fault":"stop"}'),
  },
];

describe('check-formation tells, and its remedy mends', () => {
  it.each(some(breakages, 6))('$check: $what', (breakage) => isToldAndMended(path, breakage));

  it('client-uri: a connection string that leaves a node out', async () => {
    const given = `postgres://veza:secret-in-uri@${primary}.incus:5432/veza`;
    const found = await check(path, { 'client-uri': given });
    expect(toldOf(found).failed, found.log).toEqual(['client-uri']);
    expect(found.log).toContain(`it leaves out ${standby}.incus:5432`);
    expect(found.log.replaceAll(/^::add-mask::.*$/gm, '')).not.toContain('secret-in-uri');
    // The remedy is words: use the output formation-uri.
    const mended = await check(path, { 'client-uri': found.outputs['formation-uri'] ?? '' });
    expect(mended.code, mended.log).toBe(0);
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
