import { EnvironmentError } from '../../contract/errors.ts';
import { attemptConnections, type ConnectionAttempts } from '../connection-attempts.ts';
import type { Fault, Prepare } from '../fault.ts';
import { packetFilter, setFilter } from '../packet-filter.ts';

/** A port that nobody listens on, so that an attempt costs no Postgres session. */
const closedPort = 1;
const lossAttempts = 200;
const lossWaitMs = 500;
/**
 * One packet in twenty each way loses a tenth of the attempts: fewer than 3 of 200 once in 1,000,000. With one in ten,
 * the timings fast were seen to fail over: each report takes name look-ups and a new connection.
 */
export const loseOneIn = 20;
const leastLost = 3;

const prepare: Prepare = async (scene, [target], signal) => {
  const { incus, monitor } = scene;
  const { addresses } = await incus.state(monitor.name, signal);
  const options = { port: closedPort, times: lossAttempts, waitMs: lossWaitMs };
  const before = await attemptConnections(incus, target.name, addresses, { ...options, signal });
  const answering = before.filter(({ times, answered }) => times - answered < leastLost);
  const [address] = answering.map((each) => each.address);
  if (address === undefined)
    throw new EnvironmentError(
      `${monitor.name} does not answer ${target.name} reliably even without packet loss, so that it could not be shown`,
    );
  return {
    inject: () => setFilter(incus, target.name, { loseOneIn }),
    proof: async () => lossProof(await attemptConnections(incus, target.name, [address], options)),
  };
};

export const packetLoss = {
  does: 'one packet in twenty from and to the primary is lost, at random',
  expected: 'none',
  because: 'TCP sends again what was lost, and a check that fails now and then is no reason',
  hits: 'primary',
  lasts: 'while-watched',
  leaves: packetFilter,
  deed: (container) => `packets from and to ${container} began to be lost`,
  state: 'loses packets',
  end: 'link whole',
  prepare,
} as const satisfies Fault;

/** Pure: what shows the loss, or undefined when too little is lost, or everything. */
export function lossProof(found: readonly ConnectionAttempts[]): string | undefined {
  const times = found.reduce((sum, each) => sum + each.times, 0);
  const answered = found.reduce((sum, each) => sum + each.answered, 0);
  if (times - answered < leastLost || answered === 0) return undefined;
  return `${times - answered} of ${times} attempts to connect were not answered within ${lossWaitMs / 1000} s`;
}
