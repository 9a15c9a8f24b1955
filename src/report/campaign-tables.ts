import type { CampaignRecord, JudgedDrill, Proof, Sample } from '../campaign/campaign-record.ts';
import { proofLines } from '../campaign/proof.ts';
import { shownSeconds } from './drill-figures.ts';
import { type Table, withoutEmptyColumns } from './table.ts';

/** Whether it is one drill by itself, which needs no tables of rounds. */
export function singleDrill({ rounds, drills }: CampaignRecord): JudgedDrill | undefined {
  return rounds === 1 && drills.length === 1 ? drills[0] : undefined;
}

/** Each drill's own report has the whole of it. */
const mostOfMessage = 160;
const brief = (message: string) =>
  message.length > mostOfMessage ? `${message.slice(0, mostOfMessage).trimEnd()}…` : message;

/** A line for each drill, with the columns that mean something in this campaign. */
export function roundsTable({ drills }: CampaignRecord): Table {
  const figure = (value: number | undefined) => (value === undefined ? '' : shownSeconds(value));
  const count = (value: number | undefined) => (value === undefined ? '' : String(value));
  return withoutEmptyColumns({
    headings: [
      'round',
      'fault',
      'outcome',
      'RTO',
      'client RTO',
      'write outage',
      'by client-uri',
      'rejoin',
      'writes',
      'at risk',
      'in flight',
      'lost',
      'unknown',
      'dual primary',
      'because',
    ],
    rows: drills.map(({ record, verdict }, index) => [
      String(index + 1),
      record.fault,
      verdict.outcome,
      figure(verdict.rtoSeconds),
      figure(verdict.clientRtoSeconds),
      figure(verdict.writeOutageSeconds),
      figure(verdict.uriRtoSeconds ?? verdict.uriOutageSeconds),
      figure(verdict.rejoinSeconds),
      count(verdict.acknowledgedWrites),
      count(verdict.writesAtRisk),
      count(verdict.writesInFlight),
      count(verdict.lostWrites),
      count(verdict.unknownWrites),
      figure(verdict.dualPrimarySeconds),
      verdict.outcome === 'pass' ? '' : brief(verdict.message),
    ]),
  });
}

const figures = [
  ['RTO', 'rto'],
  ['client RTO', 'clientRto'],
  ['write outage', 'writeOutage'],
  ['rejoin', 'rejoin'],
] as const satisfies readonly (readonly [string, keyof Sample])[];

/** The figures of each fault's drills, in seconds: of this run, and with those of the history where there are any. */
export function quantilesTable(proofs: readonly Proof[]): Table {
  const rows = proofs.flatMap(({ fault, now, pooled }) => {
    const samples: [string, Sample][] = [['this run', now]];
    if (pooled.drills > now.drills) samples.push(['with the history', pooled]);
    return figures.flatMap(([name, key]) =>
      samples.flatMap(([over, sample]) => {
        const quantiles = sample[key];
        if (quantiles === undefined) return [];
        const { n, least, median, p90, p95, greatest } = quantiles;
        return [[fault, name, over, String(n), ...[least, median, p90, p95, greatest].map(shownSeconds)]];
      }),
    );
  });
  return {
    headings: ['fault', 'figure', 'of', 'drills', 'least', 'median', 'p90', 'p95', 'greatest'],
    rows,
  };
}

/** What the campaign proves, in sentences; and why it was shorter than planned. */
export function proofSentences({
  proofs,
  endedEarly,
  drills,
  rounds,
  seed,
  selfTest,
}: CampaignRecord): string[] {
  return [
    ...proofs.flatMap(proofLines),
    ...(endedEarly === undefined
      ? []
      : [`ended early, after ${drills.length} of ${rounds} drills: ${endedEarly}`]),
    ...(seed === undefined ? [] : [`the same faults at the same moments again: seed ${seed}`]),
    ...(selfTest ? ['a self-test: writes were made to be lost, to show that the ledger finds them'] : []),
  ];
}
