import { now } from '../../clock/clock.ts';
import { EnvironmentError } from '../../contract/errors.ts';
import { type Session, sqlStateOf } from '../../postgres/session.ts';
import type { LedgerRead } from '../record.ts';
import { orderly, type RowRange } from '../rows.ts';
import { drillTable, mostRanges, readNoTable, readRun } from './drill-table.ts';

const undefinedTable = '42P01';

/**
 * Reads which rows of a run a node has, over a superuser's session on the application's database that
 * has looked at the table (`verifyTable`). A node without
 * the table has none. Tens of thousands of rows take some tens of milliseconds.
 * @throws as Session.query does, and EnvironmentError where what stands there cannot be the drill's
 */
export async function readRows(
  session: Session,
  node: string,
  run: string,
  { deadlineMs = 10_000, signal }: { deadlineMs?: number; signal?: AbortSignal | undefined } = {},
): Promise<LedgerRead> {
  const startedAt = now();
  const [row] = await session
    .query<ReadRow>(readRun, [run], { deadlineMs, signal })
    .catch(async (error: unknown) => {
      if (sqlStateOf(error) !== undefinedTable) throw error;
      return await session.query<ReadRow>(readNoTable, [], { deadlineMs, signal });
    });
  if (!row) throw new Error('an aggregate always has one row');
  const ranges = readable(row.ranges, node);
  return { node, startedAt, endedAt: now(), inRecovery: row.in_recovery === true, rows: orderly(ranges) };
}

type ReadRow = { in_recovery: unknown; ranges: unknown };

/** The table is the application's user's to fill: what it holds is looked at before it is believed. */
function readable(ranges: unknown, node: string): [string, RowRange][] {
  const strange = (what: string) =>
    new EnvironmentError(
      `${drillTable} on ${node} holds ${what}: somebody else writes to it or has changed it`,
    );
  if (!Array.isArray(ranges)) throw strange('what is no list of rows');
  if (ranges.length > mostRanges)
    throw strange(`more than ${mostRanges} ranges of this run's rows, which no drill writes`);
  return ranges.map((each: unknown) => {
    const [connection, from, to] = Array.isArray(each) ? (each as unknown[]) : [];
    if (typeof connection !== 'string' || !isSeq(from) || !isSeq(to))
      throw strange('rows that are none of the drill');
    return [connection, [from, to]];
  });
}

const isSeq = (value: unknown): value is number => Number.isSafeInteger(value);
