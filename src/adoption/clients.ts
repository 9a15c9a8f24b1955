import * as v from 'valibot';
import { databaseName, roleName } from '../formation/file/words.ts';
import { autoctlRole, replicationRole } from '../member/roles.ts';
import { decidingRule, type HbaRule, networkOf, tlsTypes } from '../postgres/hba-rules.ts';
import type { NodeFound } from './read.ts';

/** What pg_hba.conf and the databases say of an existing formation's clients, in the words of a formation file. Pure. */
export interface Clients {
  /** The application's own: of the databases whose owner is let in the one with the most transactions, and that owner. Undefined where there is none. */
  database: string | undefined;
  user: string | undefined;
  databases: { name: string; owner: string }[];
  /** All roles that are let in, the application's own among them. */
  users: { name: string; databases: string[]; clients: string[] }[];
  /** Who gets in otherwise than by password. */
  access: { user: string; database: string; clients: string[]; method: 'cert' | 'trust' }[];
  /** Who else gets in by a rule for all, and is in no file: superusers, but for postgres in its own container. */
  superusers: readonly string[];
  /** What people should know, a sentence each. */
  remarks: string[];
}

/** Roles that pg_auto_failover makes, for itself. */
const ownRoles: readonly string[] = [autoctlRole, replicationRole, 'pgautofailover_monitor', 'autoctl'];
const everywhere = ['0.0.0.0/0', '::/0'];
const passwordMethods: readonly string[] = ['scram-sha-256', 'md5', 'password'];

/**
 * @param nodes what each node says; the first is taken for databases and roles, which are the same on all of them
 * @param asked the application's database and role, where somebody says which they are
 */
export function clientsOf(
  nodes: readonly NodeFound[],
  asked: { database?: string | undefined; user?: string | undefined },
): Clients {
  const remarks: string[] = [];
  const [first] = nodes;
  const isSayable = (schema: v.GenericSchema<string>, kind: string) => (name: string) => {
    if (v.is(schema, name)) return true;
    remarks.push(
      `the ${kind} ${JSON.stringify(name)} has a name that a formation file cannot say: it is left out`,
    );
    return false;
  };
  const bases = (first?.databases ?? []).filter(({ name }) => isSayable(databaseName, 'database')(name));
  const roles = (first?.roles ?? [])
    .filter(({ name }) => !ownRoles.includes(name))
    .filter(({ name }) => isSayable(roleName, 'role')(name));
  const admitted = roles.map((role) => admittance(role, bases, nodes));
  const isIn = (role: string, base: string) =>
    admitted.some(({ name, entries }) => name === role && entries.some((entry) => entry.database === base));
  // A database that nobody's role owns, as the one that pg_auto_failover was told of may be, is rarely the application's.
  const database = asked.database ?? (bases.find(({ name, owner }) => isIn(owner, name)) ?? bases[0])?.name;
  const owner = bases.find(({ name }) => name === database)?.owner;
  const user =
    asked.user ??
    [owner, ...admitted.filter(({ entries }) => entries.length > 0).map(({ name }) => name)].find(
      (name) => name !== undefined && roles.some((role) => role.name === name),
    );
  const users = admitted
    .filter(({ name, entries }) => name === user || entries.length > 0)
    .map(({ name, entries }) => userOf(name, entries, name === user ? database : undefined));
  const named = new Set(users.map(({ name }) => name));
  for (const each of users)
    if (each.clients.length === 0)
      remarks.push(
        `no rule of pg_hba.conf lets ${each.name} in from any network: say in clients where it connects from`,
      );
  const isTold = ({ name, owner }: { name: string; owner: string }) =>
    named.has(owner) || users.some(({ databases }) => databases.includes(name));
  const others = bases
    .filter(({ name }) => name !== database)
    .filter((base) => {
      if (isTold(base)) return true;
      remarks.push(
        `the database ${base.name} belongs to ${base.owner}, and nobody in this file uses it: it is left out`,
      );
      return false;
    });
  return {
    database,
    user,
    databases: others.map((base) => ({
      name: base.name,
      owner: named.has(base.owner) ? base.owner : (user ?? ''),
    })),
    users,
    access: admitted.flatMap(({ name, entries }) =>
      entries.flatMap(({ database: to, network, method }) =>
        (method === 'trust' || method === 'cert') && named.has(name)
          ? [{ user: name, database: to, clients: [network], method }]
          : [],
      ),
    ),
    superusers: first?.superusers ?? [],
    remarks: [
      ...remarks,
      ...(owner !== undefined && user !== undefined && owner !== user
        ? [`the database ${database} belongs to ${owner}; provision-pgaf would give it to ${user}`]
        : []),
    ],
  };
}

