import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { some } from './extent.ts';
import { labFormation } from './formations.ts';
import { newestGuard } from './guards.ts';
import {
  becomesHealthy,
  eventually,
  figure,
  isAlive,
  labelsOf,
  runAction,
  startAction,
  statusOf,
} from './harness.ts';
import { tolerable } from './meter.ts';

const formation = labFormation(12);
const start = () => startAction('failover-drill', { formation: formation.yaml });

beforeAll(async () => {
  const { code, log } = await runAction('provision-pgaf', { formation: formation.yaml });
  expect(code, log).toBe(0);
});
beforeEach(() => becomesHealthy(formation.yaml, 60_000));

async function primary(): Promise<string> {
  return (await runAction('check-formation', { formation: formation.yaml })).outputs['primary'] ?? '';
}

async function isDown(container: string): Promise<void> {
  await eventually(`${container} to be down`, 10_000, async () => (await statusOf(container)) === 'Stopped');
}

describe('a drill that is told to stop while the primary is down', () => {
  it.each(some(['SIGTERM', 'SIGINT'] as const, 1))(
    'starts the container again on %s, writes its outputs, and the formation becomes healthy',
    async (signal) => {
      const target = await primary();
      const drill = start();
      await drill.says('fault: stop');
      await isDown(target);
      drill.child.kill(signal);
      const killedAt = performance.now();
      const { code, outputs, log } = await drill.finished;
      figure(`${signal} to the drill's end`, (performance.now() - killedAt) / 1000);
      expect(code, log).toBe(3);
      expect(outputs['message']).toContain(
        `the drill was interrupted: cancelled by ${signal}; ${target} was brought back`,
      );
      expect(await statusOf(target)).toBe('Running');
      const tookMs = await becomesHealthy(formation.yaml, 60_000);
      figure(`${signal} to a healthy formation`, (performance.now() - killedAt) / 1000);
      expect(tookMs).toBeLessThan(60_000);
      expect(await labelsOf(target)).not.toHaveProperty('user.pgha.drill');
    },
  );

  it('does so as well when the signal comes in the middle of the stop itself', async () => {
    const drill = start();
    await drill.says('fault: stop');
    drill.child.kill('SIGTERM');
    const { code, outputs, log } = await drill.finished;
    expect(code, log).toBe(3);
    expect(await statusOf(outputs['old-primary'] ?? '')).toBe('Running');
  });
});

describe('a drill whose whole process group is killed', () => {
  const moments: [string, RegExp][] = [
    ['in the middle of the stop', /fault: stop/],
    ['while it brings the container back', /undo:/],
    ['while the primary is down', /fault: stop[\s\S]*run: incus query/],
    ['before the fault', /baseline:/],
    ['after the promotion', /promotion:/],
  ];
  it.each(some(moments, 2))('%s: the guard brings the container back without a hand', async (_, moment) => {
    const drill = start();
    await drill.says(moment);
    process.kill(-(drill.child.pid ?? 0), 'SIGKILL');
    const killedAt = performance.now();
    const { signal } = await drill.finished;
    expect(signal).toBe('SIGKILL');
    await eventually('every container to run and no mark to be left', 60_000, async () => {
      const states = await Promise.all(formation.nodes.map(statusOf));
      const labels = await Promise.all(formation.nodes.map(labelsOf));
      return (
        states.every((state) => state === 'Running') && labels.every((label) => !('user.pgha.drill' in label))
      );
    });
    figure('SIGKILL of the group to every container running', (performance.now() - killedAt) / 1000);
    await becomesHealthy(formation.yaml, 60_000);
    figure('SIGKILL of the group to a healthy formation', (performance.now() - killedAt) / 1000);
  });
});

describe('what even a killed guard leaves behind', () => {
  /** Kills a drill and its guard while the primary is down. Returns the container and the saved state. */
  async function killDrillAndGuard(): Promise<{ target: string; state: Record<string, string> }> {
    const target = await primary();
    const drill = start();
    await drill.says('fault: stop');
    await isDown(target);
    const guard = await newestGuard();
    process.kill(guard, 'SIGKILL');
    process.kill(-(drill.child.pid ?? 0), 'SIGKILL');
    const { state } = await drill.finished;
    await eventually('the guard to be dead', 5000, () => Promise.resolve(!isAlive(guard)));
    expect(await statusOf(target)).toBe('Stopped');
    expect(await labelsOf(target)).toHaveProperty('user.pgha.drill');
    return { target, state };
  }

  it('is undone by the post step', async () => {
    const { target, state } = await killDrillAndGuard();
    const { code, log } = await startAction(
      'failover-drill',
      { formation: formation.yaml },
      { step: 'post', state },
    ).finished;
    expect(code, log).toBe(0);
    expect(log).toContain(`${target} bore the mark of an interrupted drill; it was brought back (started)`);
    expect(await statusOf(target)).toBe('Running');
    expect(await labelsOf(target)).not.toHaveProperty('user.pgha.drill');
  });

  it('is recognised by check-formation and undone by provision-pgaf', async () => {
    const { target } = await killDrillAndGuard();
    const { code, outputs } = await runAction('check-formation', { formation: formation.yaml });
    expect(code).toBe(1);
    expect(outputs['failed-checks']).toContain('no-interrupted-drill');
    const provisioned = await runAction('provision-pgaf', { formation: formation.yaml });
    expect(provisioned.code, provisioned.log).toBe(0);
    expect(provisioned.log).toContain('remove the mark of an interrupted drill');
    expect(await labelsOf(target)).not.toHaveProperty('user.pgha.drill');
  });

  it('is undone by the next drill, which then passes', async () => {
    await killDrillAndGuard();
    const { code, log } = await start().finished;
    expect(code, log).toBe(0);
    expect(log).toContain('bore the mark of an interrupted drill');
  });
});

describe('the post step', () => {
  it('does nothing when there is nothing to do', async () => {
    const { code, log, tookMs } = await startAction(
      'failover-drill',
      { formation: formation.yaml },
      { step: 'post' },
    ).finished;
    expect(code, log).toBe(0);
    expect(log).toContain('nothing to undo');
    expect(tookMs).toBeLessThan(tolerable(500));
  });

  it('does nothing after a drill that ended by itself', async () => {
    const { code, state, log } = await start().finished;
    expect(code, log).toBe(0);
    expect(state).toEqual({ exposed: '' });
  });
});
