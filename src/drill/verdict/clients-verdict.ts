import type { Outcome } from '../../contract/outcome.ts';
import type { WrongRows } from '../../evidence/record.ts';
import { describeRows } from '../../evidence/rows.ts';
import type { DrillRecord } from '../record.ts';
import { tooFewAtRisk } from './loss.ts';

/** What the clients' evidence says against a drill. Pure. */
export function clientConclusions(record: DrillRecord): [Outcome, string][] {
  const { clients, clientsFailed } = record;
  if (clientsFailed !== undefined)
    return [['error', `what clients saw could not be judged: ${clientsFailed}`]];
  if (clients === undefined) return [];
  const { ledger, unread } = clients;
  const tooFew = tooFewAtRisk(clients);
  return [
    ...(tooFew === undefined ? [] : ([['error', tooFew]] satisfies [Outcome, string][])),
    ...(ledger.inconclusive.length === 0 ? [] : [notWhole([...ledger.inconclusive, ...unread])]),
    ...clientWrongs(record),
    ...lateForClients(record),
    ...lateByUri(record),
  ];
}

const notWhole = (why: readonly string[]): [Outcome, string] => [
  'error',
  `the clients' evidence is not whole: ${why.join('; ')}`,
];

/** Writes that are lost or that nobody made, and two primaries. Pure. */
export function clientWrongs({ clients }: DrillRecord): [Outcome, string][] {
  if (clients === undefined) return [];
  const { lost, phantoms, vanished, overlap, overlapSeconds = 0 } = clients.ledger;
  const wrong = (what: WrongRows, says: (count: string) => string): [Outcome, string][] =>
    what.count === 0
      ? []
      : [['missed', `${says(writes(what.count))} (${describeRows(what.rows, longestList)})`]];
  return [
    ...unwitnessed(clients),
    ...wrong(lost, (count) => `${count} acknowledged to clients ${isOrAre(lost)} lost`),
    ...wrong(phantoms, (count) => `${count} that no client made ${isOrAre(phantoms)} there`),
    ...wrong(vanished, (count) => `${count} that stood on the new primary vanished from it`),
    ...wrong(
      overlap,
      (count) =>
        `two primaries: the old one acknowledged ${count} of clients after the new one's first, for ${overlapSeconds.toFixed(3)} s`,
    ),
  ];
}

function unwitnessed(clients: Clients): [Outcome, string][] {
  if (!isDualUnmet(clients)) return [];
  return [
    [
      'missed',
      `two primaries: the old one took writes for ${clients.ledger.dualPrimarySeconds?.toFixed(3)} s after the new one's first, and commits wait for no standby here: a client's would have been acknowledged, and lost`,
    ],
  ];
}

/** Two primaries that no client met, in a formation where it would have been told that its writes are safe on either. */
export function isDualUnmet({ scene, ledger: { overlap, dualPrimarySeconds = 0 } }: Clients): boolean {
  return scene.asynchronous === true && overlap.count === 0 && dualPrimarySeconds > 0;
}

/** Characters of the rows that a message names. */
const longestList = 80;

type Clients = NonNullable<DrillRecord['clients']>;

type Late = ['missed' | 'error', string];

/** Clients that could not write in time, where somebody was there to write to. Pure. */
export function lateForClients(record: DrillRecord): Late[] {
  const { promotion, rtoTargetSeconds, expected, clients } = record;
  if (clients === undefined) return [];
  const { ledger, writeAtEnd } = clients;
  const { clientRtoSeconds, longestPauseSeconds = 0 } = ledger;
  const held = (inTime: boolean | undefined, what: string): Late[] => {
    if (inTime === true) return [];
    if (inTime === false)
      return [['missed', `${what}; the target is ${rtoTargetSeconds} s${refusal(ledger, promotion?.node)}`]];
    return [
      [
        'error',
        `whether the target of ${rtoTargetSeconds} s was met cannot be told: ${what}, and a moment may have been noticed late by up to ${ledger.lateBySeconds?.toFixed(3)} s`,
      ],
    ];
  };
  const primary = promotion?.node ?? record.primary;
  const noMore: Late[] = writeAtEnd
    ? []
    : [['missed', `clients could not write on ${primary} when all was over${refusal(ledger, primary)}`]];
  const tooLong = held(
    lastedWithin(ledger, longestPauseSeconds, rtoTargetSeconds),
    `clients could not write for ${longestPauseSeconds.toFixed(3)} s${promotion === undefined ? ', without a failover' : ''}`,
  );
  // A promotion that was due and did not come is told already.
  if (expected === 'outage') return noMore;
  if (promotion === undefined) return expected === 'failover' ? noMore : [...tooLong, ...noMore];
  if (clientRtoSeconds === undefined)
    return [
      [
        'missed',
        `${promotion.node} was promoted, and no client could write on it${refusal(ledger, promotion.node)}`,
      ],
    ];
  if (clientRtoSeconds <= rtoTargetSeconds) return [...tooLong, ...noMore];
  return held(
    notedWithin(ledger, clientRtoSeconds, rtoTargetSeconds),
    `clients could write on ${promotion.node} after ${clientRtoSeconds.toFixed(3)} s`,
  );
}

