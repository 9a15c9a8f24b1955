import {
  addRules,
  addressOf,
  asPostgres,
  asRoot,
  launchWithPackages,
  makeApplication,
  postgres,
  runByUpstreamsUnit,
  untilAnswering,
  untilServing,
  withoutCluster,
  writeFile,
} from './foreign.ts';
import { incus } from './harness.ts';

/** Ways in which others make formations, each with what `adopt` should find of it. */
export interface ForeignWay {
  formation: string;
  monitor: string;
  nodes: string[];
  /** The members that pgha is to look after. */
  owned: string[];
  make(): Promise<void>;
  /** The input `adopt` of provision-pgaf, where something must be said. */
  asked: string;
  /** What the file is to say, as YAML lines. */
  says: RegExp[];
  /** What its reader changes in it. */
  edited(text: string): string;
  /** Inputs besides the application's password. */
  given?: () => Record<string, string>;
  /** What a take-over is to leave as it is, a line each: asked before it, and after. */
  left?: () => Promise<string[]>;
}

export const applicationPassword = 'correct-horse-battery';
export const appRule = 'hostssl app app 10.0.0.0/8 scram-sha-256';
/** Clocks that fence in time. */
export const balanced = (text: string) => text.replace(/^timings: .*$/m, 'timings: balanced');

const tutorialData = `/var/lib/postgresql/${postgres}/main`;

/** As upstream's tutorial has it: no names, hosts by address, trust, pg_autoctl's own rules and unit. */
export const tutorial: ForeignWay = {
  formation: 'default',
  monitor: 'pgaf-monitor',
  nodes: ['pgaf-primary', 'pgaf-replica'],
  owned: ['pgaf-monitor', 'pgaf-primary', 'pgaf-replica'],
  asked: '',
  says: [/^timings: upstream$/m, /node-name: node_1/, /unit: pgautofailover\.service/],
  edited: balanced,
  async make() {
    const { monitor, nodes } = this;
    await launchWithPackages([monitor, ...nodes], withoutCluster);
    for (const container of [monitor, ...nodes]) {
      const common = `--pgdata ${tutorialData} --hostname ${await addressOf(container)} --auth trust --ssl-self-signed`;
      const uri = `postgres://autoctl_node@${await addressOf(monitor)}:5432/pg_auto_failover?sslmode=require`;
      const create =
        container === monitor
          ? `pg_autoctl create monitor ${common}`
          : `pg_autoctl create postgres ${common} --monitor '${uri}'`;
      await asRoot(container, asPostgres(create));
      await asRoot(container, runByUpstreamsUnit(tutorialData));
    }
    await untilServing({ monitor, pgdata: tutorialData }, 1);
    await makeApplication(nodes[0] ?? '', applicationPassword);
    await addRules(nodes, tutorialData, [appRule]);
  },
};

const roleData = {
  monitor: `/var/lib/postgresql/${postgres}/monitor`,
  node: `/var/lib/postgresql/${postgres}/pgaf`,
};
/** pg_auto_failover's own accounts have passwords, which the role's vault knows. */
const vault = { autoctl: 'vault-of-the-monitor-1', replication: 'vault-of-replication-2' };

/** The role's own unit, under the name that pgha's has. */
const roleUnit = (pgdata: string) => `[Unit]
Description=pg_auto_failover
After=network.target

[Service]
User=postgres
WorkingDirectory=/var/lib/postgresql
Environment=PGDATA=${pgdata}
ExecStart=/usr/bin/pg_autoctl run
ExecReload=/usr/bin/pg_autoctl reload
Restart=on-failure
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
`;

/**
 * As the Ansible role does it: the distribution's cluster is made, stopped and kept from starting; members are created
 * where they have no postgresql.conf; its own unit, hosts by name, passwords, replication quorum, and a rule for backups.
 */
export const role: ForeignWay = {
  formation: 'default',
  monitor: 'pgaf-monitor',
  nodes: ['pgaf-primary', 'pgaf-replica'],
  owned: ['pgaf-monitor', 'pgaf-primary', 'pgaf-replica'],
  asked: '',
  says: [
    /^keep: \[ access \]$/m,
    /hostssl replication backup/,
    new RegExp(`monitor: \\{ name: pgaf-monitor, pgdata: ${roleData.monitor} \\}`),
  ],
  edited: balanced,
  async make() {
    const { monitor, nodes } = this;
    const [primary = ''] = nodes;
    await launchWithPackages([monitor, ...nodes]);
    const keeper = async (container: string, pgdata: string, create: string, environment = '') => {
      await asRoot(container, `systemctl disable -q --now postgresql@${postgres}-main postgresql`);
      await asRoot(container, `echo disabled >/etc/postgresql/${postgres}/main/start.conf`);
      await asRoot(
        container,
        `if ! [ -e ${pgdata}/postgresql.conf ]; then ${asPostgres(create, environment)}; fi`,
      );
      // Its service writes that file in place when it starts: who sets something then may find it empty.
      if (container !== monitor)
        await asRoot(
          container,
          asPostgres(`pg_autoctl config set --pgdata ${pgdata} replication.password ${vault.replication}`),
        );
      await writeFile(container, '/etc/systemd/system/pg_autoctl.service', roleUnit(pgdata));
      await asRoot(container, 'systemctl daemon-reload; systemctl enable -q --now pg_autoctl');
    };
    const common = (container: string) =>
      `--hostname ${container}.incus --auth scram-sha-256 --ssl-self-signed`;
    await keeper(
      monitor,
      roleData.monitor,
      `pg_autoctl create monitor --pgdata ${roleData.monitor} ${common(monitor)}`,
    );
    await untilAnswering(monitor);
    await asRoot(
      monitor,
      asPostgres(`psql -qc "ALTER ROLE autoctl_node PASSWORD '${vault.autoctl}'" pg_auto_failover`),
    );
    const uri = `postgres://autoctl_node:${vault.autoctl}@${monitor}.incus:5432/pg_auto_failover?sslmode=require`;
    for (const node of nodes) {
      await keeper(
        node,
        roleData.node,
        `pg_autoctl create postgres --pgdata ${roleData.node} ${common(node)} --monitor '${uri}'`,
        `PGPASSWORD=${vault.replication} `,
      );
      if (node === primary) {
        await untilAnswering(node);
        const alter = `psql -qc "ALTER ROLE pgautofailover_replicator PASSWORD '${vault.replication}'"`;
        await asRoot(node, asPostgres(alter));
      }
    }
    await untilServing({ monitor, pgdata: roleData.monitor }, 1);
    const quorum = `pg_autoctl set node replication-quorum --pgdata ${roleData.node} true`;
    for (const node of nodes) await asRoot(node, asPostgres(quorum));
    await makeApplication(primary, applicationPassword);
    await asRoot(
      primary,
      asPostgres(`psql -qc "CREATE ROLE backup LOGIN REPLICATION PASSWORD 'vault-of-backups-3'"`),
    );
    await addRules(nodes, roleData.node, [appRule, 'hostssl replication backup 10.0.0.0/8 scram-sha-256']);
  },
};

/** Hands a formation's containers to pgha, as docs/existing-formation.md says. */
export async function handOver({ owned, formation }: ForeignWay): Promise<void> {
  for (const name of owned) await incus('config', 'set', name, `user.pgha.formation=${formation}`);
}
