import { type Moment, toSeconds } from '../clock/clock.ts';
import type { ProbeRecord, Stretch } from './record.ts';

/** What one look came to. */
export interface ProbeLook {
  state: Stretch['state'];
  asked: Moment;
  told: Moment;
  why?: string | undefined;
}

/** A probe that changes more often has more than a report can hold. */
const mostStretches = 400;

interface Run {
  first: ProbeLook;
  last: ProbeLook;
  looks: number;
}

/** The looks of one probe, those in a row that came to the same as one: bounded however long it looks. */
export class LookHistory {
  private readonly runs: Run[] = [];
  private unrecorded = 0;
  private slowestMs: number | undefined;
  private current: Run | undefined;

  note(look: ProbeLook): void {
    if (look.state === 'good') this.slowestMs = Math.max(this.slowestMs ?? 0, look.told - look.asked);
    if (this.current?.first.state === look.state) {
      this.current.last = look;
      this.current.looks++;
      if (this.runs.at(-1) !== this.current) this.unrecorded++;
      return;
    }
    this.current = { first: look, last: look, looks: 1 };
    if (this.runs.length < mostStretches) this.runs.push(this.current);
    else this.unrecorded++;
  }

  /** The looks in a row that came to what the last one did. */
  get now(): Readonly<Run> | undefined {
    return this.current;
  }

  /** @param origin the fault */
  recorded(origin: Moment): Pick<ProbeRecord, 'stretches' | 'unrecordedLooks' | 'slowestSeconds'> {
    const since = (moment: Moment) => toSeconds(moment - origin);
    const kept = this.runs.map(
      ({ first, last, looks }): Stretch => ({
        state: first.state,
        askedSeconds: since(first.asked),
        toldSeconds: since(first.told),
        lastAskedSeconds: since(last.asked),
        lastToldSeconds: since(last.told),
        looks,
        ...(first.why !== undefined && { why: first.why }),
      }),
    );
    return {
      stretches: kept,
      ...(this.unrecorded > 0 && { unrecordedLooks: this.unrecorded }),
      ...(this.slowestMs !== undefined && { slowestSeconds: toSeconds(this.slowestMs) }),
    };
  }
}
