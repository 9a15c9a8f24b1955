import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { type MadeCertificate, Openssl } from '../unit/provision/authority.ts';
import { losesReloadOfTls } from './breakage.ts';
import { eventually, type Finished, figure, incus, inside, runAction } from './harness.ts';

/**
 * Who gets in, and who does not: a formation of its own, attacked from a declared client, from containers that are
 * none, by an application's user, by a local user, and by whoever has become postgres in a container. Its
 * passwords and certificates are changed while it runs, and it fails over with the new ones.
 */

const monitor = 's-monitor';
const nodes = ['s-alpha', 's-beta'] as const;
const [alpha, beta] = nodes;
const members = [monitor, ...nodes];
/** The only declared client. */
const client = 's-client';

const passwords = {
  veza: "Straße 'x' \\ : # 7",
  reporter: 'the-reporters-own',
  probe: 'never-asked-for',
  robot: 'has-a-certificate',
};
type User = keyof typeof passwords;

const userPasswords = stringify({
  reporter: passwords.reporter,
  probe: passwords.probe,
  robot: passwords.robot,
});

/** The client's own address, as CIDR. */
let network = '';
/** The formation's URI as the last run told it. */
let uri = '';

function file(changes: Record<string, unknown> = {}, access: Record<string, unknown>[] = []): string {
  return stringify({
    formation: 'secure',
    environment: 'production',
    image: 'debian/12',
    postgres: {
      version: 15,
      packages: 'distribution',
      clients: [network],
      extensions: ['pgcrypto'],
      databases: [{ name: 'reports', owner: 'reporter' }],
      users: [
        { name: 'reporter', databases: ['reports', 'veza'] },
        { name: 'probe', databases: ['veza'] },
        { name: 'robot', databases: ['veza'] },
      ],
      access: [{ user: 'probe', database: 'veza', clients: [network], method: 'trust' }, ...access],
    },
    timings: 'fast',
    monitor: { name: monitor },
    nodes: nodes.map((name) => ({ name })),
    ...changes,
  });
}

/** Provisions and expects success. */
async function provision(formation: string, inputs: Record<string, string> = {}): Promise<Finished> {
  const finished = await runAction('provision-pgaf', {
    formation,
    'app-password': passwords.veza,
    'user-passwords': userPasswords,
    ...inputs,
  });
  expect(finished.code, finished.log).toBe(0);
  uri = finished.outputs['formation-uri'] ?? '';
  return finished;
}

/** What a run changed, as `container: what`. */
function changesOf({ report }: Finished): string[] {
  const { changes } = report as { changes: { container: string; what: string }[] };
  return changes.map(({ container, what }) => `${container}: ${what}`);
}

/** Superuser SQL in a container, by peer authentication. */
async function sql(container: string, text: string): Promise<string> {
  const database = container === monitor ? 'pg_auto_failover' : 'postgres';
  const command = ['runuser', '-u', 'postgres', '--', 'env', '-C', '/', 'psql', '-XAt', '-d', database];
  return (await inside(container, ...command, '-c', text)).trimEnd();
}

interface Login {
  from?: string;
  to: string;
  user: string;
  password?: string;
  database?: string;
  /** More parameters of the connection, which win over those here. */
  options?: string;
}

/** Logs in over TCP and runs SQL; rejects with what psql says. TLS by default. */
async function login(
  { from = client, to, user, password, database = 'veza', options = '' }: Login,
  text = 'SELECT session_user',
): Promise<string> {
  const where = `host=${to}.incus user=${user} dbname=${database} sslmode=require connect_timeout=5 ${options}`;
  const secret = password === undefined ? [] : [`PGPASSWORD=${password}`];
  return (await inside(from, 'env', ...secret, 'psql', '-wXAt', where, '-c', text)).trimEnd();
}

const asUser = (user: User, to: string) => ({ to, user, password: passwords[user] });

async function states(): Promise<{ primary: string; standby: string }> {
  const { outputs } = await runAction('check-formation', { formation: file() });
  return { primary: outputs['primary'] ?? '', standby: outputs['standbys'] ?? '' };
}

async function addressOf(container: string): Promise<string> {
  let found = '';
  await eventually(`an address of ${container}`, 60_000, async () => {
    const state = JSON.parse(await incus('query', `/1.0/instances/${container}/state`)) as {
      network?: Record<string, { addresses: { family: string; scope: string; address: string }[] }> | null;
    };
    found =
      state.network?.['eth0']?.addresses.find(({ family, scope }) => family === 'inet' && scope === 'global')
        ?.address ?? '';
    return found !== '';
  });
  return found;
}

