import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { debians, some } from './extent.ts';
import { labFormation } from './formations.ts';
import { type Finished, figure, incus, inside, runAction } from './harness.ts';

/** The lab's archive laid out as PGDG's is stands for a mirror of it: only its address and its key differ. */
const mirror = `${process.env['PGHA_LAB_ARCHIVE']}/pgdg`;
const key = readFileSync(process.env['PGHA_LAB_KEY'] ?? '', 'utf8');
/** A public key that signs nothing. */
const otherKey = `-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawT85xYJKwYBBAHaRw8BAQdALotgzF47lZUD2SGoKd8QmmGr00m5o1YXWDGl
HqJIDh+0FnBnaGEgdGVzdCwgYW5vdGhlciBrZXmIkAQTFggAOBYhBOkBJ3S8pQlX
RK3x3Fb7vBO2ZtZ8BQJrBPznAhsDBQsJCAcCBhUKCQgLAgQWAgMBAh4BAheAAAoJ
EFb7vBO2ZtZ8+V0A/jE/I/wTsbZ6DIRZxiO56TJnu+Shsy4xhapnp0rNg3TlAP93
In8OfvpW9RtR67Dn1zNaAxl+H3K62GoNNVkzr+3yDA==
=6VcQ
-----END PGP PUBLIC KEY BLOCK-----
`;
const versionOf = { 12: 15, 13: 17 } as const;

async function deleteContainers(names: string[]): Promise<void> {
  for (const name of names) await incus('delete', '--force', name).catch(() => {});
}

function formationOn(debian: 12 | 13, packages: unknown, version: number = versionOf[debian]) {
  return labFormation(debian, {
    'base-image': false,
    postgres: { version, packages },
    monitor: { name: `pk${debian}-monitor` },
    nodes: [{ name: `pk${debian}-alpha` }, { name: `pk${debian}-beta` }],
  });
}

