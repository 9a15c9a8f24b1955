import { describeRemedy } from '../check/check.ts';
import type { Verdict } from '../check/verdict.ts';

/** More of them would bury the cause, which comes first. */
const most = 3;

/**
 * What check-formation finds gravely wrong, causes first, each with what ends it; a run of provisioning that has just
 * failed is no such thing. Pure.
 */
export function findingsInWords({ findings }: Verdict): string[] {
  const problems = findings
    .filter(({ status, severity }) => status === 'fail' && severity === 'error')
    .flatMap(({ check, faults: all }) => all.map((problem) => ({ check, ...problem })));
  const words = problems.slice(0, most).map(({ check, subject, evidence, remedy }) => {
    const what = `${check}: ${subject}: ${evidence}`;
    return /provision-pgaf/.test(describeRemedy(remedy)) ? what : `${what} (${describeRemedy(remedy)})`;
  });
  return problems.length > most ? [...words, `and ${problems.length - most} more`] : words;
}