/** The certificate that a Postgres shows to the client: openssl's verdict, its serial number, and when it ends. */
async function served(host: string, ...options: string[]): Promise<string> {
  // Several are asked at once.
  const script = `host=$1; shift; file=$(mktemp)
openssl s_client -starttls postgres -connect "$host:5432" "$@" < /dev/null > "$file" 2>&1
grep -a -m 1 "Verify return code" "$file"; openssl x509 -noout -serial -enddate < "$file"`;
  return await inside(client, 'sh', '-c', script, 'sh', host, ...options);
}

beforeAll(async () => {
  for (const name of [...members, client]) await incus('delete', '--force', name).catch(() => {});
  await incus('launch', 'debian/12', client);
  network = `${await addressOf(client)}/32`;
  const install =
    'apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y postgresql-client-15 openssl > /dev/null 2>&1';
  const started = performance.now();
  const [first] = await Promise.all([provision(file()), inside(client, 'sh', '-c', install)]);
  figure('provision the formation for the attacks, from nothing', (performance.now() - started) / 1000);
  expect(first.outputs['primary']).toBe(alpha);
  await login(
    asUser('veza', alpha),
    'CREATE TABLE written (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz DEFAULT now())',
  );
}, 400_000);

afterAll(async () => {
  for (const name of [...members, client]) await incus('delete', '--force', name).catch(() => {});
});

describe('accounts', () => {
  it.each(members)('of %s have SCRAM verifiers or no password at all', async (member) => {
    const listed = await sql(
      member,
      "SELECT rolname, coalesce(regexp_replace(rolpassword, '[$].*', ''), 'none') FROM pg_authid WHERE rolcanlogin ORDER BY 1",
    );
    const scram = (...names: string[]) => names.map((name) => `${name}|SCRAM-SHA-256`);
    expect(listed.split('\n')).toEqual(
      member === monitor
        ? ['autoctl|none', ...scram('autoctl_node'), 'postgres|none']
        : [
            ...scram('pgautofailover_monitor', 'pgautofailover_replicator'),
            'postgres|none',
            ...scram('probe', 'reporter', 'robot', 'veza'),
          ],
    );
  });

  it('of pg_auto_failover have passwords of 256 bits, the same in every container, which postgres alone reads', async () => {
    const files = await Promise.all(
      members.map((member) => inside(member, 'cat', '/var/lib/postgresql/.pgpass')),
    );
    expect(new Set(files).size).toBe(1);
    const found = [...(files[0] ?? '').matchAll(/^\*:\*:\*:(\w+):([\w-]+)$/gm)].map(
      ([, role, text = '']) => ({
        role,
        bytes: Buffer.from(text, 'base64url').length,
      }),
    );
    expect(found).toEqual([
      { role: 'autoctl_node', bytes: 32 },
      { role: 'pgautofailover_replicator', bytes: 32 },
    ]);
  });

  it('of the application have what was declared for them', async () => {
    expect(await login({ ...asUser('veza', alpha) }, "SELECT encode(digest('a', 'sha256'), 'hex')")).toMatch(
      /^ca978112/,
    );
    expect(await login({ ...asUser('reporter', alpha), database: 'reports' })).toBe('reporter');
    expect(await login(asUser('reporter', alpha))).toBe('reporter');
    expect(
      await sql(
        alpha,
        "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls FROM pg_roles WHERE rolname IN ('veza', 'reporter', 'probe', 'robot') GROUP BY 1",
      ),
    ).toBe('f');
  });
});

describe('pg_hba.conf', () => {
  const rulesOf = async (member: string) =>
    (
      await sql(
        member,
        `SELECT concat_ws(' ', type, array_to_string(database, ','), array_to_string(user_name, ','),
                          address || coalesce('/' || netmask, ''), auth_method, array_to_string(options, ','), error)
           FROM pg_hba_file_rules ORDER BY line_number`,
      )
    ).split('\n');

  it('of the monitor lets in the nodes, each by its name, TLS and password', async () => {
    expect(await rulesOf(monitor)).toEqual([
      'local all postgres peer',
      'local pg_auto_failover autoctl_node,autoctl peer map=pgha',
      ...nodes.map((node) => `hostssl pg_auto_failover autoctl_node ${node}.incus scram-sha-256`),
    ]);
  });

  it.each(nodes)(
    'of %s lets in the nodes and the declared client, and trusts but where it is asked to',
    async (node) => {
      const address = network.replace('/32', '/255.255.255.255');
      expect(await rulesOf(node)).toEqual([
        'local all postgres peer',
        `hostssl postgres pgautofailover_monitor ${monitor}.incus trust`,
        ...nodes.map(
          (each) => `hostssl postgres,replication pgautofailover_replicator ${each}.incus scram-sha-256`,
        ),
        `hostssl veza probe ${address} trust`,
        `hostssl veza veza ${address} scram-sha-256`,
        `hostssl reports reporter ${address} scram-sha-256`,
        `hostssl veza reporter ${address} scram-sha-256`,
        `hostssl veza probe ${address} scram-sha-256`,
        `hostssl veza robot ${address} scram-sha-256`,
      ]);
    },
  );
});

