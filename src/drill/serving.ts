import { messageOf } from '../contract/errors.ts';
import { asked } from '../evidence/witnesses.ts';
import type { Formation, Member } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { openMemberSession, RefusedWithinError } from '../postgres/member-session.ts';
import { serverSetting } from '../postgres/startup.ts';

/**
 * Whether a node's Postgres is one that takes writes: asked, not tried. One that does not answer is none, where the way
 * into its container is open, or the container does not run; undefined where that is not so, or no session is left for
 * us: then nobody looked.
 */
export async function takesWrites(
  incus: Incus,
  formation: Formation,
  node: Member,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  try {
    const session = await openMemberSession(incus, formation, node, { signal });
    try {
      const [row] = await session.query(
        `SELECT NOT pg_is_in_recovery() AND NOT ${serverSetting('default_transaction_read_only')}::boolean AS writable`,
      );
      return row?.['writable'] === true;
    } finally {
      session.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (isFull.test(messageOf(error))) return undefined;
    if (error instanceof RefusedWithinError) return false;
    try {
      await asked(incus, node, signal);
      return false;
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  }
}

/** It serves whoever came before us (postinit.c, proc.c). */
const isFull = /too many (?:clients|connections)|remaining connection slots/;
