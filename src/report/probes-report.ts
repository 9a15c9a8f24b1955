import type { DrillRecord } from '../drill/record.ts';
import { describeOutage, notAgain } from '../drill/verdict/probes-verdict.ts';
import { longestOutage, probeOutages, unknownSeconds } from '../probes/outages.ts';
import type { ProbeRecord } from '../probes/record.ts';
import type { Table } from './table.ts';

/** Every probe of every drill, for the next step of a workflow. Pure. */
export function probesOutput(drills: readonly DrillRecord[]): object[] {
  return drills.flatMap((record) =>
    (record.probes ?? []).map((probe) => {
      const outages = probeOutages(probe);
      const longest = longestOutage(probe);
      return {
        drill: record.id,
        fault: record.fault,
        probe: probe.name,
        outages: outages.length,
        // Of one that did not end there is no length; of none it is 0.
        outageSeconds:
          record.faultAt === undefined ? null : longest === undefined ? 0 : (longest.seconds ?? null),
        brokenAtLeastSeconds: longest?.least ?? 0,
        unknownSeconds: unknownSeconds(probe),
        slowestSeconds: probe.slowestSeconds ?? null,
        holds: probe.stretches.at(-1)?.state === 'unknown' ? null : probe.stretches.at(-1)?.state === 'good',
        aborted: record.tripped?.probe === probe.name,
        why: outages.at(-1)?.why ?? null,
      };
    }),
  );
}

/** What became of each probe; undefined where none was asked. Pure. */
export function probesTable(record: DrillRecord): Table | undefined {
  const { probes = [] } = record;
  if (probes.length === 0) return undefined;
  return {
    headings: ['probe', 'asks', 'longest without a good answer', 'in all', 'answer', 'afterwards'],
    rows: probes.map((probe) => {
      const outages = probeOutages(probe);
      const longest = longestOutage(probe);
      return [
        probe.name,
        `${probe.asks}, every ${probe.intervalSeconds} s`,
        longest === undefined ? 'none' : `${describeOutage(longest)}: ${longest.why}`,
        [
          `${outages.length} outage${outages.length === 1 ? '' : 's'}`,
          ...(unknownSeconds(probe) > 0 ? [`nothing known for ${unknownSeconds(probe).toFixed(3)} s`] : []),
        ].join(', '),
        probe.slowestSeconds === undefined ? '–' : `${probe.slowestSeconds.toFixed(3)} s at most`,
        afterwards(probe, record),
      ];
    }),
  };
}

function afterwards(probe: ProbeRecord, record: DrillRecord): string {
  if (record.interrupted !== undefined || record.undoFailed !== undefined) return 'not asked to the end';
  const against = notAgain(probe, record);
  if (against === undefined) return 'holds';
  return against[0] === 'missed' ? 'broken' : 'not known';
}

/** How far the times of probes are to be trusted; empty where none was asked. */
export function probesLines({ probes = [], tripped }: DrillRecord): string[] {
  if (probes.length === 0) return [];
  return [
    'a time without a good answer goes from the last good answer before it to the first after it: from one look to the next nothing is known',
    ...(tripped === undefined
      ? []
      : [
          `the fault was undone ${tripped.seconds.toFixed(3)} s after it began, for the probe ${tripped.probe} (abort-when)`,
        ]),
    ...probes.flatMap(({ name, unrecordedLooks }) =>
      unrecordedLooks === undefined
        ? []
        : [`${name} changed so often that its last ${unrecordedLooks} looks are not told one by one`],
    ),
  ];
}
