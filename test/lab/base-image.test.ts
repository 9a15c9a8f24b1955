import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { debians, everything } from './extent.ts';
import { containersOf, labFormation } from './formations.ts';
import { eventually, figure, incus, inside, runAction, startAction } from './harness.ts';
import { incusShim } from './shim.ts';

interface Image {
  fingerprint: string;
  aliases: { name: string }[];
  properties: Record<string, string>;
}

/** Each test provisions a whole formation, some of them twice. */
const patience = 400_000;

const launchedFrom = /launch from \S+ \(base image (pgha-[0-9a-f]{12})\)/;

async function baseImages(): Promise<Image[]> {
  const all = JSON.parse(await incus('query', '/1.0/images?recursion=1')) as Image[];
  return all.filter(({ properties }) => properties['pgha.key'] !== undefined);
}

async function containers(): Promise<string[]> {
  return (await incus('list', '--format', 'csv', '--columns', 'n')).split('\n').filter((name) => name !== '');
}

async function deleteContainers(names: string[]): Promise<void> {
  for (const name of names) await incus('delete', '--force', name).catch(() => {});
}

async function clean(): Promise<void> {
  await deleteContainers((await containers()).filter((name) => /^(?:pgha-bake|bi\d)/.test(name)));
  for (const { fingerprint } of await baseImages()) await incus('image', 'delete', fingerprint);
}

function formationOf(debian: 12 | 13, prefix = `bi${debian}`, changes: Record<string, unknown> = {}) {
  const formation = labFormation(debian, {
    monitor: { name: `${prefix}-monitor` },
    nodes: [{ name: `${prefix}-alpha` }, { name: `${prefix}-beta` }],
    ...changes,
  });
  return {
    ...formation,
    monitor: `${prefix}-monitor`,
    nodes: [`${prefix}-alpha`, `${prefix}-beta`] as [string, string],
  };
}

beforeAll(clean);
afterAll(clean);

describe.each(debians)('the base image of Debian %i', { timeout: patience }, (debian) => {
  const formation = formationOf(debian);
  const names = containersOf(formation);

  it('is made by the first run and holds what the containers need', async () => {
    const { code, log, tookMs } = await runAction('provision-pgaf', { formation: formation.yaml });
    expect(code, log).toBe(0);
    figure(`provision from nothing, base image made, Debian ${debian}`, tookMs / 1000);
    figure(
      `base image, Debian ${debian}`,
      /make a base image from \S+ \(([^)]+)\)/.exec(log)?.[1] ?? '?',
      '',
    );
    const made = (await baseImages()).filter(
      ({ properties }) => properties['pgha.image'] === `debian/${debian}`,
    );
    expect(made).toHaveLength(1);
    expect(made[0]?.aliases.map(({ name }) => name)).toEqual([launchedFrom.exec(log)?.[1]]);
    expect(made[0]?.properties['description']).toBe(
      `pgha: Postgres ${debian === 12 ? 15 : 17} and pg_auto_failover on debian/${debian}`,
    );
    expect(log).not.toContain('installed');
    expect((await containers()).filter((name) => name.startsWith('pgha-bake'))).toEqual([]);
  });

  it('gives containers that share nothing which must be their own', async () => {
    const different = async (what: string, command: string) => {
      const found = await Promise.all(names.map((name) => inside(name, 'sh', '-c', command)));
      expect(new Set(found).size, `${what}: ${found.join(' ')}`).toBe(3);
      for (const each of found) expect(each.trim(), what).not.toBe('');
    };
    await different('machine-id', 'cat /etc/machine-id');
    await different('address', 'ip -o -4 addr show scope global | sed "s/ brd.*//"');
    await different('host name', 'cat /etc/hostname; grep 127.0.1.1 /etc/hosts');
    await eventually('every container to have keys of its own', 20_000, async () => {
      const keys = await Promise.all(
        names.map((name) =>
          inside(name, 'sh', '-c', 'sha256sum < /etc/ssl/private/ssl-cert-snakeoil.key').catch(() => ''),
        ),
      );
      return new Set(keys.filter((key) => key !== '')).size === 3;
    });
    for (const name of names)
      expect(await inside(name, 'cat', '/root/.bash_history').catch(() => '')).toBe('');
  });

  it('is used by the next run, which installs nothing', async () => {
    await deleteContainers(names);
    const { code, log, tookMs } = await runAction('provision-pgaf', { formation: formation.yaml });
    expect(code, log).toBe(0);
    expect(log).toMatch(launchedFrom);
    expect(log).not.toMatch(/make a base image|install /);
    figure(`provision from nothing with its base image, Debian ${debian}`, tookMs / 1000);
    await deleteContainers(names);
  });
});

