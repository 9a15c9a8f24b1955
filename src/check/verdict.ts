import type { Outcome } from '../contract/outcome.ts';
import type { Formation } from '../formation/formation.ts';
import { settledPrimary } from '../monitor/nodes.ts';
import { catalogue } from './catalogue.ts';
import type { Finding } from './check.ts';
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
}

/** Judges an observation by every check of the catalogue. Pure. */
export function judge(observation: Observation, formation: Formation): Verdict {
  const findings = catalogue.map(({ id, meaning, severity, faults }): Finding => {
    const found = faults(observation, formation);
    const status = found === undefined ? 'unknown' : found.length === 0 ? 'pass' : 'fail';
    return { check: id, severity, meaning, status, faults: found ?? [] };
  });
  const nodes = observation.monitor.ok ? observation.monitor.value.nodes : [];
  const primary = settledPrimary(nodes)?.name;
  const standbys = nodes
    .filter((node) => node.goalState === 'secondary' && node.reportedState === 'secondary')
    .map((node) => node.name);
  return { ...conclude(findings, formation, primary, standbys), findings, primary, standbys };
}

function conclude(
  findings: readonly Finding[],
  formation: Formation,
  primary: string | undefined,
  standbys: readonly string[],
): Pick<Verdict, 'outcome' | 'message'> {
  const failed = findings.filter((finding) => finding.status === 'fail' && finding.severity === 'error');
  const [first] = failed.flatMap((finding) => finding.faults);
  if (first) {
    const others = failed.length - 1;
    const more = others === 0 ? '' : ` (${others} more check${others === 1 ? '' : 's'} failed)`;
    return {
      outcome: 'unhealthy',
      message: `formation ${formation.name} is not healthy: ${first.subject}: ${first.evidence}${more}`,
    };
  }
  if (findings.some((finding) => finding.status === 'unknown')) {
    return {
      outcome: 'error',
      message: `formation ${formation.name}: what was read does not suffice for a verdict`,
    };
  }
  return {
    outcome: 'pass',
    message: `formation ${formation.name} is healthy: primary ${primary}, standby${standbys.length === 1 ? '' : 's'} ${standbys.join(', ')}`,
  };
}
