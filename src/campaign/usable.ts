import type { HistoryEntry } from './drill-history.ts';

/** Which entries of a history count, each drill once. */

export interface Usable {
  entries: HistoryEntry[];
  /** Lines that repeat a drill that is counted. */
  repeated: number;
  /** Drills that stand there with several contents: the worst of each counts. */
  contradicted: string[];
}

/**
 * Each drill once, by its id: a line that was copied, or files put together, make no more drills of one.
 * @param isWorse whether an entry tells of more that went wrong than another of the same drill
 */
export function eachOnce(
  entries: readonly HistoryEntry[],
  isWorse: (entry: HistoryEntry, other: HistoryEntry) => boolean,
): Usable {
  const byDrill = new Map<string, HistoryEntry>();
  const contradicted = new Set<string>();
  for (const entry of entries) {
    const known = byDrill.get(entry.drill);
    if (known === undefined) byDrill.set(entry.drill, entry);
    else if (JSON.stringify(known) !== JSON.stringify(entry)) {
      contradicted.add(entry.drill);
      if (isWorse(entry, known)) byDrill.set(entry.drill, entry);
    }
  }
  return {
    entries: [...byDrill.values()],
    repeated: entries.length - byDrill.size,
    contradicted: [...contradicted],
  };
}