describe('a login', () => {
  const closed = /no pg_hba\.conf entry/;
  const own = { autoctl_node: '', pgautofailover_replicator: '' };

  beforeAll(async () => {
    const text = await inside(monitor, 'cat', '/var/lib/postgresql/.pgpass');
    for (const role of Object.keys(own) as (keyof typeof own)[])
      own[role] = new RegExp(`^.*:${role}:(.*)$`, 'm').exec(text)?.[1] ?? '';
  });

  it('of the application succeeds from the declared client, over TLS and with its password, on every node', async () => {
    for (const node of nodes) {
      const used = await login(
        asUser('veza', node),
        'SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
      );
      expect(used).toMatch(/^TLSv1\.[23]$/);
    }
  });

  it('without a password succeeds where access says trust, from there alone and over TLS alone', async () => {
    expect(await login({ to: alpha, user: 'probe' })).toBe('probe');
    await expect(login({ to: alpha, user: 'probe', options: 'sslmode=disable' })).rejects.toThrow(closed);
    await expect(login({ from: monitor, to: alpha, user: 'probe' })).rejects.toThrow(closed);
    await expect(login({ to: alpha, user: 'robot' })).rejects.toThrow(/no password supplied/);
  });

  it.each<[string, Login, RegExp]>([
    [
      'with a wrong password',
      { to: beta, user: 'veza', password: 'wrong' },
      /password authentication failed/,
    ],
    [
      "with another user's password",
      { to: beta, user: 'veza', password: passwords.reporter },
      /authentication failed/,
    ],
    ['without a password', { to: beta, user: 'veza' }, /no password supplied/],
    [
      'without TLS',
      { ...asUser('veza', beta), options: 'sslmode=disable' },
      /no pg_hba\.conf entry.*no encryption/,
    ],
    ['from the monitor, which is no client', { ...asUser('veza', beta), from: monitor }, closed],
    ['from another node, which is no client', { ...asUser('veza', beta), from: alpha }, closed],
    ['from the node itself', { ...asUser('veza', beta), from: beta }, closed],
    ["to another user's database", { ...asUser('veza', beta), database: 'reports' }, closed],
    ['to the database postgres', { ...asUser('veza', beta), database: 'postgres' }, closed],
    ['to template1', { ...asUser('veza', beta), database: 'template1' }, closed],
    ['for replication', { ...asUser('veza', beta), options: 'replication=true' }, closed],
    [
      'for logical replication',
      { ...asUser('veza', beta), options: 'replication=database' },
      /replication.*role|permission denied/,
    ],
    ['as postgres', { to: beta, user: 'postgres', database: 'postgres' }, closed],
    ['as postgres from a node', { from: alpha, to: beta, user: 'postgres', database: 'postgres' }, closed],
    [
      'as postgres on 127.0.0.1',
      { from: beta, to: beta, user: 'postgres', database: 'postgres', options: 'hostaddr=127.0.0.1' },
      closed,
    ],
    ['as a role that is not there', { to: beta, user: 'nobody', password: 'x' }, closed],
    [
      "as the monitor's health check, from a client",
      { to: beta, user: 'pgautofailover_monitor', password: 'pgautofailover_monitor', database: 'postgres' },
      closed,
    ],
    [
      "as the monitor's health check, to the application's database",
      { from: monitor, to: beta, user: 'pgautofailover_monitor' },
      closed,
    ],
    [
      "as the monitor's health check, without TLS",
      {
        from: monitor,
        to: beta,
        user: 'pgautofailover_monitor',
        database: 'postgres',
        options: 'sslmode=disable',
      },
      closed,
    ],
    [
      'as the replicator from a node, without its password',
      { from: alpha, to: beta, user: 'pgautofailover_replicator', database: 'postgres' },
      /no password supplied/,
    ],
    [
      'as the replicator from a node, with a wrong one',
      { from: alpha, to: beta, user: 'pgautofailover_replicator', password: 'wrong', database: 'postgres' },
      /authentication failed/,
    ],
    [
      'as a keeper from a node, without its password',
      { from: alpha, to: monitor, user: 'autoctl_node', database: 'pg_auto_failover' },
      /no password supplied/,
    ],
    [
      'as a keeper from a node, with a wrong one',
      { from: alpha, to: monitor, user: 'autoctl_node', password: 'wrong', database: 'pg_auto_failover' },
      /authentication failed/,
    ],
    [
      "as pg_autoctl's local account",
      { from: alpha, to: monitor, user: 'autoctl', database: 'pg_auto_failover' },
      closed,
    ],
    [
      'as postgres at the monitor',
      { from: alpha, to: monitor, user: 'postgres', database: 'pg_auto_failover' },
      closed,
    ],
  ])('is refused %s', async (_, attempt, why) => {
    await expect(login(attempt)).rejects.toThrow(why);
  });

  it.each<[string, string, keyof typeof own, string]>([
    ['as a keeper', monitor, 'autoctl_node', 'pg_auto_failover'],
    ['as the replicator', alpha, 'pgautofailover_replicator', 'postgres'],
  ])(
    'is refused %s with the right password, from a container that is no node or without TLS',
    async (_, to, user, database) => {
      const attempt = { to, user, database, password: own[user] };
      expect(await login({ ...attempt, from: beta })).toBe(user);
      await expect(login({ ...attempt, from: client })).rejects.toThrow(closed);
      await expect(login({ ...attempt, from: beta, options: 'sslmode=disable' })).rejects.toThrow(closed);
      await expect(login({ ...attempt, from: beta, database: 'template1' })).rejects.toThrow(closed);
    },
  );
});

