import type { JudgedDrill } from '../campaign/campaign-record.ts';
import { isDualUnmet } from '../drill/clients-verdict.ts';
import { isFailoverSign } from '../drill/failover.ts';
import type { ClientsRecord, DrillRecord } from '../drill/record.ts';
import type { DrillVerdict } from '../drill/verdict.ts';
import { describeRows } from '../evidence/rows.ts';
import { shownSeconds } from './drill-figures.ts';
import type { TestCase } from './junit.ts';

export type DrillCase = Omit<TestCase, 'classname'>;
type Result = TestCase['result'];

const passed = (note: string): Result => ({ kind: 'passed', note });
const skipped = (message: string): Result => ({ kind: 'skipped', message });
const failed = (message: string, detail = message): Result => ({ kind: 'failed', message, detail });
const error = (message: string): Result => ({ kind: 'error', message, detail: message });

/** Each thing that a drill is judged by, as a case; always the same ones, so that a history of runs lines up. */
export function drillCases({ record, verdict }: JudgedDrill): DrillCase[] {
  const { clients } = record;
  const { rtoSeconds, clientRtoSeconds, rejoinSeconds } = verdict;
  return [
    { name: 'the formation was healthy before', result: baseline(record) },
    { name: 'the fault took hold', result: fault(record) },
    timed('promotion', rtoSeconds, promotion(record, verdict)),
    timed(
      'client writes',
      clientRtoSeconds ?? clients?.ledger.longestPauseSeconds,
      clientWrites(record, verdict),
    ),
    { name: 'no acknowledged write was lost', result: withClients(record, noneLost) },
    { name: 'no row that nobody can have written', result: withClients(record, noPhantom) },
    {
      name: 'one primary at a time',
      result: withClients(record, (clients) => onePrimary(record, clients, verdict)),
    },
    { name: 'the evidence is conclusive', result: withClients(record, conclusive) },
    timed('rejoin', rejoinSeconds, rejoined(record, verdict)),
  ];
}

const names = {
  promotion: 'a standby is promoted within the target, or none where none is due',
  'client writes': 'clients write again within the target',
  rejoin: 'every node is healthy again',
};

const timed = (what: keyof typeof names, seconds: number | undefined, result: Result): DrillCase => ({
  name: names[what],
  result,
  ...(seconds === undefined || result.kind === 'skipped' ? {} : { seconds }),
});

const untouched = 'no fault was injected';

function baseline({ baseline: before }: DrillRecord): Result {
  if (before === undefined) return error('the formation was not read before the fault');
  if (before.outcome === 'pass') return passed(before.message);
  return before.outcome === 'error' ? error(before.message) : failed(before.message);
}

function fault({
  faultAt,
  impossible,
  proof,
  proofAtUndo,
  disturbed,
  baseline: before,
}: DrillRecord): Result {
  if (impossible !== undefined) return error(impossible);
  if (faultAt === undefined)
    return before?.outcome === 'pass'
      ? error(untouched)
      : skipped(`${untouched}: the formation is not healthy`);
  if (proof === undefined) return error('nothing shows that the fault took hold');
  if (disturbed !== undefined) return error(disturbed);
  return passed(proofAtUndo === undefined ? proof : `${proof}; just before the undo: ${proofAtUndo}`);
}

function promotion(record: DrillRecord, { rtoSeconds }: DrillVerdict): Result {
  const { faultAt, expected, promotion: heard, rtoTargetSeconds, interrupted } = record;
  if (faultAt === undefined) return skipped(untouched);
  if (heard !== undefined && rtoSeconds !== undefined) {
    const took = `${heard.node} took over ${shownSeconds(rtoSeconds)} after the fault`;
    if (expected === 'none') return failed(`${took}, where no failover should have come of it`);
    const held = `${took}; the target is ${rtoTargetSeconds} s`;
    return rtoSeconds <= rtoTargetSeconds ? passed(held) : failed(held);
  }
  if (interrupted !== undefined) return skipped(`interrupted: ${interrupted}`);
  if (expected === 'failover')
    return failed(`no standby was promoted in ${record.promotionDeadlineSeconds} s`);
  return withoutPromotion(record);
}

function withoutPromotion(record: DrillRecord): Result {
  const { announcements, primary = '', serving, watchSeconds, expected } = record;
  const sign = announcements.find((heard) => heard.seconds >= 0 && isFailoverSign(heard, primary));
  if (sign !== undefined)
    return failed(
      `a failover began ${shownSeconds(sign.seconds)} after the fault: ${sign.node} was to be ${sign.goalState}`,
    );
  if (serving === false) return failed(`${primary} took no writes any more`);
  if (serving === undefined && expected === 'none')
    return error('nobody looked whether the primary went on serving');
  return passed(`no failover in the ${watchSeconds} s watched`);
}

