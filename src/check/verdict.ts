import type { Outcome } from '../contract/outcome.ts';
import type { Formation } from '../formation/formation.ts';
import { settledPrimary } from '../monitor/nodes.ts';
import { type Prediction, predict } from '../prediction/prediction.ts';
import { catalogue } from './catalogue/catalogue.ts';
import { type Asked, type Check, type Fault, type Finding, type Severity, severities } from './check.ts';
import { liveSettings } from './live-settings.ts';
import type { Observation } from './observation.ts';

/** What an observation amounts to. Plain data. */
export interface Verdict {
  outcome: Extract<Outcome, 'pass' | 'unhealthy' | 'error'>;
  /** One sentence. */
  message: string;
  findings: Finding[];
  /** The node that the monitor has settled as primary, or undefined. */
  primary: string | undefined;
  /** The nodes that the monitor has as secondaries. */
  standbys: string[];
  /** What its settings lead to, fault by fault; undefined where they could not all be read. */
  prediction: Prediction | undefined;
}

export interface JudgeOptions extends Asked {
  /** The least severity that makes a formation unhealthy. */
  failOn?: Severity;
  /** Ids of checks that warn at most: what they are about is found out in another way. */
  onlyWarn?: readonly string[];
}

/** Judges an observation by every check of the catalogue. Pure. */
export function judge(observation: Observation, formation: Formation, options: JudgeOptions = {}): Verdict {
  const found = catalogue.map((each) => {
    const check = options.onlyWarn?.includes(each.id) ? { ...each, severity: 'warning' as const } : each;
    return { check, faults: check.faults(observation, formation, options) };
  });
  const findings = findingsOf(found);
  const nodes = observation.monitor.ok ? observation.monitor.value.nodes : [];
  const primary = settledPrimary(nodes)?.name;
  const standbys = nodes
    .filter((node) => node.goalState === 'secondary' && node.reportedState === 'secondary')
    .map((node) => node.name);
  const failing = failingFindings(findings, options.failOn ?? 'error');
  const live = liveSettings(observation, formation);
  return {
    ...conclude(observation, findings, failing, formation, primary, standbys),
    findings,
    primary,
    standbys,
    prediction: live && predict(live),
  };
}

const weight = (severity: Severity) => severities.indexOf(severity);
const gravest = (all: readonly Severity[]): Severity =>
  all.reduce((worst, each) => (weight(each) > weight(worst) ? each : worst), 'warning');

/** What a check found; undefined where it could not tell. */
export interface Found {
  check: Check;
  faults: readonly Fault[] | undefined;
}

interface Told {
  check: Check;
  fault: Fault;
  severity: Severity;
  causes: Told[];
}

/** Tells causes from consequences. Pure. */
export function findingsOf(found: readonly Found[]): Finding[] {
  const all = found.flatMap(({ check, faults = [] }) =>
    faults.map((fault): Told => ({ check, fault, severity: fault.severity ?? check.severity, causes: [] })),
  );
  for (const told of all) told.causes = causesOf(told, all);
  const consequences = consequencesIn(all);
  return found.map(({ check, faults }) => {
    const { id, meaning, severity } = check;
    if (faults === undefined || faults.length === 0) {
      const status = faults === undefined ? 'unknown' : 'pass';
      return { check: id, severity, meaning, status, faults: [], because: [] };
    }
    const here = all.filter((each) => each.check === check);
    const own = here.filter((each) => !consequences.has(each));
    const told = own.length > 0 ? own : here;
    const causes = told.flatMap((each) => each.causes.map((cause) => cause.check.id));
    return {
      check: id,
      severity: gravest(told.map((each) => each.severity)),
      meaning,
      status: own.length > 0 ? 'fail' : 'follows',
      faults: told.map((each) => each.fault),
      because: own.length > 0 ? [] : [...new Set(causes)],
    };
  });
}

/** Faults that this one may follow from. A grave fault never hides behind a milder one. */
function causesOf({ check, fault, severity }: Told, all: readonly Told[]): Told[] {
  if (fault.own) return [];
  return Object.entries(check.follows ?? {}).flatMap(([id, where]) =>
    all.filter(
      (other) =>
        other.check.id === id &&
        (where === 'any' || other.fault.subject === fault.subject) &&
        weight(other.severity) >= weight(severity),
    ),
  );
}

/** What follows, over however many steps, from a fault that follows from none: faults in a circle explain nothing. */
function consequencesIn(all: readonly Told[]): Set<Told> {
  const explained = new Set(all.filter(({ causes }) => causes.length === 0));
  const roots = [...explained];
  for (let before = -1; before < explained.size; ) {
    before = explained.size;
    for (const told of all) if (told.causes.some((cause) => explained.has(cause))) explained.add(told);
  }
  for (const root of roots) explained.delete(root);
  return explained;
}

/** The findings for which a formation is not healthy, causes before consequences. */
function failingFindings(findings: readonly Finding[], failOn: Severity): Finding[] {
  const grave = findings.filter(({ severity }) => weight(severity) >= weight(failOn));
  return [
    ...grave.filter(({ status }) => status === 'fail'),
    ...grave.filter(({ status }) => status === 'follows'),
  ];
}

function conclude(
  observation: Observation,
  findings: readonly Finding[],
  failing: readonly Finding[],
  formation: Formation,
  primary: string | undefined,
  standbys: readonly string[],
): Pick<Verdict, 'outcome' | 'message'> {
  const [first] = failing;
  const [fault] = first?.faults ?? [];
  if (first && fault) {
    const others = failing.filter((finding) => finding.status === 'fail').length - 1;
    const more = others <= 0 ? '' : ` (${others} more check${others === 1 ? '' : 's'} failed)`;
    return {
      outcome: 'unhealthy',
      message: `formation ${formation.name} is not healthy: ${fault.subject}: ${fault.evidence}${more}`,
    };
  }
  if (findings.some((finding) => finding.status === 'unknown')) {
    return {
      outcome: 'error',
      message: `formation ${formation.name}: what was read does not suffice for a verdict${firstUnread(observation)}`,
    };
  }
  const warnings = findings.filter((finding) => finding.status === 'fail').map(({ check }) => check);
  const noted = warnings.length === 0 ? '' : `; warnings: ${warnings.join(', ')}`;
  return {
    outcome: 'pass',
    message: `formation ${formation.name} is healthy: primary ${primary}, standby${standbys.length === 1 ? '' : 's'} ${standbys.join(', ')}${noted}`,
  };
}

/** Where reading failed, and why: for what could not be judged. */
function firstUnread({ monitor, nodes, containers }: Observation): string {
  const reads = Object.entries({ ...nodes, ...containers });
  const [name, read] = reads.find(([, each]) => !each.ok) ?? ['the monitor', monitor];
  return read.ok ? '' : `: ${name}: ${read.failed}`;
}
