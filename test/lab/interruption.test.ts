import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { everything, some } from './extent.ts';
import { labFormation } from './formations.ts';
import { newestGuard } from './guards.ts';
import {
  becomesHealthy,
  checkPasses,
  eventually,
  figure,
  isAlive,
  labelsOf,
  runAction,
  startAction,
  statusOf,
} from './harness.ts';
import { watchPace } from './meter.ts';
import { incusShim } from './shim.ts';

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
      const tookMs = await checkPasses(formation.yaml, 60_000);
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
    await checkPasses(formation.yaml, 60_000);
    figure('SIGKILL of the group to a healthy formation', (performance.now() - killedAt) / 1000);
  });
});

describe('a drill that is killed alone, while its client of Incus has yet to send the order', () => {
  const slowly = (subcommand: string) =>
    incusShim(`if [ "$1" = ${subcommand} ]; then touch "$shim/asked"; sleep 20; fi`);

  it('is outlived by its guard until the client has ended, and all is undone', async () => {
    const shim = slowly('stop');
    const target = await primary();
    const drill = startAction('failover-drill', { formation: formation.yaml }, { env: shim.env });
    await drill.says('fault: stop');
    await eventually('the client to run', 30_000, () =>
      Promise.resolve(existsSync(join(shim.folder, 'asked'))),
    );
    const guard = await newestGuard();
    process.kill(drill.child.pid ?? 0, 'SIGKILL');
    const killedAt = performance.now();
    // Longer than a container is looked at otherwise.
    await new Promise((done) => setTimeout(done, 12_000));
    expect(isAlive(guard)).toBe(true);
    expect(await labelsOf(target)).toHaveProperty('user.pgha.drill');
    await isDown(target);
    figure('SIGKILL of the drill alone to its stop arriving', (performance.now() - killedAt) / 1000);
    await eventually('the guard to have ended', 60_000, () => Promise.resolve(!isAlive(guard)));
    figure('SIGKILL of the drill alone to the end of its guard', (performance.now() - killedAt) / 1000);
    expect(await statusOf(target)).toBe('Running');
    expect(await labelsOf(target)).not.toHaveProperty('user.pgha.drill');
    await drill.finished;
  });

  it.runIf(everything)('nor does a killed guard let the post step believe that nothing comes', async () => {
    const shim = slowly('stop');
    const target = await primary();
    const drill = startAction('failover-drill', { formation: formation.yaml }, { env: shim.env });
    await drill.says('fault: stop');
    await eventually('the client to run', 30_000, () =>
      Promise.resolve(existsSync(join(shim.folder, 'asked'))),
    );
    process.kill(await newestGuard(), 'SIGKILL');
    process.kill(drill.child.pid ?? 0, 'SIGKILL');
    const state = drill.saved();
    const post = await startAction('failover-drill', { formation: formation.yaml }, { step: 'post', state })
      .finished;
    expect(post.code, post.log).toBe(0);
    expect(post.log).toContain('it was brought back (started)');
    expect(await statusOf(target)).toBe('Running');
    expect(await labelsOf(target)).not.toHaveProperty('user.pgha.drill');
    await drill.finished;
  });
});

describe('a drill that loses its guard while the primary is down', () => {
  const ways = [
    [
      'ended',
      'SIGKILL',
      /the guard that would undo the fault is gone \((?:it ended with SIGKILL|it no longer listens)\)/,
    ],
    ['stopped', 'SIGSTOP', /the guard that would undo the fault is gone \(it has not answered for 10 s\)/],
  ] as const;

  it.each(everything ? ways : ways.slice(0, 1))(
    '%s: it undoes the fault at once and says so with code 3, though nobody reads its log',
    async (_, signal, why) => {
      const target = await primary();
      // No promotion: who did not notice would wait for one until its deadline.
      const drill = startAction('failover-drill', {
        formation: formation.yaml,
        fault: 'standby-stop',
        'hold-seconds': '60',
      });
      await drill.says(/^proof:/m);
      for (const stream of [drill.child.stdout, drill.child.stderr]) stream?.destroy();
      const guard = await newestGuard();
      process.kill(guard, signal);
      const lostAt = performance.now();
      const { code, outputs } = await drill.finished;
      figure(`${signal} of the guard to the drill's end`, (performance.now() - lostAt) / 1000);
      expect(code).toBe(3);
      expect(outputs['message']).toMatch(why);
      expect(isAlive(guard)).toBe(false);
      for (const node of formation.nodes) {
        expect(await statusOf(node)).toBe('Running');
        expect(await labelsOf(node)).not.toHaveProperty('user.pgha.drill');
      }
      // It may have begun to go on alone, and be on its way back.
      await checkPasses(formation.yaml, 60_000);
      expect(await primary()).toBe(target);
    },
  );
});

describe('a drill that does not get to run while the primary is down', () => {
  it.runIf(everything)(
    'has its guard undo the fault, and says so with code 3 once it runs again',
    async () => {
      const target = await primary();
      const drill = start();
      await drill.says(/^proof:/m);
      process.kill(drill.child.pid ?? 0, 'SIGSTOP');
      const stoppedAt = performance.now();
      await eventually(`${target} to run`, 90_000, async () => (await statusOf(target)) === 'Running');
      figure('SIGSTOP of the drill to its container running', (performance.now() - stoppedAt) / 1000);
      // It may be about to hurt it again.
      expect(await labelsOf(target)).toHaveProperty('user.pgha.drill');
      process.kill(drill.child.pid ?? 0, 'SIGCONT');
      const { code, outputs, log } = await drill.finished;
      expect(code, log).toBe(3);
      expect(outputs['message']).toContain(
        'it undoes the fault by itself, as the drill did not get to run for 60 s',
      );
      expect(await labelsOf(target)).not.toHaveProperty('user.pgha.drill');
    },
  );
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
    await eventually('the guard to be dead', 30_000, () => Promise.resolve(!isAlive(guard)));
    expect(await statusOf(target)).toBe('Stopped');
    expect(await labelsOf(target)).toHaveProperty('user.pgha.drill');
    return { target, state };
  }

  it('is undone by the post step, though nobody reads its log', async () => {
    const { target, state } = await killDrillAndGuard();
    const post = startAction('failover-drill', { formation: formation.yaml }, { step: 'post', state });
    for (const stream of [post.child.stdout, post.child.stderr]) stream?.destroy();
    const { code } = await post.finished;
    expect(code).toBe(0);
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
    const pace = watchPace();
    const { code, log, tookMs } = await startAction(
      'failover-drill',
      { formation: formation.yaml },
      { step: 'post' },
    ).finished;
    expect(code, log).toBe(0);
    expect(log).toContain('nothing to undo');
    expect(tookMs).toBeLessThan(pace.tolerable(500));
  });

  it('does nothing after a drill that ended by itself', async () => {
    const { code, state, log } = await start().finished;
    expect(code, log).toBe(0);
    expect(state).toEqual({ exposed: '' });
  });
});
