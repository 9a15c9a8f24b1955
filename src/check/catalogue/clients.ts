import { clientRules, type Formation, inUri, membersOf } from '../../formation/formation.ts';
import { decidingRule } from '../../postgres/hba-rules.ts';
import { obstaclesOf } from '../../postgres/obstacles.ts';
import type { Check, Problem, Remedy } from '../check.ts';
import { Remedies } from '../remedies/remedies.ts';
import { answeringNodes, writablePrimary } from './from-observation.ts';

/** Whether clients can follow a failover. */

const applicationLogin: Check = {
  id: 'application-login',
  meaning: 'every node lets the application in, so that its clients can follow a failover',
  severity: 'error',
  follows: { 'nodes-reachable': 'same' },
  problems(observation, formation, asked) {
    const { users, databases } = formation.postgres;
    const nodes = answeringNodes(observation);
    if (nodes.length === 0) return undefined;
    return nodes.flatMap(([name, node]): Problem[] => {
      const missing = [
        ...users
          .filter((user) => !node.roles.includes(user.name))
          .map((user) => `no role ${user.name} that may log in`),
        ...databases
          .filter((each) => !node.databases.includes(each.name))
          .map((each) => `no database ${each.name}`),
      ];
      missing.push(...obstaclesOf(node.access, formation).map(({ evidence }) => evidence));
      const rules: string[] = [];
      const broken = node.hbaRules.find((rule) => rule.error !== null);
      if (broken) rules.push(`pg_hba.conf does not load: ${broken.error}`);
      for (const { user, database, clients } of clientRules(formation)) {
        for (const network of clients) {
          const rule = decidingRule(node.hbaRules, { user, database, network });
          if (rule === undefined)
            rules.push(`no pg_hba.conf entry for ${user} on ${database} from ${network}`);
          else if (rule.method === 'reject')
            rules.push(`pg_hba.conf rejects ${user} on ${database} from ${network}`);
        }
      }
      if (missing.length + rules.length === 0) return [];
      const remedies = new Remedies(formation, asked);
      return [
        {
          subject: name,
          evidence: [...missing, ...rules].join('; '),
          remedy: rules.length === 0 ? remedies.provision() : admitted(name, missing.length > 0, remedies),
        },
      ];
    });
  },
};

/** Clients by rules that may be kept, and then whatever else provisioning puts right. */
function admitted(name: string, hasMore: boolean, remedies: Remedies): Remedy {
  const remedy = remedies.admit(name, 'the clients of the formation file');
  if (!hasMore || remedy.look === undefined) return remedy;
  return {
    ...remedy,
    say: `${remedy.say.replace('; this shows the rules', '')}; then run provision-pgaf, which does the rest; this shows the rules`,
  };
}

const passwordsLast: Check = {
  id: 'passwords-last',
  meaning: 'no password of a user of the formation ends within two weeks (VALID UNTIL)',
  severity: 'warning',
  follows: { 'nodes-reachable': 'same' },
  problems(observation, formation, asked) {
    const [name, node] = writablePrimary(observation) ?? answeringNodes(observation)[0] ?? [];
    if (name === undefined || node === undefined) return undefined;
    return node.access.roles
      .filter(({ expiresAt }) => expiresAt !== '')
      .map(({ name: role, expiresAt }) => ({
        subject: name,
        evidence: `the password of ${role} is valid until ${expiresAt}`,
        remedy: {
          say: `give ${role} a later end, or none (ALTER ROLE … VALID UNTIL 'infinity'), on the primary; this shows all of them`,
          look: new Remedies(formation, asked).sql(name, '\\du'),
        },
      }));
  },
};

const applicationSession: Check = {
  id: 'application-session',
  meaning:
    'the application can log in on every node as it really does, over the network and with its password',
  severity: 'error',
  follows: {
    'nodes-reachable': 'same',
    'application-login': 'same',
    'names-resolve': 'any',
    'monitor-reachable': 'any',
  },
  unasked: ({ logins }) => (Object.keys(logins).length === 0 ? 'no app-password was given' : undefined),
  problems(observation, formation, asked) {
    const { logins, instances } = observation;
    // Nobody has tried to log in where a host does not answer.
    const isUntried = (name: string) =>
      [name, formation.monitor.name].some((each) => instances[each]?.unheard !== undefined);
    const failed = Object.entries(logins).flatMap(([name, login]) => (login.ok ? [] : [{ name, login }]));
    const refused = failed.filter(({ name }) => !isUntried(name));
    if (refused.length === 0 && failed.length > 0) return undefined;
    return refused.map(
      ({ name, login }): Problem => ({
        subject: name,
        evidence: `${formation.postgres.user} on ${formation.postgres.database}: ${login.failed}`,
        remedy: admission(name, login.failed, new Remedies(formation, asked), formation),
      }),
    );
  },
};