function withClients(record: DrillRecord, judged: (clients: ClientsRecord) => Result): Result {
  if (record.faultAt === undefined) return skipped(untouched);
  if (record.clients !== undefined) return judged(record.clients);
  return skipped(
    `no clients were watched to the end${record.clientsMissing ? `: ${record.clientsMissing}` : ''}`,
  );
}

function clientWrites(record: DrillRecord, { clientRtoSeconds }: DrillVerdict): Result {
  const { promotion: heard, rtoTargetSeconds, expected } = record;
  return withClients(record, ({ ledger }) => {
    const within = (what: string, seconds: number): Result => {
      const held = `${what} ${shownSeconds(seconds)}; the target is ${rtoTargetSeconds} s`;
      return seconds <= rtoTargetSeconds ? passed(held) : failed(held, `${held}\n${refusals(ledger)}`.trim());
    };
    if (heard === undefined) {
      const { longestPauseSeconds: pause } = ledger;
      if (expected === 'failover') return skipped('nobody was promoted');
      return pause === undefined ? skipped('no client wrote') : within('the longest pause was', pause);
    }
    if (clientRtoSeconds !== undefined)
      return within('from the fault to the first write it took', clientRtoSeconds);
    const message = `no client wrote on ${heard.node}`;
    return failed(message, `${message}\n${refusals(ledger)}`.trim());
  });
}

const refusals = (ledger: ClientsRecord['ledger']) =>
  ledger.refusals.map(({ node, why }) => `${node}: ${why}`).join('\n');

function noneLost({ ledger }: ClientsRecord): Result {
  const { lost, acknowledgedWrites, unknownWrites, failedWrites } = ledger;
  const writes = `${acknowledgedWrites} acknowledged, ${failedWrites} failed, ${unknownWrites} of unknown outcome`;
  if (lost.count > 0)
    return failed(`${lost.count} acknowledged writes were lost`, `${describeRows(lost.rows)}\n${writes}`);
  return passed(writes);
}

function noPhantom({ ledger: { phantoms, vanished } }: ClientsRecord): Result {
  if (phantoms.count > 0)
    return failed(`${phantoms.count} rows that nobody can have written`, describeRows(phantoms.rows));
  if (vanished.count > 0)
    return failed(`${vanished.count} rows were seen and vanished`, describeRows(vanished.rows));
  return { kind: 'passed' };
}

/** What a witness writes on the old primary waits for no standby; where clients' writes do, none takes it for done. */
function onePrimary(
  { promotion: heard }: DrillRecord,
  clients: ClientsRecord,
  { dualPrimarySeconds }: DrillVerdict,
): Result {
  const { overlap, overlapSeconds } = clients.ledger;
  if (overlap.count > 0)
    return failed(
      `both primaries acknowledged writes to clients for ${shownSeconds(overlapSeconds)}`,
      describeRows(overlap.rows),
    );
  if (isDualUnmet(clients))
    return failed(
      `the old primary took a witness's writes for ${shownSeconds(dualPrimarySeconds)} more, and commits wait for no standby`,
    );
  if (heard === undefined) return skipped('nobody was promoted');
  if (dualPrimarySeconds === undefined) return skipped('it was not measured');
  return passed(
    dualPrimarySeconds > 0
      ? `the old primary took a witness's writes for ${shownSeconds(dualPrimarySeconds)} more, and acknowledged none to clients`
      : 'the old primary took no write after the first on the new one',
  );
}

function conclusive({ ledger: { inconclusive }, unread }: ClientsRecord): Result {
  const [first] = inconclusive;
  if (first !== undefined)
    return { kind: 'error', message: first, detail: [...inconclusive, ...unread].join('\n') };
  return unread.length === 0 ? { kind: 'passed' } : passed(`rows not read: ${unread.join('; ')}`);
}

function rejoined(record: DrillRecord, { rejoinSeconds }: DrillVerdict): Result {
  const { faultAt, undoFailed, interrupted, final } = record;
  if (undoFailed !== undefined) return error(`the fault could not be undone: ${undoFailed}`);
  if (faultAt === undefined) return skipped(untouched);
  if (interrupted !== undefined) return skipped(`interrupted: ${interrupted}`);
  if (rejoinSeconds === undefined) return failed('the formation did not converge in time');
  if (final?.outcome !== 'pass') return failed(final?.message ?? 'the formation was not read afterwards');
  if (record.handBackFailed !== undefined)
    return failed(`the role could not be handed back to ${record.primary}: ${record.handBackFailed}`);
  // A promotion that was due and did not come is told already.
  if (record.promotion === undefined && record.expected === 'failover') return passed(after(rejoinSeconds));
  const handedBack = record.handedBack !== undefined;
  const wanted = handedBack ? record.primary : (record.promotion?.node ?? record.primary);
  return final.primary === wanted
    ? passed(after(rejoinSeconds))
    : failed(`${wanted} should be primary afterwards, and ${final.primary ?? 'no node'} is`);
}

const after = (seconds: number) => `${shownSeconds(seconds)} after the undo`;
