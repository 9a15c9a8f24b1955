import { type Moment, toSeconds } from '../../clock/clock.ts';
import type { Roles, RowRanges, Times } from '../record.ts';
import { RowTally } from '../rows.ts';
import { rowIdOf, type WriteAttempt } from '../write-attempts.ts';
import { type Actor, type HistoryEvent, isWitness } from '../write-history.ts';
import type { HistorySurvey } from './survey.ts';

type Of<K extends HistoryEvent['kind']> = HistoryEvent & { kind: K };

/** When what happened, from writes and other events in the order of their ends. */
export class TimesTally {
  private readonly survey: HistorySurvey;
  private readonly roles: Roles;
  /** Of writes that the old primary took on its old timeline: the last of anybody, and the last of a client. */
  private lastTaken: Moment | undefined;
  private lastOfClients: Moment | undefined;
  /** Whether a witness wrote there before the fault. */
  private witnessed = false;
  /** Those sent after the new primary's first acknowledgement. */
  private lateAt: Moment | undefined;
  private lateOfClientsAt: Moment | undefined;
  private readonly overlap = new RowTally();
  /** First refusals of the old primary: since its last write, and since the fault. */
  private refused: Of<'refused'> | undefined;
  private refusedSinceFault: Of<'refused'> | undefined;
  private readonly refusals: RefusalTally;
  /** When other nodes acknowledged what a witness looked for in vain. */
  private readonly elsewhere = new Map<string, Moment>();
  private readonly stale = new Set<string>();
  private lastStale: Moment | undefined;
  private readonly pauses: PauseTally;

  constructor(survey: HistorySurvey) {
    this.survey = survey;
    this.roles = survey.roles;
    this.refusals = new RefusalTally(survey, 'application');
    this.pauses = new PauseTally(survey, 'application');
  }

  takeEvent(event: HistoryEvent): void {
    if (event.kind === 'refused') this.refuse(event);
    else if (event.kind === 'probed' && !event.present) this.miss(event);
  }

  takeWrite(attempt: WriteAttempt): void {
    const { node, endedAt, outcome } = attempt;
    if (outcome !== 'acknowledged' || endedAt === undefined) return;
    if (node === this.roles.oldPrimary) this.takeOld(attempt, endedAt);
    else {
      const id = rowIdOf(attempt);
      if (this.survey.missed.has(id)) this.elsewhere.set(id, endedAt);
    }
    if (attempt.actor === 'application') this.pauses.take(endedAt);
  }

  /** Those that the old primary acknowledged to clients after the new one had begun to. */
  get overlapping(): RowRanges {
    return this.overlap.ranges();
  }

  /** Whether both took writes. */
  get isDual(): boolean {
    return this.lateAt !== undefined;
  }

  get times(): Times {
    const { taken } = this.survey;
    const first = this.survey.firstOf('application');
    const refused = this.lastTaken === undefined ? this.refusedSinceFault : this.refused;
    const lasting = (last: Moment | undefined) =>
      taken && (this.witnessed || this.isDual) ? toSeconds((last ?? taken.at) - taken.at) : undefined;
    return {
      clientRtoSeconds: this.since(first?.at),
      writeOutageSeconds:
        first?.lastBefore === undefined ? undefined : toSeconds(first.at - first.lastBefore),
      longestPauseSeconds: this.pauses.longest,
      dualPrimarySeconds: lasting(this.lateAt),
      overlapSeconds: lasting(this.lateOfClientsAt),
      lastAcknowledgedSeconds: this.since(this.lastOfClients),
      lastTakenSeconds: this.since(this.lastTaken),
      refusedSeconds: this.since(refused?.at),
      refusedBecause: refused?.why,
      staleReads: this.stale.size,
      lastStaleReadSeconds: this.since(this.lastStale),
      refusals: this.refusals.told,
    };
  }

  private since(moment: Moment | undefined): number | undefined {
    return moment === undefined ? undefined : toSeconds(moment - this.roles.faultAt);
  }

  private takeOld(attempt: WriteAttempt, endedAt: Moment): void {
    const { taken } = this.survey;
    const { actor, timeline = 0, invokedAt } = attempt;
    // Once it is promoted again, the old primary takes writes by right, on a timeline of its own.
    if (timeline > (taken?.timeline ?? timeline)) return;
    const ofClients = actor !== 'local-witness';
    this.lastTaken = endedAt;
    if (ofClients) this.lastOfClients = endedAt;
    if (this.refused !== undefined && this.refused.at <= endedAt) this.refused = undefined;
    if (isWitness(actor) && endedAt < this.roles.faultAt) this.witnessed = true;
    if (taken === undefined || invokedAt <= taken.at) return;
    this.lateAt = endedAt;
    if (!ofClients) return;
    this.lateOfClientsAt = endedAt;
    this.overlap.add(attempt);
  }

  private refuse(event: Of<'refused'>): void {
    const { node, at } = event;
    const { faultAt, oldPrimary } = this.roles;
    if (node === oldPrimary) {
      if (at > (this.lastTaken ?? Number.NEGATIVE_INFINITY)) this.refused ??= event;
      if (at > faultAt) this.refusedSinceFault ??= event;
    }
    this.refusals.take(event);
  }

  private miss({ connection, row, invokedAt, at }: Of<'probed'>): void {
    if ((this.elsewhere.get(rowIdOf(row)) ?? Number.POSITIVE_INFINITY) > invokedAt) return;
    this.stale.add(`${connection} ${at}`);
    this.lastStale = at;
  }
}

/** The longest time without an acknowledged write to clients of a kind, from the last before the fault on. */
export class PauseTally {
  private readonly survey: HistorySurvey;
  private readonly actor: Actor;
  private lastBeforeFault: Moment | undefined;
  private last: Moment | undefined;
  private longestMs = 0;

  constructor(survey: HistorySurvey, actor: Actor) {
    this.survey = survey;
    this.actor = actor;
  }

  /** Of writes in the order of their ends. */
  take(at: Moment): void {
    if (at < this.survey.roles.faultAt) this.lastBeforeFault = at;
    else if (this.lastBeforeFault !== undefined)
      this.longestMs = Math.max(this.longestMs, at - (this.last ?? this.lastBeforeFault));
    this.last = at;
  }

  get longest(): number | undefined {
    if (this.lastBeforeFault === undefined || this.last === undefined) return undefined;
    return toSeconds(Math.max(this.longestMs, this.survey.lastTry(this.actor) - this.last));
  }
}

/** What each node, or host of the connection string, last said to clients of a kind since the fault. */
export class RefusalTally {
  private readonly faultAt: Moment;
  private readonly actor: Actor;
  private readonly last = new Map<string, { at: Moment; why: string }>();

  constructor({ roles }: HistorySurvey, actor: Actor) {
    this.faultAt = roles.faultAt;
    this.actor = actor;
  }

  take({ actor, node, at, why }: Of<'refused'>): void {
    if (actor !== this.actor || at < this.faultAt) return;
    const known = this.last.get(node);
    // Two at the same moment: by their words, so that the order of events does not matter.
    if (!known || at > known.at || (at === known.at && why > known.why)) this.last.set(node, { at, why });
  }

  get told(): Times['refusals'] {
    return [...this.last]
      .map(([node, { at, why }]) => ({ node, why, seconds: toSeconds(at - this.faultAt) }))
      .sort((one, other) => (one.node < other.node ? -1 : 1));
  }
}
