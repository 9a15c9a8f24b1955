import { createHash, X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { neighboursOf } from '../../../src/incus/cluster/neighbours.ts';
import { Incus } from '../../../src/incus/incus.ts';

/**
 * Reading a cluster that has lost a host, by a script that answers as the client of Incus 6.0.4 did in a cluster of three:
 * what it said of host m2 after that was lost in silence, before it counted as offline and after.
 */

const folder = mkdtempSync(join(tmpdir(), 'pgha-half-gone-'));
const before = { PATH: process.env['PATH'], INCUS_CONF: process.env['INCUS_CONF'] };
beforeAll(() => {
  Object.assign(process.env, { PATH: `${folder}:${before.PATH}`, INCUS_CONF: folder });
});
afterAll(async () => {
  process.env['PATH'] = before.PATH;
  if (before.INCUS_CONF === undefined) delete process.env['INCUS_CONF'];
  else process.env['INCUS_CONF'] = before.INCUS_CONF;
  // A client that is being ended may still write there.
  await rm(folder, { recursive: true, force: true, maxRetries: 20 });
});
beforeEach(() => writeFileSync(join(folder, 'asked'), ''));

const live = (name: string, location: string) => ({
  ...{ name, location, status: 'Running', config: { 'user.pgha.formation': 'default' }, devices: {} },
  ...{ expanded_config: {}, expanded_devices: {}, last_used_at: '2026-11-30T17:11:50Z' },
});
const stub = (name: string, location: string) => ({
  ...{ name, location, status: 'Error', config: null, devices: null, profiles: null },
  last_used_at: '0001-01-01T00:00:00Z',
});
const members = (status: string, message = 'Fully operational') =>
  ['m1', 'm2', 'm3'].map((name) => ({
    server_name: name,
    ...(name === 'm2' ? { status, message } : { status: 'Online', message: 'Fully operational' }),
  }));
const names = ['alpha', 'beta', 'gamma'];
const volumes = names.map(
  (name, at) => `/1.0/storage-pools/default/volumes/container/${name}?target=m${at + 1}`,
);

/** What the client does, by a pattern of its arguments: the first that fits. */
type Answers = [pattern: string, answer: unknown][];
const silence = 'exec sleep 25';
const says = (stderr: string) => `echo 'Error: ${stderr}' >&2; exit 1`;

function incus(answers: Answers, remote = 'm1'): Incus {
  const cases = answers.map(([pattern, answer], at) => {
    if (typeof answer === 'string') return `${pattern}) ${answer} ;;`;
    writeFileSync(join(folder, `answer-${at}`), JSON.stringify(answer));
    return `${pattern}) cat '${folder}/answer-${at}' ;;`;
  });
  const text = `#!/bin/sh\necho "$*" >>'${folder}/asked'\ncase "$*" in\n${cases.join('\n')}\n*) echo "not foreseen: $*" >&2; exit 9 ;;\nesac\n`;
  writeFileSync(join(folder, 'incus'), text);
  chmodSync(join(folder, 'incus'), 0o755);
  return new Incus({ remote, project: 'ha' });
}
const asked = () => readFileSync(join(folder, 'asked'), 'utf8').trim().split('\n');
/** Of a list, as the client asked for it: its filter, undefined where it had none. */
const filterAsked = () => {
  const [line = ''] = asked().filter((one) => one.includes('/1.0/instances?recursion=1'));
  return new URL(line.split(' ').at(-1) ?? '', 'unix://incus').searchParams.get('filter') ?? undefined;
};
const timesAsked = (what: RegExp) => asked().filter((line) => what.test(line)).length;

const database: Answers = [
  ['*/cluster/members*', members('Online')],
  ['*/storage-pools/default/volumes/*', volumes],
  ['*/storage-pools*', ['/1.0/storage-pools/default']],
  ['*/instances?project*', names.map((name) => `/1.0/instances/${name}?project=ha`)],
];
const each: Answers = [
  ['*/instances/alpha*', live('alpha', 'm1')],
  ['*/instances/beta*', silence],
  ['*/instances/gamma*', live('gamma', 'm3')],
];
/** The first seconds of a loss. */
const lost: Answers = [['*/instances?recursion*', silence], ...database, ...each];

const shown = (found: Awaited<ReturnType<Incus['instances']>>) =>
  Object.fromEntries([...found.values()].map(({ name, status, unheard }) => [name, unheard ?? status]));

async function timed<T>(work: Promise<T>): Promise<{ value: T; seconds: number }> {
  const began = performance.now();
  return { value: await work, seconds: (performance.now() - began) / 1000 };
}

describe('a host that is lost in silence', () => {
  it('leaves what it has unknown, with its name, and the rest is told', async () => {
    const { value, seconds } = await timed(incus(lost).instances());
    expect(shown(value)).toEqual({ alpha: 'Running', beta: 'its host m2 does not answer', gamma: 'Running' });
    expect(value.get('beta')).toMatchObject({ status: 'Unknown', location: 'm2', config: undefined });
    expect(seconds).toBeLessThan(9);
  });

  it('is not waited for where only others are asked about, which are told whatever becomes of them', async () => {
    const found = await incus(lost).instances(undefined, ['alpha', 'gamma']);
    expect(shown(found)).toMatchObject({ alpha: 'Running', gamma: 'Running' });
    expect(found.has('beta')).toBe(true);
    expect(timesAsked(/instances\/beta/)).toBe(0);
  });

  it('makes nothing absent: what is not there is what the database does not know', async () => {
    const gone: Answers = [['*/instances/delta*', says('Instance not found')], ...lost];
    expect([...(await incus(gone).instances(undefined, ['alpha', 'delta'])).keys()]).toEqual(names);
  });

  it('makes nothing absent that is listed and then not found, as behind a proxy, whether all or some are asked about', async () => {
    const notFound: Answers = [['*/instances/beta*', says('Instance not found')]];
    for (const only of [undefined, ['alpha', 'beta']]) {
      const found = shown(await incus([...notFound, ...lost]).instances(undefined, only));
      expect(found['beta']).toBe('Incus lists it, and does not find it');
    }
    const listed = [live('alpha', 'm1'), stub('beta', 'm2'), live('gamma', 'm3')];
    const stubbed: Answers = [...notFound, ['*/instances?recursion*', listed], ...database];
    expect(shown(await incus(stubbed).instances())['beta']).toBe('Incus lists it, and does not find it');
  });

  it('is asked once, however much it has', async () => {
    const many = Array.from({ length: 20 }, (_, at) => `beta-${at}`);
    const full: Answers = [
      ['*/instances?recursion*', silence],
      ['*/cluster/members*', members('Online')],
      [
        '*/storage-pools/default/volumes/*',
        many.map((name) => `/1.0/storage-pools/default/volumes/container/${name}?target=m2`),
      ],
      ['*/storage-pools*', ['/1.0/storage-pools/default']],
      ['*/instances?project*', many.map((name) => `/1.0/instances/${name}`)],
      ['*/instances/beta*', silence],
    ];
    const found = await incus(full).instances();
    expect(new Set([...found.values()].map(({ unheard }) => unheard))).toEqual(
      new Set(['its host m2 does not answer']),
    );
    // As many as are asked at once.
    expect(timesAsked(/instances\/beta/)).toBeLessThanOrEqual(8);
  });

  it('is named where no volume says which it is, as on storage that all share, by nothing', async () => {
    const shared: Answers = [['*/storage-pools/default/volumes/*', []], ...lost];
    const found = await incus(shared).instances();
    expect(shown(found)['beta']).toBe('its host does not answer');
  });
});

describe('a host that counts as offline', () => {
  const offline: Answers = [
    ['*/instances?recursion*', [live('alpha', 'm1'), stub('beta', 'm2'), live('gamma', 'm3')]],
    [
      '*/cluster/members*',
      members('Offline', 'No heartbeat for 56.020125392s (2026-11-30 17:12:49.310386268 +0000 UTC)'),
    ],
    ...each,
  ];

  it('is told as that, and not asked', async () => {
    const found = await incus(offline).instances();
    expect(shown(found)).toEqual({
      alpha: 'Running',
      beta: 'its host m2 does not answer (Offline: No heartbeat for 56 s)',
      gamma: 'Running',
    });
    expect(timesAsked(/instances\/beta/)).toBe(0);
  });

  it('costs nothing where only others are asked about', async () => {
    await incus(offline).instances(undefined, ['alpha', 'gamma']);
    expect(asked()).toHaveLength(1);
  });
});

it('what is listed as an error on a host that is online is asked for itself: it may be there', async () => {
  const changed: Answers = [
    ['*/instances?recursion*', [stub('alpha', 'm1')]],
    ['*/cluster/members*', members('Online')],
    ...each,
  ];
  expect(shown(await incus(changed).instances())).toEqual({ alpha: 'Running' });
});

describe('a server that is in no cluster', () => {
  const alone = (delay: string): Answers => [
    ['*/instances?recursion*', `${delay}; echo '${JSON.stringify([live('alpha', 'none')])}'`],
    ['*/cluster/members*', says('Server is not clustered')],
  ];

  it('is asked one thing', async () => {
    const server = incus(alone(':'));
    expect(shown(await server.instances())).toEqual({ alpha: 'Running' });
    expect(asked()).toHaveLength(1);
  });

  it('is waited for where it is slow, and asked once whether it is', async () => {
    const server = incus(alone('sleep 2'));
    for (const _ of [1, 2]) expect(shown(await server.instances())).toEqual({ alpha: 'Running' });
    expect(timesAsked(/cluster\/members/)).toBe(1);
  });
});

describe('a cluster that is healthy and slow', () => {
  it('is told as it is', async () => {
    const all = [live('alpha', 'm1'), live('beta', 'm2'), live('gamma', 'm3')];
    const slow: Answers = [['*/instances?recursion*', `sleep 1; echo '${JSON.stringify(all)}'`], ...lost];
    expect(shown(await incus(slow).instances())).toEqual({
      alpha: 'Running',
      beta: 'Running',
      gamma: 'Running',
    });
  });
});

describe('a remote that does not answer', () => {
  /** What every member of one cluster shows. */
  const certificate = (...remotes: string[]) => {
    mkdirSync(join(folder, 'servercerts'), { recursive: true });
    for (const remote of remotes)
      writeFileSync(join(folder, 'servercerts', `${remote}.crt`), clusterCertificate);
  };
  const remotes = {
    images: { Addr: 'https://images.example.org', Protocol: 'simplestreams', Public: true },
    m1: { Addr: 'https://10.77.7.11:8443', Protocol: 'incus', Public: false },
    m2: { Addr: 'https://10.77.7.12:8443', Protocol: 'incus', Public: false },
    m3: { Addr: 'https://10.77.7.13:8443', Protocol: 'incus', Public: false },
    other: { Addr: 'https://10.77.7.99:8443', Protocol: 'incus', Public: false },
  };
  const refused = says(
    'Get "https://10.77.7.12:8443/1.0": Unable to connect to: 10.77.7.12:8443 ([dial tcp 10.77.7.12:8443: connect: no route to host])',
  );
  const dead = (how: string): Answers => [
    ['*remote?list*', remotes],
    ['*m1:/1.0', {}],
    ['*m3:/1.0', silence],
    ['*other:/1.0', {}],
    ['*m2:*', how],
  ];

  it.each([
    ['refuses', refused, 4],
    ['is silent', silence, 12],
  ])('and %s is told with those of its cluster that do', async (_, how, withinSeconds) => {
    certificate('m1', 'm2', 'm3');
    const { value, seconds } = await timed(
      incus(dead(how), 'm2')
        .instances()
        .then(() => '', String),
    );
    expect(value).toMatch(
      /^EnvironmentError: the Incus server of the remote m2 does not answer; m1 of the same cluster does: name it/,
    );
    expect(value.match(/of the same cluster/g)).toHaveLength(1);
    expect(seconds).toBeLessThan(withinSeconds);
  });

  it.each([
    ['one of them', () => certifiedBy, ['m1', 'm2', 'm3']],
    ['another server', () => '00'.repeat(32), []],
  ])(
    'the socket of this machine, which has no certificate here, is known by what it says: %s',
    async (_, said, found) => {
      certificate('m1', 'm2', 'm3');
      incus([
        ['query?local:/1.0', { environment: { certificate_fingerprint: said() } }],
        ['remote?list*', remotes],
      ]);
      expect(await neighboursOf('local')).toEqual(found);
    },
  );

  it('and is in no cluster is told as it was', async () => {
    rmSync(join(folder, 'servercerts'), { recursive: true });
    const failed = incus(dead(refused), 'm2').instances();
    await expect(failed).rejects.toThrow(
      /^the Incus server of the remote m2 does not answer; check its address/,
    );
    expect(timesAsked(/remote list/)).toBe(0);
  });
});

/** Of a cluster in the lab, which is gone. */
const clusterCertificate = `-----BEGIN CERTIFICATE-----
MIIB8TCCAXigAwIBAgIRAPH1bhZw844NGHYcmAYlgKAwCgYIKoZIzj0EAwMwLTEZ
MBcGA1UEChMQTGludXggQ29udGFpbmVyczEQMA4GA1UEAwwHcm9vdEBtMTAeFw0y
NjExMzAxNzEwMThaFw0zNjExMjcxNzEwMThaMC0xGTAXBgNVBAoTEExpbnV4IENv
bnRhaW5lcnMxEDAOBgNVBAMMB3Jvb3RAbTEwdjAQBgcqhkjOPQIBBgUrgQQAIgNi
AATAenCkcXG84CeY7XRj2J46/S8XG436dJnTdiSubxAm9vb9fPhq0iXsmenAi05c
K9NlL0h/t5X7+dF35loBosuR3fvTD+4dJXDVlOigRT64gujbnqu+SYlqHvD1fm4u
Rq2jXDBaMA4GA1UdDwEB/wQEAwIFoDATBgNVHSUEDDAKBggrBgEFBQcDATAMBgNV
HRMBAf8EAjAAMCUGA1UdEQQeMByCAm0xhwR/AAABhxAAAAAAAAAAAAAAAAAAAAAB
MAoGCCqGSM49BAMDA2cAMGQCMAVc4NQcVLN6duKpGTbpxVEw2bxbG9sURxhHp2b9
R03JkMtV/ff43tJ80gt/d87S+gIwdPIawHkHUOH/K9ZZV5dk2sXnVXkxd99UGhHB
1JcW2xf/M5H/nH/ATaZagUHh04Od
-----END CERTIFICATE-----
`;

it('what does not matter is left out by the server, unless there is no room to say what does', async () => {
  const whole: Answers = [["*'instances?recursion=1'*", names.map((name, at) => live(name, `m${at + 1}`))]];
  await incus(whole).instances(undefined, ['alpha', 'gamma']);
  expect(filterAsked()).toBe('name eq alpha or name eq gamma');
  for (const only of [
    undefined,
    [],
    Array.from({ length: 500 }, (_, at) => `a-node-with-a-long-name-${at}`),
  ]) {
    writeFileSync(join(folder, 'asked'), '');
    await incus(whole).instances(undefined, only);
    expect(filterAsked()).toBeUndefined();
  }
});
const certifiedBy = createHash('sha256').update(new X509Certificate(clusterCertificate).raw).digest('hex');
