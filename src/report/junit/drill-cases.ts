import type { JudgedDrill } from '../../campaign/campaign-record.ts';
import type { ClientsRecord, DrillRecord } from '../../drill/record.ts';
import { isDualUnmet, lateByUri, lateForClients } from '../../drill/verdict/clients-verdict.ts';
import { heldTooLong, signIn } from '../../drill/verdict/failover.ts';
import { noneLost, tooFewAtRisk } from '../../drill/verdict/loss.ts';
import { describeOutage, notAgain } from '../../drill/verdict/probes-verdict.ts';
import {
  boundsOf,
  cameWithin,
  describeBlindness,
  describeTold,
  finalUntold,
  isBlindAtEnd,
  lateRejoin,
  rejoinOf,
} from '../../drill/verdict/told.ts';
import type { DrillVerdict } from '../../drill/verdict/verdict.ts';
import { describeRows } from '../../evidence/rows.ts';
import { longestOutage } from '../../probes/outages.ts';
import type { ProbeRecord } from '../../probes/record.ts';
import { shownSeconds } from '../drill-figures.ts';
import type { TestCase } from './junit.ts';

export type DrillCase = Omit<TestCase, 'classname'>;
type Result = TestCase['result'];

const passed = (note: string): Result => ({ kind: 'passed', note });
const skipped = (message: string): Result => ({ kind: 'skipped', message });
const failed = (message: string, detail = message): Result => ({ kind: 'failed', message, detail });
const error = (message: string): Result => ({ kind: 'error', message, detail: message });

/** Each thing that a drill is judged by, as a case; always the same ones of a file, so that a history of runs lines up. */
export function drillCases({ record, verdict }: JudgedDrill): DrillCase[] {
  const { clients } = record;
  const { rtoSeconds, clientRtoSeconds, rejoinSeconds } = verdict;
  const ofFault = (result: Result) => unlessDisturbed(record, result);
  return [
    { name: 'the formation was healthy before', result: baseline(record) },
    { name: 'the fault took hold', result: fault(record) },
    timed('promotion', rtoSeconds, ofFault(promotion(record, verdict))),
    timed(
      'client writes',
      clientRtoSeconds ?? clients?.ledger.longestPauseSeconds,
      ofFault(clientWrites(record)),
    ),
    timed(
      'writes by client-uri',
      verdict.uriRtoSeconds ?? clients?.ledger.byUri?.longestPauseSeconds,
      ofFault(writesByUri(record)),
    ),
    { name: 'no acknowledged write was lost', result: ofFault(ifWhole(record, lostNothing)) },
    { name: 'no row that nobody can have written', result: ifWhole(record, noPhantom) },
    {
      name: 'one primary at a time',
      result: ofFault(ifWhole(record, (clients) => onePrimary(record, clients, verdict))),
    },
    { name: 'the evidence is conclusive', result: conclusive(record) },
    timed('rejoin', rejoinSeconds, ofFault(rejoined(record))),
    ...probeCases(record),
  ];
}

const names = {
  promotion: 'a standby is promoted within the target, or none where none is due',
  'client writes': 'clients write again within the target',
  'writes by client-uri': 'clients by client-uri write again within the target',
  rejoin: 'every node is healthy again',
};

const timed = (what: keyof typeof names, seconds: number | undefined, result: Result): DrillCase => ({
  name: names[what],
  result,
  ...(seconds === undefined || result.kind === 'skipped' ? {} : { seconds }),
});

const untouched = 'no fault was injected';

/** What went wrong stands; that all went well says nothing of a fault that did not last, or of times that are not to be trusted. */
function unlessDisturbed({ disturbed }: DrillRecord, result: Result): Result {
  return result.kind === 'passed' && disturbed !== undefined ? skipped(disturbed) : result;
}

function baseline({ baseline: before, held }: DrillRecord): Result {
  if (held !== undefined && before === undefined) return skipped(`drills are held: ${held}`);
  if (before === undefined) return error('the formation was not read before the fault');
  if (before.outcome === 'pass') return passed(before.message);
  return before.outcome === 'error' ? error(before.message) : failed(before.message);
}

function fault({
  faultAt,
  impossible,
  held,
  proof,
  proofAtUndo,
  disturbed,
  baseline: before,
}: DrillRecord): Result {
  if (held !== undefined) return failed(`drills are held: ${held}`);
  if (impossible !== undefined) return error(impossible);
  if (faultAt === undefined)
    return before?.outcome === 'pass'
      ? error(untouched)
      : skipped(`${untouched}: the formation was not found healthy`);
  if (proof === undefined) return error('nothing shows that the fault took hold');
  if (disturbed !== undefined) return error(disturbed);
  return passed(proofAtUndo === undefined ? proof : `${proof}; just before the undo: ${proofAtUndo}`);
}