describe.each(debians)('the packages of a formation on Debian %i', (debian) => {
  const names = [`pk${debian}-monitor`, `pk${debian}-alpha`, `pk${debian}-beta`];
  const alpha = `pk${debian}-alpha`;
  const server = `postgresql-${versionOf[debian]}`;
  const pgdg = { source: 'pgdg', repository: mirror, key };
  const provision = (packages: unknown) =>
    runAction('provision-pgaf', { formation: formationOn(debian, packages).yaml });
  const sources = (container: string) => inside(container, 'cat', '/etc/apt/sources.list.d/pgha.sources');
  const psql = (container: string, sql: string) =>
    inside(container, 'runuser', '-u', 'postgres', '--', 'psql', '-Atc', sql);
  const startedAt = async () =>
    await Promise.all(names.map((name) => psql(name, 'SELECT pg_postmaster_start_time()')));

  afterAll(() => deleteContainers(names));

  async function changesNothing(packages: unknown): Promise<void> {
    const { code, outputs, log } = await provision(packages);
    expect(code, log).toBe(0);
    expect(outputs['changed'], log).toBe('false');
  }

  /** Brings the formation to another package source, which restarts no Postgres, and is right the second time. */
  async function changesOver(packages: unknown): Promise<Finished> {
    const before = await startedAt();
    const finished = await provision(packages);
    expect(finished.code, finished.log).toBe(0);
    expect(finished.outputs['changed'], finished.log).toBe('true');
    expect(await startedAt()).toEqual(before);
    await changesNothing(packages);
    return finished;
  }

  it("come from a mirror of PGDG's archive, signed by its key, and from nowhere else", async () => {
    const { code, log, tookMs } = await provision(pgdg);
    expect(code, log).toBe(0);
    for (const name of names) {
      expect(await sources(name)).toContain(
        `URIs: ${mirror}\nSuites: ${debian === 12 ? 'bookworm' : 'trixie'}-pgdg\n`,
      );
      expect(await inside(name, 'apt-cache', 'policy', server)).toContain(`${mirror} `);
      expect(
        await inside(name, 'sh', '-c', 'ls /etc/apt/trusted.gpg.d /etc/apt/sources.list.d'),
      ).not.toContain('pgdg.');
    }
    figure(`provision without a base image, Debian ${debian}`, tookMs / 1000);
    await changesNothing(pgdg);
  });

  const drifts = [
    [
      'a changed source',
      "sed -i 's/^Components: .*/Components: other/' /etc/apt/sources.list.d/pgha.sources",
    ],
    ['a changed key', "sed -i 's/^ m/ n/' /etc/apt/sources.list.d/pgha.sources"],
    ['a lost source', 'rm /etc/apt/sources.list.d/pgha.sources'],
    [
      'pins of somebody else',
      "printf 'Package: x\\nPin: version 1\\nPin-Priority: 1\\n' > /etc/apt/preferences.d/pgha",
    ],
  ] as const;
  it.each(some(drifts, 1))('%s is put right, and Postgres goes on', async (_, command) => {
    const before = await sources(alpha);
    await inside(alpha, 'sh', '-c', command);
    await changesOver(pgdg);
    expect(await sources(alpha)).toBe(before);
  });

  it('follow to a repository of any kind', async () => {
    await changesOver({ source: 'repository', repository: `${mirror}/`, key, component: 'main' });
  });

  it('pins that what is installed matches, and a further package', async () => {
    const version = (await inside(alpha, 'sh', '-c', `dpkg -s ${server} | sed -n 's/^Version: //p'`)).trim();
    const pins = { [server]: `${version.slice(0, 3)}*`, 'pg-auto-failover-cli': '2.*' };
    await changesOver({ ...pgdg, pins, extra: ['openssl', 'nftables'] });
    expect(await inside(alpha, 'apt-cache', 'policy', server)).toContain(' 1001');
  });

  it('are not taken to another version than the one that runs', async () => {
    const before = await sources(alpha);
    const { code, outputs, log } = await provision({ ...pgdg, pins: { [server]: '9.6*' } });
    expect(code, log).toBe(3);
    expect(outputs['message']).toMatch(
      new RegExp(
        `postgres.packages.pins: ${server} is pinned to 9.6\\*, and ${alpha}, which holds data, runs`,
      ),
    );
    expect(await sources(alpha)).toBe(before);
  });

  it('a key that does not fit is refused, and the next run is told so as well', async () => {
    const before = await startedAt();
    for (let run = 0; run < 2; run++) {
      const { code, outputs, log } = await provision({ ...pgdg, key: otherKey });
      expect(code, log).toBe(3);
      expect(outputs['message']).toContain(`postgres.packages.key: ${mirror} is not signed by the key given`);
    }
    expect(await startedAt()).toEqual(before);
  });

  it('a proxy is used', async () => {
    // Nothing listens there, so that apt says whom it asked.
    const proxy = `${new URL(mirror).origin.replace(/:\d+$/, '')}:9`;
    const { code, outputs, log } = await provision({ ...pgdg, repository: `${mirror}/`, proxy });
    expect(code, log).toBe(3);
    expect(outputs['message']).toMatch(/the proxy \S+ cannot be reached from \S+;/);
    expect(outputs['message']).toContain(new URL(proxy).host);
  });

  it("change to the distribution's", async () => {
    await changesOver('distribution');
    await expect(sources(alpha)).rejects.toThrow('No such file');
  });
});