/** What provision-pgaf puts right, in Postgres' words and libpq's (postmaster.c, auth.c, postinit.c). */
const mendable =
  /not permitted to log in|database "[^"]*" does not exist|role "[^"]*" does not exist|not currently accepting connections|permission denied for database/;

/** What lets the application in, by what it was answered: a remedy that is not known to help is not given. */
function admission(name: string, answer: string, remedies: Remedies, formation: Formation): Remedy {
  const { user, database } = formation.postgres;
  if (/password authentication failed/.test(answer))
    return remedies.provision(
      `where this is the password that ${user} should have, run provision-pgaf with it as app-password; otherwise give the one that is in force`,
    );
  if (/pg_hba\.conf/.test(answer)) return remedies.admit(name, `${user} to ${database}`);
  if (mendable.test(answer)) return remedies.provision();
  if (/too many (?:clients|connections)|remaining connection slots/.test(answer))
    return {
      say: 'end sessions that nobody needs, or allow more (postgres.settings: max_connections); this shows whose they are',
      look: remedies.sql(
        name,
        'SELECT usename, datname, state, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3 ORDER BY 4 DESC',
      ),
    };
  return {
    say: `fix what it says, which concerns the connection to ${name} or its Postgres; this shows what a session on ${database} finds there`,
    look: remedies.sql(name, 'SELECT 1', database),
  };
}

const noPlaceholder: Check = {
  id: 'no-placeholder-password',
  meaning: 'the password that everybody knows opens no formation that is not a lab',
  severity: 'error',
  problems(observation, formation, asked) {
    const remedies = new Remedies(formation, asked);
    const { monitor } = observation;
    const [name, node] = writablePrimary(observation) ?? answeringNodes(observation)[0] ?? [];
    const told: [string, string[]][] = [
      ...(monitor.ok ? [[remedies.monitor, monitor.value.placeholders] as [string, string[]]] : []),
      ...(name !== undefined && node !== undefined ? [[name, node.placeholders] as [string, string[]]] : []),
    ];
    return told.flatMap(([subject, roles]): Problem[] =>
      roles.length === 0
        ? []
        : [
            {
              subject,
              evidence: `the password of ${roles.join(', ')} is the placeholder, and the formation's environment is ${formation.environment}`,
              remedy: remedies.provision(
                'run provision-pgaf with app-password and user-passwords from your vault, which sets them',
              ),
            },
          ],
    );
  },
};

/** What libpq takes, and pgbouncer and JDBC with it, for "the node that takes writes". */
const writableTargets: readonly string[] = ['read-write', 'primary'];

const clientUri: Check = {
  id: 'client-uri',
  meaning: "the application's connection string leads to whichever node is the primary",
  severity: 'error',
  unasked: (_, { clientUri: given }) => (given ? undefined : 'no client-uri was given'),
  problems(_, formation, asked) {
    const { clientUri: given } = asked;
    if (given === undefined || given === '') return [];
    const wrong = uriProblems(parseUri(given), formation);
    if (wrong.length === 0) return [];
    return [
      {
        subject: formation.name,
        evidence: wrong.join('; '),
        remedy: {
          say: "use the output formation-uri, with the application's password, as its connection string",
        },
      },
    ];
  },
};

/** What is wrong with the application's URI. It holds a password, maybe where none belongs: nothing of it is repeated. */
function uriProblems(uri: ClientUri | undefined, formation: Formation): string[] {
  if (uri === undefined) return ['it is no postgres:// URI'];
  const { port, database } = formation.postgres;
  const wanted = membersOf(formation)
    .slice(1)
    .map(({ host }) => `${inUri(host)}:${port}`);
  const problems: string[] = [];
  if ([...uri.hosts, uri.database ?? ''].some((part) => part.includes('@')))
    problems.push('it has one @ too many, or a / before the @: in a password these are written %40 and %2F');
  const missing = wanted.filter((host) => !uri.hosts.includes(host));
  if (missing.length > 0) problems.push(`it leaves out ${missing.join(', ')}`);
  const other = uri.hosts.flatMap((host, index) => (wanted.includes(host) ? [] : [index + 1]));
  if (other.length > 0)
    problems.push(
      `host ${other.join(', ')} of its ${uri.hosts.length} is no data node at its port, as ${wanted.join(', ')} are`,
    );
  if (uri.parameters.has('hostaddr'))
    problems.push('it has the parameter hostaddr, where clients then connect to, whatever its hosts are');
  const target = lastOf(uri.parameters, 'target_session_attrs');
  if (!writableTargets.includes(target ?? ''))
    problems.push(
      `target_session_attrs is ${target === undefined ? 'missing' : `none of ${writableTargets.join(', ')}`}, so a client may end up on a standby`,
    );
  if (uri.database === undefined) problems.push('its database is not percent-encoded: a % is written %25');
  else if (uri.database !== database)
    problems.push(`it names ${uri.database === '' ? 'no' : 'another'} database, not ${database}`);
  return problems;
}

interface ClientUri {
  hosts: string[];
  /** Undefined where its percent signs make no sense. */
  database: string | undefined;
  parameters: URLSearchParams;
}

/**
 * The parts of a libpq URI with several hosts, which no URL class reads. The password is left behind. Parameters take the place
 * of what stands before them, and the last of a name counts (conninfo_uri_parse_params, fe-connect.c).
 */
function parseUri(text: string): ClientUri | undefined {
  const match = /^postgres(?:ql)?:\/\/(?:[^@/]*@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(text.trim());
  if (!match) return undefined;
  const [, hosts = '', database = '', query = ''] = match;
  const parameters = new URLSearchParams(query);
  const parts = hosts.split(',').map((host) => /^(.*?)(?::(\d+))?$/.exec(host) ?? []);
  const named = lastOf(parameters, 'host')?.split(',').map(inUri) ?? parts.map(([, host = '']) => host);
  const ports = lastOf(parameters, 'port')?.split(',') ?? parts.map(([, , port = '']) => port);
  // One port is that of all hosts.
  const portOf = (index: number) => (ports.length === 1 ? ports[0] : ports[index]) || '5432';
  return {
    hosts: named.map((host, index) => `${host}:${portOf(index)}`),
    database: lastOf(parameters, 'dbname') ?? decoded(database),
    parameters,
  };
}

const lastOf = (parameters: URLSearchParams, name: string): string | undefined =>
  parameters.getAll(name).at(-1);

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

export const clientChecks: readonly Check[] = [
  applicationLogin,
  applicationSession,
  passwordsLast,
  noPlaceholder,
  clientUri,
];