describe("the application's user", () => {
  it('has no superuser run its functions by way of an extension that is created', async () => {
    const asVeza = asUser('veza', alpha);
    const lower = "lower(integer) RETURNS text LANGUAGE sql AS 'SELECT NULL::text'";
    await login(asVeza, `CREATE FUNCTION ${lower}`);
    // What earthdistance needs, and so the path of its script has the schema that it is in.
    await login(
      asVeza,
      `CREATE SCHEMA evil; CREATE EXTENSION cube SCHEMA evil; CREATE FUNCTION evil.${lower}`,
    );
    const wanted = parse(file()) as { postgres: { extensions: string[] } };
    wanted.postgres.extensions.push('hstore', 'earthdistance');
    const { code, outputs, log } = await runAction('provision-pgaf', {
      formation: stringify(wanted),
      'app-password': passwords.veza,
      'user-passwords': userPasswords,
    });
    await login(asVeza, 'DROP FUNCTION lower(integer); DROP SCHEMA evil CASCADE');
    expect(code, log).toBe(3);
    expect(outputs['message']).toMatch(
      /^postgres: database veza is to have the extensions hstore, earthdistance.*: function lower\(integer\); /,
    );
    expect(outputs['message']).toMatch(
      / schema evil in its path, for cube, .*: it belongs to veza, it holds function evil\.lower\(integer\) of veza; /,
    );
    expect(await sql(alpha, "SELECT rolsuper FROM pg_roles WHERE rolname = 'veza'")).toBe('f');
  });

  it.each([
    'SELECT * FROM pg_authid',
    'SELECT * FROM pg_shadow',
    'SELECT * FROM pg_hba_file_rules',
    'SELECT * FROM pg_file_settings',
    'SHOW primary_conninfo',
    'SHOW data_directory',
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_read_binary_file('/var/lib/postgresql/.pgpass')",
    "SELECT pg_ls_dir('/etc')",
    "SELECT lo_import('/var/lib/postgresql/.pgpass')",
    "CREATE TEMP TABLE t (x text); COPY t FROM '/var/lib/postgresql/.pgpass'",
    "COPY (SELECT 1) TO '/tmp/x'",
    "COPY (SELECT 1) TO PROGRAM 'id'",
    'ALTER ROLE veza SUPERUSER',
    'ALTER ROLE veza REPLICATION',
    "ALTER ROLE pgautofailover_replicator PASSWORD 'x'",
    "ALTER ROLE reporter PASSWORD 'x'",
    'CREATE ROLE mallory',
    'SET ROLE postgres',
    'SET SESSION AUTHORIZATION pgautofailover_replicator',
    'GRANT pgautofailover_replicator TO veza',
    'GRANT pg_read_server_files TO veza',
    "ALTER SYSTEM SET archive_command = 'id'",
    "ALTER DATABASE veza SET session_preload_libraries = '/tmp/x'",
    'DROP DATABASE reports',
    'CREATE DATABASE mine',
    'CREATE EXTENSION dblink',
    'CREATE EXTENSION file_fdw',
    'CREATE LANGUAGE plperlu',
    "CREATE FUNCTION f() RETURNS int LANGUAGE c AS '/tmp/x'",
    "CREATE SUBSCRIPTION s CONNECTION 'host=/var/run/postgresql' PUBLICATION p",
    "SELECT pg_create_physical_replication_slot('x')",
    'SELECT pg_promote()',
    'SELECT pg_reload_conf()',
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'pgautofailover_replicator'",
    "LOAD '/tmp/x.so'",
  ])('may not: %s', async (text) => {
    await expect(login(asUser('veza', alpha), text)).rejects.toThrow(
      /permission denied|must be|must have|not allowed|superuser|does not exist|not available/i,
    );
  });

  it('sees nothing of what others run, nor by what the nodes connect', async () => {
    const visible = `SELECT count(*) FROM pg_stat_activity WHERE usename <> 'veza' AND query NOT IN ('<insufficient privilege>', '')`;
    expect(await login(asUser('veza', alpha), visible)).toBe('0');
    expect(await login(asUser('veza', beta), 'SELECT count(conninfo) FROM pg_stat_wal_receiver')).toBe('0');
  });
});

