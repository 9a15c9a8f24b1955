import * as v from 'valibot';
import type { RowRanges } from './record.ts';

export type RowRange = [from: number, to: number];

/** One write: who made it, and the how-manieth of that connection it is. */
export const rowKey = v.object({ connection: v.string(), seq: v.pipe(v.number(), v.safeInteger()) });

export type RowKey = v.InferOutput<typeof rowKey>;

export function rangesOf(keys: Iterable<RowKey>): RowRanges {
  const rows = new RowTally();
  for (const key of keys) rows.add(key);
  return rows.ranges();
}

/** Rows as they come, held as ranges: those of a connection that counts its writes are one, however many. */
export class RowTally {
  private readonly byConnection = new Map<string, RowRange[]>();

  add({ connection, seq }: RowKey): void {
    const parts = this.byConnection.get(connection);
    const last = parts?.at(-1);
    if (parts === undefined || last === undefined) this.byConnection.set(connection, [[seq, seq]]);
    else if (seq === last[1] + 1) last[1] = seq;
    else if (seq > last[1]) parts.push([seq, seq]);
    else insert(parts, seq);
  }

  has({ connection, seq }: RowKey): boolean {
    const parts = this.byConnection.get(connection);
    return parts !== undefined && partWith(parts, seq) >= 0;
  }

  ranges(): RowRanges {
    const parts = [...this.byConnection].flatMap(([connection, own]) =>
      own.map((part) => [connection, part] as const),
    );
    return orderly(parts);
  }
}

/** Into ranges in order, which stay apart; those that it joins are joined when they are told. */
function insert(parts: RowRange[], seq: number): void {
  const at = partWith(parts, seq);
  if (at < 0) parts.splice(-at - 1, 0, [seq, seq]);
}

/** Of ranges in order, the one that has it; where none has, the place of one that had, negative and less 1. */
function partWith(parts: readonly RowRange[], seq: number): number {
  let [first, beyond] = [0, parts.length];
  while (first < beyond) {
    const middle = (first + beyond) >> 1;
    const [from = 0, to = 0] = parts[middle] ?? [];
    if (seq < from) beyond = middle;
    else if (seq > to) first = middle + 1;
    else return middle;
  }
  return -first - 1;
}

/** The same rows in as few ranges as can be, in order; those given may overlap. */
export function orderly(ranges: Iterable<readonly [connection: string, range: RowRange]>): RowRanges {
  const byConnection = new Map<string, RowRange[]>();
  for (const [connection, range] of ranges) {
    const known = byConnection.get(connection);
    if (known) known.push(range);
    else byConnection.set(connection, [range]);
  }
  const sorted = [...byConnection].sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(sorted.map(([connection, parts]) => [connection, joined(parts)]));
}

function joined(parts: readonly RowRange[]): RowRange[] {
  const ranges: RowRange[] = [];
  for (const [from, to] of [...parts].sort(([one], [other]) => one - other)) {
    const last = ranges.at(-1);
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else ranges.push([from, to]);
  }
  return ranges;
}

export function* partsOf(ranges: RowRanges): Generator<[connection: string, range: RowRange]> {
  for (const [connection, parts] of Object.entries(ranges))
    for (const part of parts) yield [connection, part];
}

/** @param ranges as `orderly` has them */
export function holdsRow(ranges: RowRanges, { connection, seq }: RowKey): boolean {
  if (!Object.hasOwn(ranges, connection)) return false;
  return partWith(ranges[connection] ?? [], seq) >= 0;
}

/**
 * The rows without the others.
 * @param ranges as `orderly` has them, as are the others
 */
export function rowsWithout(ranges: RowRanges, gone: RowRanges): RowRanges {
  const left = Object.entries(ranges).map(([connection, parts]) => {
    const holes = Object.hasOwn(gone, connection) ? (gone[connection] ?? []) : [];
    return [connection, without(parts, holes)] as const;
  });
  return Object.fromEntries(left.filter(([, parts]) => parts.length > 0));
}

function without(parts: readonly RowRange[], holes: readonly RowRange[]): RowRange[] {
  const left: RowRange[] = [];
  let next = 0;
  for (const [from, to] of parts) {
    let begin = from;
    while (next < holes.length && (holes[next]?.[1] ?? 0) < from) next++;
    // A hole may reach beyond this part, and is looked at again with the following one.
    for (let at = next; at < holes.length; at++) {
      const [first, last] = holes[at] as RowRange;
      if (first > to) break;
      if (first > begin) left.push([begin, first - 1]);
      begin = last + 1;
    }
    if (begin <= to) left.push([begin, to]);
  }
  return left;
}

export function countRows(ranges: RowRanges): number {
  let count = 0;
  for (const [, [from, to]] of partsOf(ranges)) count += to - from + 1;
  return count;
}

/** The first so many ranges: examples, where there are more. */
export function firstRanges(ranges: RowRanges, most: number): RowRanges {
  const first: [string, RowRange][] = [];
  for (const part of partsOf(ranges)) {
    if (first.length === most) break;
    first.push(part);
  }
  return orderly(first);
}

/**
 * For people: `app1.1: 3, 7–9; app2.1: 4`.
 * @param most characters, after which it is cut off with an ellipsis
 */
export function describeRows(ranges: RowRanges, most = Number.POSITIVE_INFINITY): string {
  const part = ([from, to]: RowRange) => (from === to ? `${from}` : `${from}–${to}`);
  const all = Object.entries(ranges)
    .map(([connection, parts]) => `${connection}: ${parts.map(part).join(', ')}`)
    .join('; ');
  return all.length <= most ? all : `${all.slice(0, most)}…`;
}
