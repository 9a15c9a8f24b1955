import type { ClientsRecord, DrillRecord } from '../drill/record.ts';
import { stayedQuiet } from '../drill/verdict/failover.ts';
import { predictedFor } from '../drill/verdict/predicted.ts';
import { describeTold, healthyAfter } from '../drill/verdict/told.ts';
import type { DrillVerdict } from '../drill/verdict/verdict.ts';
import { costliest, lasts, waterfall } from '../drill/verdict/waterfall.ts';
import type { LedgerVerdict } from '../evidence/record.ts';
import type { FaultPrediction, Span } from '../prediction/record.ts';
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
  const rejoin = healthyAfter(record);
  rows.push([
    'rejoin: undo to every node converged and healthy',
    rejoin === undefined ? shownSeconds(undefined) : describeTold(rejoin),
    '',
    '',
  ]);
  if (record.handedBack !== undefined)
    rows.push(['fault to the role handed back', describeTold(record.handedBack), '', '']);
  for (const { from, to } of record.blind ?? [])
    rows.push([
      `the watch on the monitor was blind, from ${shownSeconds(from)} after the fault`,
      to === undefined ? 'to the end' : shownSeconds(to - from),
      '',
      '',
    ]);
  if (record.fellApartMs !== undefined)
    rows.push([
      'apart: first container that fell to the last',
      `${record.fellApartMs.toFixed(1)} ms`,
      '',
      '',
    ]);
  rows.push(['whole drill', shownSeconds(record.tookSeconds), '', '']);
  return withoutEmptyColumns({ headings: ['figure', 'measured', 'predicted', 'target'], rows });
}

