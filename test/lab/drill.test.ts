import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Incus } from '../../src/incus/incus.ts';
import { ContainerRelay } from '../../src/incus/relay/container-relay.ts';
import { sql } from './breakage.ts';
import { debians } from './extent.ts';
import { type LabFormation, labFormation } from './formations.ts';
import {
  becomesHealthy,
  drilled,
  eventually,
  type Finished,
  figure,
  incus,
  inside,
  labelsOf,
  runAction,
  startAction,
  statusOf,
} from './harness.ts';
import { watchPace } from './meter.ts';
import { type IncusShim, incusShim } from './shim.ts';
import { staysHealthy } from './stays-healthy.ts';

/** `PGHA_RUNS=20` for the closing note. */
const counted = Array.from({ length: Number(process.env['PGHA_RUNS'] ?? 1) }, (_, index) => index + 1);

describe.each(debians)('failover-drill with the fault stop, Debian %i', (debian) => {
  const formation = labFormation(debian);
  const drill = (inputs: Record<string, string> = {}, env: Record<string, string> = {}) =>
    runAction('failover-drill', { formation: formation.yaml, ...inputs }, { env });

  beforeAll(async () => {
    const { code, log } = await runAction('provision-pgaf', { formation: formation.yaml });
    expect(code, log).toBe(0);
  });
  beforeEach(() => becomesHealthy(formation.yaml, 60_000));

  it.each(counted)(
    'passes, and reports the RTO that an independent listener and an independent clock see, run %i',
    async () => {
      const listener = await listenIndependently(formation.monitor);
      const shim = stopwatchClient();
      const pace = watchPace();
      const { code, outputs, log, report, summary, tookMs } = await drill({}, shim.env);
      // What the machine does of an instant takes so long here; and no stamp is later than it kept anything back meanwhile.
      const latenessMs = pace.tolerable(10) + pace.worstMs();
      await listener.end();
      expect(code, log).toBe(0);
      const [oldPrimary = '', newPrimary = ''] = [outputs['old-primary'], outputs['new-primary']];
      expect([oldPrimary, newPrimary].sort()).toEqual([...formation.nodes].sort());

      const stoppedAt = shim.stopAt();
      const promotedAt = listener.heard.find(
        ({ at, name, reportedState, goalState }) =>
          at > stoppedAt &&
          name === newPrimary &&
          reportedState === goalState &&
          goalState === 'wait_primary',
      )?.at;
      expect(promotedAt).toBeDefined();
      const { faultAt = '', promotion } = drilled(report);
      const atPromotion = Math.abs(Date.parse(promotion?.at ?? '') - (promotedAt ?? 0));
      const rto = Number(outputs['rto-seconds']) * 1000;
      figure(`RTO, Debian ${debian}`, rto / 1000);
      figure(`rejoin, Debian ${debian}`, Number(outputs['rejoin-seconds']));
      figure(`promotion: reported against the independent listener, Debian ${debian}`, atPromotion, 'ms');
      figure(
        `fault: reported before the client was started by, Debian ${debian}`,
        stoppedAt - Date.parse(faultAt),
        'ms',
      );
      figure(
        `drill's own overhead (wall − RTO − rejoin), Debian ${debian}`,
        (tookMs - rto) / 1000 - Number(outputs['rejoin-seconds']),
      );
      // The drill's clock starts before its client, a shell and `date` do.
      const startUpMs = stoppedAt - Date.parse(faultAt);
      expect(startUpMs).toBeGreaterThanOrEqual(-1);
      expect(startUpMs).toBeLessThanOrEqual(3 * latenessMs);
      expect(atPromotion).toBeLessThanOrEqual(latenessMs);
      // Of three stamps, each may be late by that much.
      expect(Math.abs(rto - ((promotedAt ?? 0) - stoppedAt) - startUpMs)).toBeLessThanOrEqual(3 * latenessMs);
      expect(summary).toContain('Failover drill');
      expect(await labelsOf(oldPrimary)).not.toHaveProperty('user.pgha.drill');
      await staysHealthy(formation.yaml);
    },
  );

  it('ends with code 2 when the target is missed, and leaves the formation healthy', async () => {
    const { code, outputs, log } = await drill({ 'rto-target-seconds': '1', 'client-sessions': '16' });
    expect(code, log).toBe(2);
    expect(outputs['outcome']).toBe('missed');
    expect(Number(outputs['rto-seconds'])).toBeGreaterThan(1);
    expect(outputs['message']).toContain('the target is 1 s');
    await staysHealthy(formation.yaml);
  });

  it('has the time of a promotion that it could not see from what the monitor wrote down', async () => {
    const blindfold = blindfoldedClient(formation.monitor);
    const { primary = '' } = (await runAction('check-formation', { formation: formation.yaml })).outputs;
    // The placeholder does not do then: clients whom nobody watches stay out of the verdict.
    await sql(primary, "ALTER ROLE veza PASSWORD 'none of yours'");
    const listener = await listenIndependently(formation.monitor);
    const drilling = startAction('failover-drill', { formation: formation.yaml }, { env: blindfold.env });
    const isPromotion = ({ name, goalState, reportedState }: Heard) =>
      name !== drilling.log().match(/fault: stop on (\S+)/)?.[1] &&
      reportedState === 'wait_primary' &&
      goalState === 'wait_primary';
    const pace = watchPace();
    try {
      await drilling.says('proof:');
      blindfold.put();
      await eventually('the promotion', 60_000, () => Promise.resolve(listener.heard.some(isPromotion)));
      await new Promise((next) => setTimeout(next, 5000));
    } finally {
      // Blindfolded for good, it would keep the primary down for the tests that follow.
      blindfold.takeOff();
    }
    const latenessMs = pace.tolerable(10) + pace.worstMs();
    const promotedAt = listener.heard.find(isPromotion)?.at ?? 0;
    const { code, outputs, log, report } = await drilling.finished;
    await listener.end();
    await sql(outputs['new-primary'] ?? '', "ALTER ROLE veza PASSWORD 'changeme-DEV-ONLY'");
    expect(code, log).toBe(0);
    expect(outputs['message']).toContain('no clients were watched');
    const { promotion, blind = [] } = drilled(report);
    const offMs = Date.parse(promotion?.at ?? '') - promotedAt;
    figure(
      `promotion: by the monitor's events against the independent listener, Debian ${debian}`,
      offMs,
      'ms',
    );
    expect(promotion?.heardBy).toBe('event');
    expect(Math.abs(offMs)).toBeLessThanOrEqual(500 + latenessMs);
    // A busy machine may have had it blind at other times as well.
    const rto = Number(outputs['rto-seconds']);
    const spot = blind.find(({ from, to }) => from < rto && rto < (to ?? 0));
    expect((spot?.to ?? 0) - rto, JSON.stringify(blind)).toBeGreaterThan(4);
    expect(log).toMatch(/the watch on the monitor was blind from \S+ to \S+, for .* s: /);
  });

  it.each([
    ['already', false],
    // Whatever was read before is out of date then.
    ['while the drill waits for the lock', true],
  ])('stops nothing when a standby is stopped %s: code 1', async (_, underLock) => {
    const { outputs: before } = await runAction('check-formation', { formation: formation.yaml });
    const [primary = '', standby = ''] = [before['primary'], before['standbys']];
    const bootedAt = await inside(primary, 'stat', '-c', '%Y', '/proc/1');
    const stop = () => incus('stop', '--force', standby);
    try {
      if (!underLock) await stop();
      const { code, outputs, log } = await (underLock ? drillHeldUp(formation, stop) : drill());
      expect(code, log).toBe(1);
      expect(await statusOf(standby), log).toBe('Stopped');
      expect(outputs).toMatchObject({ outcome: 'unhealthy', 'rto-seconds': '' });
      expect(outputs['message']).toContain('nothing was stopped');
      expect(await inside(primary, 'stat', '-c', '%Y', '/proc/1')).toBe(bootedAt);
      expect(await labelsOf(primary)).not.toHaveProperty('user.pgha.drill');
    } finally {
      // What failed before is what counts.
      await incus('start', standby).catch(() => {});
    }
  });
});

