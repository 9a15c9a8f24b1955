import { randomBytes } from 'node:crypto';
import { AccessRefusedError } from '../application/way-in.ts';
import type { Observation } from '../check/observation.ts';
import { judge } from '../check/verdict.ts';
import { type Moment, now, toSeconds, wallClock } from '../clock/clock.ts';
import { InputError, messageOf } from '../contract/errors.ts';
import { type FaultName, faultCatalogue } from '../faults/catalogue.ts';
import type { Scene } from '../faults/fault.ts';
import { type Formation, type Member, membersOf } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { holdLease, type Lease } from '../incus/lease.ts';
import type { ContainerRelay } from '../incus/relay/container-relay.ts';
import { onceFree } from '../monitor/lock-wait.ts';
import { MonitorWatch } from '../monitor/watch.ts';
import { openMemberSession } from '../postgres/member-session.ts';
import { ProbeWatch } from '../probes/watch.ts';
import { type Casualties, casualtiesOf } from './casualties.ts';
import { WatchedClients } from './clients.ts';
import { waitsForNobody } from './commits.ts';
import { exposed } from './exposed.ts';
import { fitness } from './fitness.ts';
import { groundOf } from './ground.ts';
import { Guard } from './guard.ts';
import { HeldError, requireLeave } from './held.ts';
import type { DrillOptions } from './options.ts';
import { onRelease, type Plan, planOf } from './plan.ts';
import { type DrillRecord, drillRecord } from './record.ts';
import { longestMs } from './time-limits.ts';

/**
 * Runs one drill: baseline, fault, what should come of it as the monitor announces it, undo, rejoin. Whatever
 * it did, it undoes: at its end, on any exception, on a signal, and through the guard when its process is
 * killed.
 *
 * @returns the record, complete as far as the drill came; how it ended is judged by judgeDrill
 * @throws only before anything was touched: bad options, no access to Incus, or another drill at work
 */
export async function drill(formation: Formation, incus: Incus, options: DrillOptions): Promise<DrillRecord> {
  let startedAt = now();
  const plan = planOf(options.fault, formation.timings, options.holdMs);
  const record = emptyRecord(formation, options, plan, startedAt);
  // It has loaded what it needs by the time that the fault is due.
  const guard = Guard.start();
  let lease: Lease | undefined;
  try {
    lease = await holdLease(record.id);
    // Waiting for another run is no part of it.
    const beginAnew = () => {
      startedAt = now();
      record.startedAt = wallClock(startedAt);
    };
    await incus.endpoints.learn(options.signal);
    await carryOut(formation, incus.leased(lease), options, { plan, record, guard, lease, beginAnew });
  } finally {
    lease?.release();
    guard.dismiss();
    record.tookSeconds = toSeconds(now() - startedAt);
  }
  return record;
}

