import type { ProbeRecord, Stretch } from './record.ts';

/** A time in which a probe gave no good answer, and a broken one among those that it gave. */
export interface ProbeOutage {
  /** When the last good answer before it was told, and the first after it; undefined where there was none. Seconds. */
  from: number | undefined;
  to: number | undefined;
  /** From the one to the other; undefined where one is missing. */
  seconds: number | undefined;
  /** For how long it was broken at least: from the first broken answer until the last broken look asked. */
  least: number;
  /** And at most: from when the last good look asked until the first good answer; undefined where one is missing. */
  most: number | undefined;
  why: string;
}

/** The times in which a probe was seen broken, in order. Pure. */
export function probeOutages({ stretches }: Pick<ProbeRecord, 'stretches'>): ProbeOutage[] {
  const outages: ProbeOutage[] = [];
  let good: Stretch | undefined;
  let bad: Stretch[] = [];
  const close = (next: Stretch | undefined) => {
    const [first] = bad;
    const last = bad.at(-1);
    if (first !== undefined && last !== undefined) outages.push(outage({ good, first, last, next }));
    bad = [];
  };
  for (const stretch of stretches) {
    if (stretch.state === 'broken') bad.push(stretch);
    if (stretch.state !== 'good') continue;
    close(stretch);
    good = stretch;
  }
  close(undefined);
  return outages;
}

interface Around {
  good: Stretch | undefined;
  first: Stretch;
  last: Stretch;
  next: Stretch | undefined;
}

function outage({ good, first, last, next }: Around): ProbeOutage {
  const between = (from: number | undefined, to: number | undefined) =>
    from === undefined || to === undefined ? undefined : rounded(Math.max(0, to - from));
  return {
    from: good?.lastToldSeconds,
    to: next?.toldSeconds,
    seconds: between(good?.lastToldSeconds, next?.toldSeconds),
    least: between(first.toldSeconds, last.lastAskedSeconds) ?? 0,
    most: between(good?.lastAskedSeconds, next?.toldSeconds),
    why: first.why ?? 'no good answer',
  };
}

/** The one that lasted longest; one that did not end lasted longer than any. Pure. */
export function longestOutage(probe: Pick<ProbeRecord, 'stretches'>): ProbeOutage | undefined {
  const lasted = ({ seconds }: ProbeOutage) => seconds ?? Number.POSITIVE_INFINITY;
  return probeOutages(probe).reduce<ProbeOutage | undefined>(
    (longest, each) => (longest === undefined || lasted(each) > lasted(longest) ? each : longest),
    undefined,
  );
}

/** For how long nobody knows what would have been answered, as this runner did not run. Seconds. Pure. */
export function unknownSeconds({ stretches }: Pick<ProbeRecord, 'stretches'>): number {
  return rounded(
    stretches.reduce(
      (sum, { state, askedSeconds, lastToldSeconds }) =>
        state === 'unknown' ? sum + lastToldSeconds - askedSeconds : sum,
      0,
    ),
  );
}

/** Whether the last that is known of a probe is a good answer. Pure. */
export const holdsAtEnd = ({ stretches }: Pick<ProbeRecord, 'stretches'>): boolean =>
  stretches.at(-1)?.state === 'good';

const rounded = (value: number) => Math.round(value * 1000) / 1000;
