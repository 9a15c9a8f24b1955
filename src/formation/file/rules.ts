import { type Formation, membersOf } from '../formation.ts';
import { timingsErrors } from '../safe-timings.ts';
import { toFormation } from './convert.ts';
import type { Path } from './issues.ts';
import { packageSourceErrors } from './package-source.ts';
import { probeErrors } from './probe-schema.ts';
import type { FormationFile } from './schema.ts';

/** An error that no single key shows, and the key that people should look at. */
export interface CrossError {
  path: Path;
  text: string;
}

/** A rule, and the keys that it judges; `*` stands for any index, `**` for whatever is below. */
interface Rule {
  judges: string[];
  errors(file: FormationFile, formation: Formation): CrossError[];
}

/**
 * Errors that no single key shows.
 *
 * @param unknown keys whose values could not be read and stand at a default; no rule judges by them
 */
export function crossErrors(file: FormationFile, unknown: readonly Path[] = []): CrossError[] {
  const formation = toFormation(file);
  return rules
    .filter(({ judges }) => !judges.some((key) => unknown.some((path) => concerns(key.split('.'), path))))
    .flatMap((rule) => rule.errors(file, formation));
}

/** Whether what is at `path` or around it is what `key` means. */
function concerns(key: readonly string[], path: Path): boolean {
  for (const [index, step] of key.entries()) {
    if (step === '**' || index >= path.length) return true;
    if (step !== '*' && step !== String(path[index])) return false;
  }
  return path.length <= key.length;
}

const rules: Rule[] = [
  { judges: ['monitor', 'nodes'], errors: nameErrors },
  { judges: ['nodes.*.name', 'nodes.*.node-name'], errors: nodeNameErrors },
  {
    judges: ['monitor.name', 'nodes.*.name', 'monitor.host', 'nodes.*.host', 'incus.domain'],
    errors: hostErrors,
  },
  { judges: ['nodes.*.quorum', 'replication.*'], errors: replicationErrors },
  { judges: ['nodes.*.candidate-priority'], errors: candidateErrors },
  { judges: ['postgres.database', 'postgres.databases'], errors: databaseErrors },
  { judges: ['postgres.user', 'postgres.users'], errors: userErrors },
  {
    judges: ['database', 'databases', 'user', 'users', 'access'].map((key) => `postgres.${key}`),
    errors: referenceErrors,
  },
  { judges: ['postgres.access'], errors: accessErrors },
  { judges: ['postgres.access', 'tls'], errors: certificateErrors },
  { judges: ['postgres.packages.**'], errors: packageErrors },
  { judges: ['postgres.settings', 'nodes'], errors: settingErrors },
  { judges: ['timings.**'], errors: timingErrors },
  { judges: ['probes.**'], errors: errorsOfProbes },
];

/** Every name must be one container's alone. */
function nameErrors({ monitor, nodes }: FormationFile): CrossError[] {
  const errors: CrossError[] = [];
  const seen = new Set([monitor.name.toLowerCase()]);
  for (const [index, node] of nodes.entries()) {
    if (seen.has(node.name.toLowerCase())) {
      errors.push({
        path: ['nodes', index, 'name'],
        text: `${node.name} is used twice; every container needs its own name`,
      });
    }
    seen.add(node.name.toLowerCase());
  }
  return errors;
}

/** The monitor has each name once. */
function nodeNameErrors({ nodes }: FormationFile): CrossError[] {
  return nodes.flatMap((node, index): CrossError[] => {
    const own = node['node-name'];
    const other = nodes.find((each, at) => at !== index && (each['node-name'] ?? each.name) === own);
    if (own === undefined || other === undefined) return [];
    return [
      {
        path: ['nodes', index, 'node-name'],
        text: `${own} is what the monitor calls ${other.name}; every node has a name of its own`,
      },
    ];
  });
}

/** The common name of a certificate holds no more (RFC 5280, ub-common-name). */
const maxHostLength = 64;

