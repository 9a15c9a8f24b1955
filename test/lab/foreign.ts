import pLimit from 'p-limit';
import { Incus } from '../../src/incus/incus.ts';
import { eventually, incus } from './harness.ts';

/** What the scripts share that make a formation otherwise than pgha does: with apt and upstream's own commands. */

/** `PGHA_DEBIAN=13` makes them on Debian 13, with the Postgres and the pg_auto_failover of that release. */
const debian = process.env['PGHA_DEBIAN'] === '13' ? 13 : 12;
/** The version of its Postgres. */
export const postgres = { 12: 15, 13: 17 }[debian];

const lab = new Incus({ remote: 'local', project: 'default' });

/** Installing packages takes its time on a machine that is busy. */
export const asRoot = (container: string, script: string) =>
  lab.read(container, ['sh', '-euc', script], { deadlineMs: 240_000 });

/** A command that postgres runs, for `asRoot`. @param environment as `NAME=value `, with a space after each */
export const asPostgres = (command: string, environment = '') =>
  `runuser -u postgres -- env -C /var/lib/postgresql ${environment}PATH=/usr/lib/postgresql/${postgres}/bin:/usr/bin:/bin ${command}`;

export const addressOf = async (name: string) =>
  (await lab.state(name)).addresses.find((each) => !each.includes(':')) ?? '';

const packages = `postgresql-${postgres} postgresql-${postgres}-auto-failover pg-auto-failover-cli`;

/** Containers with the packages in them, some of them at once. @param before what is done first, such as keeping the distribution's cluster away */
export async function launchWithPackages(names: readonly string[], before = ''): Promise<void> {
  const few = pLimit(3);
  await Promise.all(
    names.map((name) =>
      few(async () => {
        await incus('launch', `debian/${debian}`, name);
        await asRoot(
          name,
          `export DEBIAN_FRONTEND=noninteractive; for n in 1 2 3 4 5; do apt-get -q update && break; sleep 1; done
        ${before}
        apt-get -q install --yes ${packages}`,
        );
      }),
    ),
  );
}

/** For `launchWithPackages`. */
export const withoutCluster =
  'apt-get -q install --yes postgresql-common; echo create_main_cluster = false >>/etc/postgresql-common/createcluster.conf';

/** The unit that upstream's own command writes. */
export const runByUpstreamsUnit = (pgdata: string) =>
  `pg_autoctl -q show systemd --pgdata ${pgdata} >/etc/systemd/system/pgautofailover.service; systemctl enable -q --now pgautofailover`;

/** Waits until the Postgres of a container answers. */
export async function untilAnswering(container: string): Promise<void> {
  await eventually(`Postgres in ${container}`, 60_000, async () =>
    asRoot(container, asPostgres('psql -qAtc "SELECT 1"')).then(
      () => true,
      () => false,
    ),
  );
}

/** Waits until a formation has a primary and so many standbys that follow it. */
export async function untilServing(
  { monitor, pgdata }: { monitor: string; pgdata: string },
  standbys: number,
  formation = 'default',
): Promise<void> {
  const show = asPostgres(`pg_autoctl show state --pgdata ${pgdata} --formation ${formation}`);
  await eventually(`one primary and ${standbys} secondary in ${formation}`, 90_000, async () => {
    const said = await asRoot(monitor, show).catch(() => '');
    return (
      / primary \| +primary/.test(said) && [...said.matchAll(/ secondary \| +secondary/g)].length === standbys
    );
  });
}

/** An application's role and database, as somebody made them on the primary. */
export const makeApplication = async (primary: string, password: string) =>
  await asRoot(
    primary,
    asPostgres(`psql -qc "CREATE ROLE app LOGIN PASSWORD '${password}'" -c 'CREATE DATABASE app OWNER app'`),
  );

/** Rules of somebody's own at the end of pg_hba.conf. */
export async function addRules(
  nodes: readonly string[],
  pgdata: string,
  rules: readonly string[],
): Promise<void> {
  for (const node of nodes)
    await asRoot(
      node,
      `${rules.map((rule) => `echo '${rule}' >>${pgdata}/pg_hba.conf`).join('; ')}; ${asPostgres('psql -qAtc "SELECT pg_reload_conf()"')}`,
    );
}

/** Writes a file as root. Its content goes by standard input. */
export const writeFile = async (container: string, path: string, content: string) =>
  await lab.exec(container, ['sh', '-euc', 'cat >"$1"', 'sh', path], {
    stdin: content,
    deadlineMs: 20_000,
    signal: AbortSignal.timeout(20_000),
  });

/** What Postgres of a member says, as its superuser. */
export const asked = async (container: string, sql: string, database = 'postgres') =>
  (await asRoot(container, asPostgres(`psql -XAtc "${sql}" ${database}`))).trim();
