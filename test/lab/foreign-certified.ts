import { type MadeCertificate, Openssl } from '../unit/provision/authority.ts';
import {
  addRules,
  asked,
  asPostgres,
  asRoot,
  launchWithPackages,
  makeApplication,
  postgres,
  runByUpstreamsUnit,
  untilServing,
  withoutCluster,
  writeFile,
} from './foreign.ts';
import { applicationPassword, appRule, balanced, type ForeignWay } from './foreign-ways.ts';

const pgdata = `/var/lib/postgresql/${postgres}/main`;
const tls = '/etc/ssl/veza';
let authority: MadeCertificate | undefined;

/**
 * As upstream's "Security settings" has it: certificates that a CA has issued for the hosts' names, in a folder of their
 * own, and every connection of the nodes verified by it.
 */
export const certified: ForeignWay = {
  formation: 'default',
  monitor: 'pgaf-monitor',
  nodes: ['pgaf-primary', 'pgaf-replica'],
  owned: ['pgaf-monitor', 'pgaf-primary', 'pgaf-replica'],
  asked: '',
  says: [/^keep: \[ certificates \]$/m, /^tls: verify-full$/m, /a CA has issued those of pgaf-monitor, /],
  edited: balanced,
  given: () => ({ 'tls-ca': authority?.pem ?? '' }),
  async make() {
    const { monitor, nodes } = this;
    const all = [monitor, ...nodes];
    const openssl = new Openssl();
    authority = openssl.authority('Veza root');
    await launchWithPackages(all, withoutCluster);
    for (const container of all) {
      const made = openssl.server(authority, `DNS:${container}.incus`);
      await asRoot(container, `mkdir -p ${tls}`);
      await writeFile(container, `${tls}/ca.pem`, authority.pem);
      await writeFile(container, `${tls}/server.pem`, made.pem);
      await writeFile(container, `${tls}/server.key`, made.key);
      await asRoot(container, `chown postgres: ${tls}/server.key; chmod 0600 ${tls}/server.key`);
      const files = `--ssl-ca-file ${tls}/ca.pem --server-cert ${tls}/server.pem --server-key ${tls}/server.key`;
      const common = `--pgdata ${pgdata} --hostname ${container}.incus --auth trust --ssl-mode verify-full ${files}`;
      const uri = `postgres://autoctl_node@${monitor}.incus:5432/pg_auto_failover?sslmode=verify-full&sslrootcert=${tls}/ca.pem`;
      const create =
        container === monitor
          ? `pg_autoctl create monitor ${common}`
          : `pg_autoctl create postgres ${common} --monitor '${uri}'`;
      await asRoot(container, asPostgres(create));
      await asRoot(container, runByUpstreamsUnit(pgdata));
    }
    openssl.close();
    await untilServing({ monitor, pgdata }, 1);
    await makeApplication(nodes[0] ?? '', applicationPassword);
    await addRules(nodes, pgdata, [appRule]);
  },
  async left() {
    const files = ['ssl_cert_file', 'ssl_key_file', 'ssl_ca_file']
      .map((name) => `current_setting('${name}')`)
      .join(", ' ', ");
    return await Promise.all(
      [this.monitor, ...this.nodes].map(
        async (name) =>
          `${name}: ${await asked(name, `SELECT concat(${files})`)} ${await asRoot(name, `cat ${tls}/* | sha256sum; stat -c '%U %a %n' ${tls}/*`)}`,
      ),
    );
  },
};
