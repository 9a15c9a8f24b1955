import { projectOf, readHolds } from '../check/holds.ts';
import type { Observation } from '../check/observation.ts';
import { type ObserveOptions, observe } from '../check/observe.ts';
import { type JudgeOptions, judge } from '../check/verdict.ts';
import { type Judged, untilHealthy } from '../check/wait.ts';
import { WaysThrough } from '../check/ways-in.ts';
import { retryUntil, sleep } from '../clock/deadline.ts';
import type { Log } from '../contract/log.ts';
import type { Scene } from '../faults/fault.ts';
import { MemberLocks, markedOf } from '../faults/member-locks.ts';
import { undoInterrupted } from '../faults/undo-interrupted.ts';
import { type Formation, membersOf } from '../formation/formation.ts';
import type { Instance } from '../incus/answers.ts';
import type { Incus } from '../incus/incus.ts';
import { FormationLock, LockHeldError, ownerReturnsMs } from '../monitor/lock.ts';
import { DrillLock } from './drill-lock.ts';

/** What a drill stands on. */
export interface Ground extends Judged {
  /** Held since before the formation was read; undefined where it is not healthy, and no drill follows. */
  lock: DrillLock | undefined;
}

export interface GroundOptions {
  judging: JudgeOptions;
  /** How long a formation may take to be healthy again that an interrupted drill had left. */
  rejoinDeadlineMs: number;
  /** Throws where a drill may not begin. */
  requireLeave(observed: Pick<Observation, 'holds'>): unknown;
  log: Log;
  signal: AbortSignal;
}

/**
 * Takes the formation's lock and then reads the formation: what was read before may have been changed since by whoever
 * held the lock. What an interrupted drill left behind is undone first. Whether drills are held is read before anything else, and
 * once more with the lock.
 * @throws as observe; as requireLeave, before anything was touched; LockHeldError where another run is at work
 */
export async function groundOf(
  formation: Formation,
  incus: Incus,
  openMonitor: Scene['openMonitor'],
  options: GroundOptions,
): Promise<Ground> {
  const { signal } = options;
  const project = projectOf(incus, signal);
  const config = project();
  config.catch(() => {});
  const listed = await incus.instances(signal);
  options.requireLeave({ holds: await readHolds(formation, listed, config) });
  if (markedOf(membersOf(formation), listed).length > 0)
    return await afterInterruption(formation, incus, openMonitor, { ...options, listed, project });
  const read = async (observing: ObserveOptions = {}): Promise<Judged> => {
    const observation = await observe(formation, incus, { signal: options.signal, ...observing });
    return { observation, verdict: judge(observation, formation, options.judging) };
  };
  // No lock is taken in a container that cannot be asked, and without the locks of all nothing is touched.
  if (membersOf(formation).some(({ name }) => listed.get(name)?.unheard !== undefined)) {
    const judged = await read({ instances: Promise.resolve(listed) });
    if (judged.verdict.outcome !== 'pass') return { ...judged, lock: undefined };
  }
  let lock: DrillLock;
  try {
    lock = await DrillLock.take(formation, incus, listed, signal);
  } catch (error) {
    if (error instanceof LockHeldError || options.signal.aborted) throw error;
    // What keeps a member from answering is told by what is read without the lock; no drill may follow it.
    const judged = await read();
    if (judged.verdict.outcome !== 'pass') return { ...judged, lock: undefined };
    throw error;
  }
  const ways = new WaysThrough(formation, lock.members.relayOf);
  try {
    const judged = await read({ ways, project });
    if (!Object.values(judged.observation.instances).some(({ drillMark }) => drillMark !== undefined)) {
      // One that was started since has no lock yet.
      if (lock.members.places.length < membersOf(formation).length)
        await lock.members.add(await incus.instances(signal));
      return { ...judged, lock };
    }
  } catch (error) {
    lock.release();
    throw error;
  } finally {
    ways.close();
  }
  // Its drill may have lost the lock for a moment, and is to have it again.
  lock.release();
  return await groundOf(formation, incus, openMonitor, options);
}

async function afterInterruption(
  formation: Formation,
  incus: Incus,
  openMonitor: Scene['openMonitor'],
  {
    listed,
    judging,
    rejoinDeadlineMs,
    project,
    log,
    signal,
  }: GroundOptions & { listed: ReadonlyMap<string, Instance>; project: ReturnType<typeof projectOf> },
): Promise<Ground> {
  const [monitor] = membersOf(formation);
  const monitorWasHit = markedOf([monitor], listed).length > 0;
  // A drill whose mark this is may be alive and about to retake a lock that it lost.
  await sleep(ownerReturnsMs, signal);
  const members = await MemberLocks.take({ formation, incus, signal }, listed);
  let lock: FormationLock | undefined;
  try {
    if (monitorWasHit) {
      await undoInterrupted(formation, incus, log);
      lock = await takePatiently(openMonitor, formation.name, signal);
    } else {
      lock = await FormationLock.take(openMonitor, formation.name);
      await undoInterrupted(formation, incus, log);
    }
    await members.add(await incus.instances(signal));
    const judged = await untilHealthy(formation, incus, {
      waitMs: rejoinDeadlineMs,
      judging,
      observing: { project },
      log,
      signal,
    });
    return { ...judged, lock: new DrillLock(members, lock) };
  } catch (error) {
    lock?.release();
    members.release();
    throw error;
  }
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
