import { type Moment, toSeconds } from '../../clock/clock.ts';
import type { Roles, UriTimes } from '../record.ts';
import type { WriteAttempt } from '../write-attempts.ts';
import type { WriteHistory } from '../write-history.ts';
import { type Ended, longestPause, refusals } from './times.ts';

/**
 * Says of the writes that came by the connection string which node took them. Behind a pooler or a proxy that may change from
 * one write to the next, and no address need tell: but the server answers with its timeline, and a promotion begins a new
 * one. One without an answer counts as asked of the old primary until the new one took its first. Pure.
 */
export function attributed(
  attempts: readonly WriteAttempt[],
  { faultAt, oldPrimary, newPrimary }: Roles,
): WriteAttempt[] {
  const oldTimeline = latest(
    attempts.flatMap(({ actor, node, timeline, endedAt = Number.POSITIVE_INFINITY }) =>
      actor !== 'uri-client' && node === oldPrimary && endedAt < faultAt ? [timeline ?? 0] : [],
    ),
  );
  const isNew = ({ timeline = 0 }: WriteAttempt) => newPrimary !== undefined && timeline > oldTimeline;
  const newTook = attempts.reduce(
    (first, each) =>
      each.outcome === 'acknowledged' && isNew(each) && each.endedAt !== undefined && each.endedAt >= faultAt
        ? Math.min(first, each.endedAt)
        : first,
    Number.POSITIVE_INFINITY,
  );
  return attempts.map((each) => {
    if (each.actor !== 'uri-client') return each;
    const wasNew = each.outcome === 'acknowledged' ? isNew(each) : each.invokedAt >= newTook;
    return { ...each, node: (wasNew ? newPrimary : undefined) ?? oldPrimary };
  });
}

const latest = (timelines: readonly number[]) => timelines.reduce((last, each) => Math.max(last, each), 0);

const hundredth = (at: number) => Math.round(at / 10) / 100;

/**
 * What clients saw who went by the connection string. Pure.
 * @param attempts attributed
 * @returns undefined where there were none
 */
export function uriTimes(
  history: WriteHistory,
  attempts: readonly WriteAttempt[],
  roles: Roles,
): UriTimes | undefined {
  const { faultAt, newPrimary } = roles;
  const own = attempts.filter(({ actor }) => actor === 'uri-client');
  const isAsked = history.events.some((event) => 'actor' in event && event.actor === 'uri-client');
  if (!isAsked) return undefined;
  const acknowledged = own
    .filter((each): each is Ended => each.outcome === 'acknowledged' && each.endedAt !== undefined)
    .sort((one, other) => one.endedAt - other.endedAt);
  const first = acknowledged.find(({ node, endedAt }) => node === newPrimary && endedAt >= faultAt);
  const before = first && acknowledged.findLast(({ endedAt }) => endedAt < first.endedAt);
  const moments = (wanted: (each: WriteAttempt) => boolean) =>
    [
      ...new Set(
        own.filter(wanted).map(({ endedAt, invokedAt }) => hundredth((endedAt ?? invokedAt) - faultAt)),
      ),
    ].sort((one, other) => one - other);
  const since = (moment: Moment | undefined) =>
    moment === undefined ? undefined : toSeconds(moment - faultAt);
  return {
    clientRtoSeconds: since(first?.endedAt),
    writeOutageSeconds: first && before ? toSeconds(first.endedAt - before.endedAt) : undefined,
    longestPauseSeconds: longestPause(history, acknowledged, { faultAt, actor: 'uri-client' }),
    acknowledgedWrites: acknowledged.length,
    failedWrites: own.filter(({ outcome }) => outcome === 'failed').length,
    unknownWrites: own.filter(({ outcome }) => outcome === 'unknown').length,
    refusals: refusals(history, { faultAt, actor: 'uri-client' }),
    activity: {
      acknowledged: moments(({ outcome }) => outcome === 'acknowledged'),
      unknown: moments(({ outcome }) => outcome === 'unknown'),
      failed: moments(({ outcome }) => outcome === 'failed'),
    },
  };
}
