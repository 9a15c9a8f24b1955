import type { Outcome } from '../contract/outcome.ts';
import type { Finding } from '../evidence/ledger.ts';
import { describeRows } from '../evidence/rows.ts';
import type { DrillRecord } from './record.ts';

/** What the clients' evidence says against a drill. Pure. */
export function clientConclusions(record: DrillRecord): [Outcome, string][] {
  const { clients, clientsFailed } = record;
  if (clientsFailed !== undefined)
    return [['error', `what clients saw could not be judged: ${clientsFailed}`]];
  if (clients === undefined) return [];
  const { ledger, unread } = clients;
  return [
    ...ledger.inconclusive.map((why): [Outcome, string] => [
      'error',
      `the clients' evidence is not whole: ${[why, ...unread].join('; ')}`,
    ]),
    ...clientWrongs(record),
    ...late(record, clients),
  ];
}

/** Writes that are lost or that nobody made, and two primaries. Pure. */
export function clientWrongs({ clients }: DrillRecord): [Outcome, string][] {
  if (clients === undefined) return [];
  const { lost, phantoms, vanished, overlap, overlapSeconds = 0 } = clients.ledger;
  const wrong = (what: Finding, says: (count: string) => string): [Outcome, string][] =>
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

/** Clients that could not write in time, where somebody was there to write to. */
function late(record: DrillRecord, { ledger, writeAtEnd }: Clients): [Outcome, string][] {
  const { promotion, rtoTargetSeconds, expected } = record;
  const { clientRtoSeconds, longestPauseSeconds = 0 } = ledger;
  const primary = promotion?.node ?? record.primary;
  const noMore: [Outcome, string][] = writeAtEnd
    ? []
    : [['missed', `clients could not write on ${primary} when all was over${refusal(ledger, primary)}`]];
  const tooLong: [Outcome, string][] =
    longestPauseSeconds <= rtoTargetSeconds
      ? []
      : [
          [
            'missed',
            `clients could not write for ${longestPauseSeconds.toFixed(3)} s${promotion === undefined ? ', without a failover' : ''}; the target is ${rtoTargetSeconds} s${refusal(ledger, promotion?.node)}`,
          ],
        ];
  // A promotion that was due and did not come is told already.
  if (promotion === undefined) return expected === 'failover' ? noMore : [...tooLong, ...noMore];
  if (clientRtoSeconds === undefined)
    return [
      [
        'missed',
        `${promotion.node} was promoted, and no client could write on it${refusal(ledger, promotion.node)}`,
      ],
    ];
  if (clientRtoSeconds <= rtoTargetSeconds) return [...tooLong, ...noMore];
  return [
    [
      'missed',
      `clients could write on ${promotion.node} after ${clientRtoSeconds.toFixed(3)} s; the target is ${rtoTargetSeconds} s${refusal(ledger, promotion.node)}`,
    ],
  ];
}

/** What a node, or the last that was asked, said to the clients. */
function refusal({ refusals }: Clients['ledger'], node: string | undefined): string {
  const said = refusals.find((each) => each.node === node) ?? (node === undefined ? refusals[0] : undefined);
  return said === undefined ? '' : `: ${said.node} said "${said.why}"`;
}

const writes = (count: number) => `${count} write${count === 1 ? '' : 's'}`;
const isOrAre = ({ count }: Finding) => (count === 1 ? 'is' : 'are');
