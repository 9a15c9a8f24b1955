import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EnvironmentError, InputError } from '../../../src/contract/errors.ts';
import type { PackageSource } from '../../../src/formation/file/package-source.ts';
import { parsePolicies } from '../../../src/provision/packages/apt.ts';
import { explainUpdate, isLocked } from '../../../src/provision/packages/complaints.ts';
import { type PackageFacts, parsePackageFacts } from '../../../src/provision/packages/package-facts.ts';
import { matchesPin, packagesOf, packageWork, pinErrors } from '../../../src/provision/packages/packages.ts';
import { offeredErrors, releaseErrors } from '../../../src/provision/packages/release.ts';
import askPgdg from '../../../src/provision/packages/scripts/ask-pgdg.sh';
import { parsePgdg } from '../../../src/provision/packages/source.ts';
import { formationOf } from '../builders.ts';

const key = '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEabc\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n';
const base64 = (text: string) => Buffer.from(text).toString('base64');
const formationWith = (packages: unknown) =>
  formationOf(JSON.stringify({ postgres: { version: 16, packages } }));

const installed = [
  'postgresql-16',
  'postgresql-16-auto-failover',
  'pg-auto-failover-cli',
  'python3-psycopg2',
  'openssl',
];
function factsOf(given: Partial<PackageFacts> = {}): PackageFacts {
  return {
    codename: 'jammy',
    versions: new Map(installed.map((name) => [name, '16.4-1.pgdg22.04+1'])),
    files: new Map(),
    certificates: true,
    ...given,
  };
}

describe('the packages of a formation', () => {
  it('are those of its version, and the extra ones once', () => {
    expect(packagesOf(formationWith({ extra: ['postgresql-16-cron', 'postgresql-16'] }))).toEqual([
      ...installed,
      'postgresql-16-cron',
    ]);
  });
});

describe('the probe', () => {
  it('tells installed packages with their versions, and files whole', () => {
    const lines = [
      'codename noble',
      'installed libpq5 installed 17.2-1',
      'installed old config-files 1.0',
      `aptfile /etc/apt/preferences.d/pgha ${base64('Package: x\n')}`,
      'certificates yes',
    ];
    expect(parsePackageFacts(lines.map((line) => line.split(' ')))).toEqual({
      codename: 'noble',
      versions: new Map([['libpq5', '17.2-1']]),
      files: new Map([['/etc/apt/preferences.d/pgha', 'Package: x\n']]),
      certificates: true,
    });
  });
});

describe('what is to be done', () => {
  it('is nothing where all is installed from the distribution', () => {
    expect(packageWork(formationWith('distribution'), factsOf())).toEqual([]);
  });

  it('is what is missing', () => {
    const formation = formationWith({ source: 'distribution', extra: ['postgresql-16-cron'] });
    expect(packageWork(formation, factsOf())).toEqual(['postgresql-16-cron']);
  });

  it('is a source where there is none yet, or one that is not as we write it', () => {
    expect(packageWork(formationWith('pgdg'), factsOf())).toEqual(['the package source']);
    const files = new Map([['/etc/apt/sources.list.d/pgha.sources', 'Types: deb\n']]);
    for (const packages of ['distribution', 'pgdg', { repository: 'http://mirror/x', key }])
      expect(packageWork(formationWith(packages), factsOf({ files }))).toEqual(['the package source']);
  });

  it('is proxy and pins, and what is not as pinned', () => {
    const formation = formationWith({
      source: 'distribution',
      proxy: 'http://proxy:3128',
      pins: { 'postgresql-16': '16.3*' },
    });
    expect(packageWork(formation, factsOf())).toEqual([
      "apt's proxy",
      'the version pins',
      'postgresql-16 16.3*',
    ]);
    expect(pinErrors(formation, 'pgaf-replica', factsOf())).toEqual([
      expect.stringContaining(
        'postgres.packages.pins: postgresql-16 is pinned to 16.3*, and pgaf-replica, which holds data, runs 16.4-1.pgdg22.04+1',
      ),
    ]);
  });
});

