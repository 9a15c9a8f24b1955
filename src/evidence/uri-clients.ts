import { askEnd, openByUri, type UriEnd, type UriWay } from '../application/by-uri.ts';
import { shownHost } from '../application/client-uri.ts';
import type { Reach } from '../application/route.ts';
import { ofClientUri, type UriAccess } from '../application/uri-access.ts';
import { reachFor, type UriReachOptions } from '../application/uri-reach.ts';
import { describeRefusals, isLastWord, readOnlyAnswer } from '../application/way-in.ts';
import { now } from '../clock/clock.ts';
import { sleep, withDeadline } from '../clock/deadline.ts';
import { DeadlineError, EnvironmentError } from '../contract/errors.ts';
import type { Session } from '../postgres/session.ts';
import type { Journal } from './journal.ts';
import { Workload, type WorkloadOptions } from './workload.ts';

/** Nothing is at stake yet. A pooler that has just lost a server waits for some seconds before it looks again. */
const patienceMs = 10_000;
const pauseMs = 250;
const askDeadlineMs = 10_000;

const queue = 'a pooler that finds no server lets its clients wait like that: see its log';

/** What the far end of the connection string must be: the primary that the drill is about. */
export interface Wanted {
  formation: string;
  database: string;
  user: string;
  /** Of the primary, as its superuser reads it. */
  systemIdentifier(): Promise<string>;
}

/** The clients that go by the application's own connection string. */
export class UriClients {
  /** For people: its hosts, and the server that it led to before anything was done. */
  readonly hosts: string[];
  readonly end: UriEnd;
  readonly reach: Pick<Reach, 'via' | 'addedMs'>;
  private readonly access: UriAccess;
  private readonly ownReach: Reach | undefined;
  private workload: Workload | undefined;

  private constructor(access: UriAccess, { reach, isOwn }: { reach: Reach; isOwn: boolean }, end: UriEnd) {
    this.access = access;
    this.hosts = access.uri.hosts.map(shownHost);
    this.end = end;
    this.reach = { via: reach.via, addedMs: reach.addedMs };
    this.ownReach = isOwn ? reach : undefined;
  }

  /**
   * Finds the way, and what stands at its end. Nobody writes yet.
   * @throws InputError where it leads nowhere, to another cluster, database or user, or to a standby; EnvironmentError where
   *   it lets nobody in, or answers nothing
   */
  static async open(access: UriAccess, wanted: Wanted, options: UriReachOptions): Promise<UriClients> {
    const found = await reachFor(access.uri, options);
    try {
      const end = await endOf({ ...access, reach: found.reach }, options.signal);
      const wrong = await strangeEnd(end, wanted);
      if (wrong !== undefined) throw ofClientUri([wrong]);
      return new UriClients(access, found, end);
    } catch (error) {
      if (found.isOwn) found.reach.close();
      throw error;
    }
  }

  /** @param lookouts the ways to the nodes, of which there may be two */
  write(
    lookouts: readonly Reach[],
    journal: Journal,
    options: Omit<WorkloadOptions, 'entrances' | 'journal'>,
  ): void {
    const { ownReach } = this;
    ownReach?.watch({
      broken: (why) => journal.record({ kind: 'failing', at: now(), why }),
      mended() {},
    });
    const reaches = ownReach === undefined ? lookouts : [ownReach];
    this.workload = new Workload({
      ...options,
      journal,
      actor: 'uri-client',
      entrances: reaches.map((reach) => (signal) => openByUri({ ...this.access, reach }, signal)),
    });
  }

  slowDown(): void {
    this.workload?.slowDown();
  }

  async stop(): Promise<void> {
    await this.workload?.stop();
  }

  close(): void {
    this.ownReach?.close();
  }
}

/** Logs in and asks who is there, for a while, unless what is said is a last word. */
async function endOf(way: UriWay, signal: AbortSignal | undefined): Promise<UriEnd> {
  const giveUpAt = now() + patienceMs;
  for (;;) {
    const isLast = now() > giveUpAt;
    const found = await withDeadline(
      'client-uri to let a client in',
      patienceMs,
      (inner) => openByUri(way, inner),
      signal,
    );
    if ('opened' in found) return await answered(found.opened.session, found.opened.node.name, signal);
    if (isLast && found.refusals.every(({ why }) => why === readOnlyAnswer))
      throw ofClientUri([
        `it leads to standbys, or to servers whose sessions are read-only, and to no other: ${describeRefusals(found.refusals)}`,
      ]);
    if (isLast || found.refusals.every(isLastWord))
      throw new EnvironmentError(
        `no client can write by client-uri as ${way.user}: ${describeRefusals(found.refusals)}${found.refusals.every(({ error }) => error instanceof DeadlineError) ? `; ${queue}` : ''}`,
      );
    await sleep(pauseMs, signal);
  }
}

async function answered(session: Session, host: string, signal: AbortSignal | undefined): Promise<UriEnd> {
  try {
    return await askEnd(session, askDeadlineMs, signal);
  } catch (error) {
    if (!(error instanceof DeadlineError) || signal?.aborted) throw error;
    throw new EnvironmentError(
      `${host} of client-uri let a client in and answered nothing in ${askDeadlineMs / 1000} s; ${queue}`,
    );
  } finally {
    session.close();
  }
}

/** What is wrong with the server at the end of the way; undefined where nothing is. */
export async function strangeEnd(end: UriEnd, wanted: Wanted): Promise<string | undefined> {
  const where = end.address ?? 'a server on its own host';
  const own = await wanted.systemIdentifier();
  if (end.systemIdentifier !== undefined && end.systemIdentifier !== own)
    return `it leads to another cluster: ${where} has the system identifier ${end.systemIdentifier}, and formation ${wanted.formation} has ${own}`;
  if (end.inRecovery)
    return `it leads to ${where}, which is a standby, and nobody can write there: name the primary as well, with target_session_attrs=read-write, or have what stands between send clients to the primary`;
  if (end.readOnly)
    return `it leads to ${where}, where its sessions are read-only (default_transaction_read_only)`;
  if (end.database !== wanted.database)
    return `it leads to another database than ${wanted.database}, the application's in the formation file`;
  if (end.user !== wanted.user)
    return `it makes its clients another role than ${wanted.user}, the application's in the formation file`;
  return undefined;
}
