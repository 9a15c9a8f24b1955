import { folderOfData } from '../../formation/command-line.ts';
import type { Check, Problem } from '../check.ts';
import type { Observation } from '../observation.ts';
import { makeAnew } from '../remedies/anew.ts';
import { Remedies, word } from '../remedies/remedies.ts';
import {
  answeringContainers,
  answeringNodes,
  isOwnSlot,
  monitorNodes,
  onContainers,
  shownBytes,
  standbyName,
} from './from-observation.ts';

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
  meaning: 'the data directory has room: a Postgres that cannot write its WAL stops',
  severity: 'error',
  problems: (observation, formation, asked) =>
    answeringContainers(observation).flatMap(([name, { disk }]): Problem[] => {
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
          evidence: `${shownBytes(disk.availableBytes)} of ${shownBytes(disk.sizeBytes)} left (${(share * 100).toFixed(0)} %), ${(inodes * 100).toFixed(0)} % of the inodes`,
          remedy: {
            say: 'free some space, or make the disk larger (limits.disk, then provision-pgaf); this shows what takes the space',
            look: remedies.inside(
              name,
              `du -xah --max-depth 3 --threshold 32M ${word(folderOfData(formation, name))} /var/log`,
            ),
          },
          severity,
        },
      ];
    }),
};

/** The standby that reads a slot of pg_auto_failover's. */
function readerOf(observation: Observation, slot: string): string | undefined {
  return monitorNodes(observation)?.find(({ nodeId }) => standbyName(nodeId) === slot)?.name;
}

const replicationSlots: Check = {
  id: 'replication-slots',
  meaning: 'every replication slot has a reader: one without a reader keeps WAL until the disk is full',
  severity: 'warning',
  follows: { 'nodes-reachable': 'any', 'standbys-streaming': 'any' },
  problems: (observation, formation, asked) =>
    answeringNodes(observation).flatMap(([name, node]) =>
      node.slots.flatMap((slot): Problem[] => {
        const remedies = new Remedies(formation, asked);
        const drop = remedies.sql(name, `SELECT pg_drop_replication_slot('${slot.name}')`);
        if (slot.walStatus === 'lost') {
          const reader = node.inRecovery ? undefined : readerOf(observation, slot.name);
          // Its keeper makes the slot again by itself, and the standby would ask for WAL that is gone.
          if (reader !== undefined)
            return [
              {
                subject: reader,
                evidence: `its slot ${slot.name} on ${name} is lost: the WAL that it needs is removed`,
                remedy: makeAnew(observation, formation, asked, reader),
                severity: 'error',
              },
            ];
          return [
            {
              subject: name,
              evidence: `slot ${slot.name} is lost: the WAL that it kept is removed`,
              remedy: { say: 'its reader must be made anew; drop the slot', run: drop },
              severity: 'error',
            },
          ];
        }
        // Those of pg_auto_failover stand on standbys too, where nobody reads them: it moves them on itself.
        if (slot.active || isOwnSlot(slot.name) || slot.walStatus === '') return [];
        return [
          {
            subject: name,
            evidence: `slot ${slot.name} has no reader and keeps ${shownBytes(slot.retainedBytes)} of WAL`,
            // A reader that is away for a while needs all of it.
            remedy: {
              say: `start its reader; drop the slot only if it has no reader any more (SELECT pg_drop_replication_slot('${slot.name}')); this shows whose it is`,
              look: remedies.sql(name, 'SELECT * FROM pg_replication_slots'),
            },
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
  problems(observation, formation, asked) {
    const disks = new Map(answeringContainers(observation));
    return answeringNodes(observation).flatMap(([name, node]): Problem[] => {
      const remedies = new Remedies(formation, asked);
      if (node.archiver.enabled && node.archiver.failing) {
        return [
          {
            subject: name,
            evidence: `the last attempt to archive WAL failed; pg_wal has ${shownBytes(node.walBytes)}`,
            remedy: {
              say: 'fix archive_command: WAL is kept until it succeeds; this shows what fails',
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
          evidence: `pg_wal has ${shownBytes(node.walBytes)}, ${shownBytes(room)} are left${keeper ? `; slot ${keeper.name} keeps ${shownBytes(keeper.retainedBytes)}` : ''}`,
          remedy: {
            say: 'bring the reader of the slot back, or drop the slot if it has no reader any more (max_slot_wal_keep_size limits what slots keep); this shows the slots',
            look: remedies.sql(name, 'SELECT * FROM pg_replication_slots'),
          },
        },
      ];
    });
  },
};

export const storageChecks: readonly Check[] = [onContainers(diskSpace), replicationSlots, walRetention];