/**
 * A drill that has the locks in the nodes and waits for the one on the monitor, which another run has, while `meanwhile`
 * is done. Locks are taken in the order of the containers' names, the monitor's last.
 */
async function drillHeldUp(
  { yaml, monitor, nodes: [first] }: LabFormation,
  meanwhile: () => Promise<unknown>,
): Promise<Finished> {
  const client = new Incus({ remote: 'local', project: 'default' });
  const [other, watching] = [monitor, first].map((name) => new ContainerRelay(client, name, 'root'));
  const deadlineMs = 60_000;
  try {
    expect(await other?.lock('/run/pgha-default.lock', 'alone', { deadlineMs })).toBe(true);
    // It is held up for two seconds before it begins anew: both are done in less, unless the machine is busy.
    const drilling = startAction('failover-drill', { formation: yaml, 'wait-for-lock-seconds': '120' });
    const untilLocked = 'while flock --nonblock /run/pgha.lock true; do sleep 0.02; done';
    await watching?.read(['sh', '-c', untilLocked], { deadlineMs, maxBytes: 1000 });
    await meanwhile();
    await other?.unlock('/run/pgha-default.lock', { deadlineMs });
    return await drilling.finished;
  } finally {
    other?.close();
    watching?.close();
  }
}

describe('two runs on one formation', () => {
  const formation = labFormation(12);

  it('keep apart: the second drill leaves with a clear message and the first one passes', async () => {
    await becomesHealthy(formation.yaml, 60_000);
    const first = startAction('failover-drill', { formation: formation.yaml });
    await first.says('baseline:');
    // At once: a drill that finds the first one's mark gives its owner time to come back before it asks for the lock.
    const provisioning = runAction('provision-pgaf', { formation: formation.yaml });
    const second = await runAction('failover-drill', { formation: formation.yaml });
    expect(second.code, second.log).not.toBe(0);
    expect((await provisioning).code).toBe(3);
    expect((await provisioning).outputs['message']).toContain(
      'another drill or provisioning run is at work on formation default',
    );
    const { code, log } = await first.finished;
    expect(code, log).toBe(0);
    for (const node of formation.nodes) expect(await statusOf(node)).toBe('Running');
  });

  it('wait for one another where that is asked for, and all of them pass', async () => {
    await becomesHealthy(formation.yaml, 60_000);
    const first = startAction('failover-drill', { formation: formation.yaml });
    await first.says(/^proof:/m);
    const waits = { formation: formation.yaml, 'wait-for-lock-seconds': '300' };
    const others = [
      runAction('failover-drill', { ...waits, fault: 'switchover' }),
      runAction('provision-pgaf', waits),
    ];
    const impatient = await runAction('provision-pgaf', { ...waits, 'wait-for-lock-seconds': '1' });
    expect(impatient.code, impatient.log).toBe(3);
    expect(impatient.outputs['message']).toContain('it did not end in 1.00 s (input wait-for-lock-seconds)');
    const { code, log, report } = await first.finished;
    expect(code, log).toBe(0);
    for (const other of await Promise.all(others)) {
      expect(other.code, other.log).toBe(0);
      expect(other.log).toMatch(
        /another drill or provisioning run is at work .*; waiting up to 5 min 0 s for it to end/,
      );
    }
    // The time that it waited, ten seconds and more, is none of the drill's own. The lock is let go before the first's ends.
    const [ended, waited] = [drilled(report), drilled((await others[0])?.report)];
    const endedAt = Date.parse(ended.startedAt) + 1000 * ended.tookSeconds;
    expect(Date.parse(waited.startedAt)).toBeGreaterThan(endedAt - 3000);
  });

  it("keep apart even when the monitor's Postgres restarts in mid-drill, which the drill survives", async () => {
    await becomesHealthy(formation.yaml, 60_000);
    const first = startAction('failover-drill', { formation: formation.yaml });
    await first.says('fault: stop');
    // As many files as the container can give, as under its own unit: runuser's session may open 1024.
    const postgres = [
      'runuser',
      '-u',
      'postgres',
      '--',
      'sh',
      '-c',
      'ulimit -n "$(ulimit -Hn)" && exec "$@"',
      'sh',
      '/usr/lib/postgresql/15/bin/pg_ctl',
      '--pgdata',
      '/var/lib/postgresql/pgaf/monitor',
    ];
    await inside(formation.monitor, ...postgres, '--mode', 'fast', 'restart');
    const second = await runAction('failover-drill', { formation: formation.yaml });
    expect(second.code, second.log).toBe(3);
    expect(second.outputs['message']).toContain('another drill or provisioning run is at work');
    const { code, outputs, log } = await first.finished;
    expect(code, log).toBe(0);
    figure("RTO over a restart of the monitor's Postgres", Number(outputs['rto-seconds']));
    await becomesHealthy(formation.yaml, 5000);
  });
});

