import { toSeconds } from '../clock/clock.ts';
import { type Interval, inTurn } from '../clock/interval.ts';
import { goneChecksFail, silentChecksFail } from '../formation/detection.ts';
import type { LiveNode, LiveSettings } from './basis.ts';
import { crashCourse, failoverCourse, noSuccessor, switchoverCourse } from './courses.ts';
import { type FailoverStep, restarted } from './failover-steps.ts';
import { type Fence, frozen, fullCutFence, lateMs, monitorCutFence } from './fences.ts';
import type { FaultClass, FaultPrediction, Fencing, Part, Prediction, Span } from './record.ts';

/**
 * What a formation's settings lead to, fault by fault, before any fault has come: how long until the promotion, which
 * setting costs most of it, and whether two primaries may take writes. docs/prediction.md has the model, its
 * sources, and how it compares with what was measured.
 */

/** @throws Error where `primary` names none of the nodes */
export function predict(live: LiveSettings): Prediction {
  const primary = live.nodes.find(({ name }) => name === live.primary);
  if (!primary) throw new Error(`${live.primary} is none of the nodes that a prediction was asked for`);
  const blocked = noSuccessor(live, primary);
  const failover = (fault: FaultClass, checks: Interval, fence: (writable: Interval) => Fence | null) => {
    const steps = failoverCourse(live, checks);
    const writable = wholeOf(steps.slice(0, -1));
    return promoting(fault, { steps, outage: writable, fence: fence(writable) }, blocked);
  };
  const silent = silentChecksFail(live.monitor);
  const switchover = switchoverCourse(live, primary);
  return {
    'crash-stop': failover('crash-stop', goneChecksFail(live.monitor), () => null),
    freeze: failover('freeze', silent, () => frozen),
    'full-cut': failover('full-cut', silent, (writable) => fullCutFence(live, primary, writable)),
    'monitor-cut': failover('monitor-cut', silent, () => monitorCutFence(live, primary)),
    'postgres-crash': postgresCrash(live, primary, blocked),
    switchover: promoting(
      'switchover',
      {
        steps: switchover,
        // Writes go on until the primary is told, and come back before the announcement.
        outage: wholeOf(switchover.slice(1, -1)),
        fence: null,
      },
      blocked,
    ),
  };
}

function postgresCrash(live: LiveSettings, primary: LiveNode, blocked: string | null): FaultPrediction {
  const steps = crashCourse(live, primary);
  return {
    fault: 'postgres-crash',
    promotion: null,
    notPromoted: 'its keeper lives and starts Postgres again, which is no failover',
    outage: span(restarted.takes),
    parts: [part(restarted)],
    costliest: null,
    mayFailOver:
      blocked === null
        ? {
            why:
              'the keeper may look before it has tried to start Postgres again, and report that it does not run: the ' +
              'monitor then fails over at once',
            promotion: span(wholeOf(steps)),
            outage: span(wholeOf(steps.slice(0, -1))),
            parts: steps.map(part),
          }
        : null,
    fencing: null,
  };
}

function promoting(
  fault: FaultClass,
  { steps, outage, fence }: { steps: FailoverStep[]; outage: Interval; fence: Fence | null },
  blocked: string | null,
): FaultPrediction {
  if (blocked !== null)
    return {
      fault,
      promotion: null,
      notPromoted: blocked,
      outage: null,
      parts: [],
      costliest: null,
      mayFailOver: null,
      fencing: null,
    };
  const parts = steps.map(part);
  return {
    fault,
    promotion: span(wholeOf(steps)),
    notPromoted: null,
    outage: span(outage),
    parts,
    costliest: costliestOf(parts),
    mayFailOver: null,
    fencing: fence && inSeconds(fence),
  };
}

function costliestOf(parts: readonly Part[]): Part | null {
  const settable = parts.filter(({ setting }) => setting !== null);
  return settable.reduce<Part | null>(
    (most, one) => (most && most.costSeconds >= one.costSeconds ? most : one),
    null,
  );
}

const wholeOf = (steps: readonly FailoverStep[]) => inTurn(...steps.map(({ takes }) => takes));

const span = ({ least, most }: Interval): Span => ({ least: toSeconds(least), most: toSeconds(most) });

function part({ name, takes, cost }: FailoverStep): Part {
  return {
    name,
    ...span(takes),
    setting: cost?.setting ?? null,
    costSeconds: toSeconds(cost?.costMs ?? 0),
    gainSeconds: toSeconds(cost?.gainMs ?? 0),
  };
}

function inSeconds({ fenced, margin, overlapMs, overlapWhenLateMs, reason }: Fence): Fencing {
  return {
    fenced: fenced && span(fenced),
    margin: margin && span(margin),
    overlapSeconds: overlapMs === null ? null : toSeconds(overlapMs),
    lateSeconds: toSeconds(lateMs),
    overlapWhenLateSeconds: overlapWhenLateMs === null ? null : toSeconds(overlapWhenLateMs),
    reason,
  };
}