/** From the baseline to the end; it stops where there is no sense in going on. */
async function carryOut(
  formation: Formation,
  incus: Incus,
  options: DrillOptions,
  {
    record,
    guard,
    lease,
    beginAnew,
    ...before
  }: { plan: Plan; record: DrillRecord; guard: Guard; lease: Lease; beginAnew: () => void },
): Promise<void> {
  const { log, signal } = options;
  const judging = fitness('access' in options.clients.access, record.expected);
  const [monitor] = membersOf(formation);
  const openMonitor = (inner: AbortSignal) => openMemberSession(incus, formation, monitor, { signal: inner });
  const { rejoinDeadlineMs } = options;
  const leave = (found: Pick<Observation, 'holds'>) => requireLeave(formation, found, options);
  const ground = await unlessHeld(record, () =>
    onceFree({ waitMs: options.lockWaitMs, log, signal }, (isAnew) => {
      if (isAnew) beginAnew();
      return groundOf(formation, incus, openMonitor, {
        ...{ judging, rejoinDeadlineMs, requireLeave: leave, log, signal },
      });
    }),
  );
  if (ground === undefined) return;
  const { lock, observation: observed } = ground;
  record.baseline = ground.verdict;
  record.versions = versionsOf(observed);
  record.locations = locationsOf(observed);
  if (lock === undefined) return;
  let watch: MonitorWatch | undefined;
  let clients: WatchedClients | undefined;
  let probes: ProbeWatch | undefined;
  try {
    if (record.baseline.outcome !== 'pass' || record.baseline.primary === undefined) return;
    log.info(`baseline: ${record.baseline.message}`);
    // It may have been set while the lock was waited for.
    const overridden = await unlessHeld(record, async () => leave(observed));
    if (overridden === undefined) return;
    if (overridden !== '') {
      record.overridden = overridden;
      log.warn(`drills are held, and this one goes on, as override-hold says: ${overridden}`);
    }
    const { refused, warning } = onRelease(record.fault, record.versions?.autoFailover ?? '');
    if (warning !== undefined) log.warn(warning);
    record.impossible = refused;
    if (refused !== undefined) return;
    const scene = sceneOf(formation, incus, record.baseline.primary, {
      ...{ openMonitor, locations: record.locations ?? {}, power: options.power },
      relayOf: lock.members.relayOf,
    });
    const casualties = casualtiesIn(scene, observed, record, options);
    if (casualties === undefined) return;
    const plan = planned(casualties, { formation, record, options, ...before });
    if (options.handBack) refuseImpossibleHandBack(observed, scene);
    probes = await probesOf(options);
    const broken = (await probes?.known(signal)) ?? [];
    if (broken.length > 0) {
      record.probesBroken = broken;
      return;
    }
    const [watching, watched] = await Promise.allSettled([
      MonitorWatch.start(formation, openMonitor, log),
      clientsOf(
        { scene, casualties, record },
        { limitMs: longestMs(plan, options), relayOf: lock.members.relayOf },
        options,
      ),
    ]);
    // What was opened is closed, whatever became of the other.
    watch = fulfilled(watching);
    clients = fulfilled(watched);
    for (const each of [watching, watched]) if (each.status === 'rejected') throw each.reason;
    if (watch === undefined) return;
    record.load = clients?.load;
    // Without clients nobody else finds out whether every node lets them in.
    if (clients === undefined || casualties.host !== undefined)
      record.baseline = judge(observed, formation, fitness(clients !== undefined, record.expected));
    if (record.baseline.outcome !== 'pass') return;
    if (lock.lost === undefined)
      await exposed({
        ...{ scene, casualties, locks: lock.members, watch, clients, probes, guard, lease, record, plan },
        options,
        asynchronous: waitsForNobody(observed, formation),
      });
    record.interrupted ??= lock.lost;
  } finally {
    await probes?.stop();
    record.probes ??= probes?.recorded(now());
    await clients?.end();
    await watch?.stop();
    lock.release();
  }
}

/** @returns undefined where drills are held: then the record says so. */
async function unlessHeld<T>(record: DrillRecord, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof HeldError)) throw error;
    record.held = error.message;
    return undefined;
  }
}

const fulfilled = <T>(settled: PromiseSettledResult<T>): T | undefined =>
  settled.status === 'fulfilled' ? settled.value : undefined;

/** They are asked before anything is touched, and from then on. @throws the signal's reason */
async function probesOf({ probes, log, signal }: DrillOptions): Promise<ProbeWatch | undefined> {
  return probes.length === 0 ? undefined : await ProbeWatch.start(probes, { log, signal });
}

/** @throws as Clients.start, where the password was given */
async function clientsOf(
  { scene, casualties, record }: { scene: Scene; casualties: Casualties; record: DrillRecord },
  ways: { limitMs: number; relayOf: (name: string) => ContainerRelay },
  { clients: { access, required, ...options }, log, signal }: DrillOptions,
): Promise<WatchedClients | undefined> {
  if ('missing' in access) {
    log.warn(access.missing);
    return undefined;
  }
  try {
    const vantage = vantageOf(scene, casualties, record.fault);
    return await WatchedClients.start(scene, {
      ...options,
      ...ways,
      drill: record.id,
      access: access.access,
      vantage,
      log,
      signal,
    });
  } catch (error) {
    if (!access.assumed || required || !(error instanceof AccessRefusedError)) throw error;
    record.clientsMissing = `the figures of clients are missing: the password of the application's user ${access.access.user} was not given, and the placeholder does not do: ${messageOf(error)}`;
    log.warn(record.clientsMissing);
    return undefined;
  }
}

