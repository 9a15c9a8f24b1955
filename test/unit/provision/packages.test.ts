import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EnvironmentError, InputError } from '../../../src/contract/errors.ts';
import type { PackageSource } from '../../../src/formation/formation.ts';
import {
  askPgdg,
  explainUpdate,
  matchesPin,
  type PackageFacts,
  packagesOf,
  packageWork,
  parsePackageFacts,
  parsePgdg,
  parsePolicies,
  pinFaults,
} from '../../../src/provision/packages.ts';
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
    expect(pinFaults(formation, 'pgaf-replica', factsOf())).toEqual([
      expect.stringContaining(
        'postgres.packages.pins: postgresql-16 is pinned to 16.3*, and pgaf-replica, which holds data, runs 16.4-1.pgdg22.04+1',
      ),
    ]);
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

  it("another source's trouble is not ours", () => {
    const output = 'W: Failed to fetch http://other/dists/jammy/InRelease  Could not connect to other:80\n';
    const distribution: PackageSource = { source: 'distribution', component: 'main', pins: {}, extra: [] };
    expect(explainUpdate(output, mirror, 'pgaf-monitor')).toBeUndefined();
    expect(explainUpdate(output, distribution, 'pgaf-monitor')).toBeUndefined();
  });
});
