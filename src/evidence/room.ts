import { statfsSync } from 'node:fs';
import { EnvironmentError, InputError, messageOf } from '../contract/errors.ts';
import { makeFolder } from '../disk/folder.ts';
import type { Session } from '../postgres/session.ts';

/** A write is two lines of the journal. */
const bytesPerWrite = 200;
/** What a drill of a minute or so writes, and what else goes to the folder. */
const leastSeconds = 120;
const otherBytes = 16 * 1024 ** 2;

const mebibytes = (bytes: number) => Math.ceil(bytes / 1024 ** 2);

/**
 * Whether a folder's disk has room for what clients will write into their journal.
 * @throws EnvironmentError where it has not, or cannot be made
 */
export function requireJournalRoom(folder: string, writesPerSecond: number): void {
  const { bavail, bsize } = folderOf(folder);
  const needed = otherBytes + bytesPerWrite * leastSeconds * writesPerSecond;
  const free = bavail * bsize;
  if (free >= needed) return;
  throw new EnvironmentError(
    `the disk of ${folder} has ${Math.floor(free / 1024 ** 2)} MiB left, and the clients' journal may take ${mebibytes(needed)} MiB; make room there, or give report-folder another disk`,
  );
}

function folderOf(folder: string): { bavail: number; bsize: number } {
  try {
    makeFolder(folder);
    return statfsSync(folder);
  } catch (error) {
    throw new EnvironmentError(`the clients' journal cannot be written to ${folder}: ${messageOf(error)}`);
  }
}

/** $1 the application's user, in the session's database: connections that are left to it, by the narrowest of the limits. */
const countConnectionsLeft = `
  SELECT least(
           current_setting('max_connections')::int
             - current_setting('superuser_reserved_connections')::int
             - coalesce(current_setting('reserved_connections', true)::int, 0)
             - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
           (SELECT CASE WHEN rolconnlimit < 0 THEN NULL
                        ELSE rolconnlimit - (SELECT count(*) FROM pg_stat_activity WHERE usename = $1) END
              FROM pg_roles WHERE rolname = $1),
           (SELECT CASE WHEN datconnlimit < 0 THEN NULL
                        ELSE datconnlimit - (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) END
              FROM pg_database WHERE datname = current_database()))::int AS left`;

/**
 * Whether a server has room for the clients.
 * @throws InputError where it has not
 */
export async function requireConnections(
  session: Session,
  { user, node, sessions }: { user: string; node: string; sessions: number },
  signal: AbortSignal | undefined,
): Promise<void> {
  const [row] = await session.query(countConnectionsLeft, [user], { signal });
  const left = Number(row?.['left']);
  const needed = sessions + witnessesBeside;
  if (left >= needed) return;
  throw new InputError([
    `input client-sessions: ${node} has room for ${Math.max(0, left)} more connections of ${user}, and ${sessions} sessions with their witnesses need ${needed}; ask for fewer, or raise max_connections there (or the limit of that user or database)`,
  ]);
}

/** Two witnesses are clients, twice where there are two ways; and the application's session that clears the table. */
const witnessesBeside = 5;
