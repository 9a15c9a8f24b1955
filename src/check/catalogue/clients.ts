import { clientRules, membersOf } from '../../formation/formation.ts';
import { decidingRule } from '../../postgres/hba.ts';
import type { Check, Fault } from '../check.ts';
import { Remedies } from '../remedies.ts';
import { answeringNodes } from './reading.ts';

/** Whether clients can follow a failover. */

const applicationLogin: Check = {
  id: 'application-login',
  meaning: 'every node lets the application in, so that its clients can follow a failover',
  severity: 'error',
  follows: { 'nodes-reachable': 'same' },
  faults(observation, formation, asked) {
    const { users, databases } = formation.postgres;
    const nodes = answeringNodes(observation);
    if (nodes.length === 0) return undefined;
    return nodes.flatMap(([name, node]): Fault[] => {
      const missing = [
        ...users
          .filter((user) => !node.roles.includes(user.name))
          .map((user) => `no role ${user.name} that may log in`),
        ...databases
          .filter((each) => !node.databases.includes(each.name))
          .map((each) => `no database ${each.name}`),
      ];
      const broken = node.hbaRules.find((rule) => rule.error !== null);
      if (broken) missing.push(`pg_hba.conf does not load: ${broken.error}`);
      for (const { user, database, clients } of clientRules(formation)) {
        for (const network of clients) {
          const rule = decidingRule(node.hbaRules, { user, database, network });
          if (rule === undefined)
            missing.push(`no pg_hba.conf entry for ${user} on ${database} from ${network}`);
          else if (rule.method === 'reject')
            missing.push(`pg_hba.conf rejects ${user} on ${database} from ${network}`);
        }
      }
      if (missing.length === 0) return [];
      return [
        {
          subject: name,
          evidence: missing.join('; '),
          remedy: new Remedies(formation, asked).provision(),
        },
      ];
    });
  },
};

const applicationSession: Check = {
  id: 'application-session',
  meaning: 'the application logs in on every node over its own way in, with its password',
  severity: 'error',
  follows: {
    'nodes-reachable': 'same',
    'application-login': 'same',
    'names-resolve': 'any',
    'monitor-reachable': 'any',
  },
  faults: (observation, formation, asked) =>
    Object.entries(observation.logins).flatMap(([name, login]): Fault[] => {
      if (login.ok) return [];
      return [
        {
          subject: name,
          evidence: `${formation.postgres.user} on ${formation.postgres.database}: ${login.failed}`,
          remedy: new Remedies(formation, asked).provision(),
        },
      ];
    }),
};

/** What libpq takes, and pgbouncer and JDBC with it, for "the node that takes writes". */
const writableTargets: readonly string[] = ['read-write', 'primary'];

const clientUri: Check = {
  id: 'client-uri',
  meaning: "the application's connection string leads to whichever node is the primary",
  severity: 'error',
  faults(_, formation, asked) {
    const { clientUri: given } = asked;
    if (given === undefined || given === '') return [];
    const uri = parseUri(given);
    const wanted = membersOf(formation)
      .slice(1)
      .map(({ host }) => `${host}:${formation.postgres.port}`);
    const wrong: string[] = [];
    if (uri === undefined) wrong.push('it is no postgres:// URI');
    else {
      const missing = wanted.filter((host) => !uri.hosts.includes(host));
      const other = uri.hosts.filter((host) => !wanted.includes(host));
      if (missing.length > 0) wrong.push(`it leaves out ${missing.join(', ')}`);
      if (other.length > 0) wrong.push(`it names ${other.join(', ')}, which is no data node`);
      if (!writableTargets.includes(uri.parameters.get('target_session_attrs') ?? ''))
        wrong.push(
          `target_session_attrs is ${uri.parameters.get('target_session_attrs') ?? 'missing'}, so a client may end on a standby`,
        );
      if (uri.database !== formation.postgres.database)
        wrong.push(`it names the database ${uri.database || '(none)'}, not ${formation.postgres.database}`);
    }
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

/** The parts of a libpq URI with several hosts, which no URL class reads. The password is left behind. */
function parseUri(
  text: string,
): { hosts: string[]; database: string; parameters: URLSearchParams } | undefined {
  const match = /^postgres(?:ql)?:\/\/(?:[^@/]*@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(text.trim());
  if (!match) return undefined;
  const [, hosts = '', database = '', parameters = ''] = match;
  return {
    hosts: hosts.split(',').map((host) => (/:\d+$/.test(host) ? host : `${host}:5432`)),
    database: decodeURIComponent(database),
    parameters: new URLSearchParams(parameters),
  };
}

export const clientChecks: readonly Check[] = [applicationLogin, applicationSession, clientUri];
