import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { transitions } from '../../src/monitor/transitions.ts';
import {
  allRun,
  alterSystem,
  autoctl,
  type Breakage,
  formationFile,
  isToldAndMended,
  onMonitor,
  rolesOf,
  sql,
  tellTimes,
} from './breakage.ts';
import { cutBridge, healBridge } from './bridge.ts';
import { some } from './extent.ts';
import { containersOf, labFormation } from './formations.ts';
import { incus, inside, runAction } from './harness.ts';

/** Checks on the members and on what the monitor wants of them: each broken for real, and mended as told. */

const formation = labFormation(12);
const { monitor } = formation;
const path = formationFile(formation.yaml);
let primary: string;
let standby: string;

beforeAll(async () => {
  const { code, log } = await runAction('provision-pgaf', { formation: path });
  expect(code, log).toBe(0);
  ({ primary, standby } = await rolesOf(monitor));
});

afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail') return;
  await healBridge();
  await allRun(containersOf(formation));
  await runAction('provision-pgaf', { formation: path });
});

afterAll(tellTimes);

const breakages: Breakage[] = [
  {
    check: 'monitor-reachable',
    what: 'the monitor is frozen',
    breakIt: () => incus('pause', monitor),
  },
  {
    check: 'nodes-reachable',
    what: "the standby's container is stopped",
    breakIt: () => incus('stop', '--force', standby),
  },
  {
    check: 'nodes-reachable',
    what: "a standby's keeper was restarted with an order that it cannot follow, and left its Postgres down",
    breakIt: async () => {
      await orderImpossible();
      await inside(standby, 'systemctl', 'restart', 'pg_autoctl');
    },
    follows: ['no-stuck-transition', 'states-converged'],
  },
  {
    check: 'services-run',
    what: 'pg_autoctl is stopped on the standby',
    breakIt: () => inside(standby, 'systemctl', 'stop', 'pg_autoctl'),
    follows: ['nodes-reachable'],
  },
  {
    check: 'services-run',
    what: 'pg_autoctl would not start after a reboot',
    breakIt: () => inside(primary, 'systemctl', 'disable', 'pg_autoctl'),
  },
  {
    check: 'unit-file',
    what: 'a limit in the unit file',
    breakIt: () => inside(standby, 'sed', '-i', 's/65536/1024/', '/etc/systemd/system/pg_autoctl.service'),
  },
  {
    check: 'open-files',
    what: 'Postgres may open too few files',
    breakIt: async () => {
      const script = 'prlimit --pid "$(head -n 1 "$1")" --nofile=1024:1024';
      await inside(standby, 'sh', '-c', script, 'sh', '/var/lib/postgresql/pgaf/node/postmaster.pid');
    },
  },
  {
    check: 'keepers-report',
    what: "the standby's keeper hangs",
    breakIt: () => inside(standby, 'pkill', '-STOP', '-f', '^pg_autoctl: node active'),
  },
  {
    check: 'keepers-report',
    what: 'the monitor does not let the standby in',
    breakIt: async () => {
      const hba = '/var/lib/postgresql/pgaf/monitor/pg_hba.conf';
      await inside(monitor, 'sed', '-i', `/ ${standby}[.]incus /d`, hba);
      await sql(monitor, 'SELECT pg_reload_conf()');
    },
    follows: ['matches-file'],
  },
  {
    check: 'no-stuck-transition',
    what: 'the monitor gave an order that no keeper can follow',
    breakIt: orderImpossible,
  },
  {
    check: 'states-converged',
    what: 'the standby is in maintenance',
    breakIt: () => autoctl(standby, 'enable', 'maintenance'),
  },
  {
    check: 'nodes-healthy',
    what: "the monitor's health checks do not reach the standby",
    breakIt: () => cutBridge(monitor, standby),
    byHand: () => healBridge(),
  },
  {
    check: 'one-writable-primary',
    what: 'the primary is set read-only',
    breakIt: () => alterSystem(primary, 'SET default_transaction_read_only = on'),
  },
];

describe('check-formation tells, and its remedy mends', () => {
  it.each(some(breakages, 6))('$check: $what', (breakage) => isToldAndMended(path, breakage));
});

describe('the orders that a keeper can follow', () => {
  it('are those that we know of: an order on no way of theirs is taken back', async () => {
    const env = ['env', 'PG_AUTOCTL_DEBUG=1', 'PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin'];
    const told = await inside(
      standby,
      'runuser',
      '-u',
      'postgres',
      '--',
      ...env,
      'pg_autoctl',
      'do',
      'fsm',
      'gv',
    );
    const ways = [...told.matchAll(/^\s*(\w+) -> (\w+) \[/gm)].map(([, from, to]) => `${from} → ${to}`);
    const known = Object.entries(transitions).flatMap(([from, goals]) =>
      goals.map((to) => `${from} → ${to}`),
    );
    expect(known.sort()).toEqual([...new Set(ways)].sort());
  });
});

/** As in #774 and #1025: a goal that lies on no way from the state that the node is in. */
async function orderImpossible(): Promise<void> {
  const order = "goalstate = 'join_primary', statechangetime = now() - interval '1 hour'";
  await onMonitor(monitor, `UPDATE pgautofailover.node SET ${order} WHERE nodename = '${standby}'`);
}