function promotionRows(record: DrillRecord, { rtoSeconds }: DrillVerdict): Row[] {
  if (record.promotion === undefined && record.expected !== 'failover')
    return [
      [
        'watched, without a failover to be seen',
        shownSeconds(stayedQuiet(record) ? record.watchSeconds : undefined),
        '',
        '',
      ],
    ];
  const target =
    record.expected === 'none' || record.expected === 'outage'
      ? 'no promotion'
      : shownSeconds(record.rtoTargetSeconds);
  return [
    [
      'RTO: fault to promotion as the monitor announced it',
      record.promotion === undefined ? shownSeconds(rtoSeconds) : describeTold(record.promotion),
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
      ['failover', 'outage'].includes(record.expected) ? '' : shownSeconds(record.rtoTargetSeconds),
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
  rows.push(...uriRows(record, verdict));
  const lastTaken = ledger.lastTakenSeconds ?? 0;
  if (record.promotion !== undefined && lastTaken > 0)
    rows.push([
      'fencing: fault to the last write that the old primary took',
      shownSeconds(lastTaken),
      shownSpan(prediction?.fencing?.fenced),
      '',
    ]);
  rows.push(
    [
      record.promotion === undefined
        ? 'writes at risk: acknowledged before the fault'
        : 'writes at risk: acknowledged by the old primary before the new one took its first',
      verdict.writesAtRisk === undefined ? 'not counted' : String(verdict.writesAtRisk),
      '',
      leastOf(record),
    ],
    ['in flight: asked of the old primary, without an answer', count(verdict.writesInFlight), '', ''],
    ['lost writes: acknowledged, and gone', count(verdict.lostWrites), '', 'none'],
    ['acknowledged writes in all', count(verdict.acknowledgedWrites), '', ''],
    ...throughputRows(record),
  );
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

/** What clients saw who went by the application's own connection string. */
function uriRows(record: DrillRecord, verdict: DrillVerdict): Row[] {
  const byUri = record.clients?.ledger.byUri;
  if (byUri === undefined) return [];
  const { uriRtoSeconds, uriOutageSeconds, uriAddsSeconds } = verdict;
  const target = ['outage'].includes(record.expected) ? '' : shownSeconds(record.rtoTargetSeconds);
  const writes = `${byUri.acknowledgedWrites} acknowledged, ${byUri.failedWrites} failed, ${byUri.unknownWrites} of unknown outcome`;
  return [
    ...(record.promotion === undefined
      ? ([['by client-uri: longest pause', shownSeconds(uriOutageSeconds), '', target]] satisfies Row[])
      : ([
          ['by client-uri: client RTO', shownSeconds(uriRtoSeconds), '', target],
          ['by client-uri: write outage', shownSeconds(uriOutageSeconds), '', ''],
        ] satisfies Row[])),
    ['what that way adds', shownSeconds(uriAddsSeconds), '', ''],
    ['by client-uri: writes, which count below as well', writes, '', ''],
  ];
}

/** What the servers took, and what of it may be due to the drill. Earlier reports have none. */
function throughputRows({ clients, promotion }: DrillRecord): Row[] {
  if (clients?.throughput === undefined) return [];
  const { sessions, writesPerSecond, throughput } = clients;
  const { before, after, stalls } = throughput;
  const rows: Row[] = [];
  if (before !== undefined)
    rows.push([
      'writes a second that the primary took before the fault',
      before.writesPerSecond.toFixed(1),
      '',
      `${(sessions * writesPerSecond).toFixed(1)} offered`,
    ]);
  if (after !== undefined)
    rows.push([
      `writes a second that the ${promotion === undefined ? 'primary took after the fault' : 'new primary took'}`,
      after.writesPerSecond.toFixed(1),
      '',
      '',
    ]);
  if (stalls.count > 0)
    rows.push([
      `times in which the drill itself did not run: ${stalls.count}, together`,
      shownSeconds(stalls.seconds),
      '',
      '',
    ]);
  return rows;
}

const leastOf = ({ clients }: DrillRecord) =>
  clients?.leastWritesAtRisk === undefined ? '' : `${clients.leastWritesAtRisk} or more`;

/** Where the time went, and what took most of it; undefined where nobody was promoted. */
export function waterfallTable(
  { announcements, promotion, fault }: DrillRecord,
  { clientRtoSeconds }: DrillVerdict,
): { table: Table; costs: string | undefined } | undefined {
  const steps = waterfall(announcements, promotion?.node, { fault, clientRtoSeconds });
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
  const part = most && `${shownSeconds(lasts(most))} of ${shownSeconds(whole)} (${share(lasts(most))})`;
  const costs =
    most &&
    (most.setting === null
      ? `took longest: ${most.name}, ${part}; ${most.isMixed ? 'which setting decides it was not announced' : 'no setting decides it'}`
      : `costs most: ${most.setting}, ${part}`);
  const notes = [costs, unheard(announcements)].filter((note) => note !== undefined);
  return {
    table: withoutEmptyColumns({ headings: ['step', 'from', 'took', 'share', 'setting'], rows }),
    costs: notes.length > 0 ? notes.join('; ') : undefined,
  };
}

/** How far the steps are to be trusted, where nobody heard of one as it happened. */
function unheard(announcements: DrillRecord['announcements']): string | undefined {
  const spans = announcements
    .filter(({ seconds }) => seconds > 0)
    .flatMap(({ between }) => (between ? [between.most - between.least] : []));
  if (spans.length === 0) return undefined;
  return `nobody heard ${spans.length} of the announcements as they came: their times are uncertain by up to ${shownSeconds(Math.max(...spans))}`;
}

/** How clients went by the application's own connection string; none where nobody did. */
export function uriLines({ byUri }: ClientsRecord): string[] {
  if (byUri === undefined) return [];
  const { hosts, ledTo, via, addedMs, notes } = byUri;
  const added = addedMs > 0 ? `, with ${addedMs} ms more to a round trip` : '';
  return [
    `by client-uri: as many sessions by ${hosts.join(', ')}${ledTo === undefined ? '' : `, which led to ${ledTo} before the fault`}, ${via === 'direct' ? 'from this machine' : 'from a container'}${added}`,
    ...notes.map((note) => `client-uri: ${note}`),
  ];
}

/** Where clients connected from, and how far their times are to be trusted. */
export function clientsLine({
  sessions,
  writesPerSecond,
  burst,
  vantage,
  addedMs,
  ledger,
}: ClientsRecord): string {
  const added = addedMs > 0 ? `, which adds ${addedMs} ms to a round trip` : '';
  const late =
    ledger.lateBySeconds === undefined
      ? ''
      : `; a moment may be late by up to ${shownSeconds(ledger.lateBySeconds)}`;
  const faster =
    burst === undefined
      ? ''
      : ` (of up to ${burst.writesPerSecond} for ${shownSeconds(burst.to - burst.from)} when they began)`;
  return `clients: ${sessions} sessions of up to ${writesPerSecond} writes a second each${faster}, ${vantage === undefined ? 'from this machine' : `from ${vantage}`}${added}${late}`;
}
