import type { Outcome } from '../contract/outcome.ts';

/** What the doctor looks at, and what it makes of it. Plain data. */

/**
 * What came of looking at something. `refused`: it was tried, and this is why it failed. `unseen`: it was not looked at, or
 * could not be, so nobody knows.
 */
export type Seen<T> =
  | { is: 'seen'; value: T }
  | { is: 'refused'; why: string }
  | { is: 'unseen'; why: string };

export const seen = <T>(value: T): Seen<T> => ({ is: 'seen', value });
export const refused = (why: string): Seen<never> => ({ is: 'refused', why });
export const unseen = (why: string): Seen<never> => ({ is: 'unseen', why });

export interface DoctorFinding {
  /** Stable, for bug reports. */
  id: string;
  /** `unknown`: it could not be read. That is never `holds`. */
  status: 'holds' | 'fails' | 'unknown';
  /** What was seen, in a sentence. */
  says: string;
  /** What mends it, a sentence for each idea. */
  remedy?: string | undefined;
  /** Nothing needs it, or something else shows the same: it does not decide the outcome while it is unknown. */
  optional?: true;
}

export const holds = (id: string, says: string): DoctorFinding => ({ id, status: 'holds', says });
export const fails = (id: string, says: string, remedy: string): DoctorFinding => ({
  id,
  status: 'fails',
  says,
  remedy,
});
export const unknown = (id: string, says: string, remedy?: string): DoctorFinding => ({
  id,
  status: 'unknown',
  says,
  remedy,
});

/**
 * Judges what was seen.
 * @param remedy for what was refused
 * @param judge of what was seen; a text says that it holds
 */
export function judged<T>(
  id: string,
  found: Seen<T>,
  remedy: string,
  judge: (value: T) => DoctorFinding | string,
): DoctorFinding {
  if (found.is === 'refused') return fails(id, found.why, remedy);
  if (found.is === 'unseen') return unknown(id, found.why);
  const verdict = judge(found.value);
  return typeof verdict === 'string' ? holds(id, verdict) : verdict;
}

/** Everything holds, or code 3: what is not known to hold cannot be relied on. */
export function doctorOutcome(findings: readonly DoctorFinding[]): Extract<Outcome, 'pass' | 'error'> {
  const stands = ({ status, optional }: DoctorFinding) =>
    status === 'holds' || (status === 'unknown' && optional === true);
  return findings.every(stands) ? 'pass' : 'error';
}

const mostNamed = 6;

/** The verdict in one line: `11 of 13 hold; 1 does not: image; 1 is not known: pool`. */
export function summary(findings: readonly DoctorFinding[]): string {
  const of = (status: DoctorFinding['status']) => findings.filter((finding) => finding.status === status);
  const told = (status: DoctorFinding['status'], one: string, several: string) => {
    const ids = of(status).map(({ id }) => id);
    const more = ids.length > mostNamed ? ` and ${ids.length - mostNamed} more` : '';
    const named = `${ids.slice(0, mostNamed).join(', ')}${more}`;
    return ids.length === 0 ? '' : `; ${ids.length} ${ids.length === 1 ? one : several}: ${named}`;
  };
  return `${of('holds').length} of ${findings.length} hold${told('fails', 'does not', 'do not')}${told('unknown', 'is not known', 'are not known')}`;
}
