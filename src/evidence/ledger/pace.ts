import { type Moment, toSeconds } from '../../clock/clock.ts';
import type { BurstRecord, Throughput } from '../record.ts';
import type { WriteAttempt } from '../write-attempts.ts';
import type { HistorySurvey } from './survey.ts';

/** When the clients began faster than they were to go on; undefined where they kept to one pace. */
function burstIn(survey: HistorySurvey): { writesPerSecond: number; from: Moment; to: Moment } | undefined {
  const [fast, slow] = survey.all('paced');
  if (fast === undefined || slow === undefined) return undefined;
  return { writesPerSecond: fast.writesPerSecond, from: fast.at, to: slow.at };
}

/** The same, told since the fault. Pure. */
export function burstOf(survey: HistorySurvey): BurstRecord | undefined {
  const burst = burstIn(survey);
  if (burst === undefined) return undefined;
  const { writesPerSecond, from, to } = burst;
  const { faultAt } = survey.roles;
  return { writesPerSecond, from: toSeconds(from - faultAt), to: toSeconds(to - faultAt) };
}

/** From less than this no rate can be told. */
const leastWindowMs = 250;

/** What the servers took of what they were offered. */
export class ThroughputTally {
  private readonly survey: HistorySurvey;
  private beforeFrom: Moment | undefined;
  private beforeCount = 0;
  private afterFrom: Moment | undefined;
  private afterTo: Moment | undefined;
  private afterCount = 0;

  constructor(survey: HistorySurvey) {
    this.survey = survey;
    this.beforeFrom = burstIn(survey)?.to;
    const { newPrimary, faultAt } = survey.roles;
    this.afterFrom = newPrimary === undefined ? faultAt : survey.firstOf('application')?.at;
  }

  takeWrite({ actor, node, outcome, endedAt }: WriteAttempt): void {
    if (actor !== 'application' || outcome !== 'acknowledged' || endedAt === undefined) return;
    const { faultAt, oldPrimary, newPrimary } = this.survey.roles;
    if (endedAt < faultAt) {
      if (node !== oldPrimary) return;
      this.beforeFrom ??= endedAt;
      if (endedAt >= this.beforeFrom) this.beforeCount++;
    } else if (node === (newPrimary ?? oldPrimary) && endedAt >= (this.afterFrom ?? endedAt)) {
      this.afterTo = endedAt;
      this.afterCount++;
    }
  }

  get throughput(): Throughput {
    const { faultAt } = this.survey.roles;
    const stalls = this.survey.all('slept').map(({ from, at }) => at - from);
    const [busy] = this.survey.all('stalled').flatMap(({ busyShare }) => busyShare ?? []);
    return {
      before: rateOf(this.beforeCount, this.beforeFrom, faultAt),
      after: rateOf(this.afterCount, this.afterFrom, this.afterTo),
      stalls: {
        count: stalls.length,
        seconds: toSeconds(stalls.reduce((sum, each) => sum + each, 0)),
        longest: toSeconds(Math.max(0, ...stalls)),
      },
      busyShare: busy,
    };
  }
}

function rateOf(count: number, from: Moment | undefined, to: Moment | undefined): Throughput['before'] {
  if (from === undefined || to === undefined || to - from < leastWindowMs) return undefined;
  return {
    writesPerSecond: Math.round((count * 10_000) / (to - from)) / 10,
    seconds: toSeconds(to - from),
  };
}
