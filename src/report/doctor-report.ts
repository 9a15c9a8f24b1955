import { onOneLine } from '../contract/errors.ts';
import { concealed } from '../contract/secrecy.ts';
import { mostOfText, shortened } from '../contract/size.ts';
import { type DoctorFinding, summary } from '../doctor/doctor-finding.ts';
import type { NamedFacts } from '../doctor/named-facts.ts';

/** What the doctor saw, as lines that fit into a bug report. Pure but for the secrets that it leaves out. */

const marks = { holds: 'ok', fails: 'FAILS', unknown: 'unknown' } as const;
const markWidth = 8;

/**
 * @param title what was looked at, and when
 * @param facts versions of everything; left out where the value is empty
 */
export function doctorLines(title: string, findings: readonly DoctorFinding[], facts: NamedFacts): string[] {
  const idWidth = Math.max(0, ...findings.map(({ id }) => id.length)) + 2;
  const indent = ' '.repeat(markWidth + idWidth);
  const of = ({ id, status, says, remedy }: DoctorFinding) => [
    `${marks[status].padEnd(markWidth)}${id.padEnd(idWidth)}${plain(says)}`,
    ...(remedy === undefined ? [] : sentences(remedy).map((each) => `${indent}-> ${plain(each)}`)),
  ];
  const known = facts.filter(([, value]) => value !== '');
  const nameWidth = Math.max(0, ...known.map(([name]) => name.length)) + 2;
  return [
    plain(title),
    '',
    ...findings.flatMap(of),
    '',
    'looked at with',
    ...known.map(([name, value]) => `  ${plain(name).padEnd(nameWidth)}${plain(value)}`),
    '',
    plain(summary(findings)),
  ];
}

/** A remedy has a line for each idea. */
export const sentences = (text: string) => text.split(/(?<=\.) (?=[A-Z`])/);

/** Text of a server's or a container's moves no cursor, begins no line of its own, and holds no secret. */
function plain(text: string): string {
  return onOneLine(shortened(concealed(text), mostOfText), ' ').replace(/\p{Cc}/gu, '?');
}