/** The same of those who went by the application's own connection string. Pure. */
export function lateByUri(record: DrillRecord): Late[] {
  const { promotion, rtoTargetSeconds, expected, clients } = record;
  const times = clients?.ledger.byUri;
  if (clients === undefined || times === undefined) return [];
  const { clientRtoSeconds, longestPauseSeconds = 0, refusals } = times;
  const [said] = [...refusals].sort((one, other) => other.seconds - one.seconds);
  const told = said === undefined ? '' : `: ${said.node} said "${said.why}"`;
  const noMore: Late[] =
    clients.writeAtEndByUri === false
      ? [['missed', `clients could not write by client-uri when all was over${told}`]]
      : [];
  if (expected === 'outage' || (promotion === undefined && expected === 'failover')) return noMore;
  const late = (seconds: number, what: string, inTime: boolean | undefined): Late[] => {
    if (inTime === true) return [];
    const found = `${what} ${seconds.toFixed(3)} s; the target is ${rtoTargetSeconds} s`;
    return inTime === false
      ? [['missed', `${found}${told}`]]
      : [
          [
            'error',
            `whether the target was met by client-uri cannot be told: ${found}, and a moment may have been noticed late by up to ${clients.ledger.lateBySeconds?.toFixed(3)} s`,
          ],
        ];
  };
  const { ledger } = clients;
  if (promotion !== undefined && clientRtoSeconds === undefined)
    return [['missed', `${promotion.node} was promoted, and no client wrote on it by client-uri${told}`]];
  if (promotion !== undefined && clientRtoSeconds !== undefined && clientRtoSeconds > rtoTargetSeconds)
    return late(
      clientRtoSeconds,
      `clients by client-uri could write on ${promotion.node} after`,
      notedWithin(ledger, clientRtoSeconds, rtoTargetSeconds),
    );
  return [
    ...late(
      longestPauseSeconds,
      `clients by client-uri could not write${promotion === undefined ? ', without a failover,' : ''} for`,
      lastedWithin(ledger, longestPauseSeconds, rtoTargetSeconds),
    ),
    ...noMore,
  ];
}

type Lateness = Pick<Clients['ledger'], 'lateBySeconds'>;

/**
 * Whether what is counted from a moment of our own came within a limit; undefined where it may have, as this process did
 * not get to run when it happened. Pure.
 */
export function notedWithin(
  { lateBySeconds = 0 }: Lateness,
  seconds: number,
  limitSeconds: number,
): boolean | undefined {
  if (seconds <= limitSeconds) return true;
  return seconds - lateBySeconds <= limitSeconds ? undefined : false;
}

/** The same of what lasted from one moment that was noticed to another: noticed late at its beginning, it lasted longer. Pure. */
export function lastedWithin(
  { lateBySeconds = 0 }: Lateness,
  seconds: number,
  limitSeconds: number,
): boolean | undefined {
  const inTime = notedWithin({ lateBySeconds }, seconds, limitSeconds);
  return inTime === true && seconds + lateBySeconds > limitSeconds ? undefined : inTime;
}

/** What a node, or the last that was asked, said to the clients. */
function refusal({ refusals }: Clients['ledger'], node: string | undefined): string {
  const said = refusals.find((each) => each.node === node) ?? (node === undefined ? refusals[0] : undefined);
  return said === undefined ? '' : `: ${said.node} said "${said.why}"`;
}

const writes = (count: number) => `${count} write${count === 1 ? '' : 's'}`;
const isOrAre = ({ count }: WrongRows) => (count === 1 ? 'is' : 'are');
