import * as v from 'valibot';
import { maybe, text } from '../contract/shape.ts';
import type { Formation } from '../formation/formation.ts';
import { settledPrimary } from '../monitor/nodes.ts';
import { predict } from '../prediction/prediction.ts';
import { prediction } from '../prediction/record.ts';
import { checkCatalogue } from './catalogue/catalogue.ts';
import {
  type Asked,
  type Check,
  type Finding,
  finding,
  type Problem,
  type Severity,
  severities,
} from './check.ts';
import { liveSettings } from './live-settings.ts';
import type { Observation } from './observation.ts';

/** What an observation amounts to. */
export const verdict = v.object({
  outcome: v.picklist(['pass', 'unhealthy', 'error']),
  /** One sentence. */
  message: v.string(),
  findings: v.array(finding),
  primary: maybe(text('The node that the monitor has settled as primary.')),
  /** The nodes that the monitor has as secondaries. */
  standbys: v.array(v.string()),
  /** Undefined where not all settings could be read. */
  prediction: maybe(prediction),
});

export type Verdict = v.InferOutput<typeof verdict>;

export interface JudgeOptions extends Asked {
  /** The least severity that makes a formation unhealthy. */
  failOn?: Severity;
  /** Ids of checks that warn at most: what they are about is found out in another way. */
  onlyWarn?: readonly string[];
}

/** Judges an observation by every check of the catalogue. Pure. */
export function judge(
  observation: Observation,
  formation: Formation,
  options: JudgeOptions = {},
): Required<Verdict> {
  const found = checkCatalogue.map((each) => {
    const check = options.onlyWarn?.includes(each.id) ? { ...each, severity: 'warning' as const } : each;
    const problems = check.problems(observation, formation, options);
    return { check, problems, unasked: check.unasked?.(observation, options) };
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
    ...conclude(observation, formation, { findings, primary, standbys }, failing),
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
export interface CheckResult {
  check: Check;
  problems: readonly Problem[] | undefined;
  unasked?: string | undefined;
}

interface Weighed {
  check: Check;
  problem: Problem;
  severity: Severity;
  causes: Weighed[];
}

/** Tells causes from consequences. Pure. */
export function findingsOf(found: readonly CheckResult[]): Finding[] {
  const all = found.flatMap(({ check, problems = [] }) =>
    problems.map(
      (problem): Weighed => ({ check, problem, severity: problem.severity ?? check.severity, causes: [] }),
    ),
  );
  for (const told of all) told.causes = causesOf(told, all);
  const consequences = consequencesIn(all);
  return found.map(({ check, problems, unasked }) => {
    const { id, meaning, severity } = check;
    if (problems === undefined || problems.length === 0) {
      const status = problems === undefined ? 'unknown' : 'pass';
      const told = status === 'pass' && unasked !== undefined ? { unasked } : {};
      return { check: id, severity, meaning, status, faults: [], because: [], ...told };
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
      faults: told.map((each) => each.problem),
      because: own.length > 0 ? [] : [...new Set(causes)],
    };
  });
}

/** Problems that this one may follow from. A grave problem never hides behind a milder one. */
function causesOf({ check, problem, severity }: Weighed, all: readonly Weighed[]): Weighed[] {
  if (problem.own) return [];
  return Object.entries(check.follows ?? {}).flatMap(([id, where]) =>
    all.filter(
      (other) =>
        other.check.id === id &&
        (where === 'any' || other.problem.subject === problem.subject) &&
        weight(other.severity) >= weight(severity),
    ),
  );
}

/** What follows, over however many steps, from a problem that follows from none: problems in a circle explain nothing. */
function consequencesIn(all: readonly Weighed[]): Set<Weighed> {
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
  formation: Formation,
  { findings, primary, standbys }: Pick<Required<Verdict>, 'findings' | 'primary' | 'standbys'>,
  failing: readonly Finding[],
): Pick<Verdict, 'outcome' | 'message'> {
  const [first] = failing;
  const [problem] = first?.faults ?? [];
  if (first && problem) {
    const others = failing.filter((finding) => finding.status === 'fail').length - 1;
    const more = others <= 0 ? '' : ` (${others} more check${others === 1 ? '' : 's'} failed)`;
    return {
      outcome: 'unhealthy',
      message: `formation ${formation.name} is not healthy: ${problem.subject}: ${problem.evidence}${more}`,
    };
  }
  if (findings.some((finding) => finding.status === 'unknown')) {
    return {
      outcome: 'error',
      message: `formation ${formation.name}: too little could be read for a verdict${firstUnread(observation)}`,
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
