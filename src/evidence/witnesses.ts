import { greeted, type Opened, openOn, type WayIn } from '../application/way-in.ts';
import type { Formation, Member } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { openMemberSession } from '../postgres/member-session.ts';
import type { Journal } from './journal.ts';
import type { WitnessOptions } from './witness.ts';

const localDeadlineMs = 3000;

/**
 * Who stays on the old primary: a client that writes, another that reads (a write that waits for a standby in vain
 * keeps its session from reading), and a superuser in the container, whom no cut of the network keeps out.
 */
export function witnessesOn(
  node: Member,
  way: WayIn,
  journal: Journal,
  { formation, incus, writesPerSecond }: { formation: Formation; incus: Incus; writesPerSecond: number },
): WitnessOptions[] {
  const client = { node, actor: 'witness' as const, journal, writesPerSecond, reconnectEveryMs: 250 };
  const open = (signal: AbortSignal) => openOn(way, node, signal);
  return [
    { ...client, name: 'writer', does: { write: true, read: false }, open },
    { ...client, name: 'reader', does: { write: false, read: true }, open },
    {
      ...client,
      actor: 'local-witness',
      name: 'local',
      does: { write: true, read: true },
      // Each of its sessions is an incus exec, which costs 180 ms of processor time in the lab.
      reconnectEveryMs: 1000,
      open: (signal) => openLocally(node, way.access.database, formation, incus, signal),
    },
  ];
}

/**
 * A superuser's session in the container. Its commits wait for no standby, so that it shows whether the node takes
 * writes where those of clients hang.
 */
async function openLocally(
  node: Member,
  database: string,
  formation: Formation,
  incus: Incus,
  signal: AbortSignal,
): Promise<Opened> {
  const session = await openMemberSession(incus, formation, node, {
    database,
    deadlineMs: localDeadlineMs,
    signal,
  });
  try {
    await session.query('SET synchronous_commit = local', [], { deadlineMs: localDeadlineMs, signal });
  } catch (error) {
    session.close();
    throw error;
  }
  return await greeted(session, node, localDeadlineMs, signal);
}
