import { BlockList, isIP } from 'node:net';

/** A line of pg_hba.conf as the view pg_hba_file_rules shows it, in the file's order. */
export interface HbaRule {
  /** `local`, `host`, `hostssl`, `hostnossl`, … */
  type: string;
  databases: string[];
  users: string[];
  /** An IP address, `all`, `samehost`, `samenet`, a host name, or null for local rules. */
  address: string | null;
  netmask: string | null;
  method: string;
  /** Set when Postgres could not parse the line: the whole file is then not loaded. */
  error: string | null;
}

export interface HbaClient {
  user: string;
  database: string;
  /** CIDR. */
  network: string;
}

/**
 * The first rule that decides a TLS connection of `client`, which is the one Postgres obeys, or undefined
 * when none does and Postgres answers "no pg_hba.conf entry". Rules for host names and for a part of the
 * network only do not count.
 */
export function decidingRule(rules: readonly HbaRule[], client: HbaClient): HbaRule | undefined {
  return rules.find(
    (rule) =>
      rule.error === null &&
      tlsTypes.includes(rule.type) &&
      namesDatabase(rule.databases, client) &&
      (rule.users.includes('all') || rule.users.includes(client.user)) &&
      covers(rule, client.network),
  );
}

/** Whether any rule may let a user in from some network or host: which of them it comes from is not asked. */
export function mayLetIn(rules: readonly HbaRule[], client: Pick<HbaClient, 'user' | 'database'>): boolean {
  return rules.some(
    (rule) =>
      rule.error === null &&
      tlsTypes.includes(rule.type) &&
      rule.method !== 'reject' &&
      namesDatabase(rule.databases, client) &&
      (rule.users.includes('all') || rule.users.includes(client.user)),
  );
}

/** `hostnogssenc` refuses GSS encryption only: TLS connections match it. */
export const tlsTypes: readonly string[] = ['host', 'hostssl', 'hostnogssenc'];

function namesDatabase(
  names: readonly string[],
  { user, database }: Pick<HbaClient, 'user' | 'database'>,
): boolean {
  // A role is a member of itself, so samerole covers what sameuser does.
  const same = user === database && (names.includes('sameuser') || names.includes('samerole'));
  return same || names.includes('all') || names.includes(database);
}

function covers(rule: HbaRule, network: string): boolean {
  if (rule.address === 'all') return true;
  const [address = '', prefix = ''] = network.split('/');
  if (rule.address === null || rule.netmask === null) return false;
  const family = isIP(rule.address);
  if (family === 0 || family !== isIP(address)) return false;
  const rulePrefix = prefixOf(rule.netmask);
  if (rulePrefix === undefined || rulePrefix > Number(prefix)) return false;
  const kind = family === 4 ? 'ipv4' : 'ipv6';
  const covered = new BlockList();
  covered.addSubnet(rule.address, rulePrefix, kind);
  return covered.check(address, kind);
}

/** The network of a rule in CIDR form; undefined for a host's name, a word, a local rule, or a netmask with holes. */
export function networkOf({ address, netmask }: HbaRule): string | undefined {
  if (address === null || netmask === null || isIP(address) === 0) return undefined;
  const prefix = prefixOf(netmask);
  return prefix === undefined ? undefined : `${address}/${prefix}`;
}

/** The number of leading ones of a netmask such as 255.255.0.0 or ffff:ffff::; undefined for one with holes. */
function prefixOf(netmask: string): number | undefined {
  const bits =
    isIP(netmask) === 4
      ? netmask.split('.').map((octet) => Number(octet).toString(2).padStart(8, '0'))
      : netmask.split(':').map((group) =>
          Number.parseInt(group || '0', 16)
            .toString(2)
            .padStart(16, '0'),
        );
  return /^(1*)0*$/.exec(bits.join(''))?.[1]?.length;
}
