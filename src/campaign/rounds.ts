import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** One round of a campaign: which fault, and how long it is held back after the baseline was found healthy. */
export interface Round<Fault extends string = string> {
  /** From 1. */
  number: number;
  fault: Fault;
  /**
   * Where the fault falls among the monitor's health checks and the keepers' reports decides seconds of the RTO, so
   * it falls anywhere: from 0 up to one whole period of both.
   */
  holdBackMs: number;
}

/**
 * The rounds of a campaign: every fault as often as any other, give or take one, in a random order. The same seed
 * gives the same rounds.
 *
 * @param periodMs how long it takes until health checks and reports stand to each other as before
 */
export function planRounds<Fault extends string>({
  rounds,
  faults,
  seed,
  periodMs,
}: {
  rounds: number;
  faults: readonly [Fault, ...Fault[]];
  seed: number;
  periodMs: number;
}): Round<Fault>[] {
  const random = xoroshiro128plus(seed);
  const order = Array.from({ length: rounds }, (_, index) => faults[index % faults.length] as Fault);
  for (let last = order.length - 1; last > 0; last--) {
    const other = uniformInt(random, 0, last);
    [order[last], order[other]] = [order[other] as Fault, order[last] as Fault];
  }
  return order.map((fault, index) => ({
    number: index + 1,
    fault,
    holdBackMs: Math.round(uniformFloat64(random) * periodMs),
  }));
}
