import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ContainerRelay } from '../../src/incus/container-relay.ts';
import { Incus } from '../../src/incus/incus.ts';
import { debians } from './extent.ts';
import { labFormation } from './formations.ts';
import {
  becomesHealthy,
  drilled,
  eventually,
  figure,
  incus,
  inside,
  labelsOf,
  runAction,
  startAction,
  statusOf,
} from './harness.ts';
import { tolerable } from './meter.ts';
import { type IncusShim, incusShim } from './shim.ts';

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
      const { code, outputs, log, report, summary, tookMs } = await drill({}, shim.env);
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
      const latenessMs = tolerable(10);
      expect(startUpMs).toBeLessThanOrEqual(3 * latenessMs);
      expect(atPromotion).toBeLessThanOrEqual(latenessMs);
      expect(Math.abs(rto - ((promotedAt ?? 0) - stoppedAt) - startUpMs)).toBeLessThanOrEqual(latenessMs);
      expect(summary).toContain('Failover drill');
      expect(await labelsOf(oldPrimary)).not.toHaveProperty('user.pgha.drill');
      await becomesHealthy(formation.yaml, 1000);
    },
  );

  it('ends with code 2 when the target is missed, and leaves the formation healthy', async () => {
    const { code, outputs, log } = await drill({ 'rto-target-seconds': '1' });
    expect(code, log).toBe(2);
    expect(outputs['outcome']).toBe('missed');
    expect(Number(outputs['rto-seconds'])).toBeGreaterThan(1);
    expect(outputs['message']).toContain('the target is 1 s');
    await becomesHealthy(formation.yaml, 1000);
  });

  it('stops nothing when a standby is stopped already: code 1', async () => {
    const { outputs: before } = await runAction('check-formation', { formation: formation.yaml });
    const [primary = '', standby = ''] = [before['primary'], before['standbys']];
    await incus('stop', '--force', standby);
    try {
      const bootedAt = await inside(primary, 'stat', '-c', '%Y', '/proc/1');
      const { code, outputs, log } = await drill();
      expect(code, log).toBe(1);
      expect(outputs).toMatchObject({ outcome: 'unhealthy', 'rto-seconds': '' });
      expect(outputs['message']).toContain('nothing was stopped');
      expect(await inside(primary, 'stat', '-c', '%Y', '/proc/1')).toBe(bootedAt);
      expect(await labelsOf(primary)).not.toHaveProperty('user.pgha.drill');
    } finally {
      await incus('start', standby);
    }
  });
});

describe('two runs on one formation', () => {
  const formation = labFormation(12);

  it('keep apart: the second drill leaves with a clear message and the first one passes', async () => {
    await becomesHealthy(formation.yaml, 60_000);
    const first = startAction('failover-drill', { formation: formation.yaml });
    await first.says('baseline:');
    const second = await runAction('failover-drill', { formation: formation.yaml });
    const provisioning = runAction('provision-pgaf', { formation: formation.yaml });
    expect(second.code, second.log).not.toBe(0);
    expect((await provisioning).code).toBe(3);
    expect((await provisioning).outputs['message']).toContain(
      'another drill or provisioning run is at work on formation default',
    );
    const { code, log } = await first.finished;
    expect(code, log).toBe(0);
    for (const node of formation.nodes) expect(await statusOf(node)).toBe('Running');
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
      await eventually('the last notifications', 1000, () => Promise.resolve(heard.length > 0));
      relay.close();
    },
  };
}

/** A client of Incus that notes when it was asked to stop a container. */
function stopwatchClient(): IncusShim & { stopAt(): number } {
  const shim = incusShim('if [ "$1" = stop ]; then date +%s%3N > "$shim/stopped-at"; fi');
  return { ...shim, stopAt: () => Number(readFileSync(join(shim.folder, 'stopped-at'), 'utf8')) };
}
