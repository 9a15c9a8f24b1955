import { EnvironmentError, messageOf } from '../contract/errors.ts';
import { type Formation, type Member, monitorDatabase } from '../formation/formation.ts';
import { ContainerRelay } from '../incus/container-relay.ts';
import type { Incus } from '../incus/incus.ts';
import { Session } from './session.ts';

/** Where a superuser reads what a member is: the monitor's own database there, and `postgres` on a data node. */
export function databaseOf({ role }: Member): string {
  return role === 'monitor' ? monitorDatabase : 'postgres';
}

/**
 * A superuser session on a member of the formation: on `database`, or the monitor's own database there, and
 * `postgres` on a data node. It needs no password, HBA rule or network route.
 * @param options.relay a relay in the member's container that is there already; without, the session has one of its own
 * @throws EnvironmentError within `deadlineMs`
 */
export async function openMemberSession(
  incus: Incus,
  formation: Formation,
  member: Member,
  {
    database = databaseOf(member),
    deadlineMs = 5000,
    relay,
    signal,
  }: {
    database?: string;
    deadlineMs?: number;
    relay?: ContainerRelay | undefined;
    signal?: AbortSignal | undefined;
  } = {},
): Promise<Session> {
  const used = relay ?? new ContainerRelay(incus, member.name, 'root');
  try {
    const stream = used.postgresSocket(formation.postgres.port);
    if (relay === undefined) stream.once('close', () => used.close());
    return await Session.open(stream, { database, connectDeadlineMs: deadlineMs, signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw new EnvironmentError(`Postgres in ${member.name} cannot be reached: ${messageOf(error)}`);
  }
}