function promotion(record: DrillRecord, { rtoSeconds }: DrillVerdict): Result {
  const { faultAt, expected, promotion: heard, rtoTargetSeconds, interrupted } = record;
  if (faultAt === undefined) return skipped(untouched);
  const tooLong = heldTooLong(record);
  if (tooLong !== undefined) return error(tooLong);
  if (heard !== undefined && rtoSeconds !== undefined) {
    const took = `${heard.node} took over ${describeTold(heard)} after the fault`;
    if (expected === 'outage' && boundsOf(heard).most > (record.undoSeconds ?? Number.POSITIVE_INFINITY))
      return passed(`${took}, and after the undo`);
    if (expected === 'none' || expected === 'outage')
      return failed(`${took}, where no failover should have come of it`);
    const held = `${took}; the target is ${rtoTargetSeconds} s`;
    const inTime = boundsOf(heard).least < 0 ? undefined : cameWithin(heard, rtoTargetSeconds);
    if (inTime === undefined) return error(`${held}: ${describeBlindness(record)}`);
    return inTime ? passed(held) : failed(held);
  }
  if (interrupted !== undefined) return skipped(`interrupted: ${interrupted}`);
  if (record.proof === undefined) return skipped('nothing shows that the fault took hold, and nobody waited');
  if (isBlindAtEnd(record)) return error(describeBlindness(record));
  if (expected === 'failover')
    return failed(`no standby was promoted in ${record.promotionDeadlineSeconds} s`);
  return withoutPromotion(record);
}

function withoutPromotion(record: DrillRecord): Result {
  const { primary = '', serving, watchSeconds, expected } = record;
  const sign = signIn(record);
  if (sign !== undefined)
    return failed(
      `a failover began ${describeTold(sign)} after the fault: ${sign.node} was to be ${sign.goalState}`,
    );
  if (serving === false) return failed(`${primary} took no writes any more`);
  if (serving === undefined && expected === 'none')
    return error('nobody looked whether the primary went on serving');
  return passed(`no failover in the ${watchSeconds} s watched`);
}

function withClients(record: DrillRecord, judged: (clients: ClientsRecord) => Result): Result {
  if (record.faultAt === undefined) return skipped(untouched);
  if (record.clients !== undefined) return judged(record.clients);
  const why = record.clientsFailed ?? record.clientsMissing;
  return skipped(`no clients were watched to the end${why ? `: ${why}` : ''}`);
}

/** What was found stands; that nothing was found does not, where the evidence is not whole. */
function ifWhole(record: DrillRecord, judged: (clients: ClientsRecord) => Result): Result {
  const result = withClients(record, judged);
  const [why] = record.clients?.ledger.inconclusive ?? [];
  return result.kind === 'passed' && why !== undefined
    ? skipped(`the evidence is not whole: ${why}`)
    : result;
}

function clientWrites(record: DrillRecord): Result {
  const { promotion: heard, rtoTargetSeconds, expected } = record;
  return withClients(record, ({ ledger }) => {
    const late = lateForClients(record);
    const wrong = late.find(([kind]) => kind === 'missed') ?? late[0];
    if (wrong !== undefined) {
      const [kind, message] = wrong;
      const detail = `${late.map(([, each]) => each).join('\n')}\n${refusals(ledger)}`.trim();
      return kind === 'missed' ? failed(message, detail) : error(message);
    }
    if (heard === undefined && expected === 'failover') return skipped('nobody was promoted');
    const { clientRtoSeconds: first, longestPauseSeconds: pause } = ledger;
    const what =
      heard === undefined
        ? pause && `the longest pause was ${shownSeconds(pause)}`
        : `from the fault to the first write it took ${shownSeconds(first)}`;
    if (expected === 'outage')
      return passed(`${what ?? 'no client wrote'}; nobody could serve until the undo, as was to be expected`);
    return what === undefined
      ? skipped('no client wrote')
      : passed(`${what}; the target is ${rtoTargetSeconds} s`);
  });
}