/** @returns undefined where the fault cannot be shown. @throws InputError as casualtiesOf */
function casualtiesIn(
  scene: Scene,
  observation: Observation,
  record: DrillRecord,
  { host, log }: DrillOptions,
): Casualties | undefined {
  try {
    const found = casualtiesOf(faultCatalogue[record.fault], scene, observation, host);
    record.expected = found.expected;
    record.host = found.host;
    record.because = found.because;
    if (found.because !== undefined) log.info(`to be expected: ${found.expected}, as ${found.because}`);
    return found;
  } catch (error) {
    if (error instanceof InputError) throw error;
    record.impossible = messageOf(error);
    return undefined;
  }
}

/** What is expected of the loss of a host is known only now, and how long to look out with it. */
function planned(
  { host, expected }: Casualties,
  {
    formation,
    record,
    options,
    plan,
  }: { formation: Formation; record: DrillRecord; options: DrillOptions; plan: Plan },
): Plan {
  if (host === undefined) return plan;
  const now = planOf(options.fault, formation.timings, options.holdMs, expected);
  record.watchSeconds = toSeconds(now.watchMs);
  record.holdSeconds = toSeconds(now.holdMs);
  return now;
}

/** Where clients stand that have no route of their own: where they see what comes of the fault. */
function vantageOf({ monitor, standbys, primary }: Scene, { targets }: Casualties, fault: FaultName): Member {
  const inOrder = faultCatalogue[fault].clientsOnStandby
    ? [...standbys, monitor]
    : [monitor, ...standbys, primary];
  return inOrder.find((each) => !targets.includes(each)) ?? monitor;
}

/** @throws InputError where the monitor would never make it primary again */
function refuseImpossibleHandBack({ monitor }: Observation, { primary }: Scene): void {
  const row = monitor.ok ? monitor.value.nodes.find(({ name }) => name === primary.name) : undefined;
  if (row?.candidatePriority === 0)
    throw new InputError([
      `input restore-primary: ${primary.name} has candidate priority 0, so that it cannot be made primary again; give it one, or leave the input out`,
    ]);
}

function locationsOf({ instances }: Observation): Record<string, string> {
  return Object.fromEntries(
    Object.entries(instances).flatMap(([name, { location }]) =>
      location === undefined ? [] : [[name, location]],
    ),
  );
}

/** Undefined where one of the two could not be read. */
function versionsOf({ monitor, nodes }: Observation): DrillRecord['versions'] {
  const read = Object.values(nodes).find((node) => node.ok);
  return monitor.ok && read?.ok
    ? { postgres: read.value.serverVersion, autoFailover: monitor.value.extensionVersion }
    : undefined;
}

/** Every field, in the order in which a report is written. */
const blank = Object.fromEntries(Object.keys(drillRecord.entries).map((key) => [key, undefined]));

function emptyRecord(
  formation: Formation,
  { fault, rtoTargetMs, promotionDeadlineMs, rejoinDeadlineMs, holdBackMs, clients }: DrillOptions,
  plan: Plan,
  startedAt: Moment,
): DrillRecord {
  const fixed = faultCatalogue[fault].expected;
  return {
    ...blank,
    id: randomBytes(6).toString('hex'),
    formation: formation.name,
    fault,
    expected: fixed === 'by-placement' ? 'either' : fixed,
    startedAt: wallClock(startedAt),
    rtoTargetSeconds: toSeconds(rtoTargetMs),
    promotionDeadlineSeconds: toSeconds(promotionDeadlineMs),
    rejoinDeadlineSeconds: toSeconds(rejoinDeadlineMs),
    watchSeconds: toSeconds(plan.watchMs),
    holdBackSeconds: toSeconds(holdBackMs),
    holdSeconds: toSeconds(plan.holdMs),
    clientsMissing: 'missing' in clients.access ? clients.access.missing : undefined,
    announcements: [],
    tookSeconds: 0,
  };
}

function sceneOf(
  formation: Formation,
  incus: Incus,
  primaryName: string,
  known: Pick<Scene, 'openMonitor' | 'locations' | 'power' | 'relayOf'>,
): Scene {
  const [monitor, ...nodes] = membersOf(formation);
  const primary = nodes.find(({ name }) => name === primaryName) as Member;
  const standbys = nodes.filter((node) => node !== primary);
  return { formation, incus, monitor, primary, standbys, ...known };
}