describe('a local user of a container', () => {
  const asNobody = (container: string, ...command: string[]) =>
    inside(container, 'runuser', '-u', 'nobody', '--', 'env', '-C', '/', ...command);

  it.each([
    [alpha, 'postgres', 'postgres'],
    [alpha, 'pgautofailover_replicator', 'postgres'],
    [alpha, 'pgautofailover_monitor', 'postgres'],
    [alpha, 'veza', 'veza'],
    [monitor, 'postgres', 'pg_auto_failover'],
    [monitor, 'autoctl', 'pg_auto_failover'],
    [monitor, 'autoctl_node', 'pg_auto_failover'],
  ])('does not get in by the socket of %s as %s', async (container, user, database) => {
    await expect(
      asNobody(container, 'psql', '-wXAt', '-U', user, '-d', database, '-c', 'SELECT 1'),
    ).rejects.toThrow(/Peer authentication failed|no pg_hba\.conf entry/);
  });

  it.each(members)('reads neither passwords nor keys nor data in %s', async (container) => {
    const folder = container === monitor ? 'monitor' : 'node';
    for (const path of [
      '/var/lib/postgresql/.pgpass',
      '/etc/pgha/server.pem',
      `/var/lib/postgresql/pgaf/${folder}/PG_VERSION`,
    ])
      await expect(asNobody(container, 'cat', path)).rejects.toThrow(/Permission denied/);
  });
});

describe("pg_autoctl's folder in /tmp", () => {
  it.each(members)('of %s is postgres’ alone, from boot on, and not cleaned by age', async (container) => {
    expect(await inside(container, 'stat', '-c', '%U %a', '/tmp/pg_autoctl')).toBe('postgres 700\n');
    expect(await inside(container, 'systemd-tmpfiles', '--cat-config')).toContain(
      'd /tmp/pg_autoctl 0700 postgres postgres -',
    );
  });
});

describe('whoever has become postgres in a container', () => {
  it('gets nothing of root by links, long files or odd names where the next run reads and writes', async () => {
    const plant = `
cd /var/lib/postgresql
for file in .pgpass pgaf/node/pg_hba.conf; do rm $file; ln -s /etc/shadow $file; ln -s /etc/shadow $file.pgha; done
ln -s /etc/cron.d/mine pgaf/node/pg_ident.conf.pgha
truncate -s 200M pgaf/node/pg_ident.conf
for name in 'x y' 'x
cluster .. ..' -x; do mkdir -p "/etc/postgresql/15/$name"; echo auto > "/etc/postgresql/15/$name/start.conf"; done
`;
    const look = ['sh', '-c', 'ls -l /etc/shadow; sha256sum /etc/shadow; ls /etc/cron.d /'];
    const before = await inside(beta, ...look);
    await inside(beta, 'runuser', '-u', 'postgres', '--', 'sh', '-c', plant);
    const mended = await provision(file());
    expect(await inside(beta, ...look)).toBe(before);
    expect(changesOf(mended)).toEqual([
      `${beta}: write the password file of pg_auto_failover`,
      `${beta}: write pg_hba.conf`,
    ]);
    expect(
      await inside(
        beta,
        'stat',
        '-c',
        '%F %U %a',
        '/var/lib/postgresql/.pgpass',
        '/var/lib/postgresql/pgaf/node/pg_hba.conf',
      ),
    ).toBe('regular file postgres 600\n'.repeat(2));
    await inside(
      beta,
      'sh',
      '-c',
      'rm -rf /etc/postgresql/15/*x*; : > /var/lib/postgresql/pgaf/node/pg_ident.conf',
    );
    expect((await provision(file())).outputs['changed']).toBe('false');
  });
});

