import { spawnSync } from 'node:child_process';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { labFormation } from './formations.ts';
import { becomesHealthy, figure, incus, loadAverage, runAction } from './harness.ts';
import { meteredAction, tolerable } from './meter.ts';

const formation = labFormation(12);
const check = (env: Record<string, string> = {}) =>
  runAction('check-formation', { formation: formation.yaml }, { env });

beforeAll(async () => {
  const { code, log } = await runAction('provision-pgaf', { formation: formation.yaml });
  expect(code, log).toBe(0);
});

describe('check-formation', () => {
  it('passes a healthy formation, names its nodes, and takes little time', async () => {
    const { outputs, summary, log } = await check();
    expect(outputs, log).toMatchObject({
      'exit-code': '0',
      outcome: 'pass',
      healthy: 'true',
      'failed-checks': '',
    });
    expect([outputs['primary'], outputs['standbys']].sort()).toEqual([...formation.nodes].sort());
    expect(summary).toContain('| node |');
    expect(log).toMatch(/^(\d+) of \1 checks passed$/m);

    // Whatever else the machine does only adds to a time: the aim is held against the quickest of five.
    const times = await inTurn(5, async () => (await check()).tookMs);
    const bare = await inTurn(5, () =>
      Promise.resolve(timeOf(() => spawnSync(process.execPath, ['-e', '']))),
    );
    figure(
      'check-formation, whole process, quickest and median of 5',
      `${seconds(times[0])} and ${seconds(times[2])}`,
    );
    const { cpuSeconds, peakMegabytes } = await meteredAction('check-formation', {
      formation: formation.yaml,
    });
    figure('CPU time of its own process', cpuSeconds);
    figure('peak memory of its own process', peakMegabytes, 'MB');
    figure('load average of that minute', loadAverage(), '');
    figure(
      "of which Node's bare start, quickest and median of 5",
      `${seconds(bare[0])} and ${seconds(bare[2])}`,
    );
    expect(times[0]).toBeLessThan(tolerable(400));
  });
});

describe('check-formation on a formation that is not healthy', () => {
  afterEach(async () => {
    for (const name of [formation.monitor, ...formation.nodes]) {
      await incus('resume', name).catch(() => {});
      await incus('start', name).catch(() => {});
    }
    await becomesHealthy(formation.yaml, 60_000);
  });

  it('tells of a stopped monitor, and still names who takes writes', async () => {
    await incus('stop', '--force', formation.monitor);
    const { code, outputs, log } = await check();
    expect(code, log).toBe(1);
    expect(outputs['failed-checks']?.split(',')).toContain('monitor-reachable');
    expect(log).toMatch(/writable/);
  });
});

describe('check-formation where there is no formation', () => {
  it('says that the containers are missing', async () => {
    const elsewhere = labFormation(12, {
      monitor: { name: 'no-monitor' },
      nodes: [{ name: 'no-alpha' }, { name: 'no-beta' }],
    });
    const { code, outputs } = await runAction('check-formation', { formation: elsewhere.yaml });
    expect(code).toBe(1);
    expect(outputs['message']).toContain('there is no container no-monitor');
  });
});

/** The results of so many runs, one after the other, least first. */
async function inTurn(runs: number, run: () => Promise<number>): Promise<number[]> {
  const results: number[] = [];
  for (let count = 0; count < runs; count++) results.push(await run());
  return results.sort((a, b) => a - b);
}

function timeOf(work: () => void): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}

function seconds(ms = 0): string {
  return (ms / 1000).toFixed(3);
}
