import {
  AccessRefusedError,
  describeRefusals,
  isLastWord,
  openWritable,
  type WayIn,
} from '../application/way-in.ts';
import { now } from '../clock/clock.ts';
import { sleep } from '../clock/deadline.ts';
import { EnvironmentError, messageOf } from '../contract/errors.ts';
import type { Session } from '../postgres/session.ts';
import { createTable, deleteOldRuns, deleteRun, keptDays, lookForTable } from './table.ts';

const prepareDeadlineMs = 15_000;
const cleanUpDeadlineMs = 5000;
const statementDeadlineMs = 10_000;
const pauseMs = 250;

/**
 * Makes the drill's table where there is none, over the application's own session, and clears it of old runs.
 * @throws EnvironmentError that says what each node, or Postgres, answered
 */
export async function prepareTable(way: WayIn, signal?: AbortSignal): Promise<void> {
  await asApplication(way, prepareDeadlineMs, signal, async (session) => {
    const options = { deadlineMs: statementDeadlineMs, signal };
    const [found] = await session.query(lookForTable, [], options);
    if (found === undefined) await session.query(createTable, [], options);
    else if (found['own'] !== true)
      throw new EnvironmentError(
        `the table public.pgha_drill is not ${way.access.user}'s; drop it, or make ${way.access.user} its owner`,
      );
    await session.query(deleteOldRuns, [keptDays], options);
  });
}

/** Deletes the rows of a run. @throws as prepareTable */
export async function deleteRows(way: WayIn, run: string, signal?: AbortSignal): Promise<void> {
  await asApplication(way, cleanUpDeadlineMs, signal, async (session) => {
    await session.query(deleteRun, [run], { deadlineMs: statementDeadlineMs, signal });
  });
}

async function asApplication(
  way: WayIn,
  patienceMs: number,
  signal: AbortSignal | undefined,
  work: (session: Session) => Promise<void>,
): Promise<void> {
  const session = await openPatiently(way, patienceMs, signal);
  const { user, database } = way.access;
  try {
    await work(session);
  } catch (error) {
    signal?.throwIfAborted();
    throw new EnvironmentError(
      `the drill's table in database ${database} cannot be used by ${user}: ${messageOf(error)}`,
    );
  } finally {
    session.close();
  }
}

/** Goes round the nodes for a while, unless what they say is their last word. */
async function openPatiently(
  way: WayIn,
  patienceMs: number,
  signal: AbortSignal | undefined,
): Promise<Session> {
  const giveUpAt = now() + patienceMs;
  for (;;) {
    const found = await openWritable(way, signal);
    if ('opened' in found) return found.opened.session;
    const why = `${way.access.user} cannot write to database ${way.access.database} as the application does; ${describeRefusals(found.refusals)}`;
    if (found.refusals.every(isLastWord)) throw new AccessRefusedError(why);
    if (now() > giveUpAt) throw new EnvironmentError(why);
    await sleep(pauseMs, signal);
  }
}