describe.each(debians)('a source that cannot serve the formation, on Debian %i', (debian) => {
  const names = [`pk${debian}-monitor`, `pk${debian}-alpha`, `pk${debian}-beta`];
  const server = `postgresql-${versionOf[debian]}`;
  const codename = debian === 12 ? 'bookworm' : 'trixie';
  const pgdg = { source: 'pgdg', repository: mirror, key };

  beforeAll(() => deleteContainers(names));
  afterAll(() => deleteContainers(names));

  const sources: [string, unknown, number | undefined, string | RegExp][] = [
    [
      'has another major version only',
      pgdg,
      16,
      `postgres.version: ${mirror} has no postgresql-16 and no postgresql-16-auto-failover for ${codename}; it has pg_auto_failover for ${versionOf[debian]}: say postgres.version: ${versionOf[debian]}, or choose another image or package source`,
    ],
    [
      "is signed by another's key",
      { ...pgdg, key: otherKey },
      undefined,
      `postgres.packages.key: ${mirror} is not signed by the key given`,
    ],
    [
      'is nowhere',
      { ...pgdg, repository: mirror.replace(/:\d+/, ':9') },
      undefined,
      /^http:\S+:9\/pgdg cannot be reached from .*; check postgres\.packages\.repository, its proxy, and the container's network/,
    ],
    [
      'lacks the version that is pinned',
      { ...pgdg, pins: { [server]: '9.6*' } },
      undefined,
      new RegExp(`postgres.packages.pins: ${server} is pinned to 9.6\\*, and ${mirror} has \\d`),
    ],
    [
      "is the distribution's, with another major version",
      'distribution',
      16,
      `postgres.version: the distribution's archive has no postgresql-16 and no postgresql-16-auto-failover for ${codename}; it has pg_auto_failover for ${versionOf[debian]}`,
    ],
    [
      "is signed by another's key than PGDG's",
      { source: 'pgdg', repository: mirror },
      undefined,
      `postgres.packages.key: ${mirror} is not signed by the key given (the distribution's copy of PGDG's)`,
    ],
    [
      'has no such suite',
      { ...pgdg, suite: 'nothing-pgdg' },
      undefined,
      `postgres.packages: ${mirror} has no suite nothing-pgdg with component main`,
    ],
    [
      'has no such component',
      { ...pgdg, component: 'other' },
      undefined,
      /postgres\.packages: .* has no suite .* with component other/,
    ],
    [
      'lacks a further package',
      { ...pgdg, extra: ['no-such-package'] },
      undefined,
      `postgres.packages: ${mirror} has no no-such-package for ${codename}`,
    ],
    [
      'is asked for nothing but PGDG, which the lab does not reach',
      'pgdg',
      undefined,
      /^PGDG's archive cannot be reached from /,
    ],
  ];
  it.each(some(sources, 2))(
    'that %s is told, and nothing is left behind',
    async (_, packages, version, message) => {
      const { yaml } = formationOn(debian, packages, version);
      const { code, outputs, log, tookMs } = await runAction('provision-pgaf', {
        formation: yaml.replace('base-image: false', 'base-image: true'),
      });
      expect(code, log).toBe(3);
      if (typeof message === 'string') expect(outputs['message']).toContain(message);
      else expect(outputs['message']).toMatch(message);
      const left = await incus('list', '--format', 'csv', '--columns', 'n');
      for (const name of [...names, 'pgha-bake-']) expect(left).not.toContain(name);
      expect(tookMs).toBeLessThan(120_000);
    },
  );
});

/** Holds a lock as apt does, by fcntl (struct flock of x86-64 and arm64), for so many seconds. */
const holdLock =
  'use Fcntl; open(my $f, ">>", $ARGV[0]) or die; fcntl($f, F_SETLK, pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0)) or die "$!"; print "held\n"; close STDOUT; sleep $ARGV[1]';

describe('another apt that is at work after a boot', () => {
  const names = ['pk-lists', 'pk-archives', 'pk-dpkg'];
  afterAll(() => deleteContainers(names));

  it('is waited for, whichever of its locks it holds', async () => {
    const locks = {
      'pk-lists': '/var/lib/apt/lists/lock',
      'pk-archives': '/var/cache/apt/archives/lock',
      'pk-dpkg': '/var/lib/dpkg/lock-frontend',
    };
    const held = 25;
    for (const [name, lock] of Object.entries(locks)) {
      await incus('launch', 'debian/12', name, '-c', 'user.pgha.formation=default');
      await inside(
        name,
        'sh',
        '-c',
        'perl -e "$1" "$2" "$3" >/dev/null 2>&1 &',
        'sh',
        holdLock,
        lock,
        `${held}`,
      );
    }
    const [monitor = '', ...nodes] = names;
    const { yaml } = labFormation(12, {
      'base-image': false,
      monitor: { name: monitor },
      nodes: nodes.map((name) => ({ name })),
    });
    const { code, log, tookMs } = await runAction('provision-pgaf', { formation: yaml });
    expect(code, log).toBe(0);
    expect(tookMs).toBeGreaterThan((held - 15) * 1000);
  });
});
