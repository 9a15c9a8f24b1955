import type { UriEnd } from '../../application/by-uri.ts';
import { type ClientUri, shownHost, writableTargets } from '../../application/client-uri.ts';
import { clientRules, type Formation, inUri, membersOf } from '../../formation/formation.ts';
import { decidingRule } from '../../postgres/hba-rules.ts';
import { obstaclesOf } from '../../postgres/obstacles.ts';
import type { Check, Problem, Remedy } from '../check.ts';
import type { ObservedUri } from '../observation.ts';
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

const clientUri: Check = {
  id: 'client-uri',
  meaning: "the application's connection string leads to whichever node is the primary",
  severity: 'error',
  follows: { 'nodes-reachable': 'any', 'monitor-reachable': 'any', 'application-login': 'any' },
  unasked: (_, { clientUri: given }) => (given ? undefined : 'no client-uri was given'),
  problems({ uri: observed }, formation, asked) {
    const { clientUri: given } = asked;
    if (given === undefined) return [];
    const toNodes = uriProblems(given, formation);
    // Of one that names the nodes themselves its words tell; of any other, where it leads.
    const namesNodes = strangers(given, formation).length === 0;
    const subject = formation.name;
    if (observed === undefined || namesNodes) {
      if (toNodes.length === 0) return [];
      const say =
        "use the output formation-uri, with the application's password, as its connection string" +
        (namesNodes
          ? ''
          : '; where it leads to a pooler, a proxy or another name, give its password too, in it or as app-password, to have it tried');
      return [{ subject, evidence: toNodes.join('; '), remedy: { say } }];
    }
    const { wrong, idle } = endProblems(observed, given, formation);
    const look = new Remedies(formation, asked).sql(
      membersOf(formation)[1]?.name ?? '',
      'SELECT usename, datname, client_addr, state FROM pg_stat_activity WHERE client_addr IS NOT NULL',
    );
    const remedy: Remedy = {
      say: 'have what stands between the application and the nodes send its sessions to the primary, or use the output formation-uri; this shows whose sessions a node has',
      look,
    };
    return [
      ...(wrong.length > 0 ? [{ subject, evidence: wrong.join('; '), remedy }] : []),
      ...idle.map((evidence): Problem => ({ subject, evidence, remedy, severity: 'warning' })),
    ];
  },
};

/** What is wrong with where it leads, and which of its hosts are of no use though another is. */
function endProblems(
  { own, ends }: ObservedUri,
  { target, hosts }: ClientUri,
  { name, postgres: { database, user } }: Formation,
): { wrong: string[]; idle: string[] } {
  const place = (index: number) => (hosts.length === 1 ? 'it' : `host ${index + 1} of its ${hosts.length}`);
  const wrong: string[] = [];
  const failed = ends.flatMap((end, index) =>
    end.ok ? [] : [`${place(index)} leads nowhere: ${end.failed}`],
  );
  const told = (end: UriEnd) => end.address ?? 'a server on its own host';
  const led = ends.flatMap((end, index) => (end.ok ? [{ end: end.value, who: place(index) }] : []));
  const strange = led.filter(
    ({ end }) => own.ok && end.systemIdentifier !== undefined && end.systemIdentifier !== own.value,
  );
  for (const { end, who } of strange)
    wrong.push(
      `${who} leads to ${told(end)}, which is of another cluster than formation ${name} (system identifier ${end.systemIdentifier})`,
    );
  const ours = led.filter((each) => !strange.includes(each));
  const unwritable = ours.filter(({ end }) => end.inRecovery || end.readOnly);
  const leads = unwritable.map(
    ({ end, who }) =>
      `${who} leads to ${told(end)}, ${end.inRecovery ? 'a standby' : 'where its sessions are read-only'}`,
  );
  if (unwritable.length === ours.length)
    wrong.push(...(led.length === strange.length && strange.length > 0 ? [] : [...leads, ...failed]));
  else if (!writableTargets.includes(target) && leads.length > 0)
    wrong.push(
      ...leads,
      `target_session_attrs is none of ${writableTargets.join(', ')}, so a client may end up there`,
    );
  for (const { end, who } of ours) {
    if (end.database !== database) wrong.push(`${who} leads to another database, not ${database}`);
    if (end.user !== user) wrong.push(`${who} makes its clients another role, not ${user}`);
  }
  return { wrong, idle: wrong.length > 0 ? [] : failed };
}

const nodeAddresses = (formation: Formation) =>
  membersOf(formation)
    .slice(1)
    .map(({ host }) => `${inUri(host)}:${formation.postgres.port}`);

/** Places of the hosts that are no data node at its port. */
function strangers(uri: ClientUri, formation: Formation): number[] {
  const wanted = nodeAddresses(formation);
  return uri.hosts.flatMap((host, index) => (wanted.includes(shownHost(host)) ? [] : [index + 1]));
}

/** What is wrong with the application's URI. It holds a password, maybe where none belongs: nothing of it is repeated. */
function uriProblems(uri: ClientUri, formation: Formation): string[] {
  const { database } = formation.postgres;
  const wanted = nodeAddresses(formation);
  const hosts = uri.hosts.map(shownHost);
  const problems: string[] = [];
  const missing = wanted.filter((host) => !hosts.includes(host));
  if (missing.length > 0) problems.push(`it leaves out ${missing.join(', ')}`);
  const other = strangers(uri, formation);
  if (other.length > 0)
    problems.push(
      `host ${other.join(', ')} of its ${hosts.length} is no data node at its port, as ${wanted.join(', ')} are`,
    );
  if (uri.hosts.some(({ address }) => address !== undefined))
    problems.push('it has the parameter hostaddr, where clients then connect to, whatever its hosts are');
  if (!writableTargets.includes(uri.target))
    problems.push(
      `target_session_attrs is none of ${writableTargets.join(', ')}, so a client may end up on a standby`,
    );
  const named = uri.database ?? uri.user;
  if (named !== database)
    problems.push(`it names ${named === undefined ? 'no' : 'another'} database, not ${database}`);
  return problems;
}

export const clientChecks: readonly Check[] = [
  applicationLogin,
  applicationSession,
  passwordsLast,
  noPlaceholder,
  clientUri,
];
