import { now, toSeconds, wallClock } from '../clock/clock.ts';
import { withDeadline } from '../clock/deadline.ts';
import { ExpectedError, messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { type Formation, membersOf } from '../formation/formation.ts';
import { Incus } from '../incus/incus.ts';
import type { Run } from '../provision/member-container.ts';
import { Steps } from '../provision/steps.ts';
import { type DoctorFinding, fails, holds, type Seen, unknown, unseen } from './doctor-finding.ts';
import { imageFindings } from './image/findings.ts';
import { emptyImage, type ImageSeen, observeImage } from './image/observe.ts';
import { lookSafely } from './look-safely.ts';
import { type Machine, observeMachine } from './machine.ts';
import { machineFindings } from './machine-findings.ts';
import { emptyPair, observePair, type Pair } from './pair.ts';
import { pairFindings } from './pair-findings.ts';
import { observeSurroundings, type Surroundings } from './server.ts';
import { serverFindings } from './server-findings.ts';
import { removeLeftovers, Throwaways } from './throwaway.ts';

/** Everything that was seen of a runner, at one time, as plain data. */
export interface RunnerSeen {
  /** Wall-clock stamp, for people. */
  at: string;
  /** Seconds that looking took. */
  tookSeconds: number;
  machine: Machine;
  surroundings: Surroundings;
  pair: Pair;
  /** What the formation's image shows, where that was asked for. */
  image?: ImageSeen;
  /** Names of what earlier runs had left, and is gone now. */
  leftovers: Seen<string[]>;
  /** What could not be removed of this run's own, and why. */
  left: Record<string, string>;
}

/** An image may have to be fetched. */
const throwawaysDeadlineMs = 480_000;
/** And packages. */
const imageDeadlineMs = 1_200_000;

/**
 * Whether this runner can do what the actions need: looks at the machine and its Incus, and tries the rest on two
 * containers, which it removes. Touches nothing else.
 * @param withImage whether the formation's image is looked at as well: what the code assumes of one
 * @param signal ends the looking; what was seen by then is returned, and the containers are removed all the same
 */
export async function observeRunner(
  formation: Formation,
  {
    env,
    log,
    signal,
    withImage = false,
  }: { env: NodeJS.ProcessEnv; log: Log; signal: AbortSignal; withImage?: boolean },
): Promise<RunnerSeen> {
  const begun = now();
  const incus = new Incus(formation.incus, log);
  log.info('looking at this machine and its Incus …');
  const [machine, surroundings] = await Promise.all([
    observeMachine(env, signal),
    observeSurroundings(incus, formation, signal),
  ]);
  const want = whatIsMissing(surroundings);
  const why = want === undefined ? 'not looked at' : `not looked at, for want of ${want}`;
  const pair = emptyPair(why);
  const image = withImage ? emptyImage(why) : undefined;
  const seen: RunnerSeen = {
    at: wallClock(begun),
    tookSeconds: 0,
    machine,
    surroundings,
    pair,
    ...(image !== undefined && { image }),
    leftovers: unseen(why),
    left: {},
  };
  const tidy = async () => await lookSafely(() => removeLeftovers(incus, signal), signal);
  if (surroundings.project.is === 'seen') seen.leftovers = await tidy();
  if (want === undefined) {
    log.info('trying on two throwaway containers what provisioning and a drill do …');
    const deadlineMs = withImage ? imageDeadlineMs : throwawaysDeadlineMs;
    seen.left = await withThrowaways(
      { incus, formation, log, signal, deadlineMs },
      async (run, throwaways) => {
        await observePair(run, throwaways, pair);
        if (image === undefined) return;
        // It becomes a monitor: the member that needs no other.
        const container = throwaways.container('a', membersOf(formation)[0]);
        if (pair.second.is === 'seen') await observeImage(container, pair.network, image, log);
      },
    );
  }
  // Incus may just have been at work on what a run that was killed had ordered.
  if (want === undefined) seen.leftovers = both(seen.leftovers, await tidy());
  return { ...seen, tookSeconds: toSeconds(now() - begun) };
}

function both(earlier: Seen<string[]>, later: Seen<string[]>): Seen<string[]> {
  if (earlier.is !== 'seen' || later.is !== 'seen') return earlier.is === 'seen' ? later : earlier;
  return { is: 'seen', value: [...earlier.value, ...later.value] };
}

/**
 * Has throwaway containers for as long as `work` lasts.
 * @param work keeps what it sees; it is aborted at the deadline, and with `signal`
 * @returns why some of the containers may still be there, by name
 */
export async function withThrowaways(
  { incus, formation, log, signal, deadlineMs }: Omit<Run, 'steps'> & { log: Log; deadlineMs: number },
  work: (run: Run, throwaways: Throwaways) => Promise<void>,
): Promise<Record<string, string>> {
  let throwaways: Throwaways | undefined;
  let left: Record<string, string> = {};
  try {
    await withDeadline(
      'the throwaway containers',
      deadlineMs,
      async (inner) => {
        const run = { incus, formation, signal: inner, steps: new Steps(log, 'apply') };
        throwaways = new Throwaways(run);
        await work(run, throwaways);
      },
      signal,
    );
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    // What was not seen says so.
    log.debug(messageOf(error));
  } finally {
    left = (await throwaways?.remove()) ?? {};
  }
  return left;
}

/** What throwaway containers need and is not there; undefined where it all is. */
function whatIsMissing({ client, server, project, profiles, image }: Surroundings): string | undefined {
  const needed = { client, server, project, profiles, image };
  return Object.entries(needed).find(([, found]) => found.is !== 'seen')?.[0];
}

/** Judges what was seen. Pure. */
export function judgeRunner(seen: RunnerSeen, formation: Formation): DoctorFinding[] {
  return [
    ...machineFindings(seen.machine),
    ...serverFindings(seen.surroundings, formation),
    ...pairFindings(seen.pair, formation),
    ...(seen.image === undefined ? [] : imageFindings(seen.image, formation)),
    removal(seen, formation),
  ];
}

function removal({ leftovers, left }: RunnerSeen, { incus: { project } }: Formation): DoctorFinding {
  const id = 'removal';
  const stay = Object.entries(left).map(([name, why]) => `${name}: ${why}`);
  if (stay.length > 0)
    return fails(
      id,
      `not removed: ${stay.join('; ')}`,
      `Run the doctor again, which removes what it left. By hand it is incus delete --force NAME --project ${project}.`,
    );
  if (leftovers.is !== 'seen')
    return {
      ...unknown(id, `what an earlier doctor may have left is not known: ${leftovers.why}`),
      optional: true,
    };
  return holds(
    id,
    leftovers.value.length === 0
      ? 'the throwaway containers are gone'
      : `the throwaway containers are gone, and so is what an earlier run had left: ${leftovers.value.join(', ')}`,
  );
}
