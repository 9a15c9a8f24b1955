import type { FaultClass, FaultPrediction, Part, Prediction, Span } from './record.ts';

export interface TargetVerdict {
  /** `not-certain`: the target lies inside the interval. */
  meets: 'yes' | 'no' | 'not-certain';
  /** The fault that decides: of those asked about, the one whose promotion takes longest. */
  fault: FaultClass;
  /** The setting that decides and what to change, or how much room there is. One sentence. */
  sentence: string;
}

/** Faults that come unasked and take a failover to get over. */
export const unplannedFaults = [
  'crash-stop',
  'freeze',
  'full-cut',
  'monitor-cut',
] as const satisfies FaultClass[];

/** Judges a prediction against a target for the promotion, as the drill measures it. Pure. */
export function meetsTarget(
  prediction: Prediction,
  targetSeconds: number,
  faults: readonly [FaultClass, ...FaultClass[]] = unplannedFaults,
): TargetVerdict {
  const [first, ...rest] = faults.map((fault) => prediction[fault]) as [
    FaultPrediction,
    ...FaultPrediction[],
  ];
  const worst = rest.reduce((most, one) => (mostOf(one) > mostOf(most) ? one : most), first);
  const { fault, notPromoted, costliest } = worst;
  const takes = takesOf(worst);
  if (!takes)
    return { meets: 'no', fault, sentence: `after a ${fault} nothing is promoted: ${notPromoted ?? ''}` };
  const what = `a ${fault} takes ${takes.least} to ${takes.most} s`;
  const target = `the target is ${targetSeconds} s`;
  const most = costliest && `${costliest.setting} costs most of it, ${costliest.costSeconds} s`;
  if (takes.most <= targetSeconds)
    return { meets: 'yes', fault, sentence: [`${what} and ${target}`, most].filter(Boolean).join('; ') };
  const meets = takes.least > targetSeconds ? 'no' : 'not-certain';
  const over = Math.round((takes.most - targetSeconds) * 1000) / 1000;
  const change = costliest
    ? `${most}: ${advice(costliest, over)}`
    : 'no setting of the formation makes it shorter: raise the target';
  return { meets, fault, sentence: `${what} and ${target}; ${change}` };
}

const mostOf = (prediction: FaultPrediction) => takesOf(prediction)?.most ?? Number.POSITIVE_INFINITY;

/** What a target is held against: the promotion, or the outage where none is due; a failover that may come counts. */
function takesOf({ promotion, outage, mayFailOver }: FaultPrediction): Span | null {
  const takes = promotion ?? outage;
  if (!takes || !mayFailOver) return takes;
  return { least: takes.least, most: Math.max(takes.most, mayFailOver.promotion.most) };
}

/** @param over seconds by which the most is beyond the target */
function advice({ setting, gainSeconds }: Part, over: number): string {
  const change =
    over <= gainSeconds
      ? `lower it so that it costs ${over} s less`
      : `lowering it alone gains ${gainSeconds} s of the ${over} s that are needed, so lower the other clocks too, or raise the target`;
  return setting === 'pgautofailover.primary_demote_timeout'
    ? `${change}; it is also the old primary's time to fence itself, so lower wal_sender_timeout and network_partition_timeout with it`
    : change;
}
