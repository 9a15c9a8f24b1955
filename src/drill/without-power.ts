import { asked } from '../evidence/witnesses.ts';
import { attemptConnections } from '../faults/connection-attempts.ts';
import type { Scene } from '../faults/fault.ts';
import type { Member } from '../formation/formation.ts';

/** Under what a look at the old primary may take. */
const waitMs = 1000;

/**
 * How the old primary is asked after where the power of its host is taken: Incus tells nothing of what is there then. That
 * nobody reaches it is all that can be told, and enough: nobody can have a write acknowledged by what nobody reaches.
 * @returns undefined where containers are stopped, of which Incus tells
 * @throws as Incus.state
 */
export async function askWithoutPower(
  { incus, formation, primary, power }: Scene,
  vantage: Member,
  signal: AbortSignal,
): Promise<((signal: AbortSignal) => Promise<void>) | undefined> {
  if (power === undefined) return undefined;
  const { addresses } = await incus.state(primary.name, signal);
  const { port } = formation.postgres;
  return async (inner) => {
    const options = { port, times: 1, waitMs, signal: inner };
    const found = await attemptConnections(incus, vantage.name, addresses, options);
    if (found.some(({ answered }) => answered > 0)) await asked(incus, primary, inner);
  };
}
