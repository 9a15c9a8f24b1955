import type { Formation, Member } from '../formation/formation.ts';
import { programsFolder } from './programs.ts';
import record from './scripts/wal-record.sh';

/**
 * Whether a standby's data is of its primary's history. Its last checkpoint is a record of the primary's (a restart point,
 * CreateRestartPoint, xlog.c): one that the primary's WAL does not have was its own, made while it ran as a primary. The
 * timeline does not tell, since such a start is no promotion.
 */

/** The last checkpoint that a data directory knows of. */
export interface Checkpoint {
  /** Where its record begins, such as `0/3422838`. */
  location: string;
  timeline: number;
}

/** argv that tells a member's pg_control, its last checkpoint among it, for the user postgres, whether Postgres runs or not. */
export function controlData({ postgres }: Formation, { pgdata }: Member): string[] {
  return ['env', 'LC_ALL=C', `${programsFolder(postgres.version)}/pg_controldata`, pgdata];
}

/** @param output of pg_controldata, in English @throws Error where it does not say */
export function parseCheckpoint(output: string): Checkpoint {
  const location = /^Latest checkpoint location: +([0-9A-F]{1,8}\/[0-9A-F]{1,8})$/m.exec(output)?.[1];
  const timeline = /^Latest checkpoint's TimeLineID: +(\d+)$/m.exec(output)?.[1];
  if (location === undefined || timeline === undefined)
    throw new Error('pg_controldata does not tell the last checkpoint');
  return { location, timeline: Number(timeline) };
}

/** argv that tells which record a member's WAL has there, for the user postgres. */
export function recordAt(
  { postgres }: Formation,
  { pgdata }: Member,
  { location, timeline }: Checkpoint,
): string[] {
  return ['sh', '-c', record, 'sh', programsFolder(postgres.version), pgdata, String(timeline), location];
}

/**
 * Whether the primary's WAL has a checkpoint there.
 * @param output of pg_waldump on the primary, in English
 * @param keptFrom a byte of the WAL from which on the primary has all that it ever wrote: its own last checkpoint
 * @throws Error where the WAL of that place cannot be read, or is gone
 */
export function hasCheckpoint(output: string, { location }: Checkpoint, keptFrom: number): boolean {
  const found = /^rmgr: (\w+) .*, lsn: ([0-9A-F]+)\/([0-9A-F]+), .*desc: (\w+)/m.exec(output);
  if (found) {
    const [, manager, high = '', low = '', description = ''] = found;
    return (
      positionOf(`${high}/${low}`) === positionOf(location) &&
      manager === 'XLOG' &&
      /^CHECKPOINT_(?:ONLINE|SHUTDOWN)$/.test(description)
    );
  }
  // It goes on from there to the end of the WAL, and finds nothing that is a record.
  if (/could not find a valid record after/.test(output)) return false;
  if (/could not find file/.test(output) && positionOf(location) > BigInt(keptFrom)) return false;
  throw new Error(output.trim().slice(0, 400) || 'pg_waldump says nothing');
}

/** The byte of the WAL that `0/3422838` names. */
export function positionOf(location: string): bigint {
  const [high = '', low = ''] = location.split('/');
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
}
