import { dirname } from 'node:path/posix';
import { CommandError, EnvironmentError } from '../contract/errors.ts';
import type { Incus } from '../incus/incus.ts';
import type { Prepare } from './fault.ts';

/**
 * A full disk, by one file beside the data directory. Only where Incus itself limits the disk, and its pool
 * has room for all of what the limit allows: a disk shared with the host is never filled.
 */

const fileName = 'pgha-drill.fill';

/** A path that an undo may remove, whoever wrote the mark that names it. */
export function isFillPath(path: unknown): path is string {
  return typeof path === 'string' && /^\/(?:[^/]+\/)*pgha-drill\.fill$/.test(path) && !path.includes('/../');
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
 * Takes all the room: in large pieces where the file system can set them aside, then byte by byte with what
 * does not compress. Never more than \`$2\` bytes. A disk that is full, or a quota used up, is what it is for. It goes
 * on when its client is killed: once an undo has removed the file, it makes no other.
 */
const fill = `
file=$1 left=$2 piece=$2 have=0
: >"$file" && chmod 600 "$file" || exit 1
while [ "$piece" -ge 1048576 ] && [ -e "$file" ]; do
  if [ "$piece" -le "$left" ] && fallocate -o "$have" -l "$piece" "$file" 2>/dev/null; then
    have=$((have + piece)) left=$((left - piece))
  else piece=$((piece / 2)); fi
done
while [ "$left" -gt 0 ] && [ -e "$file" ]; do
  piece=67108864
  [ "$piece" -le "$left" ] || piece=$left
  head -c "$piece" /dev/urandom 2>/dev/null | dd of="$file" bs=64k oflag=append conv=notrunc,nocreat 2>/dev/null || break
  left=$((left - piece))
done
head -c "$left" /dev/urandom 2>/dev/null | dd of="$file" bs=512 oflag=append conv=notrunc,nocreat 2>/dev/null
sync -f "$file" 2>/dev/null
exit 0
`;

/** What the user of Postgres is told when it asks for room of one WAL segment beside the file \`$1\`. */
const ask = `
probe=$1.probe
said=$(runuser -u postgres -- dd if=/dev/urandom of="$probe" bs=1M count=16 conv=fsync 2>&1)
rm -f "$probe"
case $said in
*'No space left'*) echo 'No space left on device' ;;
*'quota exceeded'*) echo 'Disk quota exceeded' ;;
esac
`;

/** Some file systems can remove a file when nothing is left, others only shorten one (btrfs: the former). */
const empty = `
[ -e "$1" ] || exit 0
rm -f "$1" 2>/dev/null || { truncate --size=0 "$1"; rm -f "$1"; }
[ ! -e "$1" ] && echo removed
`;

const deadlineMs = 300_000;

export const diskFull: Prepare = async ({ incus }, { name, pgdata }, signal) => {
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
    fill: path,
    inject: () => incus.exec(name, ['sh', '-c', fill, 'sh', path, String(disk.total)], { deadlineMs }),
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

/** Undoes diskFull. @returns whether there was such a file */
export async function emptyDisk(
  incus: Incus,
  container: string,
  path: string,
  signal?: AbortSignal,
): Promise<boolean> {
  if (!isFillPath(path)) return false;
  const said = await incus.read(container, ['sh', '-c', empty, 'sh', path], { deadlineMs: 60_000, signal });
  return said.trim() === 'removed';
}
