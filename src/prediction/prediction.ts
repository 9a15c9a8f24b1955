import { seconds } from '../clock/clock.ts';
import { type Interval, inTurn } from '../clock/interval.ts';
import { goneChecksFail, silentChecksFail } from '../formation/detection.ts';
import { crashCourse, failoverCourse, noSuccessor, switchoverCourse } from './courses.ts';
import { type Fence, frozen, fullCutFence, lateMs, monitorCutFence } from './fences.ts';
import type { LiveNode, LiveSettings } from './settings.ts';
import { restarted, type Step } from './steps.ts';

/**
 * What a formation's settings lead to, fault by fault, before any fault has come: how long until the promotion, which
 * setting costs most of it, and whether two primaries may take writes. docs/prediction.md has the model, its
 * sources, and how it compares with what was measured.
 */

export const faultClasses = [
  /** The primary's container or machine is gone. */
  'crash-stop',
  /** It stands still; its sockets look alive. */
  'freeze',
  /** Nothing arrives at it, nor from it. */
  'full-cut',
  /** Nothing arrives between it and the monitor. */
  'monitor-cut',
  /** Only its Postgres was killed: its keeper starts it again, and as a rule nothing is promoted. */
  'postgres-crash',
  /** An operator has the role handed over. */
  'switchover',
] as const;

export type FaultClass = (typeof faultClasses)[number];

/** JSON-able. */
export type Prediction = Record<FaultClass, FaultPrediction>;

/** Seconds with millisecond precision. */
export interface Span {
  least: number;
  most: number;
}

/** One step on the way: what takes the time, and the setting that causes it, where one does. */
export interface Part extends Span {
  name: string;
  setting: string | null;
  /** How much of the most the setting makes, and how much lowering it alone can gain. */
  costSeconds: number;
  gainSeconds: number;
}

export interface FaultPrediction {
  fault: FaultClass;
  /** From the fault to the monitor's announcement of the promotion; null where nothing is promoted. */
  promotion: Span | null;
  /** Why nothing is promoted. */
  notPromoted: string | null;
  /** How long writes are out, for a client that finds the new primary at once; null where they never come back. */
  outage: Span | null;
  /** They add up to the promotion, or to the outage where nothing is promoted; empty where neither comes. */
  parts: Part[];
  /** The part whose setting costs most. */
  costliest: Part | null;
  /** A failover that need not come, but may; null where there is no such doubt. */
  mayFailOver: PossibleFailover | null;
  /** Null where the fault leaves no old primary that could take writes. */
  fencing: Fencing | null;
}

export interface PossibleFailover {
  why: string;
  promotion: Span;
  outage: Span;
  parts: Part[];
}

/** As Fence, in seconds: null for times that are not to be relied upon, or have no end. */
export interface Fencing {
  fenced: Span | null;
  /** New primary writable minus old primary fenced. */
  margin: Span | null;
  /** How long two primaries may take writes where keepers run on time: what the formation file refuses. */
  overlapSeconds: number | null;
  /** How much later it may be fenced where the cut falls amid a report, or the machine is too busy. */
  lateSeconds: number;
  /** How long two primaries may take writes then. */
  overlapWhenLateSeconds: number | null;
  reason: string;
}

/** @throws Error where `primary` names none of the nodes */
export function predict(live: LiveSettings): Prediction {
  const primary = live.nodes.find(({ name }) => name === live.primary);
  if (!primary) throw new Error(`${live.primary} is none of the nodes that a prediction was asked for`);
  const blocked = noSuccessor(live, primary);
  const failover = (fault: FaultClass, checks: Interval, fence: (writable: Interval) => Fence | null) => {
    const steps = failoverCourse(live, checks);
    const writable = wholeOf(steps.slice(0, -1));
    return promoting(fault, steps, writable, fence(writable), blocked);
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
      switchover,
      // Writes go on until the primary is told, and come back before the announcement.
      wholeOf(switchover.slice(1, -1)),
      null,
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
  steps: Step[],
  outage: Interval,
  fence: Fence | null,
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

const wholeOf = (steps: readonly Step[]) => inTurn(...steps.map(({ takes }) => takes));

const span = ({ least, most }: Interval): Span => ({ least: seconds(least), most: seconds(most) });

function part({ name, takes, cost }: Step): Part {
  return {
    name,
    ...span(takes),
    setting: cost?.setting ?? null,
    costSeconds: seconds(cost?.costMs ?? 0),
    gainSeconds: seconds(cost?.gainMs ?? 0),
  };
}

function inSeconds({ fenced, margin, overlapMs, overlapWhenLateMs, reason }: Fence): Fencing {
  return {
    fenced: fenced && span(fenced),
    margin: margin && span(margin),
    overlapSeconds: overlapMs === null ? null : seconds(overlapMs),
    lateSeconds: seconds(lateMs),
    overlapWhenLateSeconds: overlapWhenLateMs === null ? null : seconds(overlapWhenLateMs),
    reason,
  };
}
