import { setMaxListeners } from 'node:events';
import { availableParallelism } from 'node:os';
import pLimit from 'p-limit';
import { messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { type Formation, membersOf } from '../formation/formation.ts';
import { Incus, type Instance } from '../incus/incus.ts';
import type { MonitorNode } from '../monitor/nodes.ts';
import { readNodes } from '../monitor/nodes.ts';
import { openMemberSession } from '../postgres/member-session.ts';
import type { Asked, Severity } from './check.ts';
import type { Credentials } from './login.ts';
import { type Judged, untilHealthy } from './wait.ts';

/** A formation that is to be checked, and what is asked of it. */
export interface Subject {
  formation: Formation;
  asked: Asked;
  /** The application's, where every node is to be logged in on. */
  credentials?: Credentials | undefined;
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
  // Every reading of every member listens for its end.
  setMaxListeners(0, signal);
  const limit = pLimit(atOnce);
  // One reading of a server's instances serves every formation on it.
  const listings = new Map<string, Promise<Map<string, Instance>>>();
  const alone = subjects.length === 1;
  return await Promise.all(
    subjects.map(({ formation, asked, credentials }) =>
      limit(async (): Promise<Checked> => {
        const incus = new Incus(formation.incus, log);
        const where = `${incus.remote}:${incus.project}`;
        const shared = waitMs === 0 && !alone;
        const listing = shared ? (listings.get(where) ?? incus.instances(signal)) : undefined;
        if (listing) listings.set(where, listing);
        listing?.catch(() => {});
        try {
          const judged = await untilHealthy(formation, incus, {
            waitMs,
            judging: { ...asked, failOn },
            observing: { credentials, ...(listing && { instances: listing }) },
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
  const incus = new Incus(formation.incus, log);
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
      const nodes = await readNodes(session, name);
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
