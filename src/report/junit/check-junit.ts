import type { Finding, Severity } from '../../check/check.ts';
import { describeRemedy } from '../../check/check.ts';
import type { Checked } from '../../check/many.ts';
import { junitXml, type TestCase } from './junit.ts';

/** One suite a formation, one test case a check. Consequences of other failures are skipped cases. */
export function checkJunit(checked: readonly Checked[], failOn: Severity): string {
  return junitXml(
    'check-formation',
    checked.map((each) => {
      const { name } = each.formation;
      if (!each.judged) {
        const result = { kind: 'error', message: each.failed, detail: each.failed } as const;
        return { name, timestamp: '', cases: [{ name: 'read', classname: name, result }] };
      }
      return {
        name,
        timestamp: each.observation.observedAt,
        cases: each.verdict.findings.map((finding) => ({
          name: finding.check,
          classname: name,
          result: resultOf(finding, failOn),
        })),
      };
    }),
  );
}

function resultOf(finding: Finding, failOn: Severity): TestCase['result'] {
  const { status, faults: problems, meaning, severity, because } = finding;
  const first = problems[0];
  switch (status) {
    case 'pass':
      return finding.unasked === undefined
        ? { kind: 'passed' }
        : { kind: 'skipped', message: finding.unasked };
    case 'unknown':
      return { kind: 'error', message: 'what it needs could not be read', detail: meaning };
    case 'follows':
      return { kind: 'skipped', message: `follows from ${because.join(', ')}` };
    case 'fail': {
      const detail = problems
        .map((problem) => `${problem.subject}: ${problem.evidence}\nto do: ${describeRemedy(problem.remedy)}`)
        .join('\n');
      if (severity === 'warning' && failOn === 'error') return { kind: 'passed', note: `warning: ${detail}` };
      return {
        kind: 'failed',
        message: `${first?.subject}: ${first?.evidence}`,
        detail: `${meaning}\n${detail}`,
      };
    }
  }
}
