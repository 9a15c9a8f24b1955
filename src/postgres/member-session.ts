import { DeadlineError, EnvironmentError, messageOf } from '../contract/errors.ts';
import { type Formation, type Member, monitorDatabase } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { ContainerRelay } from '../incus/relay/container-relay.ts';
import { openSession, type Session } from './session.ts';
import type { SessionSettings } from './startup.ts';

/** Where a superuser reads what a member is: the monitor's own database there, and `postgres` on a data node. */
export function databaseOf({ role }: Pick<Member, 'role'>): string {
  return role === 'monitor' ? monitorDatabase : 'postgres';
}

/**
 * On a data node others make triggers and event triggers, of logins as well. The monitor's own triggers are part of what
 * its functions do.
 */
const amongOthers: SessionSettings = { session_replication_role: 'replica' };

/** Who was asked within the member's container said no: the way there is open, and Postgres lets nobody in. */
export class RefusedWithinError extends EnvironmentError {}

/**
 * A superuser session on a member of the formation: on `database`, or the monitor's own database there, and
 * `postgres` on a data node. It needs no password, HBA rule or network route.
 * @param options.settings what it has set besides what every superuser's session of ours has
 * @param options.relay a relay in the member's container that is there already; without, the session has one of its own
 * @throws EnvironmentError within `deadlineMs`, RefusedWithinError where it was an answer from within the container
 */
export async function openMemberSession(
  incus: Incus,
  formation: { postgres: Pick<Formation['postgres'], 'port' | 'version'> },
  member: Pick<Member, 'name' | 'role'>,
  {
    database = databaseOf(member),
    deadlineMs = 5000,
    relay,
    settings,
    signal,
  }: {
    database?: string;
    deadlineMs?: number;
    relay?: ContainerRelay | undefined;
    settings?: SessionSettings;
    signal?: AbortSignal | undefined;
  } = {},
): Promise<Session> {
  const used = relay ?? new ContainerRelay(incus, member.name, 'root');
  try {
    const session = await openSession(() => used.postgresSocket(formation.postgres.port), {
      database,
      connectDeadlineMs: deadlineMs,
      signal,
      version: formation.postgres.version,
      settings: { ...(member.role === 'data' && amongOthers), ...settings },
      server: member.name,
    });
    if (relay === undefined) session.onClosed(() => used.close());
    return session;
  } catch (error) {
    const answered = used.lost === undefined && !(error instanceof DeadlineError);
    if (relay === undefined) used.close();
    signal?.throwIfAborted();
    const why = `Postgres in ${member.name} cannot be reached: ${messageOf(error)}`;
    throw answered ? new RefusedWithinError(why) : new EnvironmentError(why);
  }
}
