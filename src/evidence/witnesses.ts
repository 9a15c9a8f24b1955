import type { ApplicationAccess } from '../application/access.ts';
import { greeted, type Opened, openOn, type WayIn } from '../application/way-in.ts';
import { withDeadline } from '../clock/deadline.ts';
import type { Formation, Member } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import type { ContainerRelay } from '../incus/relay/container-relay.ts';
import { openMemberSession } from '../postgres/member-session.ts';
import type { Journal } from './journal.ts';
import { probeRow, probeRowAsSuperuser } from './table/drill-table.ts';
import { verifyTable } from './table/own-table.ts';
import type { WitnessOptions } from './witness.ts';

const localDeadlineMs = 3000;
/** So soon that a look in vain and the next one are no blind spot together. */
const enterDeadlineMs = 2000;

/**
 * How the old primary is asked after in another way than by a session in its container.
 * @param enter a client's way in
 * @throws where nothing was told, so that nobody looked
 */
export type Ask = (signal: AbortSignal, enter: (signal: AbortSignal) => Promise<Opened>) => Promise<void>;

/**
 * Who stays on the old primary: a client that writes, another that reads (a write that waits for a standby in vain
 * keeps its session from reading), and a superuser in the container, whom no cut of the network keeps out.
 *
 * @param options.localWay a relay in the container for the superuser's first session, which ends it
 */
export function witnessesOn(
  node: Member,
  way: WayIn,
  journal: Journal,
  {
    formation,
    incus,
    writesPerSecond,
    localWay,
    ask = (signal) => asked(incus, node, signal),
  }: {
    formation: Formation;
    incus: Incus;
    writesPerSecond: number;
    localWay?: ContainerRelay;
    ask?: Ask | undefined;
  },
): WitnessOptions[] {
  let waiting = localWay;
  const client = {
    node,
    actor: 'witness' as const,
    journal,
    writesPerSecond,
    reconnectEveryMs: 250,
    probe: probeRow,
  };
  const open = (signal: AbortSignal, connectDeadlineMs = way.connectDeadlineMs) =>
    openOn({ ...way, connectDeadlineMs }, node, signal);
  return [
    { ...client, name: 'writer', does: { write: true, read: false }, open },
    { ...client, name: 'reader', does: { write: false, read: true }, open },
    {
      ...client,
      actor: 'local-witness',
      name: 'local',
      does: { write: true, read: true },
      probe: probeRowAsSuperuser,
      // Each of its sessions is an incus exec, which costs 180 ms of processor time in the lab.
      reconnectEveryMs: 1000,
      // Its way is ours: a client of Incus that is gone says nothing of the node.
      ask: (signal) => ask(signal, open),
      open: (signal, deadlineMs = localDeadlineMs) => {
        const relay = waiting;
        waiting = undefined;
        return openLocally(node, way.access, { formation, incus, relay, deadlineMs, signal });
      },
    },
  ];
}

/**
 * A container that does not run says of itself that nothing in it takes writes. Of one that does, only a way into it
 * tells: an Incus that lists it and runs nothing there leaves the witness outside.
 */
export async function asked(
  incus: Pick<Incus, 'instance' | 'read'>,
  { name }: Pick<Member, 'name'>,
  signal: AbortSignal,
): Promise<void> {
  const runs = async (inner: AbortSignal) => (await incus.instance(name, inner))?.status === 'Running';
  await withDeadline(
    `Incus to tell of ${name}`,
    localDeadlineMs,
    async (inner) => {
      if (!(await runs(inner))) return;
      try {
        await incus.read(name, ['true'], { deadlineMs: enterDeadlineMs, signal: inner });
      } catch (error) {
        // It may have been stopped or frozen under our feet.
        if (await runs(inner)) throw error;
      }
    },
    signal,
  );
}

/**
 * A superuser's session in the container. Its commits wait for no standby, so that it shows whether the node takes
 * writes where those of clients hang.
 */
async function openLocally(
  node: Member,
  access: ApplicationAccess,
  {
    formation,
    incus,
    relay,
    deadlineMs,
    signal,
  }: {
    formation: Formation;
    incus: Incus;
    relay: ContainerRelay | undefined;
    deadlineMs: number;
    signal: AbortSignal;
  },
): Promise<Opened> {
  const session = await openMemberSession(incus, formation, node, {
    database: access.database,
    relay,
    deadlineMs,
    settings: { synchronous_commit: 'local' },
    signal,
  }).catch((error: unknown) => {
    relay?.close();
    throw error;
  });
  if (relay) session.onClosed(() => relay.close());
  try {
    await verifyTable(session, access, signal);
  } catch (error) {
    session.close();
    throw error;
  }
  return await greeted(session, node, deadlineMs, signal);
}
