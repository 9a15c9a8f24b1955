import { isIP } from 'node:net';
import { clientRules, type Formation, monitorDatabase } from '../formation/formation.ts';
import { autoctlRole, replicationRole } from './roles.ts';

/**
 * pg_hba.conf of monitor and data nodes, written whole: pg_autoctl is told to leave it alone
 * (`--skip-pg-hba`). Its own version trusts everybody in the container and on 127.0.0.1 (initdb's rules),
 * opens the monitor to the whole network, and has no rule for the application's clients, so that after a
 * perfect promotion they get "no pg_hba.conf entry". The user postgres comes in by peer authentication.
 */

const head = '# Written by pgha; provision-pgaf puts changes by hand back.';

/** What pg_autoctl connects as on the monitor itself, as the user postgres. */
const autoctlOwner = 'autoctl';

/**
 * A registered node's host as an address of pg_hba.conf, undefined for what is neither a host's name nor an
 * address. Whoever has the nodes' account at the monitor can register any text, and with it whole lines of rules;
 * and `all`, `samenet` and `.incus` mean networks.
 */
export function hbaAddress(host: string): string | undefined {
  const family = isIP(host);
  if (family !== 0) return `${host}/${family === 4 ? 32 : 128}`;
  const isName =
    /^[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?)*$/;
  if (host.length > 253 || !isName.test(host)) return undefined;
  return ['all', 'samehost', 'samenet'].includes(host.toLowerCase()) ? undefined : host;
}

/** A host that is known to be one, as a rule has it. */
const ruled = (host: string): string => hbaAddress(host) ?? host;

/** @param hosts the data nodes */
export function monitorHba(hosts: readonly string[]): string {
  return lines([
    head,
    'local all postgres peer',
    `local ${monitorDatabase} ${autoctlRole},${autoctlOwner} peer map=pgha`,
    ...hosts.map((host) => `hostssl ${monitorDatabase} ${autoctlRole} ${ruled(host)} scram-sha-256`),
  ]);
}

/** The hosts whose keepers a monitor's pg_hba.conf lets in, as they were before `hbaAddress`; whoever wrote it. */
export function hostsInMonitorHba(hba: string): string[] {
  const rule = new RegExp(`^hostssl[ \\t]+\\S+[ \\t]+${autoctlRole}[ \\t]+(\\S+)`, 'gm');
  return [...hba.matchAll(rule)].map(([, host = '']) => host.replace(/\/(?:32|128)$/, ''));
}

/**
 * Whether a monitor's pg_hba.conf lets the keeper of a host in, whoever wrote it: `yes` by a rule of its own, `no` where
 * the rules are of other single hosts, `maybe` by any other, such as a network's, which nothing here looks into.
 */
export function monitorLetsIn(hba: string, host: string): 'yes' | 'no' | 'maybe' {
  if (hostsInMonitorHba(hba).includes(host)) return 'yes';
  const isOther = (line: string) => {
    const [type = '', database = '', user = '', address = '', second = ''] = line
      .replace(/#.*$/, '')
      .replaceAll('"', '')
      .trim()
      .split(/\s+/);
    if (type === '' || type === 'local') return true;
    // Another file, a line that goes on, a group or a pattern may say anything.
    if (/^include/.test(type) || /@|\\$/.test(line) || /(?:^|,)[+/]/.test(user)) return false;
    const names = (list: string, ...wanted: string[]) =>
      list.split(',').some((each) => wanted.includes(each));
    if (!names(database, 'all', monitorDatabase) || !names(user, 'all', autoctlRole)) return true;
    if (isIP(second) !== 0) return false;
    return !isNetwork(address) && (isIP(bare(address)) === 0) === (isIP(host) === 0);
  };
  return hba.split('\n').every(isOther) ? 'no' : 'maybe';
}

const bare = (address: string) => address.replace(/\/(?:32|128)$/, '');
const isNetwork = (address: string) =>
  ['all', 'samehost', 'samenet'].includes(address) || address.startsWith('.') || bare(address).includes('/');

/** pg_ident.conf of the monitor: postgres may be the accounts that pg_autoctl uses locally. */
export function monitorIdent(): string {
  return lines([head, `pgha postgres ${autoctlRole}`, `pgha postgres ${autoctlOwner}`]);
}

/**
 * @param monitorHost where the monitor's health checks come from: they log in as pgautofailover_monitor, which
 *   has no rights and a password that is written in upstream's source, hence trust from that host alone
 * @param hosts the data nodes
 */
export function nodeHba(formation: Formation, monitorHost: string, hosts: readonly string[]): string {
  return lines([
    head,
    'local all postgres peer',
    `hostssl postgres pgautofailover_monitor ${ruled(monitorHost)} trust`,
    ...hosts.map((host) => `hostssl postgres,replication ${replicationRole} ${ruled(host)} scram-sha-256`),
    '# clients',
    ...clientRules(formation).flatMap(({ user, database, clients, method }) =>
      clients.map((network) => `hostssl "${database}" "${user}" ${network} ${method}`),
    ),
  ]);
}

function lines(rules: readonly string[]): string {
  return `${rules.join('\n')}\n`;
}
