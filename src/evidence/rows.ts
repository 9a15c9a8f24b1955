/**
 * Rows of the drill's table by connection, as ranges of seq from and to, both included. Every connection counts
 * its writes from 1, so a table of thousands of rows is a few ranges.
 */
export type RowRanges = Record<string, [from: number, to: number][]>;

/** One write: who made it, and the how-manieth of that connection it is. */
export interface RowKey {
  connection: string;
  seq: number;
}

export function rangesOf(keys: Iterable<RowKey>): RowRanges {
  const byConnection = new Map<string, number[]>();
  for (const { connection, seq } of keys) {
    const seqs = byConnection.get(connection);
    if (seqs) seqs.push(seq);
    else byConnection.set(connection, [seq]);
  }
  const sorted = [...byConnection].sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(sorted.map(([connection, seqs]) => [connection, joined(seqs)]));
}

function joined(seqs: number[]): [number, number][] {
  const ranges: [number, number][] = [];
  for (const seq of seqs.sort((one, other) => one - other)) {
    const last = ranges.at(-1);
    if (last && seq <= last[1] + 1) last[1] = seq;
    else ranges.push([seq, seq]);
  }
  return ranges;
}

export function* rowsIn(ranges: RowRanges): Generator<RowKey> {
  for (const [connection, parts] of Object.entries(ranges))
    for (const [from, to] of parts) for (let seq = from; seq <= to; seq++) yield { connection, seq };
}

export function holdsRow(ranges: RowRanges, { connection, seq }: RowKey): boolean {
  if (!Object.hasOwn(ranges, connection)) return false;
  return (ranges[connection] ?? []).some(([from, to]) => from <= seq && seq <= to);
}

export function countRows(ranges: RowRanges): number {
  return Object.values(ranges)
    .flat()
    .reduce((sum, [from, to]) => sum + to - from + 1, 0);
}

/**
 * For people: `app1.1: 3, 7–9; app2.1: 4`.
 * @param most characters, after which it is cut off with an ellipsis
 */
export function describeRows(ranges: RowRanges, most = Number.POSITIVE_INFINITY): string {
  const part = ([from, to]: [number, number]) => (from === to ? `${from}` : `${from}–${to}`);
  const all = Object.entries(ranges)
    .map(([connection, parts]) => `${connection}: ${parts.map(part).join(', ')}`)
    .join('; ');
  return all.length <= most ? all : `${all.slice(0, most)}…`;
}
