import { toSeconds } from '../../clock/clock.ts';
import type { UriTimes } from '../record.ts';
import type { WriteAttempt } from '../write-attempts.ts';
import type { HistoryEvent } from '../write-history.ts';
import { MomentTally } from './activity.ts';
import type { HistorySurvey } from './survey.ts';
import { PauseTally, RefusalTally } from './times.ts';

/** What clients saw who went by the connection string. */
export class UriTally {
  private readonly survey: HistorySurvey;
  private readonly moments: MomentTally;
  private readonly counts = { acknowledged: 0, failed: 0, unknown: 0 };
  private readonly pauses: PauseTally;
  private readonly refusals: RefusalTally;

  constructor(survey: HistorySurvey) {
    this.survey = survey;
    this.moments = new MomentTally(survey.roles.faultAt);
    this.pauses = new PauseTally(survey, 'uri-client');
    this.refusals = new RefusalTally(survey, 'uri-client');
  }

  takeEvent(event: HistoryEvent): void {
    if (event.kind === 'refused') this.refusals.take(event);
  }

  takeWrite(attempt: WriteAttempt): void {
    const { actor, outcome, endedAt } = attempt;
    if (actor !== 'uri-client') return;
    this.counts[outcome]++;
    this.moments.take(attempt);
    if (outcome === 'acknowledged' && endedAt !== undefined) this.pauses.take(endedAt);
  }

  /** Undefined where there were none. */
  get times(): UriTimes | undefined {
    const { hasUriClients, roles } = this.survey;
    if (!hasUriClients) return undefined;
    const first = this.survey.firstOf('uri-client');
    return {
      clientRtoSeconds: first && toSeconds(first.at - roles.faultAt),
      writeOutageSeconds:
        first?.lastBefore === undefined ? undefined : toSeconds(first.at - first.lastBefore),
      longestPauseSeconds: this.pauses.longest,
      acknowledgedWrites: this.counts.acknowledged,
      failedWrites: this.counts.failed,
      unknownWrites: this.counts.unknown,
      refusals: this.refusals.told,
      activity: this.moments.inOrder,
    };
  }
}
