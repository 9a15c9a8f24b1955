import type { LedgerRead, LedgerVerdict, RowRanges, WrongRows } from '../record.ts';
import { countRows, firstRanges, holdsRow, orderly, partsOf, RowTally, rowsWithout } from '../rows.ts';
import type { WriteAttempt } from '../write-attempts.ts';
import { isWitness } from '../write-history.ts';
import { riskOf } from './at-risk.ts';
import type { HistorySurvey } from './survey.ts';

const mostRangesTold = 1000;

export function wrongRows(rows: RowRanges): WrongRows {
  return { count: countRows(rows), rows: firstRanges(rows, mostRangesTold) };
}

type Found = Pick<
  Required<LedgerVerdict>,
  | 'acknowledgedWrites'
  | 'failedWrites'
  | 'unknownWrites'
  | 'writesAtRisk'
  | 'writesInFlight'
  | 'unknownPresent'
  | 'lost'
  | 'phantoms'
  | 'vanished'
  | 'unverifiedWrites'
>;

/** What became of the writes, held against the rows that stood. */
export class WritesTally {
  private readonly survey: HistorySurvey;
  /** Those that count, in order, each with the rows that may stand there. */
  private readonly reads: { read: LedgerRead; possible: RowTally }[];
  private readonly counts = { acknowledged: 0, failed: 0, unknown: 0 };
  private readonly risks = { acknowledged: 0, 'in-flight': 0 };
  private unknownPresent = 0;
  private unverified = 0;
  private readonly lost = new RowTally();
  private readonly vanished = new RowTally();
  /** Whether the old primary acknowledged any before the fault: to the application, and to a witness. */
  private readonly before = { application: false, witness: false, byUri: false };

  /** @param reads what was read of the run's rows; only those of the primary after the fault count */
  constructor(survey: HistorySurvey, reads: readonly LedgerRead[]) {
    this.survey = survey;
    const { faultAt, oldPrimary, newPrimary } = survey.roles;
    this.reads = reads
      .filter(
        ({ node, startedAt, inRecovery }) =>
          node === (newPrimary ?? oldPrimary) && startedAt > faultAt && !inRecovery,
      )
      .map((read) => ({ read: { ...read, rows: orderly(partsOf(read.rows)) }, possible: new RowTally() }))
      .sort((one, other) => one.read.startedAt - other.read.startedAt);
  }

  takeWrite(attempt: WriteAttempt): void {
    const { actor, node, outcome, invokedAt, endedAt } = attempt;
    const { roles, taken } = this.survey;
    if (outcome !== 'failed')
      for (const { read, possible } of this.reads) if (invokedAt <= read.endedAt) possible.add(attempt);
    if (node === roles.oldPrimary && outcome === 'acknowledged' && (endedAt ?? roles.faultAt) < roles.faultAt)
      this.before[isWitness(actor) ? 'witness' : actor === 'application' ? 'application' : 'byUri'] = true;
    if (actor === 'local-witness') return;
    this.counts[outcome]++;
    const risk = riskOf(attempt, roles, taken);
    if (risk !== undefined) this.risks[risk]++;
    if (outcome === 'acknowledged') this.verify(attempt);
    else if (outcome === 'unknown') this.lookFor(attempt);
  }

  private verify(attempt: WriteAttempt): void {
    const { endedAt = Number.NEGATIVE_INFINITY } = attempt;
    for (const { read } of this.reads)
      if (endedAt <= read.startedAt && !holdsRow(read.rows, attempt)) {
        this.lost.add(attempt);
        break;
      }
    const last = this.reads.at(-1)?.read;
    if (last === undefined || endedAt > last.startedAt) this.unverified++;
  }

  private lookFor(attempt: WriteAttempt): void {
    const stood = this.reads.map(({ read }) => holdsRow(read.rows, attempt));
    if (stood.at(-1)) this.unknownPresent++;
    const seen = stood.indexOf(true);
    if (seen >= 0 && stood.includes(false, seen)) this.vanished.add(attempt);
  }

  /** Once all writes are taken. */
  get found(): Found {
    const phantoms = this.reads.flatMap(({ read, possible }) => [
      ...partsOf(rowsWithout(read.rows, possible.ranges())),
    ]);
    return {
      acknowledgedWrites: this.counts.acknowledged,
      failedWrites: this.counts.failed,
      unknownWrites: this.counts.unknown,
      writesAtRisk: this.risks.acknowledged,
      writesInFlight: this.risks['in-flight'],
      unknownPresent: this.unknownPresent,
      lost: wrongRows(this.lost.ranges()),
      phantoms: wrongRows(orderly(phantoms)),
      vanished: wrongRows(this.vanished.ranges()),
      unverifiedWrites: this.unverified,
    };
  }

  /** Why the writes do not tell everything. */
  get missing(): string[] {
    const { oldPrimary, newPrimary } = this.survey.roles;
    const missing: string[] = [];
    if (!this.before.application)
      missing.push(`no write of the application was acknowledged by ${oldPrimary} before the fault`);
    if (newPrimary !== undefined && !this.before.witness)
      missing.push(
        `no witness wrote on ${oldPrimary} before the fault, so nothing tells of a second primary`,
      );
    if (this.reads.length === 0)
      missing.push(`the rows on ${newPrimary ?? oldPrimary} were not read after the fault`);
    else if (this.unverified > 0)
      missing.push(`${this.unverified} acknowledged writes are newer than the last read of their rows`);
    return missing;
  }
}
