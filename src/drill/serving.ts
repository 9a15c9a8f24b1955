import type { Formation, Member } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { openMemberSession } from '../postgres/member-session.ts';

/** Whether a node's Postgres is one that takes writes: asked, not tried. One that does not answer is none. */
export async function takesWrites(
  incus: Incus,
  formation: Formation,
  node: Member,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const session = await openMemberSession(incus, formation, node, { signal });
    try {
      const [row] = await session.query(
        `SELECT NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off' AS writable`,
      );
      return row?.['writable'] === true;
    } finally {
      session.close();
    }
  } catch {
    signal.throwIfAborted();
    return false;
  }
}
