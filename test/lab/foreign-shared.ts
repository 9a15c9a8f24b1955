import { timingsProfiles } from '../../src/formation/timings.ts';
import { monitorSettings } from '../../src/member/settings.ts';
import {
  addRules,
  asked,
  asPostgres,
  asRoot,
  launchWithPackages,
  makeApplication,
  postgres,
  runByUpstreamsUnit,
  untilAnswering,
  untilServing,
  withoutCluster,
} from './foreign.ts';
import { applicationPassword, appRule, balanced, type ForeignWay } from './foreign-ways.ts';

const pgdata = `/var/lib/postgresql/${postgres}/main`;
/** The account of all nodes on the monitor has a password, which their connection strings hold. */
const autoctlPassword = 'vault-of-the-monitor-1';
/** Of another team, on the same monitor. */
const billing = 'billing-1';

/**
 * Three nodes on a monitor that serves another formation as well. Its owners have made it quick for all of them, and its
 * nodes are called as upstream calls them.
 */
export const shared: ForeignWay = {
  formation: 'orders',
  monitor: 'ha-monitor',
  nodes: ['orders-1', 'orders-2', 'orders-3'],
  owned: ['orders-1', 'orders-2', 'orders-3'],
  asked: 'formation: orders',
  says: [
    /^formation: orders$/m,
    /^keep: \[ monitor \]$/m,
    /the monitor serves billing as well/,
    /^replication: \{ sync-standbys: 1 \}$/m,
    /name: orders-3, node-name: node_4, /,
  ],
  edited: balanced,
  async make() {
    const { monitor, nodes, formation } = this;
    await launchWithPackages([monitor, billing, ...nodes], withoutCluster);
    const common = (container: string) =>
      `--pgdata ${pgdata} --hostname ${container}.incus --ssl-self-signed`;
    await asRoot(monitor, asPostgres(`pg_autoctl create monitor ${common(monitor)} --auth scram-sha-256`));
    await asRoot(monitor, runByUpstreamsUnit(pgdata));
    await untilAnswering(monitor);
    const clocks = Object.entries(monitorSettings(timingsProfiles.balanced)).map(
      ([name, value]) => `-c "ALTER SYSTEM SET ${name} = '${value}'"`,
    );
    const password = `-c "ALTER ROLE autoctl_node PASSWORD '${autoctlPassword}'"`;
    await asRoot(
      monitor,
      asPostgres(`psql -q ${clocks.join(' ')} ${password} -c 'SELECT pg_reload_conf()' pg_auto_failover`),
    );
    const uri = `postgres://autoctl_node:${autoctlPassword}@${monitor}.incus:5432/pg_auto_failover?sslmode=require`;
    for (const name of [formation, 'billing'])
      await asRoot(
        monitor,
        asPostgres(`pg_autoctl create formation --pgdata ${pgdata} --formation ${name} --kind pgsql`),
      );
    for (const container of [billing, ...nodes]) {
      const of = container === billing ? 'billing' : formation;
      const create = `pg_autoctl create postgres ${common(container)} --auth trust --formation ${of} --monitor '${uri}'`;
      await asRoot(container, asPostgres(create));
      await asRoot(container, runByUpstreamsUnit(pgdata));
      // One that joins while another does is refused.
      const standbys = nodes.indexOf(container);
      if (standbys > 0) await untilServing({ monitor, pgdata }, standbys, formation);
    }
    await makeApplication(nodes[0] ?? '', applicationPassword);
    await addRules(nodes, pgdata, [appRule]);
  },
  async left() {
    const { monitor } = this;
    const state = (container: string) =>
      asRoot(
        container,
        `sha256sum ${pgdata}/pg_hba.conf ${pgdata}/postgresql.auto.conf /etc/systemd/system/pgautofailover.service; systemctl show -p MainPID pgautofailover; ls /etc/pgha 2>&1 || true`,
      );
    const started = 'SELECT pg_postmaster_start_time()';
    const accounts = 'SELECT string_agg(rolname || rolpassword, chr(32) ORDER BY rolname) FROM pg_authid';
    const others =
      "SELECT nodename, current_group_state, assigned_group_state FROM pgautofailover.current_state('billing')";
    return await Promise.all([
      state(monitor),
      state(billing),
      asked(monitor, started),
      asked(billing, started),
      asked(monitor, accounts),
      asked(monitor, others, 'pg_auto_failover'),
      asRoot(monitor, `cat /var/lib/postgresql/.config/pg_autoctl${pgdata}/pg_autoctl.cfg`),
    ]);
  },
};
