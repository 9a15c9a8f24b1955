import type { WayIn } from '../application/way-in.ts';
import { now } from '../clock/clock.ts';
import { messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import type { Incus } from '../incus/incus.ts';
import type { Journal } from './journal.ts';

/** From where a formation is watched: the way of clients' connections, and the Incus that a container is asked of and entered by. */
export interface Lookout {
  /** Counted from 1. */
  number: number;
  incus: Incus;
  way: WayIn;
}

/** Clients of whom half go on see what the others do not. */
const fewestSessions = 2;

/**
 * A second lookout, by another member of the Incus cluster, so that the loss of one leaves the evidence whole. Never throws
 * but what the signal says.
 * @param sessions of the application: one alone would see nothing while its way is lost
 * @returns undefined where Incus is one server, or no other member can be gone by
 */
export async function secondLookout(
  { incus, way }: Lookout,
  { sessions, log, signal }: { sessions: number; log: Log; signal: AbortSignal },
): Promise<Lookout | undefined> {
  try {
    if (way.route.via === 'vantage' && sessions < fewestSessions) return undefined;
    const second = await incus.beside(signal);
    if (second === undefined) return undefined;
    // A route that Incus has no part in is as good for both.
    const route = (await way.route.beside?.(second, signal)) ?? way.route;
    return { number: 2, incus: second, way: { ...way, route } };
  } catch (error) {
    signal.throwIfAborted();
    log.debug(`there is no second way for the clients: ${messageOf(error)}`);
    return undefined;
  }
}

/**
 * Writes down when a way breaks: if that is down, the formation itself may well be up. Where there is another, what the
 * clients of that one saw stands.
 */
export function noteBreaks(lookouts: readonly Lookout[], journal: Journal, log: Log): void {
  for (const { number, way } of lookouts)
    way.route.watch({
      broken(why, wholeUntil) {
        if (lookouts.length === 1) return journal.record({ kind: 'failing', at: now(), why });
        journal.record({ kind: 'broken', at: now(), way: number, wholeUntil, why });
        log.info(`clients: one of their two ways: ${why}`);
      },
      mended() {
        if (lookouts.length > 1) journal.record({ kind: 'mended', at: now(), way: number });
      },
    });
}