describe('whoever has the account of the nodes at the monitor', () => {
  it('gets no rules into pg_hba.conf by the host of a node that he registers', async () => {
    const rulesOf = (node: string) => sql(node, 'SELECT count(*) FROM pg_hba_file_rules');
    const before = await Promise.all(nodes.map(rulesOf));
    const system = await sql(alpha, 'SELECT system_identifier FROM pg_control_system()');
    const host = "E'x.incus trust\\nhost all all 0.0.0.0/0 trust\\n#'";
    const register = `SELECT assigned_node_id > 0 FROM pgautofailover.register_node('secure', ${host}, 5432, 'postgres', 'stray', ${system}, -1, 0, 'wait_standby', 'standalone', 0, false)`;
    const asKeeper = [
      'runuser',
      '-u',
      'postgres',
      '--',
      'env',
      '-C',
      '/',
      'HOME=/var/lib/postgresql',
      'psql',
      '-XAt',
    ];
    const conninfo = `host=${monitor}.incus user=autoctl_node dbname=pg_auto_failover sslmode=require`;
    expect(await inside(beta, ...asKeeper, conninfo, '-c', register)).toBe('t\n');
    const inputs = { formation: file(), 'app-password': passwords.veza, 'user-passwords': userPasswords };
    const { code, log } = await runAction('provision-pgaf', inputs);
    expect(code, log).toBe(1);
    expect(log).toContain('is no host name or address');
    expect(await Promise.all(nodes.map(rulesOf))).toEqual(before);
    await provision(file(), { prune: 'true' });
  });
});

describe('a self-signed certificate', () => {
  it('that ends in five days is renewed and served, and nothing else changes', async () => {
    const expiring = `
set -e; cd /tmp; umask 077
openssl req -new -x509 -days 5 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -subj "/CN=$1" -addext "subjectAltName=DNS:$1.incus" -keyout key -out crt 2> /dev/null
cat key crt > /etc/pgha/server.pem; rm key crt
systemctl reload pg_autoctl`;
    await inside(alpha, 'sh', '-c', expiring, 'sh', alpha);
    const daysLeft = async () => {
      const ends = /notAfter=(.*)/.exec(await served(`${alpha}.incus`))?.[1] ?? '';
      return Math.round((Date.parse(ends) - Date.now()) / 86_400_000);
    };
    await eventually('the expiring certificate to be served', 10_000, async () => (await daysLeft()) === 5);
    const witness = () =>
      Promise.all([
        sql(monitor, 'SELECT max(eventid) FROM pgautofailover.event'),
        ...nodes.map((node) => sql(node, 'SELECT pg_postmaster_start_time()')),
        inside(beta, 'sha256sum', '/etc/pgha/server.pem'),
        inside(monitor, 'sha256sum', '/etc/pgha/server.pem'),
      ]);
    const before = await witness();
    const renewed = await provision(file());
    expect(changesOf(renewed)).toEqual([
      `${alpha}: renew the self-signed certificate, which ends within 30 days`,
    ]);
    await eventually('the new certificate to be served', 10_000, async () => (await daysLeft()) === 365);
    expect(await witness()).toEqual(before);
    expect(await inside(alpha, 'stat', '-c', '%U %a', '/etc/pgha/server.pem')).toBe('postgres 600\n');
  });
});

describe("passwords of pg_auto_failover's accounts, changed by input on a running formation", () => {
  const changed = {
    'autoctl-password': 'autoctl.of-the_vault~1',
    'replication-password': 'replication.of-the_vault~2',
  };

  it('are in force everywhere, and the formation is as healthy as before', async () => {
    const done = await provision(file(), changed);
    expect(changesOf(done).sort()).toEqual(
      [
        `${alpha}: set the password of pgautofailover_replicator`,
        ...members.map((member) => `${member}: write the password file of pg_auto_failover`),
        `${monitor}: set the password of autoctl_node`,
      ].sort(),
    );
    expect(
      await login({
        from: beta,
        to: alpha,
        user: 'pgautofailover_replicator',
        password: changed['replication-password'],
        database: 'postgres',
      }),
    ).toBe('pgautofailover_replicator');
    expect(
      await login({
        from: beta,
        to: monitor,
        user: 'autoctl_node',
        password: changed['autoctl-password'],
        database: 'pg_auto_failover',
      }),
    ).toBe('autoctl_node');
    // Without the input they stay: a container's own are taken before new ones are made.
    expect((await provision(file())).outputs['changed']).toBe('false');
  });

  it('carry the formation through a failover, and the application to the new primary', async () => {
    await failover();
  });
});

