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
}

/** Judges an observation by every check of the catalogue. Pure. */
export function judge(observation: Observation, formation: Formation, options: JudgeOptions = {}): Verdict {
  const found = new Map(
    catalogue.map((check) => [check.id, check.faults(observation, formation, options)] as const),
  );
  const findings = catalogue.map((check) => findingOf(check, found));
  const nodes = observation.monitor.ok ? observation.monitor.value.nodes : [];
  const primary = settledPrimary(nodes)?.name;
  const standbys = nodes
    .filter((node) => node.goalState === 'secondary' && node.reportedState === 'secondary')
    .map((node) => node.name);
  const failing = failingFindings(findings, options.failOn ?? 'error');
  const live = liveSettings(observation, formation);
  return {
    ...conclude(findings, failing, formation, primary, standbys),
    findings,
    primary,
    standbys,
    prediction: live && predict(live),
  };
}

const weight = (severity: Severity) => severities.indexOf(severity);
const gravest = (all: readonly Severity[]): Severity =>
  all.reduce((worst, each) => (weight(each) > weight(worst) ? each : worst), 'warning');

const severityOf = (check: Check, fault: Fault): Severity => fault.severity ?? check.severity;

const byId = new Map(catalogue.map((check) => [check.id, check]));

type Found = ReadonlyMap<string, readonly Fault[] | undefined>;

function findingOf(check: Check, found: Found): Finding {
  const { id, meaning } = check;
  const faults = found.get(id);
  if (faults === undefined)
    return { check: id, severity: check.severity, meaning, status: 'unknown', faults: [], because: [] };
  if (faults.length === 0)
    return { check: id, severity: check.severity, meaning, status: 'pass', faults: [], because: [] };
  const causes = faults.map((fault) => causesOf(check, fault, found));
  const own = faults.filter((_, index) => causes[index]?.length === 0);
  const told = own.length > 0 ? own : faults;
  return {
    check: id,
    severity: gravest(told.map((fault) => severityOf(check, fault))),
    meaning,
    status: own.length > 0 ? 'fail' : 'follows',
    faults: [...told],
    because: own.length > 0 ? [] : [...new Set(causes.flat())],
  };
}

/** Checks that this fault follows from. A grave fault never hides behind a milder one. */
function causesOf(check: Check, fault: Fault, found: Found): string[] {
  if (fault.own) return [];
  return Object.entries(check.follows ?? {}).flatMap(([id, where]) => {
    const cause = byId.get(id);
    const explains = found
      .get(id)
      ?.some(
        (other) =>
          cause !== undefined &&
          (where === 'any' || other.subject === fault.subject) &&
          weight(severityOf(cause, other)) >= weight(severityOf(check, fault)),
      );
    return explains ? [id] : [];
  });
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
      message: `formation ${formation.name}: what was read does not suffice for a verdict`,
    };
  }
  const warnings = findings.filter((finding) => finding.status === 'fail').map(({ check }) => check);
  const noted = warnings.length === 0 ? '' : `; warnings: ${warnings.join(', ')}`;
  return {
    outcome: 'pass',
    message: `formation ${formation.name} is healthy: primary ${primary}, standby${standbys.length === 1 ? '' : 's'} ${standbys.join(', ')}${noted}`,
  };
}
