/**
 * The connection string that an application really uses, as libpq reads it: a URI of several hosts, or `key=value` pairs
 * (libpq-connect, "Connection Strings"). It holds a password, maybe where none belongs: no error repeats anything of it.
 */

const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof sslModes)[number];

const targets = ['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby'] as const;
type TargetSession = (typeof targets)[number];

/** Of these a client with several hosts ends on the node that takes writes. */
export const writableTargets: readonly string[] = ['read-write', 'primary'] satisfies TargetSession[];

export interface UriHost {
  /** As the certificate is held against. */
  host: string;
  /** Where it connects to instead of looking the host up. */
  address: string | undefined;
  port: number;
}

export interface ClientUri {
  hosts: [UriHost, ...UriHost[]];
  user: string | undefined;
  password: string | undefined;
  database: string | undefined;
  sslMode: SslMode;
  /** A file on the runner, or `system`. */
  sslRootCert: string | undefined;
  /** Undefined: libpq waits for as long as the kernel does. */
  connectTimeoutSeconds: number | undefined;
  target: TargetSession;
  options: string | undefined;
  applicationName: string | undefined;
  /** Whether each connection begins at a host of its own. */
  isBalanced: boolean;
  /** Names of libpq's own parameters that the drill's clients do nothing of. */
  ignored: string[];
  /** Places, from 1, of the parameters that libpq does not know: a driver's own. Their names may be parts of a password. */
  unknown: number[];
}

/** What the drill's clients follow. */
const followed = [
  'host',
  'hostaddr',
  'port',
  'user',
  'password',
  'dbname',
  'sslmode',
  'sslrootcert',
  'connect_timeout',
  'target_session_attrs',
  'options',
  'application_name',
  'load_balance_hosts',
] as const;
/** Of no bearing on where a connection leads. */
const harmless = ['fallback_application_name', 'client_encoding', 'sslsni', 'gssencmode', 'krbsrvname'];
/** What libpq does more, and `pg` does not (libpq-connect, "Parameter Key Words"). */
const leftOut = [
  'channel_binding',
  'gssdelegation',
  'gsslib',
  'keepalives',
  'keepalives_count',
  'keepalives_idle',
  'keepalives_interval',
  'max_protocol_version',
  'min_protocol_version',
  'passfile',
  'require_auth',
  'requirepeer',
  'requiressl',
  'ssl_max_protocol_version',
  'ssl_min_protocol_version',
  'sslcertmode',
  'sslcompression',
  'sslcrl',
  'sslcrldir',
  'sslnegotiation',
  'tcp_user_timeout',
];
/** What would lead elsewhere without it. */
const refused: Record<string, string> = {
  service: "the service file is on the application's machine: give what it says",
  servicefile: "the service file is on the application's machine: give what it says",
  sslcert: 'client certificates are not supported',
  sslkey: 'client certificates are not supported',
  sslpassword: 'client certificates are not supported',
  replication: 'it is for replication, and an application has none',
};

/** @returns everything that is wrong with it, where anything is */
export function parseClientUri(text: string): { uri: ClientUri } | { errors: string[] } {
  const errors: string[] = [];
  const pairs = pairsOf(text.trim(), errors);
  const uri = errors.length === 0 ? assembled(pairs, errors) : undefined;
  return uri === undefined || errors.length > 0 ? { errors } : { uri };
}

/** With the place of what was written as a parameter, from 1. */
type Pair = [name: string, value: string, place?: number];

function pairsOf(text: string, errors: string[]): Pair[] {
  const [, rest] = /^postgres(?:ql)?:\/\/([\s\S]*)$/.exec(text) ?? [];
  if (rest !== undefined) return ofUri(rest, errors);
  if (!text.includes('://') && text.includes('=')) return ofPairs(text, errors);
  errors.push('it is no postgres:// URI, nor key=value pairs as libpq has them');
  return [];
}

/**
 * As conninfo_uri_parse_options (fe-connect.c): parts in their order, then the parameters, which take their place. Where a
 * sign that ends a part stands in a password, libpq reads another host than was meant.
 */
function ofUri(text: string, errors: string[]): Pair[] {
  const [, credentials, rest = ''] = /^(?:([^@/]*)@)?([\s\S]*)$/.exec(text) ?? [];
  const [, authority = '', path, query] = /^([^/?]*)(?:\/([^?]*))?(?:\?([\s\S]*))?$/.exec(rest) ?? [];
  const take = (name: string, part: string | undefined, what: string): Pair[] => {
    if (part === undefined || part === '') return [];
    const value = decoded(part);
    if (value === undefined) errors.push(`${what} is not percent-encoded: a % is written %25`);
    return value === undefined ? [] : [[name, value]];
  };
  const colon = credentials?.indexOf(':') ?? -1;
  const user = colon < 0 ? credentials : credentials?.slice(0, colon);
  const hosts = hostsOf(authority, errors);
  return [
    ...take('user', user, 'its user'),
    ...take('password', colon < 0 ? undefined : credentials?.slice(colon + 1), 'its password'),
    ...take('host', hosts.map(({ host }) => host).join(','), 'a host of it'),
    ...take('port', hosts.some(({ port }) => port !== '') ? hosts.map(({ port }) => port).join(',') : '', ''),
    ...take('dbname', path, 'its database'),
    ...(query ?? '').split('&').flatMap((parameter, index): Pair[] => {
      if (parameter === '') return [];
      const [name = '', value, more] = parameter.split('=');
      const what = `parameter ${index + 1}`;
      if (value === undefined || more !== undefined) {
        errors.push(`${what} is not one name, one = and one value`);
        return [];
      }
      const read = take('value', value, `the value of ${what}`)[0]?.[1] ?? '';
      const key = decoded(name) ?? '';
      // As JDBC has it, which libpq takes as well.
      return [key === 'ssl' && read === 'true' ? ['sslmode', 'require'] : [key, read, index + 1]];
    }),
  ];
}