describe("certificates of a CA of one's own", () => {
  const openssl = new Openssl();
  const root = openssl.authority('Veza root');
  const issuing = openssl.authority('Veza issuing', root);
  const foreign = openssl.authority('somebody else');
  const robot = openssl.make('/CN=robot', ['basicConstraints=CA:FALSE', 'extendedKeyUsage=clientAuth'], {
    by: root,
  });
  const robotsRule = { user: 'robot', database: 'veza', clients: [] as string[], method: 'cert' };
  const byCa = 'sslrootcert=/root/ca.pem';

  const formationWith = (tls: string) => {
    robotsRule.clients = [network];
    return file({ tls }, tls === 'self-signed' ? [] : [robotsRule]);
  };

  /** A certificate for every member, as the inputs take them. */
  function given(by: MadeCertificate, names: (member: string) => string): Record<string, string> {
    const made = new Map(members.map((member) => [member, openssl.server(by, names(member))]));
    const chain = by === root ? '' : by.pem;
    const mapOf = (text: (one: MadeCertificate) => string) =>
      stringify(Object.fromEntries([...made].map(([member, one]) => [member, text(one)])));
    return {
      'tls-ca': root.pem,
      'tls-certificate': mapOf((one) => one.pem + chain),
      'tls-key': mapOf((one) => one.key),
    };
  }

  const byName = (member: string) => `DNS:${member}.incus`;
  const verifying = (member: string, ca = '/root/ca.pem') =>
    served(`${member}.incus`, '-CAfile', ca, '-verify_hostname', `${member}.incus`);
  const witness = async () => [
    await sql(monitor, 'SELECT max(eventid) FROM pgautofailover.event'),
    ...(await Promise.all(members.map((member) => sql(member, 'SELECT pg_postmaster_start_time()')))),
  ];

  const keeperConfig = '/var/lib/postgresql/.config/pg_autoctl/var/lib/postgresql/pgaf/node/pg_autoctl.cfg';

  /** By what the standby follows its primary, and every keeper reaches the monitor. */
  async function expectModes(mode: string): Promise<void> {
    const { standby } = await states();
    await eventually(`${standby} to follow by sslmode=${mode}`, 20_000, async () =>
      (await sql(standby, 'SELECT conninfo FROM pg_stat_wal_receiver')).includes(`sslmode=${mode}`),
    );
    for (const node of nodes) {
      const config = await inside(node, 'cat', keeperConfig);
      expect(config).toMatch(new RegExp(`^monitor = .*sslmode=${mode}`, 'm'));
      expect(config).toMatch(new RegExp(`^sslmode = ${mode}$`, 'm'));
    }
    const used = 'SELECT bool_and(ssl) FROM pg_stat_replication JOIN pg_stat_ssl USING (pid)';
    expect(await sql((await states()).primary, used)).toBe('t');
  }

  beforeAll(async () => {
    const push = (path: string, name: string, mode: string) =>
      incus('file', 'push', '--mode', mode, path, `${client}/root/${name}`);
    await push(root.files.certificate, 'ca.pem', '0644');
    await push(foreign.files.certificate, 'foreign.pem', '0644');
    await push(robot.files.certificate, 'robot.pem', '0644');
    await push(robot.files.key, 'robot.key', '0600');
  });
  afterAll(() => openssl.close());

  const inForce = given(issuing, byName);
  const rotated = given(root, byName);
  const nameless = given(root, () => 'DNS:elsewhere.example');

  it('come into force on a running formation, and every member is verified by name', async () => {
    const before = await states();
    const done = await provision(formationWith('verify-full'), inForce);
    expect(changesOf(done).sort()).toEqual(
      [
        ...members.flatMap((member) => [
          `${member}: write its certificate and key`,
          `${member}: write the CA`,
          `${member}: enable tls: verify-full`,
        ]),
        ...nodes.map((node) => `${node}: write pg_hba.conf`),
      ].sort(),
    );
    for (const member of members) {
      expect(await verifying(member)).toContain('Verify return code: 0 (ok)');
      expect(await verifying(member, '/root/foreign.pem')).not.toContain('Verify return code: 0');
    }
    await expectModes('verify-full');
    expect(await states()).toEqual(before);
    expect((await provision(formationWith('verify-full'), inForce)).outputs['changed']).toBe('false');
  });

  it('let a client verify every node, and keep it from what is none', async () => {
    for (const node of nodes) {
      const to = (options: string) => login({ ...asUser('veza', node), options: `${byCa} ${options}` });
      const byAddress = `host=${await addressOf(node)}`;
      expect(await to('sslmode=verify-full')).toBe('veza');
      expect(await to(`sslmode=verify-ca ${byAddress}`)).toBe('veza');
      await expect(to(`sslmode=verify-full ${byAddress}`)).rejects.toThrow(/does not match host name/);
      await expect(to('sslmode=verify-ca sslrootcert=/root/foreign.pem')).rejects.toThrow(
        /certificate verify failed/,
      );
    }
  });

  it('let in by a certificate of the CA who is asked for one, and nobody else', async () => {
    const own = 'sslcert=/root/robot.pem sslkey=/root/robot.key';
    expect(await login({ to: alpha, user: 'robot', options: own })).toBe('robot');
    await expect(login(asUser('robot', alpha))).rejects.toThrow(/requires a valid client certificate/);
    await expect(login({ to: alpha, user: 'veza', options: own })).rejects.toThrow(/no password supplied/);
  });

  it('are taken by a keeper that has lost the reload for them', async () => {
    const { standby } = await states();
    await losesReloadOfTls(standby, 'require', '');
    const done = await provision(formationWith('verify-full'), inForce);
    expect(changesOf(done)).toEqual([`${standby}: reload pg_autoctl, which has not taken tls: verify-full`]);
    await expectModes('verify-full');
  });

  it('are rotated without a restart or a failover', async () => {
    const before = await witness();
    const serials = await Promise.all(members.map((member) => served(`${member}.incus`)));
    const done = await provision(formationWith('verify-full'), rotated);
    expect(changesOf(done).sort()).toEqual(
      members.map((member) => `${member}: write its certificate and key`).sort(),
    );
    for (const [index, member] of members.entries()) {
      await eventually(`${member} to serve its new certificate`, 10_000, async () => {
        const now = await verifying(member);
        return (
          now.includes('Verify return code: 0 (ok)') &&
          !now.includes(/serial=\w+/.exec(serials[index] ?? '')?.[0] ?? '?')
        );
      });
    }
    expect(await witness()).toEqual(before);
  });

  it('carry the formation through a failover and a rejoin by pg_rewind', async () => {
    const { primary } = await states();
    await failover(byCa, formationWith('verify-full'));
    await expectModes('verify-full');
    expect(
      await inside(primary, 'sh', '-c', 'journalctl -u pg_autoctl --no-pager -n 2000 | grep pg_rewind'),
    ).toContain('pg_rewind');
  });

  it('give way to verify-ca, for which no name need fit', async () => {
    await provision(formationWith('verify-ca'), nameless);
    await expectModes('verify-ca');
    const to = (mode: string) => login({ ...asUser('veza', beta), options: `${byCa} sslmode=${mode}` });
    expect(await to('verify-ca')).toBe('veza');
    await expect(to('verify-full')).rejects.toThrow(/does not match host name/);
    expect((await provision(formationWith('verify-ca'), nameless)).outputs['changed']).toBe('false');
  });

  it('give way to self-signed ones', async () => {
    const done = await provision(formationWith('self-signed'));
    expect(changesOf(done)).toContain(`${monitor}: enable tls: self-signed`);
    await expectModes('require');
    for (const member of members) expect(await verifying(member)).not.toContain('Verify return code: 0');
    expect(await login(asUser('veza', alpha))).toBe('veza');
    expect((await provision(formationWith('self-signed'))).outputs['changed']).toBe('false');
  });
});

