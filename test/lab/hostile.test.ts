import { describe, expect, it } from 'vitest';
import { breakableFormation } from './breakable.ts';
import {
  alterSystem,
  check,
  isMended,
  reportedFindings,
  sql,
  toldOf,
  untilTold,
  writtenFormation,
} from './breakage.ts';
import { labFormation } from './formations.ts';
import { becomesHealthy, eventually, figure, incus, inside } from './harness.ts';
import { type Metered, meteredAction, type Pace, watchPace } from './meter.ts';
import { incusShim } from './shim.ts';

/** What surrounds a check may fail, hang, or lie: it ends all the same, in time, and says what it met. */

const formation = breakableFormation();
const { monitor, path } = formation;

/** The deadline of a member, and what a machine that is as busy as it was meanwhile adds to a check. */
const memberSeconds = (pace: Pace) => 5 + pace.tolerable(1);

describe('a Postgres that accepts and never answers', () => {
  it('is, in the monitor, a finding of its own, and the nodes are told all the same', async () => {
    await inside(monitor, 'pkill', '-STOP', '-x', 'postgres');
    try {
      const pace = watchPace();
      const found = await check(path);
      const mostSeconds = memberSeconds(pace);
      expect(found.code, found.log).toBe(1);
      expect(toldOf(found).failed, found.log).toEqual(['monitor-reachable']);
      expect(found.outputs['message']).toContain(`${monitor}: gave up after 5 s waiting for Postgres`);
      expect(found.log).toMatch(new RegExp(`${formation.primary} +Running +\\? +\\? +writable`));
      expect(found.log).toMatch(new RegExp(`${formation.standby} +Running +\\? +\\? +standby`));
      expect(found.tookMs / 1000).toBeLessThan(mostSeconds);
      figure('check-formation with a monitor that never answers', found.tookMs / 1000);
    } finally {
      await inside(monitor, 'pkill', '-CONT', '-x', 'postgres');
    }
    await becomesHealthy(path, 60_000);
  });
});

describe('a Postgres that recovers from a crash', () => {
  it('is told as such', async () => {
    // It asks for the first segment of WAL for as long as that takes.
    const pgdata = '/var/lib/postgresql/pgaf/node';
    await alterSystem(formation.standby, "SET restore_command = 'sleep 30; false'");
    await inside(formation.standby, 'pkill', '-KILL', '-x', 'postgres');
    try {
      let found = await untilTold(path, 'nodes-reachable');
      // For a moment there is no Postgres at all.
      await eventually('a Postgres that recovers', 20_000, async () => {
        found = await check(path);
        return /starting up|not yet accepting/.test(found.outputs['message'] ?? '');
      });
      expect(toldOf(found).failed, found.log).toEqual(['nodes-reachable']);
      expect(found.log).toContain('it is recovering from a crash');
    } finally {
      await inside(formation.standby, 'sed', '-i', '/restore_command/d', `${pgdata}/postgresql.auto.conf`);
      await startsAnew(formation.standby);
    }
    await isMended(path);
    expect(await sql(formation.standby, 'SELECT pg_is_in_recovery()')).toBe('t');
  });
});

/**
 * The keeper waits for the old Postgres for a minute: all of it starts anew, with what is in the file. Once, in the lab,
 * such a Postgres (15.18) ended its walreceiver 26 ms after that had begun, started no other, and waited for WAL from
 * then on. That is no matter of this test, which tells it and starts it once more.
 */
async function startsAnew(node: string): Promise<void> {
  const answers = () =>
    sql(node, 'SELECT 1').then(
      () => true,
      () => false,
    );
  for (let attempt = 1; attempt <= 3; attempt++) {
    await inside(node, 'systemctl', 'kill', '--signal', 'KILL', 'pg_autoctl');
    if (
      await eventually('Postgres to answer again', 20_000, answers).then(
        () => true,
        () => false,
      )
    )
      return;
    figure(`${node}: Postgres did not come up again after a crash in recovery, attempt`, `${attempt}`, '');
  }
}

