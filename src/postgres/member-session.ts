import { EnvironmentError, messageOf } from '../contract/errors.ts';
import { type Formation, type Member, monitorDatabase } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { openSqlStream } from '../incus/sql-stream.ts';
import { Session } from './session.ts';

/**
 * A superuser session on a member of the formation: on `database`, or the monitor's own database there, and
 * `postgres` on a data node. It needs no password, HBA rule or network route.
 * @throws EnvironmentError within `deadlineMs`
 */
export async function openMemberSession(
  incus: Incus,
  formation: Formation,
  member: Member,
  {
    database = member.role === 'monitor' ? monitorDatabase : 'postgres',
    deadlineMs = 5000,
    signal,
  }: { database?: string; deadlineMs?: number; signal?: AbortSignal | undefined } = {},
): Promise<Session> {
  const stream = openSqlStream(incus, member.name, formation.postgres.port);
  try {
    return await Session.open(stream, { database, connectDeadlineMs: deadlineMs, signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw new EnvironmentError(`Postgres in ${member.name} cannot be reached: ${messageOf(error)}`);
  }
}