function writesByUri(record: DrillRecord): Result {
  return withClients(record, ({ ledger: { byUri } }) => {
    if (byUri === undefined) return skipped('no client-uri was given');
    const late = lateByUri(record);
    const wrong = late.find(([kind]) => kind === 'missed') ?? late[0];
    if (wrong !== undefined) {
      const [kind, message] = wrong;
      return kind === 'missed' ? failed(message, `${message}\n${refusals(byUri)}`.trim()) : error(message);
    }
    if (record.promotion === undefined && record.expected === 'failover')
      return skipped('nobody was promoted');
    const what =
      record.promotion === undefined
        ? `the longest pause was ${shownSeconds(byUri.longestPauseSeconds)}`
        : `from the fault to the first write it took ${shownSeconds(byUri.clientRtoSeconds)}`;
    return passed(`${what}; the target is ${record.rtoTargetSeconds} s`);
  });
}

const refusals = (ledger: Pick<ClientsRecord['ledger'], 'refusals'>) =>
  ledger.refusals.map(({ node, why }) => `${node}: ${why}`).join('\n');

function lostNothing(clients: ClientsRecord): Result {
  const { lost, acknowledgedWrites, unknownWrites, failedWrites } = clients.ledger;
  const writes = `in all ${acknowledgedWrites} acknowledged, ${failedWrites} failed, ${unknownWrites} of unknown outcome`;
  if (lost.count > 0)
    return failed(`${lost.count} acknowledged writes were lost`, `${describeRows(lost.rows)}\n${writes}`);
  const tooFew = tooFewAtRisk(clients);
  return tooFew === undefined ? passed(`${noneLost(clients)}; ${writes}`) : error(tooFew);
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

function conclusive(record: DrillRecord): Result {
  if (record.clientsFailed !== undefined)
    return error(`what clients saw could not be judged: ${record.clientsFailed}`);
  return withClients(record, ({ ledger: { inconclusive }, unread }) => {
    const [first] = inconclusive;
    if (first !== undefined)
      return { kind: 'error', message: first, detail: [...inconclusive, ...unread].join('\n') };
    return unread.length === 0 ? { kind: 'passed' } : passed(`rows not read: ${unread.join('; ')}`);
  });
}

function rejoined(record: DrillRecord): Result {
  const rejoinSeconds = rejoinOf(record)?.seconds;
  const { faultAt, undoFailed, interrupted, final } = record;
  if (undoFailed !== undefined) return error(`the fault could not be undone: ${undoFailed}`);
  if (faultAt === undefined) return skipped(untouched);
  if (interrupted !== undefined) return skipped(`interrupted: ${interrupted}`);
  if (rejoinSeconds === undefined && record.settledUntold !== undefined) return error(record.settledUntold);
  if (rejoinSeconds === undefined) return failed('the formation did not converge in time');
  const untold = finalUntold(record);
  if (untold !== undefined) return error(untold);
  if (final?.outcome !== 'pass') return failed(`the formation is not healthy: ${final?.message}`);
  const late = lateRejoin(record);
  if (late !== undefined) return late[0] === 'missed' ? failed(late[1]) : error(late[1]);
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

/** One for each probe. */
function probeCases(record: DrillRecord): DrillCase[] {
  return (record.probes ?? []).map((probe) => {
    const seconds = longestOutage(probe)?.seconds;
    return {
      name: `the probe ${probe.name} holds before and after, and breaks for no longer than it may`,
      result: probed(probe, record),
      ...(seconds !== undefined && record.faultAt !== undefined && { seconds }),
    };
  });
}

function probed(probe: ProbeRecord, record: DrillRecord): Result {
  const { faultAt, tripped, interrupted, undoFailed, probesBroken = [] } = record;
  const before = probesBroken.find((each) => each.startsWith(`${probe.name}: `));
  if (before !== undefined) return failed(`it did not hold before the fault: ${before}`);
  if (faultAt === undefined) return skipped(untouched);
  if (tripped?.probe === probe.name)
    return failed(
      `it had no good answer for ${shownSeconds(tripped.brokenSeconds)}, and may be without for ${tripped.allowedSeconds} s: ${tripped.why}`,
    );
  if (interrupted !== undefined) return skipped(`interrupted: ${interrupted}`);
  if (undoFailed !== undefined) return skipped(`the fault could not be undone: ${undoFailed}`);
  const against = notAgain(probe, record);
  if (against !== undefined) return against[0] === 'missed' ? failed(against[1]) : error(against[1]);
  const longest = longestOutage(probe);
  return passed(
    longest === undefined
      ? 'it held throughout'
      : `it was without a good answer for ${describeOutage(longest)}`,
  );
}

const after = (seconds: number) => `${shownSeconds(seconds)} after the undo`;
