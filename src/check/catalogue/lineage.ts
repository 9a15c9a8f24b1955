import type { Check, Problem } from '../check.ts';
import { makeAnew } from '../remedies/anew.ts';

/** Whether every standby's data is of its primary's history. */

export const walAgrees: Check = {
  id: 'wal-agrees',
  meaning: 'every standby has written no WAL of its own: one that has cannot follow, and must not take over',
  severity: 'error',
  follows: { 'one-writable-primary': 'any', 'timelines-agree': 'same' },
  problems(observation, formation, asked) {
    const read = Object.entries(observation.lineages);
    const problems = read.flatMap(([name, lineage]): Problem[] => {
      if (!lineage.ok || lineage.value.isOfPrimary) return [];
      const { checkpoint, primary } = lineage.value;
      return [
        {
          subject: name,
          evidence: `its last checkpoint, at ${checkpoint}, is not in the WAL of ${primary}: it has run as a primary of its own, and its data may differ from there on`,
          remedy: makeAnew(observation, formation, asked, name),
        },
      ];
    });
    return problems.length === 0 && read.some(([, lineage]) => !lineage.ok) ? undefined : problems;
  },
};
