import { now } from '../clock/clock.ts';
import { type Session, sqlStateOf } from '../postgres/session.ts';
import type { LedgerRead } from './ledger.ts';
import type { RowRanges } from './rows.ts';
import { readNoTable, readRun } from './table.ts';

const undefinedTable = '42P01';

/**
 * Reads which rows of a run a node has, over a superuser's session on the application's database. A node without
 * the table has none. Tens of thousands of rows take some tens of milliseconds.
 * @throws as Session.query does
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
  return { node, startedAt, endedAt: now(), inRecovery: row.in_recovery, rows: byConnection(row.ranges) };
}

type ReadRow = { in_recovery: boolean; ranges: [connection: string, from: number, to: number][] };

function byConnection(ranges: ReadRow['ranges']): RowRanges {
  const rows = new Map<string, [number, number][]>();
  for (const [connection, from, to] of ranges) {
    const known = rows.get(connection);
    if (known) known.push([from, to]);
    else rows.set(connection, [[from, to]]);
  }
  return Object.fromEntries(rows);
}
