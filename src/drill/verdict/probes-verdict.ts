import type { Outcome } from '../../contract/outcome.ts';
import { holdsAtEnd, longestOutage, type ProbeOutage } from '../../probes/outages.ts';
import type { ProbeRecord } from '../../probes/record.ts';
import type { DrillRecord } from '../record.ts';

/** Why a drill did not begin: probes that did not hold. Pure. */
export function probesUnfit({ probesBroken }: DrillRecord): [Outcome, string][] {
  if (probesBroken === undefined) return [];
  return [
    ['unhealthy', `no drill while a probe does not hold, nothing was stopped: ${probesBroken.join('; ')}`],
  ];
}

/** What probes say against a drill whose fault took hold. Pure. */
export function probeConclusions(record: DrillRecord): [Outcome, string][] {
  const { tripped, interrupted, undoFailed } = record;
  const found: [Outcome, string][] = [];
  if (tripped !== undefined)
    found.push([
      'missed',
      `the probe ${tripped.probe} had no good answer for ${tripped.brokenSeconds.toFixed(3)} s, and may be without for ${tripped.allowedSeconds} s (abort-when), so the fault was undone at once: ${tripped.why}`,
    ]);
  if (interrupted === undefined && undoFailed === undefined)
    for (const probe of record.probes ?? []) {
      const against = notAgain(probe, record);
      if (against !== undefined) found.push(against);
    }
  return found;
}

/** Why a probe does not hold again after the fault; undefined where it does. Pure. */
export function notAgain(
  probe: ProbeRecord,
  { rejoinDeadlineSeconds = 0 }: DrillRecord,
): [Outcome, string] | undefined {
  if (holdsAtEnd(probe)) return undefined;
  const last = probe.stretches.at(-1);
  const why = last?.why ?? 'it gave no answer';
  if (last?.state === 'broken')
    return [
      'missed',
      `the probe ${probe.name} did not hold again in the ${rejoinDeadlineSeconds} s after the fault was undone: ${why}`,
    ];
  return ['error', `whether the probe ${probe.name} holds again cannot be told: ${why}`];
}

/** What came of the probes, in a few words; '' where none were asked. */
export function probesKept({ probes = [] }: DrillRecord): string {
  if (probes.length === 0) return '';
  const out = probes.flatMap((probe) => {
    const outage = longestOutage(probe);
    return outage === undefined ? [] : [{ name: probe.name, outage }];
  });
  if (out.length === 0)
    return `, ${probes.length === 1 ? 'the probe held' : `all ${probes.length} probes held`} throughout`;
  const longest = out.reduce((one, other) => (lasted(other.outage) > lasted(one.outage) ? other : one));
  const which = probes.length === 1 ? 'the probe' : `${out.length} of ${probes.length} probes broke,`;
  return probes.length === 1
    ? `, the probe ${longest.name} was out for ${describeOutage(longest.outage)}`
    : `, ${which} ${longest.name} longest, for ${describeOutage(longest.outage)}`;
}

const lasted = ({ seconds }: ProbeOutage) => seconds ?? Number.POSITIVE_INFINITY;

/** `11.212 s (broken for at least 10.700 s)`. */
export function describeOutage({ seconds, least, to }: ProbeOutage): string {
  const certain = `broken for at least ${least.toFixed(3)} s`;
  if (seconds !== undefined) return `${seconds.toFixed(3)} s (${certain})`;
  return to === undefined ? `the rest of the drill (${certain})` : `its beginning (${certain})`;
}
