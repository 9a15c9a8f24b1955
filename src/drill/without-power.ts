import type { Opened } from '../application/way-in.ts';
import { type Ask, asked } from '../evidence/witnesses.ts';
import { attemptThrough } from '../faults/connection-attempts.ts';
import type { Scene } from '../faults/fault.ts';
import type { Member } from '../formation/formation.ts';
import { sqlStateOf } from '../postgres/session.ts';

/** Under what a look at the old primary may take. */
const waitMs = 1000;

/**
 * How the old primary is asked after where the power of its host is taken: Incus tells nothing of what is there then. That
 * nobody reaches it is all that can be told, and enough: nobody can have a write acknowledged by what nobody reaches. Once
 * the power is back, its Postgres answers some ten seconds before Incus lets anybody into the container.
 * @returns undefined where containers are stopped, of which Incus tells
 * @throws as Incus.state
 */
export async function askWithoutPower(
  { incus, formation, primary, power, relayOf }: Scene,
  vantage: Member,
  signal: AbortSignal,
): Promise<Ask | undefined> {
  if (power === undefined) return undefined;
  const { addresses } = await incus.state(primary.name, signal);
  const { port } = formation.postgres;
  return async (inner, { enter, incus: by }) => {
    const options = { addresses, port, times: 1, waitMs, signal: inner };
    const found = await attemptThrough(relayOf?.(vantage.name), by, vantage.name, options);
    if (found.every(({ answered, refused }) => answered === refused)) return;
    if (!(await takesNoWrites(enter, inner))) await asked(by, primary, inner);
  };
}

/** cannot_connect_now: it starts, recovers or ends, and lets no one in, a superuser as little as a client. */
const lettingNobodyIn = '57P03';

/** Whether Postgres says of itself that nobody writes there. One that does take writes, or that says nothing, is for others to see. */
export async function takesNoWrites(
  enter: (signal: AbortSignal) => Promise<Pick<Opened, 'readOnly' | 'session'>>,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const { session, readOnly } = await enter(signal);
    session.close();
    return readOnly;
  } catch (error) {
    signal.throwIfAborted();
    return sqlStateOf(error) === lettingNobodyIn;
  }
}
