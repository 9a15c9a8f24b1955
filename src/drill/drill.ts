import { randomBytes } from 'node:crypto';
import { AccessRefusedError } from '../application/way-in.ts';
import type { Observation } from '../check/observation.ts';
import { observe } from '../check/observe.ts';
import { judge } from '../check/verdict.ts';
import { untilHealthy } from '../check/wait.ts';
import { type Moment, now, seconds, wallClock } from '../clock/clock.ts';
import { retryUntil, sleep } from '../clock/deadline.ts';
import { InputError, messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { catalogue, type FaultName } from '../faults/catalogue.ts';
import type { Scene } from '../faults/fault.ts';
import { startMonitorAgain } from '../faults/monitor-away.ts';
import { repair } from '../faults/repair.ts';
import { type Formation, type Member, membersOf } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { FormationLock, ownerReturnsMs } from '../monitor/lock.ts';
import { MonitorWatch } from '../monitor/watch.ts';
import { openMemberSession } from '../postgres/member-session.ts';
import { Clients, type ClientsOptions } from './clients.ts';
import { exposed, overrunMs } from './exposed.ts';
import { fitness } from './fitness.ts';
import { Guard } from './guard.ts';
import { type Plan, planOf } from './plan.ts';
import type { DrillRecord } from './record.ts';

export interface DrillOptions {
  fault: FaultName;
  rtoTargetMs: number;
  /** How long to wait for a promotion; beyond the target, so that a miss is measured and not guessed. */
  promotionDeadlineMs: number;
  /** How long the formation may take to be healthy again once the fault is undone. */
  rejoinDeadlineMs: number;
  /** How long the fault is held; undefined: as long as the fault and the formation's timings call for. */
  holdMs: number | undefined;
  /** For how long the fault is held back once everything is ready. */
  holdBackMs: number;
  clients: ClientsOptions;
  /** Whether the primary is to be the same afterwards. */
  handBack: boolean;
  log: Log;
  signal: AbortSignal;
  /** Called with the drill's id before a container is touched, and with undefined once that is undone. */
  onExposed(drill: string | undefined): void;
}

/**
 * Runs one drill: baseline, fault, what should come of it as the monitor announces it, undo, rejoin. Whatever
 * it did, it undoes: at its end, on any exception, on a signal, and through the guard when its process is
 * killed.
 *
 * @returns the record, complete as far as the drill came; how it ended is judged by judgeDrill
 * @throws only before anything was touched: bad options, no access to Incus, or another drill at work
 */
export async function drill(formation: Formation, incus: Incus, options: DrillOptions): Promise<DrillRecord> {
  const startedAt = now();
  const plan = planOf(options.fault, formation.timings, options.holdMs);
  const record = emptyRecord(formation, options, plan, startedAt);
  // It has loaded what it needs by the time that the fault is due.
  const guard = Guard.start();
  try {
    await carryOut(formation, incus, options, { plan, record, guard });
  } finally {
    guard.dismiss();
    record.tookSeconds = seconds(now() - startedAt);
  }
  return record;
}

/** From the baseline to the end; it stops where there is no sense in going on. */
async function carryOut(
  formation: Formation,
  incus: Incus,
  options: DrillOptions,
  { plan, record, guard }: { plan: Plan; record: DrillRecord; guard: Guard },
): Promise<void> {
  const { log, signal } = options;
  const judging = fitness('access' in options.clients.access, record.expected);
  let observed = await observe(formation, incus, { signal });
  record.baseline = judge(observed, formation, judging);
  const marked = record.baseline.findings
    .filter(({ check, status }) => check === 'no-interrupted-drill' && status === 'fail')
    .flatMap(({ faults }) => faults.map(({ subject }) => subject));
  const wasInterrupted = marked.length > 0;
  if (record.baseline.outcome !== 'pass' && !wasInterrupted) return;

  const [monitor] = membersOf(formation);
  const openMonitor = (inner: AbortSignal) => openMemberSession(incus, formation, monitor, { signal: inner });
  if (marked.includes(monitor.name)) await startMonitorAgain(formation, incus, log, signal);
  // A drill whose mark this is may be alive and about to retake a lock that it lost.
  if (wasInterrupted) await sleep(ownerReturnsMs, signal);
  const lock = marked.includes(monitor.name)
    ? await takePatiently(openMonitor, formation.name, signal)
    : await FormationLock.take(openMonitor, formation.name);
  let watch: MonitorWatch | undefined;
  let clients: Clients | undefined;
  try {
    if (wasInterrupted) {
      await repair(formation, incus, log);
      const waitMs = options.rejoinDeadlineMs;
      const again = await untilHealthy(formation, incus, { waitMs, judging, log, signal });
      observed = again.observation;
      record.baseline = again.verdict;
    }
    record.versions = versionsOf(observed);
    if (record.baseline.outcome !== 'pass' || record.baseline.primary === undefined) return;
    log.info(`baseline: ${record.baseline.message}`);
    const scene = sceneOf(formation, incus, record.baseline.primary, openMonitor);
    if (options.handBack) refuseImpossibleHandBack(observed, scene);
    const [watching, watched] = await Promise.allSettled([
      MonitorWatch.start(formation.name, openMonitor, log),
      clientsOf(scene, record, longestMs(plan, options), options),
    ]);
    // What was opened is closed, whatever became of the other.
    watch = fulfilled(watching);
    clients = fulfilled(watched);
    for (const each of [watching, watched]) if (each.status === 'rejected') throw each.reason;
    if (watch === undefined) return;
    // Without clients nobody else finds out whether every node lets them in.
    if (clients === undefined) record.baseline = judge(observed, formation, fitness(false, record.expected));
    if (record.baseline.outcome !== 'pass') return;
    if (lock.lost === undefined) await exposed({ scene, watch, clients, guard, record, plan, options });
    record.interrupted ??= lock.lost;
  } finally {
    await clients?.end();
    await watch?.stop();
    lock.release();
  }
}

/** No drill takes longer: what outlives it ends by itself. */
function longestMs(plan: Plan, options: DrillOptions): number {
  return overrunMs(plan, options) + 2 * options.rejoinDeadlineMs + 300_000;
}

const fulfilled = <T>(settled: PromiseSettledResult<T>): T | undefined =>
  settled.status === 'fulfilled' ? settled.value : undefined;

/** @throws as Clients.start, where the password was given */
async function clientsOf(
  scene: Scene,
  record: DrillRecord,
  limitMs: number,
  { clients: { access, required, ...options }, log, signal }: DrillOptions,
): Promise<Clients | undefined> {
  if ('missing' in access) {
    log.warn(access.missing);
    return undefined;
  }
  try {
    const [standby] = scene.standbys;
    const vantage = catalogue[record.fault].clientsOnStandby && standby ? standby : scene.monitor;
    return await Clients.start(scene, record.id, access.access, vantage, {
      ...options,
      limitMs,
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

/** @throws InputError where the monitor would never make it primary again */
function refuseImpossibleHandBack({ monitor }: Observation, { primary }: Scene): void {
  const row = monitor.ok ? monitor.value.nodes.find(({ name }) => name === primary.name) : undefined;
  if (row?.candidatePriority === 0)
    throw new InputError([
      `input restore-primary: ${primary.name} has candidate priority 0, so that it cannot be made primary again; give it one, or leave the input out`,
    ]);
}

/** Undefined where one of the two could not be read. */
function versionsOf({ monitor, nodes }: Observation): DrillRecord['versions'] {
  const read = Object.values(nodes).find((node) => node.ok);
  return monitor.ok && read?.ok
    ? { postgres: read.value.serverVersion, autoFailover: monitor.value.extensionVersion }
    : undefined;
}

function emptyRecord(
  formation: Formation,
  { fault, rtoTargetMs, promotionDeadlineMs, holdBackMs, clients }: DrillOptions,
  plan: Plan,
  startedAt: Moment,
): DrillRecord {
  return {
    id: randomBytes(6).toString('hex'),
    formation: formation.name,
    fault,
    expected: catalogue[fault].expected,
    startedAt: wallClock(startedAt),
    rtoTargetSeconds: seconds(rtoTargetMs),
    promotionDeadlineSeconds: seconds(promotionDeadlineMs),
    watchSeconds: seconds(plan.watchMs),
    holdBackSeconds: seconds(holdBackMs),
    versions: undefined,
    clients: undefined,
    clientsFailed: undefined,
    clientsMissing: 'missing' in clients.access ? clients.access.missing : undefined,
    handedBack: undefined,
    handBackFailed: undefined,
    baseline: undefined,
    primary: undefined,
    impossible: undefined,
    target: undefined,
    faultAt: undefined,
    injectedSeconds: undefined,
    proof: undefined,
    proofAtUndo: undefined,
    disturbed: undefined,
    promotion: undefined,
    serving: undefined,
    undoSeconds: undefined,
    settledSeconds: undefined,
    final: undefined,
    announcements: [],
    interrupted: undefined,
    undoFailed: undefined,
    tookSeconds: 0,
  };
}

function sceneOf(
  formation: Formation,
  incus: Incus,
  primaryName: string,
  openMonitor: Scene['openMonitor'],
): Scene {
  const [monitor, ...nodes] = membersOf(formation);
  const primary = nodes.find(({ name }) => name === primaryName) as Member;
  const standbys = nodes.filter((node) => node !== primary);
  return { formation, incus, monitor, primary, standbys, openMonitor };
}

/** The lock on a monitor that has just been started. @throws DeadlineError with what was in the way */
async function takePatiently(
  openMonitor: Scene['openMonitor'],
  formation: string,
  signal: AbortSignal,
): Promise<FormationLock> {
  const options = { deadlineMs: 60_000, pauseMs: 500, signal };
  return await retryUntil('the monitor to answer', options, () => FormationLock.take(openMonitor, formation));
}