function hostErrors(_: FormationFile, formation: Formation): CrossError[] {
  const members = membersOf(formation);
  return members.flatMap(({ host }, index): CrossError[] => {
    const path = (key: string) => (index === 0 ? ['monitor', key] : ['nodes', index - 1, key]);
    if (host.length > maxHostLength)
      return [
        {
          path: path('name'),
          text: `its host name ${host} has ${host.length} characters; a certificate's common name holds ${maxHostLength}: shorten the name or incus.domain`,
        },
      ];
    const other = members.slice(0, index).find((each) => each.host.toLowerCase() === host.toLowerCase());
    return other === undefined || members[index]?.name.toLowerCase() === other.name.toLowerCase()
      ? []
      : [{ path: path('host'), text: `${host} is the host of ${other.name}; every member has its own` }];
  });
}

function replicationErrors(_: FormationFile, { replication, nodes }: Formation): CrossError[] {
  const { syncStandbys } = replication;
  const members = nodes.filter((node) => node.quorum).length;
  if (syncStandbys === 0) {
    if (members === 0) return [];
    return [
      {
        path: ['replication', 'sync-standbys'],
        text: '0 needs quorum: false for every node; with quorum: true pg_auto_failover always waits for one standby',
      },
    ];
  }
  if (members < 2) {
    return [
      {
        path: ['replication', 'quorum'],
        text: `must be true for at least two data nodes with sync-standbys above 0 (found ${members}), or set sync-standbys: 0`,
      },
    ];
  }
  // The primary is one of the quorum, and waits for the others.
  const standbys = members - 1;
  const possible = standbys === 1 ? 1 : standbys - 1;
  if (syncStandbys <= possible) return [];
  return [
    {
      path: ['replication', 'sync-standbys'],
      text: `${syncStandbys} is impossible with ${standbys} standby${standbys === 1 ? '' : 's'} in the quorum: at most ${possible} (pg_auto_failover needs one more standby than it waits for, two data nodes excepted)`,
    },
  ];
}

function candidateErrors(_: FormationFile, { nodes }: Formation): CrossError[] {
  const candidates = nodes.filter((node) => node.candidatePriority > 0).length;
  if (candidates >= 2) return [];
  return [
    {
      path: ['nodes'],
      text: `candidate-priority is above 0 for ${candidates === 0 ? 'no node' : 'one node only'}; at least two need it, or no failover is possible`,
    },
  ];
}

function databaseErrors({ postgres }: FormationFile): CrossError[] {
  return namedTwice('databases', [postgres.database, ...postgres.databases.map(({ name }) => name)]);
}

function userErrors({ postgres }: FormationFile): CrossError[] {
  return namedTwice('users', [postgres.user, ...postgres.users.map(({ name }) => name)]);
}

/** @param names the application's own, then those of the list */
function namedTwice(key: 'databases' | 'users', names: string[]): CrossError[] {
  return names.flatMap((name, index) =>
    names.indexOf(name) === index
      ? []
      : [
          {
            path: ['postgres', key, index - 1, 'name'],
            text: `${name} is named twice${names.indexOf(name) === 0 ? `: it is postgres.${key.slice(0, -1)} already` : ''}`,
          },
        ],
  );
}

/** Owners, users and databases must be in the file. */
function referenceErrors({ postgres }: FormationFile): CrossError[] {
  const errors: CrossError[] = [];
  const databases = new Set([postgres.database, ...postgres.databases.map(({ name }) => name)]);
  const users = new Set([postgres.user, ...postgres.users.map(({ name }) => name)]);
  const refer = (path: Path, kind: 'user' | 'database', name: string | undefined) => {
    const known = kind === 'user' ? users : databases;
    if (name === undefined || known.has(name)) return;
    errors.push({
      path: ['postgres', ...path],
      text: `there is no ${kind} ${name} in this file; it has ${shown(known)}`,
    });
  };
  for (const [index, { owner }] of postgres.databases.entries())
    refer(['databases', index, 'owner'], 'user', owner);
  for (const [index, user] of postgres.users.entries())
    for (const [place, name] of user.databases.entries())
      refer(['users', index, 'databases', place], 'database', name);
  for (const [index, { user, database }] of postgres.access.entries()) {
    refer(['access', index, 'user'], 'user', user);
    refer(['access', index, 'database'], 'database', database);
  }
  return errors;
}