interface Entry {
  database: string;
  network: string;
  method: string;
}

/** Where a role gets in, by the rule that decides, on any of the nodes. */
function admittance(
  { name, databases }: NodeFound['roles'][number],
  bases: readonly { name: string }[],
  nodes: readonly NodeFound[],
): { name: string; entries: Entry[] } {
  const entries = new Map<string, Entry>();
  for (const { name: database } of bases.filter((base) => databases.includes(base.name)))
    for (const { hbaRules } of nodes)
      for (const network of new Set(hbaRules.filter(namesBoth(name, database)).flatMap(networksOf))) {
        const method = decidingRule(hbaRules, { user: name, database, network })?.method;
        if (method !== undefined && [...passwordMethods, 'cert', 'trust'].includes(method))
          entries.set(`${database} ${network}`, { database, network, method });
      }
  return { name, entries: [...entries.values()] };
}

/** Whether a rule is about the role and the database, by name or as all. */
const namesBoth = (user: string, database: string) => (rule: HbaRule) =>
  [user, 'all'].some((each) => rule.users.includes(each)) &&
  [database, 'all', 'sameuser', 'samerole'].some((each) => rule.databases.includes(each));

/** Those of a rule that clients from elsewhere may come by. */
function networksOf(rule: HbaRule): string[] {
  if (rule.error !== null || rule.type === 'local' || rule.type === 'hostnossl') return [];
  if (rule.address === 'all') return everywhere;
  const network = networkOf(rule);
  return network === undefined || isLoopback(network) ? [] : [network];
}

const isLoopback = (network: string) => network.startsWith('127.') || network === '::1/128';

function userOf(name: string, entries: readonly Entry[], own: string | undefined): Clients['users'][number] {
  const byPassword = entries.filter(({ method }) => passwordMethods.includes(method));
  const networks = (byPassword.length > 0 ? byPassword : entries).map(({ network }) => network);
  const databases = [...(own === undefined ? [] : [own]), ...entries.map(({ database }) => database)];
  return { name, databases: [...new Set(databases)], clients: [...new Set(networks)] };
}

/**
 * Rules that provision-pgaf's pg_hba.conf would not have, and nothing stricter in their place: as the file would say
 * them. What initdb and pg_autoctl write is not among them, such as the rule by which pg_autoctl lets postgres in from the
 * node's own host, which standbys copy (seen in the lab with 2.0).
 *
 * @param hosts of the formation's members
 */
export function rulesBeyond(
  rules: readonly HbaRule[],
  clients: Pick<Clients, 'users' | 'superusers'>,
  hosts: readonly string[],
): string[] {
  return rules.filter((rule) => !isCovered(rule, clients, hosts)).map(shownRule);
}

const keywords = ['all', 'sameuser', 'samerole'];

function isCovered(
  rule: HbaRule,
  { users, superusers }: Pick<Clients, 'users' | 'superusers'>,
  hosts: readonly string[],
): boolean {
  const { type, databases, address, method, error } = rule;
  if (error !== null) return false;
  const network = networkOf(rule);
  const isNear = type === 'local' || (network !== undefined && isLoopback(network));
  const isMember = hosts.some(
    (host) => address === host || [`${host}/32`, `${host}/128`].includes(network ?? ''),
  );
  const expected = [...ownRoles, 'all', ...(isNear || isMember ? ['postgres'] : [])];
  const others = rule.users.filter((user) => !expected.includes(user));
  const isEverybody = rule.users.includes('all');
  if (others.length === 0 && (!isEverybody || isNear)) return true;
  if (type === 'local' || !tlsTypes.includes(type)) return false;
  if (method === 'reject' || ![...passwordMethods, 'cert', 'trust'].includes(method)) return false;
  if (network === undefined && address !== 'all') return false;
  if (isEverybody && superusers.length > 0) return false;
  // What the file's users do not have is replication, and databases that are not theirs.
  const theirs = [...keywords, ...users.flatMap((user) => user.databases)];
  return (
    databases.every((database) => theirs.includes(database)) &&
    others.every((name) => users.some((user) => user.name === name))
  );
}

/** As pg_hba.conf has it. */
function shownRule(rule: HbaRule): string {
  if (rule.error !== null) return `a line that Postgres cannot read (${rule.error})`;
  const address = networkOf(rule) ?? rule.address;
  const words = [rule.type, rule.databases.join(','), rule.users.join(','), address, rule.method];
  return words.filter((each) => each !== null && each !== '').join(' ');
}
