import { describe, expect, it } from 'vitest';
import { breakableFormation } from './breakable.ts';
import {
  alterSystem,
  asPrinted,
  check,
  isToldAndMended,
  onMonitor,
  reportedFindings,
  sql,
  toldOf,
  untilTold,
  writtenFormation,
} from './breakage.ts';
import { labFormation } from './formations.ts';
import { becomesHealthy, eventually, figure, incus, inside, runAction } from './harness.ts';

/** Checks that take a third node: on a small disk, on another timeline, frozen among three, and dropped. */

const two = labFormation(12);
const third = 'd12-gamma';
const names = [...two.nodes, third];
const three = breakableFormation({
  changes: { nodes: names.map((name) => ({ name })) },
  furnish: () => ontoSmallDisk(third),
  // The other files have two nodes.
  clear: async () => {
    await runAction('provision-pgaf', { formation: paths.two, prune: 'true' });
    await incus('delete', '--force', third).catch(() => {});
  },
});
const { monitor } = three;
const paths = { two: writtenFormation(two.yaml), three: three.path };
const pgdata = '/var/lib/postgresql/pgaf/node';

describe('check-formation tells, and its remedy mends', () => {
  it('disk-space: the disk of a node is nearly full', () =>
    isToldAndMended(paths.three, {
      check: 'disk-space',
      what: 'the disk of a node is nearly full',
      breakIt: () => inside(third, 'sh', '-c', fill, 'sh', pgdata, '100'),
      byHand: () => inside(third, 'rm', `${pgdata}/../ballast`),
    }));

  it('disk-space: the disk is full, and the standby cannot write what it receives', async () => {
    const { primary } = three;
    await isToldAndMended(paths.three, {
      check: 'disk-space',
      what: 'the disk of a node is full',
      breakIt: async () => {
        await inside(third, 'sh', '-c', fill, 'sh', pgdata, '1');
        const write =
          "pg_logical_emit_message(false, 'pgha', repeat('x', 1000000)) FROM generate_series(1, 250)";
        await sql(primary, `SELECT ${write}`);
        await eventually('the standby to give up', 30_000, async () => {
          const rows = await sql(
            primary,
            `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`,
          );
          return rows !== String(names.length - 1);
        });
      },
      byHand: () => inside(third, 'rm', `${pgdata}/../ballast`),
    });
  });

  it('wal-retention: WAL cannot be archived', async () => {
    const { primary } = three;
    await sql(third, "ALTER SYSTEM SET archive_mode = 'always'");
    await alterSystem(third, "SET archive_command = 'false'");
    const found = await untilTold(paths.three, 'settings-in-force');
    expect(toldOf(found).failed, found.log).toEqual(['settings-in-force']);
    await isToldAndMended(paths.three, {
      check: 'settings-in-force',
      what: 'archive_mode waits for a restart',
      breakIt: () => Promise.resolve(),
    });
    await isToldAndMended(paths.three, {
      check: 'wal-retention',
      what: 'WAL cannot be archived',
      breakIt: () => sql(primary, 'SELECT pg_switch_wal()'),
      byHand: () => alterSystem(third, "SET archive_command = 'true'"),
    });
  });

  it('sync-standbys-possible: too few standbys are in the quorum', () =>
    isToldAndMended(paths.three, {
      check: 'sync-standbys-possible',
      what: 'too few standbys are in the quorum',
      // The state of #932. pg_autoctl 2.0 refuses to make it, and lowers the number when a node is dropped.
      breakIt: () =>
        onMonitor(
          monitor,
          `UPDATE pgautofailover.node SET replicationquorum = false WHERE nodename = '${third}'`,
        ),
      follows: ['matches-file'],
    }));

  it('timelines-agree: a standby stays on the old timeline', async () => {
    const { primary } = three;
    const heir = names.find((name) => name !== primary && name !== third) ?? '';
    await sql(third, "ALTER SYSTEM SET recovery_target_timeline = 'current'");
    await inside(third, 'sh', '-c', `kill -INT "$(head -n 1 ${pgdata}/postmaster.pid)"`);
    await becomesHealthy(paths.three, 60_000);
    await isToldAndMended(paths.three, {
      check: 'timelines-agree',
      what: 'a standby stays on the old timeline',
      breakIt: async () => {
        await onMonitor(monitor, `SELECT pgautofailover.perform_promotion('default', '${heir}')`);
        await eventually('the promotion', 60_000, async () => {
          const goal = `SELECT goalstate FROM pgautofailover.node WHERE nodename = '${heir}' AND goalstate = reportedstate`;
          return (await onMonitor(monitor, goal)) === 'primary';
        });
      },
      follows: ['no-stuck-transition', 'states-converged'],
    });
  });
});

describe('one frozen node among three', () => {
  it('is told, and takes no longer than the others', async () => {
    const { primary } = three;
    await incus('pause', third);
    try {
      const found = await check(paths.three);
      expect(toldOf(found).failed, found.log).toEqual(['nodes-reachable']);
      expect(reportedFindings(found).find(({ status }) => status === 'fail')?.faults[0]?.subject).toBe(third);
      expect(found.outputs['primary']).toBe(primary);
      figure('check-formation with one of three nodes frozen', found.tookMs / 1000);
    } finally {
      await incus('resume', third);
    }
    await becomesHealthy(paths.three, 60_000);
  });
});

describe('a node that the file does not name', () => {
  it('is to be looked at first; the words have the command line that drops it, and what the drop leaves behind with the one that mends that', async () => {
    await isToldAndMended(paths.two, {
      check: 'nodes-registered',
      what: 'a third node that the file does not name',
      breakIt: () => Promise.resolve(),
      byHand: async () => {
        const told = reportedFindings(await check(paths.two)).find(
          (each) => each.check === 'nodes-registered',
        );
        const [, drop] = /`(incus exec .* drop node .*)`/.exec(told?.faults[0]?.remedy.say ?? '') ?? [];
        await asPrinted(drop ?? 'false');
      },
      leaves: ['matches-file'],
    });
    await isToldAndMended(paths.two, {
      check: 'matches-file',
      what: 'the rules of a node that was dropped',
      breakIt: () => Promise.resolve(),
    });
  });
});

/** Moves a node's data to a file system of its own, of 1200 MB, if it is not there yet. */
async function ontoSmallDisk(container: string): Promise<void> {
  const script = `
set -e
! mountpoint -q /var/lib/postgresql/pgaf || exit 0
systemctl stop pg_autoctl
cp -a /var/lib/postgresql/pgaf /root/pgaf
mount -t tmpfs -o size=1200m tmpfs /var/lib/postgresql/pgaf
cp -a /root/pgaf/. /var/lib/postgresql/pgaf
chown --reference=/root/pgaf /var/lib/postgresql/pgaf
chmod --reference=/root/pgaf /var/lib/postgresql/pgaf
rm -rf /root/pgaf
systemctl start pg_autoctl
`;
  await inside(container, 'sh', '-c', script);
}

/** Leaves so many MB of the file system of a folder, or fewer where the node writes meanwhile. */
const fill = `
available() { df --output=avail --block-size=1000000 "$1" | tail -n 1; }
head -c "$(($(available "$1") - $2))MB" /dev/zero > "$1/../ballast" || [ "$(available "$1")" -le "$2" ]
`;
