import {
  AccessRefusedError,
  describeRefusals,
  isLastWord,
  type Opened,
  openWritable,
  type Refusal,
  readOnlyAnswer,
  type WayIn,
} from '../../application/way-in.ts';
import { now, toSeconds } from '../../clock/clock.ts';
import { sleep } from '../../clock/deadline.ts';
import { DeadlineError, EnvironmentError, messageOf } from '../../contract/errors.ts';
import type { Log } from '../../contract/log.ts';
import type { Member } from '../../formation/formation.ts';
import type { Session } from '../../postgres/session.ts';
import { requireConnections } from '../room.ts';
import { deleteOldRuns, deleteRun, drillTable, keptDays } from './drill-table.ts';
import { tellHolders } from './lock-holders.ts';
import { makeTable } from './own-table.ts';

/** Nothing is at stake yet, or any more: a busy machine is waited for. */
const prepareDeadlineMs = 15_000;
const connectDeadlineMs = 5000;
const cleanUpDeadlineMs = 5000;
const statementDeadlineMs = 10_000;
const pauseMs = 250;

export interface Preparation {
  /** Opens a superuser's session on the application's database of a node. */
  openSuperuser(node: Member): Promise<Session>;
  log: Log;
  signal?: AbortSignal | undefined;
}

/**
 * Makes the drill's table where there is none, as the superuser, once the application has been let in; clears it of old
 * runs as the application.
 * @param primary the node that the superuser makes it on
 * @param sessions how many clients there will be
 * @throws InputError where the primary has no room for so many; EnvironmentError that says what each node, or Postgres, answered, or who holds a lock that is in the way
 */
export async function prepareTable(
  way: WayIn,
  primary: Member,
  { published, sessions, ...preparation }: Preparation & { published: boolean; sessions: number },
): Promise<void> {
  try {
    await makeAndClear(way, primary, { published, sessions }, preparation);
  } catch (error) {
    if (error instanceof HeldUpError) error.message += '; then run this again';
    throw error;
  }
}

async function makeAndClear(
  way: WayIn,
  primary: Member,
  { published, sessions }: { published: boolean; sessions: number },
  preparation: Preparation,
): Promise<void> {
  const { openSuperuser, signal } = preparation;
  await asApplication(way, prepareDeadlineMs, preparation, {
    first: async () => {
      const superuser = await openSuperuser(primary);
      const what = `look at ${drillTable}, or make it,`;
      try {
        await unlessHeldUp(what, { node: primary, session: superuser }, preparation, () =>
          makeTable(superuser, way.access, published, signal),
        );
        const { user } = way.access;
        await requireConnections(superuser, { user, node: primary.name, sessions }, signal);
      } finally {
        superuser.close();
      }
    },
    what: `delete the rows of old drills from ${drillTable}`,
    async work(session) {
      await session.query(deleteOldRuns, [keptDays], { deadlineMs: statementDeadlineMs, signal });
    },
  });
}

/** Deletes the rows of a run. @throws as prepareTable */
export async function deleteRows(way: WayIn, run: string, preparation: Preparation): Promise<void> {
  const { signal } = preparation;
  await asApplication(way, cleanUpDeadlineMs, preparation, {
    what: `delete the rows of this drill from ${drillTable}`,
    async work(session) {
      await session.query(deleteRun, [run], { deadlineMs: statementDeadlineMs, signal });
    },
  });
}

interface Work {
  /** What is not the application's to do, before the work. */
  first?(): Promise<void>;
  /** To follow "did not". */
  what: string;
  work(session: Session): Promise<void>;
}

/** Does `work` over a session of the application's. */
async function asApplication(
  way: WayIn,
  patienceMs: number,
  preparation: Preparation,
  { first, what, work }: Work,
): Promise<void> {
  const { signal } = preparation;
  const { session, node } = await openPatiently({ ...way, connectDeadlineMs }, patienceMs, signal);
  const { user, database } = way.access;
  try {
    await first?.();
  } catch (error) {
    session.close();
    throw error;
  }
  try {
    await unlessHeldUp(what, { node, session }, preparation, () => work(session));
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof HeldUpError) throw error;
    throw new EnvironmentError(
      `the drill's table in database ${database} cannot be used by ${user}: ${messageOf(error)}`,
    );
  } finally {
    session.close();
  }
}

/** A statement on the drill's table did not come to its end in time. */
class HeldUpError extends EnvironmentError {}

/** Does something on the drill's table. @throws HeldUpError that says who holds it up where it takes too long; else as `work` */
async function unlessHeldUp(
  what: string,
  { node, session }: Pick<Opened, 'node' | 'session'>,
  { openSuperuser, log, signal }: Preparation,
  work: () => Promise<void>,
): Promise<void> {
  const { backend } = session;
  const began = now();
  try {
    await work();
  } catch (error) {
    if (!(error instanceof DeadlineError) || signal?.aborted) throw error;
    const tookSeconds = Math.round(toSeconds(now() - began));
    const holders = await tellHolders(backend, () => openSuperuser(node), log.debug.bind(log));
    throw new HeldUpError(
      `Postgres in ${node.name} did not ${what} in ${tookSeconds} s: ${holders ?? 'no lock is known to be in the way; see whether that node or this machine is overloaded'}`,
    );
  }
}

/** A healthy formation has a node that takes writes: what makes a session read-only there is a default. */
function readOnlyHint(refusals: readonly Refusal[]): string {
  return refusals.some(({ why }) => why === readOnlyAnswer)
    ? '. On a node that is no standby default_transaction_read_only says so, for its server, this database or this user (\\drds in psql lists what ALTER DATABASE and ALTER ROLE set)'
    : '';
}

/** Goes round the nodes for a while, unless what they say is their last word. */
async function openPatiently(
  way: WayIn,
  patienceMs: number,
  signal: AbortSignal | undefined,
): Promise<Opened> {
  const giveUpAt = now() + patienceMs;
  for (;;) {
    // However long a try took: that this process did not get to run tells nothing of the nodes.
    const isLast = now() > giveUpAt;
    const found = await openWritable(way, signal);
    if ('opened' in found) return found.opened;
    const why = `${way.access.user} cannot write to database ${way.access.database} as the application does; ${describeRefusals(found.refusals)}${readOnlyHint(found.refusals)}`;
    if (found.refusals.every(isLastWord)) throw new AccessRefusedError(why);
    if (isLast) throw new EnvironmentError(why);
    await sleep(pauseMs, signal);
  }
}