describe.runIf(everything)('making a base image', { timeout: patience }, () => {
  const formation = formationOf(12);
  const start = () => startAction('provision-pgaf', { formation: formation.yaml });
  const bakeContainer = async () => (await containers()).find((name) => name.startsWith('pgha-bake'));

  beforeAll(clean);

  const moments: [string, () => Promise<boolean>][] = [
    ['launches its container', async () => (await bakeContainer()) !== undefined],
    [
      'installs',
      async () => {
        const name = await bakeContainer();
        return name !== undefined && (await inside(name, 'pgrep', '-x', 'dpkg').catch(() => '')) !== '';
      },
    ],
    [
      'turns it into an image',
      async () =>
        (await incus('query', '/1.0/operations?recursion=1')).includes('create_image_from_container'),
    ],
  ];
  it.each(moments)('is finished by the next run where one is killed while it %s', async (_, moment) => {
    await clean();
    const first = start();
    await eventually('the moment to kill', 120_000, moment);
    process.kill(-(first.child.pid ?? 0), 'SIGKILL');
    await first.finished;
    const next = await start().finished;
    expect(next.code, next.log).toBe(0);
    expect(next.log).toMatch(launchedFrom);
    expect(await baseImages()).toHaveLength(1);
    figure('provision after a killed one', next.tookMs / 1000);
  });

  it('removes the container that a killed run has left, later at the latest', async () => {
    await deleteContainers(containersOf(formation));
    const other = formationOf(12, 'bi1', {
      postgres: { version: 15, packages: { source: 'distribution', extra: ['procps'] } },
    });
    const { code, log } = await runAction('provision-pgaf', { formation: other.yaml });
    expect(code, log).toBe(0);
    expect(await bakeContainer()).toBeUndefined();
    await deleteContainers(containersOf(other));
  });

  it('is done once by two runs at the same time', async () => {
    await clean();
    const both = [formationOf(12, 'bi1'), formationOf(12, 'bi2')];
    const runs = await Promise.all(both.map(({ yaml }) => runAction('provision-pgaf', { formation: yaml })));
    for (const { code, log } of runs) {
      expect(code, log).toBe(0);
      expect(log).toMatch(launchedFrom);
    }
    expect(await baseImages()).toHaveLength(1);
    expect(await bakeContainer()).toBeUndefined();
    await deleteContainers(both.flatMap(containersOf));
  });

  it('is left out where Incus refuses it', async () => {
    await clean();
    const { env } = incusShim(
      'case "$*" in *POST*) echo "Error: not allowed in this project" >&2; exit 1 ;; esac',
    );
    const refused = await runAction('provision-pgaf', { formation: formation.yaml }, { env });
    expect(refused.code, refused.log).toBe(0);
    expect(refused.log).toContain('no base image could be made');
    expect(refused.log).toContain('launch from debian/12 (');
    expect(await bakeContainer()).toBeUndefined();
    await deleteContainers(containersOf(formation));
  });

  it('is left out where its container cannot be started', async () => {
    await clean();
    const { env } = incusShim(
      `case "$*" in
         launch*pgha-bake*) shift; incus init "$@" >/dev/null; echo "Error: it does not start" >&2; exit 1 ;;
         start*pgha-bake*) echo "Error: it does not start" >&2; exit 1 ;;
       esac`,
    );
    const refused = await runAction('provision-pgaf', { formation: formation.yaml }, { env });
    expect(refused.code, refused.log).toBe(0);
    expect(refused.log).toMatch(/no base image could be made.*it does not start/);
    expect(await bakeContainer()).toBeUndefined();
    await deleteContainers(containersOf(formation));
  });

  it('is left out where the formation says so', async () => {
    await clean();
    const without = formationOf(12, 'bi1', { 'base-image': false });
    const { code, log } = await runAction('provision-pgaf', { formation: without.yaml });
    expect(code, log).toBe(0);
    expect(log).not.toContain('base image');
    expect(await baseImages()).toEqual([]);
  });
});
