import { dirname } from 'node:path/posix';
import { CommandError, EnvironmentError } from '../../contract/errors.ts';
import type { Fault, Prepare, Trace } from '../fault.ts';
import ask from '../scripts/ask-for-room.sh';
import empty from '../scripts/empty-disk.sh';
import fill from '../scripts/fill-disk.sh';

/**
 * A full disk, by one file beside the data directory. Only where Incus itself limits the disk, and its pool
 * has room for all of what the limit allows: a disk shared with the host is never filled.
 */

const fileName = 'pgha-drill.fill';

/** A path that an undo may remove, whoever wrote the mark that names it. */
function isFillPath(path: string): boolean {
  return /^\/(?:[^/]+\/)*pgha-drill\.fill$/.test(path) && !path.includes('/../');
}

/** Of the pool that is never used, whatever the limits promise. */
const reserve = { share: 0.1, bytes: 256 * 1024 ** 2 };

/** Why a disk must not be filled, or undefined. Pure. @param total the limit, in bytes; 0 for none */
export function tooDangerous(
  container: string,
  total: number,
  pool: { total: number; used: number },
): string | undefined {
  if (total <= 0)
    return `the container ${container} has no disk of its own, so it would be its host's that is filled; set limits.disk, on a storage pool that enforces it`;
  const free = pool.total - pool.used;
  const kept = Math.max(reserve.bytes, pool.total * reserve.share);
  if (total + kept > free)
    return `the storage pool of ${container} has ${gib(free)} left, too little for a disk of ${gib(total)} that is full`;
  return undefined;
}

const gib = (bytes: number) => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;

/**
 * What fills the disk, and what takes that back, is done as postgres: the folder is its own, and a link there would lead
 * root to any file of the container.
 */
const asPostgres = ['runuser', '-u', 'postgres', '--', 'env', '-C', '/'];

const deadlineMs = 300_000;

const prepare: Prepare = async ({ incus }, [{ name, pgdata }], signal) => {
  const folder = dirname(pgdata);
  const mount = (
    await incus.read(name, ['stat', '--format=%m', pgdata], { deadlineMs: 15_000, signal })
  ).trim();
  const disk = await incus.diskAt(name, mount, signal);
  if (disk === undefined)
    throw new EnvironmentError(`Incus does not tell on which disk ${pgdata} of ${name} lies (${mount})`);
  const danger = tooDangerous(name, disk.total, disk.pool);
  if (danger !== undefined) throw new EnvironmentError(danger);
  const path = `${folder}/${fileName}`;
  return {
    place: path,
    inject: () =>
      incus.exec(name, [...asPostgres, 'sh', '-c', fill, 'sh', path, String(disk.total)], { deadlineMs }),
    async proof() {
      const said = await incus
        .read(name, ['sh', '-c', ask, 'sh', path], { deadlineMs: 60_000 })
        .catch((error: unknown) => {
          if (error instanceof CommandError) return '';
          throw error;
        });
      return said.trim() === '' ? undefined : `a write of 16 MiB beside the data ended with "${said.trim()}"`;
    },
  };
};

/** The file that fills the disk. */
const fillFile: Trace = {
  isPlace: isFillPath,
  async remove(incus, container, path, signal) {
    if (path === undefined || !isFillPath(path)) return undefined;
    const command = ['sh', '-c', empty, 'sh', path];
    const said = await incus.read(container, command, { deadlineMs: 60_000, signal });
    return said.trim() === 'removed' ? 'disk emptied' : undefined;
  },
};

export const diskFull = {
  does: 'the disk that holds the data of the primary is filled; only where the container has a size-limited disk of its own (limits.disk)',
  expected: 'either',
  because:
    'a Postgres that can go on without new room stays, one that cannot and does not start again is replaced',
  hits: 'primary',
  lasts: 'while-watched',
  leaves: fillFile,
  deed: (container) => `the disk of ${container} was filled`,
  state: 'disk full',
  end: 'room again',
  prepare,
} as const satisfies Fault;