/** A sentence's worth of names. */
function shown(names: ReadonlySet<string>): string {
  const first = [...names].slice(0, 5).join(', ');
  return names.size > 5 ? `${first} and ${names.size - 5} more` : first;
}

/** Postgres takes the first rule that fits: a second one for the same would never be asked. */
function accessErrors({ postgres }: FormationFile): CrossError[] {
  const decided = new Map<string, number>();
  return postgres.access.flatMap(({ user, database, clients }, index) =>
    clients.flatMap((network, place) => {
      const key = `${user} ${database} ${network}`;
      const before = decided.get(key);
      if (before === undefined) decided.set(key, index);
      if (before === undefined || before === index) return [];
      return [
        {
          path: ['postgres', 'access', index, 'clients', place],
          text: `postgres.access.${before} decides about ${user} from ${network} to ${database} already`,
        },
      ];
    }),
  );
}

function certificateErrors({ postgres, tls }: FormationFile): CrossError[] {
  if (tls !== 'self-signed') return [];
  return postgres.access.flatMap(({ method }, index) =>
    method === 'cert'
      ? [
          {
            path: ['postgres', 'access', index, 'method'],
            text: 'cert needs a CA that signs the clients: set tls to verify-ca or verify-full, or take scram-sha-256',
          },
        ]
      : [],
  );
}

function packageErrors({ postgres: { packages } }: FormationFile): CrossError[] {
  return packageSourceErrors(packages).map(({ key, text }) => ({
    path: ['postgres', 'packages', key],
    text,
  }));
}

/** Settings that are free but for values which a formation cannot live with. */
function settingErrors(_: FormationFile, { postgres, nodes }: Formation): CrossError[] {
  const on = /^(?:on|true|yes|1)$/i;
  const enough = (value: string) => /^\d+$/.test(value) && Number(value) >= nodes.length;
  const each = 'a number of at least that of the data nodes, one of which may be joining';
  const demands: Record<string, { allowed: (value: string) => boolean; text: string }> = {
    wal_level: {
      allowed: (value) => /^(?:replica|logical)$/.test(value),
      text: 'must be replica or logical, or no standby can follow',
    },
    synchronous_commit: {
      allowed: (value) => /^(?:on|remote_apply|true|yes|1)$/i.test(value),
      text: 'must be on or remote_apply, or acknowledged writes are lost in a failover',
    },
    fsync: { allowed: (value) => on.test(value), text: 'must be on, or a crash loses acknowledged writes' },
    full_page_writes: {
      allowed: (value) => on.test(value),
      text: 'must be on, or pg_rewind cannot bring an old primary back',
    },
    max_wal_senders: { allowed: enough, text: `must be ${each} (here ${nodes.length})` },
    max_replication_slots: { allowed: enough, text: `must be ${each} (here ${nodes.length})` },
  };
  return Object.entries(postgres.settings).flatMap(([name, value]) => {
    const demand = Object.hasOwn(demands, name) ? demands[name] : undefined;
    if (demand === undefined || demand.allowed(value)) return [];
    return [
      {
        path: ['postgres', 'settings', name],
        text: `${demand.text} (found ${JSON.stringify(value)})`,
      },
    ];
  });
}

function errorsOfProbes({ probes }: FormationFile): CrossError[] {
  return probeErrors(probes).map(({ path, text }) => ({ path: ['probes', ...path], text }));
}

function timingErrors({ timings: given }: FormationFile, { timings }: Formation): CrossError[] {
  if (typeof given === 'string' || given['accept-dual-primary-risk']) return [];
  return timingsErrors(timings).map((text) => ({
    path: ['timings'],
    text: `${text} (accept-dual-primary-risk: true takes the risk)`,
  }));
}
