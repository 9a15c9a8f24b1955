import { availableParallelism } from 'node:os';
import pLimit from 'p-limit';
import type { UriAccess } from '../application/uri-access.ts';
import { messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { type Formation, membersOf } from '../formation/formation.ts';
import type { Instance } from '../incus/answers.ts';
import type { Hosts } from '../incus/cluster/hosts.ts';
import { Incus } from '../incus/incus.ts';
import type { ProjectConfig } from '../incus/project.ts';
import type { MonitorNode } from '../monitor/nodes.ts';
import { readNodes } from '../monitor/nodes.ts';
import { openMemberSession } from '../postgres/member-session.ts';
import type { Asked, Severity } from './check.ts';
import { projectOf } from './holds.ts';
import type { Credentials } from './login.ts';
import { namesOf } from './observe.ts';
import { type Judged, untilHealthy } from './wait.ts';

/** A formation that is to be checked, and what is asked of it. */
export interface Subject {
  formation: Formation;
  asked: Asked;
  /** The application's, where every node is to be logged in on. */
  credentials?: Credentials | undefined;
  /** The application's own connection string, where it is to be gone by. */
  byUri?: UriAccess | undefined;
}

export interface CheckOptions {
  waitMs: number;
  failOn: Severity;
  log: Log;
  signal: AbortSignal;
}

/** What became of one formation: judged, or why it could not be. */
export type Checked = { formation: Formation } & (
  | ({ judged: true } & Judged)
  | { judged: false; failed: string }
);

/**
 * Each formation takes two processes of the `incus` client for every container, all of them under a deadline: more at
 * once than the machine has cores would keep each other from it, and healthy members would be told as silent (seen in
 * the lab with four formations on two busy cores).
 */
const atOnce = Math.min(4, availableParallelism());

/**
 * Checks formations side by side, so many at once. What keeps one from being judged hides nothing of the others.
 * @throws only a cancellation
 */
export async function checkFormations(
  subjects: readonly Subject[],
  { waitMs, failOn, log, signal }: CheckOptions,
): Promise<Checked[]> {
  const limit = pLimit(atOnce);
  // One reading of a server's instances serves every formation on it.
  const servers = new Map<string, SharedServer>();
  const alone = subjects.length === 1;
  return await Promise.all(
    subjects.map(({ formation, asked, credentials, byUri }) =>
      limit(async (): Promise<Checked> => {
        const incus = Incus.byAny(formation.incus, log);
        const shared = waitMs === 0 && !alone;
        const server = shared ? sharedServer(servers, incus, subjects, signal) : undefined;
        try {
          const judged = await untilHealthy(formation, incus, {
            waitMs,
            judging: { ...asked, failOn },
            observing: { credentials, byUri, project: projectOf(incus, signal), ...server },
            log: alone ? log : named(log, formation.name),
            signal,
          });
          return { formation, judged: true, ...judged };
        } catch (error) {
          signal.throwIfAborted();
          if (alone) throw error;
          return { formation, judged: false, failed: messageOf(error) };
        }
      }),
    ),
  );
}

/** What is read once of a server, for every formation on it. */
interface SharedServer {
  instances: Promise<Map<string, Instance>>;
  hosts(): Promise<Hosts | undefined>;
  healing(): Promise<number | undefined>;
  project(): Promise<ProjectConfig>;
}

function sharedServer(
  servers: Map<string, SharedServer>,
  incus: Incus,
  subjects: readonly Subject[],
  signal: AbortSignal,
): SharedServer {
  const where = `${incus.remote}:${incus.project}`;
  const known = servers.get(where);
  if (known) return known;
  const here = subjects.filter(
    ({ formation: { incus: on } }) => on.remote === incus.remote && on.project === incus.project,
  );
  const only = here.flatMap(({ formation }) => namesOf(formation));
  let hosts: Promise<Hosts | undefined> | undefined;
  let healing: Promise<number | undefined> | undefined;
  let project: Promise<ProjectConfig> | undefined;
  const server: SharedServer = {
    instances: incus.instances(signal, only),
    hosts() {
      hosts ??= incus.hosts(signal);
      return hosts;
    },
    healing() {
      healing ??= incus.healingSeconds(signal);
      return healing;
    },
    project() {
      project ??= projectOf(incus, signal)();
      return project;
    },
  };
  server.instances.catch(() => {});
  servers.set(where, server);
  return server;
}

const named = (log: Log, name: string): Log => ({ ...log, info: (line) => log.info(`${name}: ${line}`) });

/**
 * The other formations that a formation's monitor knows, as far as the monitor tells of them: their nodes, and the
 * database. Users, clocks and rules are taken not to be known.
 * @throws EnvironmentError when the monitor does not answer
 */
export async function formationsBeside(
  formation: Formation,
  log: Log,
  signal: AbortSignal,
): Promise<Formation[]> {
  const incus = Incus.byAny(formation.incus, log);
  const [monitor] = membersOf(formation);
  const session = await openMemberSession(incus, formation, monitor, { signal });
  try {
    const rows = await session.query(
      'SELECT formationid AS name, dbname FROM pgautofailover.formation WHERE formationid <> $1 ORDER BY 1',
      [formation.name],
    );
    const found: Formation[] = [];
    for (const row of rows) {
      const name = String(row['name']);
      const nodes = await readNodes(session, { name, nodes: [] });
      // `default` is there whether it is used or not.
      if (nodes.length > 0) found.push(asTold(formation, name, String(row['dbname']), nodes));
    }
    return found;
  } finally {
    session.close();
  }
}

function asTold(beside: Formation, name: string, database: string, nodes: readonly MonitorNode[]): Formation {
  const { postgres } = beside;
  const quorum = nodes.some((node) => node.replicationQuorum);
  return {
    ...beside,
    name,
    postgres: {
      ...postgres,
      database,
      databases: [{ name: database, owner: '', extensions: [] }],
      users: [],
      access: [],
    },
    replication: { syncStandbys: quorum ? 1 : 0, quorum },
    nodes: nodes.map((node) => ({
      name: node.name,
      candidatePriority: node.candidatePriority,
      quorum: node.replicationQuorum,
      limits: {},
      target: undefined,
    })),
  };
}
