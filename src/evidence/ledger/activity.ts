import type { Moment } from '../../clock/clock.ts';
import type { Activity, Roles } from '../record.ts';
import type { WriteAttempt } from '../write-attempts.ts';

type Outcome = WriteAttempt['outcome'];

/** Hundredths of a second near the fault: a picture is a few hundred of them wide. Further away fewer do, of which there may be hours. */
function roundedMoment(ms: number): number {
  const farMs = Math.abs(ms);
  const stepMs = farMs <= 120_000 ? 10 : farMs <= 1_200_000 ? 100 : 1000;
  return Math.round((Math.round(ms / stepMs) * stepMs) / 10) / 100;
}

/** When writes ended. */
export class MomentTally {
  private readonly faultAt: Moment;
  private readonly moments: Record<Outcome, Set<number>> = {
    acknowledged: new Set(),
    unknown: new Set(),
    failed: new Set(),
  };

  constructor(faultAt: Moment) {
    this.faultAt = faultAt;
  }

  take({ outcome, endedAt, invokedAt }: WriteAttempt): void {
    this.moments[outcome].add(roundedMoment((endedAt ?? invokedAt) - this.faultAt));
  }

  get inOrder(): Record<Outcome, number[]> {
    const { acknowledged, unknown, failed } = this.moments;
    const sorted = (moments: Set<number>) => [...moments].sort((one, other) => one - other);
    return { acknowledged: sorted(acknowledged), unknown: sorted(unknown), failed: sorted(failed) };
  }
}

/** The application's writes by the node that they were sent to. */
export class ActivityTally {
  private readonly roles: Roles;
  private readonly byNode = new Map<string, MomentTally>();

  constructor(roles: Roles) {
    this.roles = roles;
  }

  takeWrite(attempt: WriteAttempt): void {
    const { actor, node } = attempt;
    if (actor !== 'application') return;
    const known = this.byNode.get(node) ?? new MomentTally(this.roles.faultAt);
    this.byNode.set(node, known);
    known.take(attempt);
  }

  /** The old primary first. */
  get activity(): Activity[] {
    const { oldPrimary } = this.roles;
    const rank = (node: string) => (node === oldPrimary ? 0 : 1);
    return [...this.byNode]
      .map(([node, moments]) => ({ node, ...moments.inOrder }))
      .sort((one, other) => rank(one.node) - rank(other.node) || (one.node < other.node ? -1 : 1));
  }
}
