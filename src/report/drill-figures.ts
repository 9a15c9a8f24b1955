import { predictedFor } from '../drill/predicted.ts';
import type { ClientsRecord, DrillRecord } from '../drill/record.ts';
import type { DrillVerdict } from '../drill/verdict.ts';
import { costliest, lasts, waterfall } from '../drill/waterfall.ts';
import type { LedgerVerdict } from '../evidence/ledger.ts';
import type { FaultPrediction, Span } from '../prediction/prediction.ts';
import { type Table, withoutEmptyColumns } from './table.ts';

/** Seconds for people; a dash for what was not measured. */
export const shownSeconds = (value: number | undefined) =>
  value === undefined ? '–' : `${value.toFixed(3)} s`;

const shownSpan = (span: Span | null | undefined) =>
  span ? `${span.least.toFixed(1)} to ${span.most.toFixed(1)} s` : '';

/** What is to be expected of a fault that need not lead to a failover goes with that doubt. */
function predicted(prediction: FaultPrediction | undefined, what: 'promotion' | 'outage'): string {
  const certain = shownSpan(prediction?.[what]);
  if (certain !== '' || !prediction?.mayFailOver) return certain;
  return `${shownSpan(prediction.mayFailOver[what])}, if at all`;
}

type Row = [figure: string, measured: string, predicted: string, target: string];

/** A drill's figures, with what was predicted of them and what they are held against. */
export function figuresTable(record: DrillRecord, verdict: DrillVerdict): Table {
  const rows: Row[] = [...promotionRows(record, verdict)];
  if (record.clients !== undefined) rows.push(...clientRows(record, record.clients.ledger, verdict));
  rows.push([
    'rejoin: undo to every node converged and healthy',
    shownSeconds(verdict.rejoinSeconds),
    '',
    '',
  ]);
  if (record.handedBack !== undefined)
    rows.push(['fault to the role handed back', shownSeconds(record.handedBack.seconds), '', '']);
  rows.push(['whole drill', shownSeconds(record.tookSeconds), '', '']);
  return withoutEmptyColumns({ headings: ['figure', 'measured', 'predicted', 'target'], rows });
}

function promotionRows(record: DrillRecord, { rtoSeconds }: DrillVerdict): Row[] {
  if (record.promotion === undefined && record.expected !== 'failover')
    return [['watched, without a failover to be seen', shownSeconds(record.watchSeconds), '', '']];
  const target = record.expected === 'none' ? 'no promotion' : shownSeconds(record.rtoTargetSeconds);
  return [
    [
      'RTO: fault to promotion as the monitor announced it',
      shownSeconds(rtoSeconds),
      predicted(predictedFor(record), 'promotion'),
      target,
    ],
  ];
}

function clientRows(record: DrillRecord, ledger: LedgerVerdict, verdict: DrillVerdict): Row[] {
  const prediction = predictedFor(record);
  const outage = predicted(prediction, 'outage');
  const count = (value: number | undefined) => (value === undefined ? '–' : String(value));
  const rows: Row[] = [];
  if (record.promotion === undefined)
    rows.push([
      'longest pause between acknowledged writes',
      shownSeconds(ledger.longestPauseSeconds),
      outage,
      record.expected === 'failover' ? '' : shownSeconds(record.rtoTargetSeconds),
    ]);
  else
    rows.push(
      [
        'client RTO: fault to the first write on the new primary',
        shownSeconds(verdict.clientRtoSeconds),
        '',
        shownSeconds(record.rtoTargetSeconds),
      ],
      [
        'write outage: last acknowledged write before, to first after',
        shownSeconds(verdict.writeOutageSeconds),
        outage,
        '',
      ],
      [
        "dual-primary time: both took writes, a witness's included",
        shownSeconds(verdict.dualPrimarySeconds),
        '',
        '',
      ],
      ['overlap: both acknowledged writes to clients', shownSeconds(ledger.overlapSeconds), '', 'none'],
    );
  const lastTaken = ledger.lastTakenSeconds ?? 0;
  if (record.promotion !== undefined && lastTaken > 0)
    rows.push([
      'fencing: fault to the last write that the old primary took',
      shownSeconds(lastTaken),
      shownSpan(prediction?.fencing?.fenced),
      '',
    ]);
  rows.push(['acknowledged writes', count(verdict.acknowledgedWrites), '', '']);
  rows.push(['lost writes: acknowledged, and gone', count(verdict.lostWrites), '', 'none']);
  const stood = (verdict.unknownWrites ?? 0) > 0 ? `, of which ${ledger.unknownPresent} were committed` : '';
  rows.push(['writes of unknown outcome', `${count(verdict.unknownWrites)}${stood}`, '', '']);
  const bad: [string, number][] = [
    ['rows that nobody can have written', ledger.phantoms.count],
    ['rows that were seen and vanished', ledger.vanished.count],
    ['writes acknowledged by both primaries at once', ledger.overlap.count],
    ['stale reads on the old primary', ledger.staleReads],
  ];
  for (const [what, found] of bad) if (found > 0) rows.push([what, String(found), '', '']);
  return rows;
}

/** Where the time went, and the setting that costs most of it; undefined where nobody was promoted. */
export function waterfallTable(
  { announcements, promotion }: DrillRecord,
  { clientRtoSeconds }: DrillVerdict,
): { table: Table; costs: string | undefined } | undefined {
  const steps = waterfall(announcements, promotion?.node, clientRtoSeconds);
  const whole = steps.at(-1)?.to ?? 0;
  if (whole <= 0) return undefined;
  const share = (part: number) => `${Math.round((part / whole) * 100)} %`;
  const rows = steps.map((step) => [
    step.name,
    shownSeconds(step.from),
    shownSeconds(lasts(step)),
    share(lasts(step)),
    step.setting ?? '',
  ]);
  const most = costliest(steps);
  return {
    table: withoutEmptyColumns({ headings: ['step', 'from', 'took', 'share', 'setting'], rows }),
    costs:
      most && most.setting !== null
        ? `costs most: ${most.setting}, ${shownSeconds(lasts(most))} of ${shownSeconds(whole)} (${share(lasts(most))})`
        : undefined,
  };
}

/** Where clients connected from, and how far their times are to be trusted. */
export function clientsLine({ sessions, writesPerSecond, vantage, addedMs, ledger }: ClientsRecord): string {
  const added = addedMs > 0 ? `, which adds ${addedMs} ms to a round trip` : '';
  const late =
    ledger.lateBySeconds === undefined
      ? ''
      : `; a moment may be late by up to ${shownSeconds(ledger.lateBySeconds)}`;
  return `clients: ${sessions} sessions of up to ${writesPerSecond} writes a second each, ${vantage === undefined ? 'from this machine' : `from ${vantage}`}${added}${late}`;
}