/**
 * Fails over, and expects the application's login on each node, its write by the formation's URI on the new
 * primary, and that whoever was refused still is.
 */
async function failover(options = '', formation: string = file()): Promise<void> {
  const { code, outputs, log } = await runAction('failover-drill', { formation });
  expect(code, log).toBe(0);
  const primary = outputs['new-primary'] ?? '';
  figure(`RTO, ${options ? 'verify-full' : 'new passwords'}`, Number(outputs['rto-seconds']));
  figure(`rejoin, ${options ? 'verify-full' : 'new passwords'}`, Number(outputs['rejoin-seconds']));
  for (const node of nodes) {
    const isStandby = await login({ ...asUser('veza', node), options }, 'SELECT pg_is_in_recovery()');
    expect(isStandby).toBe(node === primary ? 'f' : 't');
    await expect(login({ to: node, user: 'veza', password: 'wrong', options })).rejects.toThrow(
      /authentication failed/,
    );
    await expect(login({ ...asUser('veza', node), options: 'sslmode=disable' })).rejects.toThrow(
      /no encryption/,
    );
    await expect(login({ ...asUser('veza', node), from: monitor })).rejects.toThrow(/no pg_hba\.conf entry/);
  }
  const insert = 'INSERT INTO written VALUES (DEFAULT) RETURNING host(inet_server_addr())';
  const command = [
    'env',
    `PGPASSWORD=${passwords.veza}`,
    'psql',
    '-wXAtq',
    `${uri}${options && `&${options}`}`,
  ];
  expect((await inside(client, ...command, '-c', insert)).trimEnd()).toBe(await addressOf(primary));
}