function hostsOf(authority: string, errors: string[]): { host: string; port: string }[] {
  return authority.split(',').map((part, index) => {
    const [, ipv6, plain, port = ''] = /^(?:\[([^\]]+)\]|([^:]*))(?::(.*))?$/.exec(part) ?? [];
    const host = ipv6 ?? plain;
    if (host === undefined)
      errors.push(`host ${index + 1} of it cannot be read; an IPv6 address is written [::1]`);
    return { host: host ?? '', port };
  });
}

/** As conninfo_parse: blanks around, quotes for values with blanks in them, backslashes before quotes and backslashes. */
function ofPairs(text: string, errors: string[]): Pair[] {
  const pairs: Pair[] = [];
  const one =
    /\s*([^\s=]+)\s*=\s*(?:'((?:[^'\\]|\\[\s\S])*)'|((?:[^\s\\']|\\[\s\S])(?:[^\s\\]|\\[\s\S])*)?)(?=\s|$)\s*/y;
  while (one.lastIndex < text.length) {
    const match = one.exec(text);
    if (match === null) {
      errors.push(
        `its pair ${pairs.length + 1} is not a name, a = and a value; one with blanks stands in '…'`,
      );
      return pairs;
    }
    const [, name = '', quoted, plain = ''] = match;
    pairs.push([name, (quoted ?? plain).replace(/\\([\s\S])/g, '$1'), pairs.length + 1]);
  }
  return pairs;
}

function decoded(text: string): string | undefined {
  try {
    const plain = decodeURIComponent(text);
    return plain.includes('\0') ? undefined : plain;
  } catch {
    return undefined;
  }
}

function assembled(pairs: readonly Pair[], errors: string[]): ClientUri | undefined {
  // The last of a name counts.
  const values = new Map(pairs.flatMap(([name, value]) => (value === '' ? [] : [[name, value]])));
  const of = (name: (typeof followed)[number]) => values.get(name);
  const among = <T extends string>(name: (typeof followed)[number], allowed: readonly T[], usual: T): T => {
    const given = of(name) ?? usual;
    const found = allowed.find((each) => each === given);
    if (found === undefined) errors.push(`${name} is none of ${allowed.join(', ')}`);
    return found ?? usual;
  };
  for (const name of values.keys()) {
    const why = Object.hasOwn(refused, name) ? refused[name] : undefined;
    if (why !== undefined) errors.push(`${name}: ${why}`);
  }
  const names = pairs.map(([name]) => name);
  const known: readonly string[] = [...followed, ...harmless, ...leftOut, ...Object.keys(refused)];
  const timeout = of('connect_timeout');
  if (timeout !== undefined && !/^-?\d{1,6}$/.test(timeout))
    errors.push('connect_timeout is no whole number of seconds');
  const hosts = hostList({ host: of('host'), hostaddr: of('hostaddr'), port: of('port') }, errors);
  const balance = among('load_balance_hosts', ['disable', 'random'], 'disable');
  const uri = {
    user: of('user'),
    password: of('password'),
    database: of('dbname'),
    sslMode: among('sslmode', sslModes, 'prefer'),
    sslRootCert: of('sslrootcert'),
    // libpq takes 1 for 2 (until 17), and 0 and less for none.
    connectTimeoutSeconds:
      timeout === undefined || Number(timeout) <= 0 ? undefined : Math.max(2, Number(timeout)),
    target: among('target_session_attrs', targets, 'any'),
    options: of('options'),
    applicationName: of('application_name'),
    isBalanced: balance === 'random',
    ignored: [...new Set(names.filter((name) => leftOut.includes(name)))].sort(),
    unknown: pairs.flatMap(([name, , place]) => (place === undefined || known.includes(name) ? [] : [place])),
  };
  if ([...hosts.map(({ host }) => host), uri.database ?? ''].some((part) => part.includes('@')))
    errors.push('it has one @ too many, or a / before the @: in a password these are written %40 and %2F');
  const [first, ...others] = hosts;
  return first === undefined ? undefined : { hosts: [first, ...others], ...uri };
}

function hostList(
  given: { host: string | undefined; hostaddr: string | undefined; port: string | undefined },
  errors: string[],
): UriHost[] {
  const list = (text: string | undefined) => text?.split(',').map((each) => each.trim());
  const [addresses, ports] = [list(given.hostaddr), list(given.port) ?? ['5432']];
  const names = list(given.host) ?? addresses;
  if (names === undefined || names.some((name) => name === '')) {
    errors.push(
      "it names no host, or leaves one empty: a socket of the application's own machine leads nowhere from here",
    );
    return [];
  }
  if (names.some((name) => /^[/@]/.test(name)))
    errors.push(
      "a host of it is a Unix socket of the application's own machine, which leads nowhere from here",
    );
  if (addresses !== undefined && addresses.length !== names.length)
    errors.push(`hostaddr has ${addresses.length} addresses for ${names.length} hosts`);
  if (ports.length !== 1 && ports.length !== names.length)
    errors.push(`it has ${ports.length} ports for ${names.length} hosts`);
  const isPort = (port: string) =>
    port === '' || (/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535);
  if (!ports.every(isPort)) errors.push('a port of it is no number from 1 to 65535');
  return names.map((host, index) => ({
    host,
    address: addresses?.[index] || undefined,
    port: Number((ports.length === 1 ? ports[0] : ports[index]) || '5432'),
  }));
}

/** For people: `pooler.example:6432`. */
export const shownHost = ({ host, port }: UriHost): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;
