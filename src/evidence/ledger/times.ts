import { type Moment, toSeconds } from '../../clock/clock.ts';
import type { Roles, Times } from '../record.ts';
import type { WriteAttempt } from '../write-attempts.ts';
import { type Actor, isWitness, type WriteHistory } from '../write-history.ts';

export interface Ended extends WriteAttempt {
  endedAt: Moment;
}

/** The times, the new primary's first acknowledgement, and the old one's writes after it. */
export function timesOf(
  history: WriteHistory,
  attempts: readonly WriteAttempt[],
  roles: Roles,
): { told: Times; newTook: Moment | undefined; late: WriteAttempt[] } {
  const { faultAt, oldPrimary, newPrimary } = roles;
  const acknowledged = attempts
    .filter(
      (attempt): attempt is Ended => attempt.outcome === 'acknowledged' && attempt.endedAt !== undefined,
    )
    .sort((one, other) => one.endedAt - other.endedAt);
  const application = acknowledged.filter(({ actor }) => actor === 'application');
  const isFirst = ({ node, endedAt }: Ended) => node === newPrimary && endedAt >= faultAt;
  const first = application.find(isFirst);
  // By whichever way it came, what the old primary took before it was at risk, and what it took after it was one too many.
  const taken = acknowledged.find((each) => !isWitness(each.actor) && isFirst(each));
  const before = first && application.findLast(({ endedAt }) => endedAt < first.endedAt);

  // Once it is promoted again, the old primary takes writes by right, on a timeline of its own.
  const onOldTimeline = acknowledged.filter(
    ({ node, timeline = 0 }) => node === oldPrimary && timeline <= (taken?.timeline ?? timeline),
  );
  const late = onOldTimeline.filter(({ invokedAt }) => taken !== undefined && invokedAt > taken.endedAt);
  const witnessed = onOldTimeline.some(({ actor, endedAt }) => isWitness(actor) && endedAt < faultAt);
  const since = (moment: Moment | undefined) =>
    moment === undefined ? undefined : toSeconds(moment - faultAt);
  const ofClients = (attempt: WriteAttempt) => attempt.actor !== 'local-witness';
  const lasting = (writes: readonly Ended[]) =>
    taken && (witnessed || late.length > 0)
      ? toSeconds((writes.at(-1)?.endedAt ?? taken.endedAt) - taken.endedAt)
      : undefined;

  const told: Times = {
    clientRtoSeconds: since(first?.endedAt),
    writeOutageSeconds: first && before ? toSeconds(first.endedAt - before.endedAt) : undefined,
    longestPauseSeconds: longestPause(history, application, { faultAt, actor: 'application' }),
    dualPrimarySeconds: lasting(late),
    overlapSeconds: lasting(late.filter(ofClients)),
    lastAcknowledgedSeconds: since(onOldTimeline.findLast(ofClients)?.endedAt),
    lastTakenSeconds: since(onOldTimeline.at(-1)?.endedAt),
    ...firstRefusal(history, oldPrimary, onOldTimeline.at(-1)?.endedAt ?? faultAt, since),
    ...staleReads(history, acknowledged, oldPrimary, since),
    refusals: refusals(history, { faultAt, actor: 'application' }),
  };
  return { told, newTook: taken?.endedAt, late };
}

/** Of one kind of clients, from the last of their acknowledged writes before the fault on; `application` is in order of their ends. */
export function longestPause(
  history: WriteHistory,
  application: readonly Ended[],
  { faultAt, actor }: { faultAt: Moment; actor: Actor },
): number | undefined {
  const firstAfter = application.findIndex(({ endedAt }) => endedAt >= faultAt);
  const begin = firstAfter < 0 ? application.length - 1 : firstAfter - 1;
  if (begin < 0) return undefined;
  const moments = application.slice(begin).map(({ endedAt }) => endedAt);
  const tried = lastTry(history, actor);
  const pauses = moments.map((moment, index) => (moments[index + 1] ?? Math.max(moment, tried)) - moment);
  return toSeconds(latest(pauses));
}

/** When they last sent a write or were last refused. */
function lastTry({ events }: WriteHistory, actor: Actor): Moment {
  const connections = new Set(
    events.flatMap((event) =>
      event.kind === 'connected' && event.actor === actor ? [event.connection] : [],
    ),
  );
  const moments = events.map((event) => {
    if (event.kind === 'refused') return event.actor === actor ? event.at : 0;
    return event.kind === 'invoked' && connections.has(event.connection) ? event.at : 0;
  });
  return latest(moments);
}

/** Not by Math.max over arguments, of which a long run would have too many. */
function latest(moments: Iterable<Moment>): Moment {
  let last = 0;
  for (const moment of moments) if (moment > last) last = moment;
  return last;
}

function firstRefusal(
  { events }: WriteHistory,
  oldPrimary: string,
  lastTaken: Moment,
  since: (moment: Moment | undefined) => number | undefined,
): Pick<Times, 'refusedSeconds' | 'refusedBecause'> {
  const refused = events
    .flatMap((event) =>
      event.kind === 'refused' && event.node === oldPrimary && event.at > lastTaken ? [event] : [],
    )
    .sort((one, other) => one.at - other.at)[0];
  return { refusedSeconds: since(refused?.at), refusedBecause: refused?.why };
}

function staleReads(
  { events }: WriteHistory,
  acknowledged: readonly Ended[],
  oldPrimary: string,
  since: (moment: Moment | undefined) => number | undefined,
): Pick<Times, 'staleReads' | 'lastStaleReadSeconds'> {
  const key = ({ connection, seq }: { connection: string; seq: number }) => `${connection} ${seq}`;
  const elsewhere = new Map(
    acknowledged.filter(({ node }) => node !== oldPrimary).map((attempt) => [key(attempt), attempt.endedAt]),
  );
  const stale = new Map<string, Moment>();
  for (const event of events) {
    if (event.kind !== 'probed' || event.present) continue;
    if ((elsewhere.get(key(event.row)) ?? Number.POSITIVE_INFINITY) <= event.invokedAt)
      stale.set(`${event.connection} ${event.at}`, event.at);
  }
  return {
    staleReads: stale.size,
    lastStaleReadSeconds: stale.size === 0 ? undefined : since(latest(stale.values())),
  };
}

/** What each node, or host of the connection string, last said to clients of a kind since the fault. */
export function refusals(
  { events }: WriteHistory,
  { faultAt, actor }: { faultAt: Moment; actor: Actor },
): Times['refusals'] {
  const last = new Map<string, { at: Moment; why: string }>();
  for (const event of events) {
    if (event.kind !== 'refused' || event.actor !== actor || event.at < faultAt) continue;
    const known = last.get(event.node);
    // Two at the same moment: by their words, so that the order of events does not matter.
    if (!known || event.at > known.at || (event.at === known.at && event.why > known.why))
      last.set(event.node, event);
  }
  return [...last]
    .map(([node, { at, why }]) => ({ node, why, seconds: toSeconds(at - faultAt) }))
    .sort((one, other) => (one.node < other.node ? -1 : 1));
}