/** What the client does in place of what it was asked: for `query`, for `exec`, or for both. */
const lies: [string, string, 'query' | 'exec' | '*', RegExp, number][] = [
  [
    'fails at once',
    'echo "Error: it is broken" >&2; exit 1',
    '*',
    /failed with exit code 1: Error: it is broken/,
    3,
  ],
  ['hangs', 'exec sleep 1000', '*', /gave up after 15 s waiting for `incus query/, 3],
  [
    'hangs in a child of its own',
    'sleep 1000; exit 0',
    '*',
    /gave up after 15 s waiting for `incus query/,
    3,
  ],
  ['prints garbage', 'exec seq 100000', '*', /something that is not JSON/, 3],
  ['prints 50 MB', 'exec head -c 50000000 /dev/zero', 'query', /printed more than 33554432 bytes/, 3],
  ['prints JSON of another kind', 'exec echo "{}"', 'query', /did not answer with a list of instances/, 3],
  ['fails at once', 'echo "Error: it is broken" >&2; exit 1', 'exec', /Error: it is broken/, 1],
  ['hangs', 'exec sleep 1000', 'exec', /gave up after 5 s/, 1],
  ['hangs in a child of its own', 'sleep 1000; exit 0', 'exec', /gave up after 5 s/, 1],
  ['prints garbage', 'exec seq 100000', 'exec', /what answers is not what we started/, 1],
  ['prints 50 MB', 'exec head -c 50000000 /dev/zero', 'exec', /what answers is not what we started/, 1],
  ['prints without end', 'exec yes', 'exec', /what answers is not what we started/, 1],
  ['ends at once and says nothing', 'exit 0', 'exec', /connection|closed|ended/i, 1],
];

describe('an incus client that', () => {
  it.each(lies)('%s (%s, on %s): %s', async (what, script, on, message, code) => {
    const pace = watchPace();
    const { finished, peakMegabytes } = await checkWith(script, on);
    // The longest deadline among them, and the check itself.
    const mostSeconds = 15 + pace.tolerable(1.5);
    expect(finished.code, finished.log).toBe(code);
    expect(finished.outputs['outcome']).toBe(code === 3 ? 'error' : 'unhealthy');
    expect(finished.outputs['message'], finished.log).toMatch(message);
    expect(finished.log).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m);
    expect(finished.log).not.toContain('internal error');
    expect(finished.tookMs / 1000).toBeLessThan(mostSeconds);
    expect(peakMegabytes).toBeLessThan(300);
    figure(
      `check-formation with an incus that ${what}, on ${on}`,
      `${(finished.tookMs / 1000).toFixed(1)} s, peak ${peakMegabytes.toFixed(0)} MB`,
      '',
    );
  });
});

describe('a monitor', () => {
  it('that knows nobody of the formation', async () => {
    const other = labFormation(12, { formation: 'unknown-here' });
    const found = await check(writtenFormation(other.yaml));
    expect(found.code, found.log).toBe(1);
    const [finding] = reportedFindings(found).filter(({ status }) => status === 'fail');
    expect(finding?.check, found.log).toBe('nodes-registered');
    expect(found.log).toContain('the monitor does not know it');
  });

  it('that knows one of two', async () => {
    const lone = labFormation(12, { nodes: [{ name: formation.nodes[0] }, { name: 'd12-nobody' }] });
    const found = await check(writtenFormation(lone.yaml));
    expect(found.code, found.log).toBe(1);
    expect(toldOf(found).failed, found.log).toEqual(
      expect.arrayContaining(['nodes-reachable', 'nodes-registered']),
    );
    expect(found.log).toContain('there is no container d12-nobody');
  });

  it('that knows two of five', async () => {
    const names = [...formation.nodes, 'd12-gone-1', 'd12-gone-2', 'd12-gone-3'];
    const five = labFormation(12, { nodes: names.map((name) => ({ name })) });
    const pace = watchPace();
    const found = await check(writtenFormation(five.yaml));
    const mostSeconds = memberSeconds(pace);
    expect(found.code, found.log).toBe(1);
    expect(found.log).toMatch(/d12-gone-3 +missing +\? +\? +no answer/);
    expect(found.tookMs / 1000).toBeLessThan(mostSeconds);
  });
});

describe('a frozen container', () => {
  it('takes the deadline of one, however many there are', async () => {
    // Incus has it as Running: its processes are stopped from within.
    await inside(formation.standby, 'sh', '-c', 'pkill -STOP -x postgres');
    try {
      const pace = watchPace();
      const found = await check(path);
      const mostSeconds = memberSeconds(pace);
      expect(found.code, found.log).toBe(1);
      expect(found.tookMs / 1000).toBeLessThan(mostSeconds);
    } finally {
      await inside(formation.standby, 'pkill', '-CONT', '-x', 'postgres');
    }
    await becomesHealthy(path, 60_000);
  });

  it('is known by its status, and waited for by nobody', async () => {
    await incus('pause', formation.standby);
    try {
      const found = await check(path);
      expect(toldOf(found).failed, found.log).toEqual(['nodes-reachable']);
      figure('check-formation with one frozen container', found.tookMs / 1000);
    } finally {
      await incus('resume', formation.standby);
    }
    await becomesHealthy(path, 60_000);
  });
});

/** Runs check-formation with an incus of ours on PATH, and tells how much memory it took at most. */
async function checkWith(script: string, on: 'query' | 'exec' | '*'): Promise<Metered> {
  const { env } = incusShim(`case "$1" in ${on}) ${script} ;; esac`);
  return await meteredAction('check-formation', { formation: path }, env);
}
