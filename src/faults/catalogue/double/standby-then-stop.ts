import { type Moment, now } from '../../../clock/clock.ts';
import { sleep } from '../../../clock/deadline.ts';
import { EnvironmentError, messageOf } from '../../../contract/errors.ts';
import { decidesWithinMs } from '../../../formation/detection.ts';
import { readNodes } from '../../../monitor/nodes.ts';
import type { Session } from '../../../postgres/session.ts';
import type { Fault, Prepare, Scene } from '../../fault.ts';
import { Stops } from './stops.ts';

const lookAgainMs = 300;
/** The primary is told that it waits for nobody any more, and its clients write on alone. */
const aloneMs = 2000;
/** The monitor decides at the primary's next report, a second later: one that is still `primary` by then stays so. */
const decidedMs = 5000;
/** From the order of the monitor until the primary has carried it out, on a machine that is busy. */
const carriedOutMs = 10_000;

/**
 * The primary goes once the monitor has given the standbys up. By then it has acknowledged writes that no standby has: a
 * standby that took over would lose them.
 */
const prepare: Prepare = async (scene, targets, signal) => {
  const { incus, primary, standbys } = scene;
  const stops = new Stops(incus);
  let session: Session | undefined;
  let alone: string | undefined;
  return {
    async arm() {
      session = await scene.openMonitor(signal);
    },
    async inject() {
      await stops.stop(...standbys);
      alone = session && (await untilAlone(scene, session, signal));
      await stops.stop(primary);
    },
    disarm: () => session?.close(),
    fell: () => stops.fell(),
    async proof() {
      const stopped = await stops.proof(targets);
      return stopped === undefined || alone === undefined ? undefined : `${alone}; ${stopped}`;
    },
  };
};

/**
 * Waits until the primary has been told to go on without its standbys (group_state_machine.c: `primary` becomes
 * `wait_primary`). Where commits need standbys that are not there (number_sync_standbys), it stays `primary`, and nothing is
 * acknowledged.
 * @returns how it was then, for people
 * @throws EnvironmentError where that does not come, the signal's reason: then the primary is let alone
 */
async function untilAlone(
  { formation, primary, standbys }: Scene,
  session: Session,
  signal: AbortSignal,
): Promise<string> {
  const until = now() + decidesWithinMs(formation.timings) + carriedOutMs;
  const many = standbys.length === 1 ? 'its standby' : 'its standbys';
  let last = '';
  let waitsSince: Moment | undefined;
  while (now() < until) {
    signal.throwIfAborted();
    try {
      const nodes = await readNodes(session, formation);
      const { reportedState, goalState } = nodes.find(({ name }) => name === primary.name) ?? {};
      last = `the monitor had ${primary.name} as ${reportedState}`;
      if (reportedState === 'wait_primary' && goalState === 'wait_primary') {
        await sleep(aloneMs, signal);
        return `${last} without ${many}`;
      }
      const areGivenUp = nodes.every(({ name, health }) => name === primary.name || health === 0);
      waitsSince = areGivenUp && goalState === 'primary' ? (waitsSince ?? now()) : undefined;
      if (waitsSince !== undefined && now() - waitsSince > decidedMs)
        return `${last}, which waits for ${many}`;
    } catch (error) {
      signal.throwIfAborted();
      last = messageOf(error);
    }
    await sleep(lookAgainMs, signal);
  }
  throw new EnvironmentError(
    `the monitor did not give ${standbys.map(({ name }) => name).join(', ')} up in time (${last})`,
  );
}

export const standbyThenStop = {
  does: "every standby's container is stopped by force, and once the monitor has given them up, the primary's",
  expected: 'outage',
  because:
    'nobody is left to take over, and a standby that comes back first must not, as it lacks the last writes',
  hits: 'primary-and-standbys',
  lasts: 'while-watched',
  deed: (containers) => `the power of ${containers} was cut, the primary's last`,
  state: 'down',
  end: 'power back',
  prepare,
} as const satisfies Fault;
