/** What an action concluded. The README's exit codes: fixed, and the same for every action and for the terminal. */
export const outcomes = ['pass', 'unhealthy', 'missed', 'error'] as const;
export type Outcome = (typeof outcomes)[number];

/** The process exit code that stands for an outcome (0 to 3). */
export function exitCodeOf(outcome: Outcome): number {
  return outcomes.indexOf(outcome);
}

/** The outcome that stands where several apply: the one with the highest exit code; `pass` for none. */
export function worstOutcome(found: readonly Outcome[]): Outcome {
  return found.reduce<Outcome>(
    (worst, next) => (exitCodeOf(next) > exitCodeOf(worst) ? next : worst),
    'pass',
  );
}
