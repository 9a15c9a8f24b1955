import type { Check, Fault } from '../check.ts';
import { Remedies, word } from '../remedies.ts';
import { answeringContainers, answeringNodes, isOwnSlot, onContainers, size } from './reading.ts';

/** What fills disks. */

/** Postgres ends when it cannot write WAL; it writes segments of 16 MiB, several ahead. */
const diskLimits = {
  error: { share: 0.05, bytes: 128 * 1024 * 1024, inodes: 0.02 },
  warning: { share: 0.15, bytes: 512 * 1024 * 1024, inodes: 0.1 },
};
/** More is enough, whatever share of a large disk it is. */
const plentyBytes = 50 * 1024 ** 3;

const diskSpace: Check = {
  id: 'disk-space',
  meaning: 'the data directory has room: a Postgres that cannot write its WAL ends',
  severity: 'error',
  faults: (observation, formation, asked) =>
    answeringContainers(observation).flatMap(([name, { disk }]): Fault[] => {
      if (disk === undefined || disk.sizeBytes === 0) return [];
      const share = disk.availableBytes / disk.sizeBytes;
      const inodes = disk.inodes === 0 ? 1 : disk.inodesAvailable / disk.inodes;
      const isBelow = (limit: (typeof diskLimits)['error']) =>
        inodes < limit.inodes ||
        disk.availableBytes < limit.bytes ||
        (share < limit.share && disk.availableBytes < plentyBytes);
      const severity = isBelow(diskLimits.error)
        ? 'error'
        : isBelow(diskLimits.warning)
          ? 'warning'
          : undefined;
      if (severity === undefined) return [];
      const remedies = new Remedies(formation, asked);
      return [
        {
          subject: name,
          evidence: `${size(disk.availableBytes)} of ${size(disk.sizeBytes)} left (${(share * 100).toFixed(0)} %), ${(inodes * 100).toFixed(0)} % of the inodes`,
          remedy: {
            say: 'make room or a larger disk (limits.disk, then provision-pgaf); this shows what takes it',
            look: remedies.inside(
              name,
              `du -xah --max-depth 3 --threshold 32M ${word(formation.postgres.dataDirectory)} /var/log`,
            ),
          },
          severity,
        },
      ];
    }),
};

const replicationSlots: Check = {
  id: 'replication-slots',
  meaning: 'every replication slot has a reader: one without keeps WAL until the disk is full',
  severity: 'warning',
  follows: { 'nodes-reachable': 'any', 'standbys-streaming': 'any' },
  faults: (observation, formation, asked) =>
    answeringNodes(observation).flatMap(([name, node]) =>
      node.slots.flatMap((slot): Fault[] => {
        const remedies = new Remedies(formation, asked);
        const drop = remedies.sql(name, `SELECT pg_drop_replication_slot('${slot.name}')`);
        if (slot.walStatus === 'lost') {
          return [
            {
              subject: name,
              evidence: `slot ${slot.name} is lost: the WAL that it kept is removed`,
              remedy: { say: 'its reader must be made anew; drop it', run: drop },
              severity: 'error',
            },
          ];
        }
        // Those of pg_auto_failover stand on standbys too, where nobody reads them: it moves them on itself.
        if (slot.active || isOwnSlot(slot.name) || slot.walStatus === '') return [];
        return [
          {
            subject: name,
            evidence: `slot ${slot.name} has no reader and keeps ${size(slot.retainedBytes)} of WAL`,
            remedy: { say: 'start its reader, or drop it', run: drop },
          },
        ];
      }),
    ),
};

/** WAL beyond what Postgres keeps by its settings, as a share of the room that is left. */
const walShare = 0.5;

const walRetention: Check = {
  id: 'wal-retention',
  meaning: 'WAL does not pile up: it would fill the disk',
  severity: 'warning',
  follows: {
    'replication-slots': 'same',
    'nodes-reachable': 'any',
    'standbys-streaming': 'any',
    'replication-lag': 'any',
  },
  faults(observation, formation, asked) {
    const disks = new Map(answeringContainers(observation));
    return answeringNodes(observation).flatMap(([name, node]): Fault[] => {
      const remedies = new Remedies(formation, asked);
      if (node.archiver.enabled && node.archiver.failing) {
        return [
          {
            subject: name,
            evidence: `the last attempt to archive WAL failed; pg_wal has ${size(node.walBytes)}`,
            remedy: {
              say: 'mend archive_command: WAL is kept until it succeeds; this shows what fails',
              look: remedies.sql(name, 'SELECT * FROM pg_stat_archiver'),
            },
          },
        ];
      }
      const room = disks.get(name)?.disk?.availableBytes;
      if (room === undefined || node.walBytes <= node.maxWalBytes * 1.5 || node.walBytes < room * walShare)
        return [];
      const keeper = node.slots.toSorted((a, b) => b.retainedBytes - a.retainedBytes)[0];
      return [
        {
          subject: name,
          evidence: `pg_wal has ${size(node.walBytes)}, ${size(room)} are left${keeper ? `; slot ${keeper.name} keeps ${size(keeper.retainedBytes)}` : ''}`,
          remedy: {
            say: 'bring the reader of the slot back, or drop the slot (max_slot_wal_keep_size bounds what slots keep)',
            ...(keeper &&
              !isOwnSlot(keeper.name) && {
                run: remedies.sql(name, `SELECT pg_drop_replication_slot('${keeper.name}')`),
              }),
          },
        },
      ];
    });
  },
};

export const storageChecks: readonly Check[] = [onContainers(diskSpace), replicationSlots, walRetention];
