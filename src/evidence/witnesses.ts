import type { ApplicationAccess } from '../application/access.ts';
import { greeted, type Opened, openOn } from '../application/way-in.ts';
import { withDeadline } from '../clock/deadline.ts';
import type { Formation, Member } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import type { ContainerRelay } from '../incus/relay/container-relay.ts';
import { openMemberSession } from '../postgres/member-session.ts';
import type { Journal } from './journal.ts';
import type { Lookout } from './lookouts.ts';
import { probeRow, probeRowAsSuperuser } from './table/drill-table.ts';
import { verifyTable } from './table/own-table.ts';
import type { WitnessOptions } from './witness.ts';

const localDeadlineMs = 3000;
/** So soon that a look in vain and the next one are no blind spot together. */
const enterDeadlineMs = 2000;

/**
 * How the old primary is asked after in another way than by a session in its container.
 * @param by a client's way in, and by which remote Incus is asked
 * @throws where nothing was told, so that nobody looked
 */
export type Ask = (
  signal: AbortSignal,
  by: { enter(signal: AbortSignal): Promise<Opened>; incus: Incus },
) => Promise<void>;

/**
 * Who stays on the old primary: a client that writes, another that reads (a write that waits for a standby in vain
 * keeps its session from reading), and a superuser in the container, whom no cut of the network keeps out. From a second
 * lookout only those who go by Incus look once more.
 *
 * @param options.localWay a relay in the container for the superuser's first session from the first, which ends it
 */
export function witnessesOn(
  node: Member,
  { number, incus, way }: Lookout,
  journal: Journal,
  {
    formation,
    writesPerSecond,
    localWay,
    ask = (signal, by) => asked(by.incus, node, signal),
  }: {
    formation: Formation;
    writesPerSecond: number;
    localWay?: ContainerRelay;
    ask?: Ask | undefined;
  },
): WitnessOptions[] {
  let waiting = number === 1 ? localWay : undefined;
  const client = {
    way: number,
    node,
    actor: 'witness' as const,
    journal,
    writesPerSecond,
    reconnectEveryMs: 250,
    probe: probeRow,
  };
  const open = (signal: AbortSignal, connectDeadlineMs = way.connectDeadlineMs) =>
    openOn({ ...way, connectDeadlineMs }, node, signal);
  const clients: WitnessOptions[] = [
    { ...client, name: 'writer', does: { write: true, read: false }, open },
    { ...client, name: 'reader', does: { write: false, read: true }, open },
  ];
  return [
    ...(number === 1 || way.route.via === 'vantage' ? clients : []),
    {
      ...client,
      actor: 'local-witness',
      name: 'local',
      does: { write: true, read: true },
      probe: probeRowAsSuperuser,
      // Each of its sessions is an incus exec, which costs 180 ms of processor time in the lab.
      reconnectEveryMs: 1000,
      inReserve: number > 1,
      // Its way is ours: a client of Incus that is gone says nothing of the node.
      ask: (signal) => ask(signal, { enter: open, incus }),
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