describe('a release of pg_auto_failover that is not known', () => {
  const cli = 'pg-auto-failover-cli';
  const extension = 'postgresql-16-auto-failover';
  const withRelease = (version: string) =>
    factsOf({ versions: new Map([...factsOf().versions, [cli, version], [extension, version]]) });
  const policy = (name: string, candidate: string, ...others: string[]) =>
    `${name}:\n  Installed: (none)\n  Candidate: ${candidate}\n  Version table:\n${[candidate, ...others]
      .map((version) => `     ${version} 500\n        500 http://mirror x Packages\n`)
      .join('')}`;

  it('is not changed where it is installed', () => {
    expect(releaseErrors(formationWith('pgdg'), 'pgaf-replica', withRelease('2.2-1.pgdg22.04+1'))).toEqual(
      [],
    );
    expect(releaseErrors(formationWith('pgdg'), 'pgaf-replica', withRelease('2.3-1.pgdg22.04+1'))).toEqual([
      'pgaf-replica: pg_auto_failover 2.3 is newer than the releases that this pgha knows (2.0 to 2.2), and nothing is changed in it; use a version of pgha that knows that release (docs/versions.md); check-formation and failover-drill go on, with a warning',
    ]);
  });

  it('may be replaced by a pin', () => {
    const formation = formationWith({ pins: { [cli]: '2.2*', [extension]: '2.2*' } });
    expect(releaseErrors(formation, 'pgaf-replica', withRelease('2.3-1'))).toEqual([]);
  });

  it('is not installed, and the pin to a known one is told', () => {
    const policies = parsePolicies(
      policy(cli, '2.3-1.pgdg12+1', '2.2-1.pgdg12+1', '2.1-1') +
        policy(extension, '2.3-1.pgdg12+1', '2.2-1.pgdg12+1'),
    );
    expect(offeredErrors([...installed], policies, "PGDG's archive")).toEqual([
      'postgres.packages: PGDG\'s archive offers what is not known: pg_auto_failover 2.3 is newer than the releases that this pgha knows (2.0 to 2.2); say pins: { postgresql-16-auto-failover: "2.2*", pg-auto-failover-cli: "2.2*" } (docs/versions.md)',
    ]);
  });

  it('is not installed where there is no other', () => {
    const policies = parsePolicies(policy(cli, '1.6.4-1') + policy(extension, '1.6.4-1'));
    expect(offeredErrors([...installed], policies, "the distribution's archive")).toEqual([
      "postgres.packages: the distribution's archive offers what is not known: pg_auto_failover 1.6 is older than the releases that this pgha knows (2.0 to 2.2); choose another image or package source (docs/versions.md)",
    ]);
  });

  it('is none of those that are', () => {
    const policies = parsePolicies(policy(cli, '2.0-1+b2') + policy(extension, '2.0-1+b2'));
    expect(offeredErrors([...installed], policies, "the distribution's archive")).toEqual([]);
  });
});

describe('a pin', () => {
  it.each([
    ['16.4-1', '16.4-1', true],
    ['16.4-1', '16.4', false],
    ['16.4-1', '16.4*', true],
    ['16.40-1', '16.4*', true],
    ['15.4-1', '16.4*', false],
  ])('%s against %s', (version, pin, matches) => {
    expect(matchesPin(version, pin)).toBe(matches);
  });
});

describe("PGDG's address and key, as the distribution's postgresql-common has them", () => {
  const options = 'while getopts "f:y" opt; do case $opt in f) LIST=$OPTARG ;; esac; done';
  /** Shaped as Ubuntu 22.04's: the key goes to apt-key. What it would do besides would fail here. */
  const handsKeyOver = [
    options,
    'cat > $LIST <<END',
    'deb http://pgdg.invalid/apt/ jammy-pgdg main',
    '#deb-src http://pgdg.invalid/apt/ jammy-pgdg main',
    'END',
    'test -e /nowhere/key.gpg || touch /nowhere/key.gpg || exit 1',
    'apt-key --keyring /nowhere/key.gpg add - <<END || exit 1',
    `${key}END`,
    'apt-get update || exit 1',
  ].join('\n');
  /** Shaped as Debian 12's and later: it names a key file beside itself. */
  const namesKey = (folder: string) =>
    [
      options,
      'HOST=pgdg.invalid',
      'cat > $LIST <<END',
      'Types: deb',
      'URIs: https://$HOST/apt',
      'Suites: bookworm-pgdg',
      'Components: main',
      `Signed-By: ${folder}/pgdg.gpg`,
      'END',
    ].join('\n');
  const ask = (files: (folder: string) => Record<string, string>) => {
    const folder = mkdtempSync(join(tmpdir(), 'pgha-pgdg-'));
    for (const [name, content] of Object.entries(files(folder))) writeFileSync(join(folder, name), content);
    return parsePgdg(execFileSync('sh', ['-c', askPgdg, 'sh', folder], { encoding: 'utf8' }));
  };

  it('are read from a script that hands its key over', () => {
    expect(ask(() => ({ 'x.sh': handsKeyOver }))).toEqual({ repository: 'http://pgdg.invalid/apt', key });
  });

  it('are read from a script that names a binary key with an armoured one beside it', () => {
    const found = ask((folder) => ({ 'x.sh': namesKey(folder), 'pgdg.gpg': 'binary', 'pgdg.asc': key }));
    expect(found).toEqual({ repository: 'https://pgdg.invalid/apt', key });
  });

  it('are not there where the script, or the key, is not', () => {
    expect(ask(() => ({}))).toEqual({});
    expect(ask(() => ({ 'x.sh': 'exit 1\n' }))).toEqual({});
    expect(ask((folder) => ({ 'x.sh': namesKey(folder) }))).toEqual({
      repository: 'https://pgdg.invalid/apt',
    });
  });
});

describe('apt-cache policy', () => {
  it('tells candidates and versions', () => {
    const output = [
      'postgresql-16:',
      '  Installed: 16.3-2',
      '  Candidate: 16.4-1',
      '  Version table:',
      '     16.4-1 500',
      '        500 http://mirror/pgdg jammy-pgdg/main amd64 Packages',
      ' *** 16.3-2 1001',
      '        500 http://mirror/pgdg jammy-pgdg/main amd64 Packages',
      'libnone:',
      '  Installed: (none)',
      '  Candidate: (none)',
      '  Version table:',
      '',
    ].join('\n');
    expect(parsePolicies(output)).toEqual(
      new Map([
        ['postgresql-16', { candidate: '16.4-1', versions: ['16.4-1', '16.3-2'] }],
        ['libnone', { candidate: undefined, versions: [] }],
      ]),
    );
  });
});

describe('what apt-get update says of a source', () => {
  const mirror: PackageSource = {
    source: 'pgdg',
    repository: 'http://mirror/pgdg/',
    component: 'main',
    pins: {},
    extra: [],
  };
  const release = 'http://mirror/pgdg jammy-pgdg InRelease';

  it.each([
    [
      'a key that is missing',
      `W: GPG error: ${release}: The following signatures couldn't be verified because the public key is not available: NO_PUBKEY 7F\nE: The repository '${release}' is not signed.`,
      InputError,
      "postgres.packages.key: http://mirror/pgdg is not signed by the key given (the distribution's copy of PGDG's)",
    ],
    [
      'a suite that is missing',
      "E: The repository 'http://mirror/pgdg jammy-pgdg Release' does not have a Release file.",
      InputError,
      'has no suite',
    ],
    [
      'no answer',
      'W: Failed to fetch http://mirror/pgdg/dists/jammy-pgdg/InRelease  Could not connect to mirror:80',
      EnvironmentError,
      'cannot be reached from pgaf-monitor',
    ],
    [
      'a server that refuses, of which apt says that it is not signed',
      `E: Failed to fetch http://mirror/pgdg/dists/jammy-pgdg/InRelease  403  Forbidden [IP: 10.0.0.4 80]\nE: The repository '${release}' is not signed.`,
      EnvironmentError,
      'http://mirror/pgdg answers pgaf-monitor with 403 Forbidden',
    ],
    [
      'a server with an error of its own',
      `E: Failed to fetch http://mirror/pgdg/dists/jammy-pgdg/InRelease  503  Service Unavailable [IP: 10.0.0.4 80]\nE: The repository '${release}' is not signed.`,
      EnvironmentError,
      'with 503 Service Unavailable',
    ],
    [
      'a proxy that asks for a login',
      `E: Failed to fetch http://mirror/pgdg/dists/jammy-pgdg/InRelease  407  Proxy Authentication Required\nE: The repository '${release}' is not signed.`,
      EnvironmentError,
      'the proxy of pgaf-monitor does not let it through',
    ],
    [
      "another server's certificate",
      'W: Failed to fetch http://mirror/pgdg/dists/jammy-pgdg/InRelease  Certificate verification failed: The certificate is NOT trusted.  Could not handshake: Error in the certificate verification.',
      EnvironmentError,
      'has a certificate that pgaf-monitor does not take',
    ],
    [
      "a portal's page",
      `E: Failed to fetch http://mirror/pgdg/dists/jammy-pgdg/InRelease  Clearsigned file isn't valid, got 'NOSPLIT' (does the network require authentication?)\nE: The repository '${release}' is not signed.`,
      EnvironmentError,
      'is no package archive',
    ],
    [
      'a name with 404 in it, of a source without an answer',
      'W: Failed to fetch http://mirror/pgdg/pool-404/InRelease  Could not connect to mirror:80',
      EnvironmentError,
      'cannot be reached from pgaf-monitor',
    ],
    [
      'two keys for one address',
      'E: Conflicting values set for option Signed-By regarding source http://mirror/pgdg jammy-pgdg: /a != /b',
      InputError,
      'image: it has a package source of its own',
    ],
  ])('%s', (_, output, kind, message) => {
    const error = explainUpdate(`Hit:1 http://other stable InRelease\n${output}\n`, mirror, 'pgaf-monitor');
    expect(error).toBeInstanceOf(kind);
    expect(error?.message).toContain(message);
  });

  it('a proxy that cannot be reached', () => {
    const output =
      'W: Failed to fetch http://mirror/pgdg/dists/jammy-pgdg/InRelease  Could not connect to cache.lan:3142 (10.0.0.9). - connect (111: Connection refused)\n';
    const error = explainUpdate(output, { ...mirror, proxy: 'http://cache.lan:3142' }, 'pgaf-monitor');
    expect(error?.message).toMatch(/^the proxy cache\.lan:3142 cannot be reached from pgaf-monitor; check/);
  });

  it("another source's trouble is not ours", () => {
    const output = 'W: Failed to fetch http://other/dists/jammy/InRelease  Could not connect to other:80\n';
    const distribution: PackageSource = { source: 'distribution', component: 'main', pins: {}, extra: [] };
    expect(explainUpdate(output, mirror, 'pgaf-monitor')).toBeUndefined();
    expect(explainUpdate(output, distribution, 'pgaf-monitor')).toBeUndefined();
  });
});

describe('another apt or dpkg at work', () => {
  it.each([
    'Reading package lists...\nE: Could not get lock /var/lib/apt/lists/lock. It is held by process 20524 (apt-get)\nE: Unable to lock directory /var/lib/apt/lists/\n',
    'E: Unable to lock directory /var/cache/apt/archives/',
    'E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?',
    'dpkg: error: dpkg frontend lock was locked by another process with pid 3214\nNote: removing the lock file is always wrong',
  ])('is told by %j', (said) => expect(isLocked(said)).toBe(true));

  it.each(['', 'E: Unable to locate package lock-frontend', 'W: lock', 'Setting up procps …'])(
    'is not told by %j',
    (said) => expect(isLocked(said)).toBe(false),
  );
});