interface Heard {
  at: number;
  name: string;
  reportedState: string;
  goalState: string;
}

/** A listener of the test's own: its own process, session and reading of the payload. */
async function listenIndependently(monitor: string): Promise<{ heard: Heard[]; end(): Promise<void> }> {
  const relay = new ContainerRelay(new Incus({ remote: 'local', project: 'default' }), monitor, 'root');
  const stream = relay.postgresSocket(5432);
  const client = new pg.Client({
    stream: () => stream,
    user: 'postgres',
    database: 'pg_auto_failover',
    ssl: false,
  });
  client.on('error', () => {});
  await client.connect();
  const heard: Heard[] = [];
  client.on('notification', ({ payload }) => {
    heard.push({
      at: performance.timeOrigin + performance.now(),
      ...(JSON.parse(payload ?? '{}') as Omit<Heard, 'at'>),
    });
  });
  await client.query('LISTEN state');
  return {
    heard,
    async end() {
      await eventually('the last notifications', 30_000, () => Promise.resolve(heard.length > 0));
      relay.close();
    },
  };
}

/** A client of Incus that notes when it was asked to stop a container. */
function stopwatchClient(): IncusShim & { stopAt(): number } {
  const shim = incusShim('if [ "$1" = stop ]; then date +%s%3N > "$shim/stopped-at"; fi');
  return { ...shim, stopAt: () => Number(readFileSync(join(shim.folder, 'stopped-at'), 'utf8')) };
}

/** An `incus` that fails while it is blindfolded, and whose commands in a container then end. */
function blindfoldedClient(container: string): IncusShim & { put(): void; takeOff(): void } {
  const shim = incusShim(`if [ -e "$shim/blind" ]; then echo 'Error: the daemon is away' >&2; exit 1; fi
case "$*" in exec*${container}*) echo $$ >>"$shim/pids" ;; esac`);
  const sign = join(shim.folder, 'blind');
  return {
    ...shim,
    put() {
      writeFileSync(sign, '');
      for (const pid of readFileSync(join(shim.folder, 'pids'), 'utf8').trim().split('\n')) {
        // Only a client that this shim became: an id may be another's by now.
        if (commandOf(Number(pid)).includes(container)) process.kill(Number(pid), 'SIGKILL');
      }
    },
    takeOff: () => rmSync(sign, { force: true }),
  };
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
