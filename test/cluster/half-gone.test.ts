import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  becomesHealthy,
  eventually,
  type Finished,
  figure,
  incus,
  loadAverage,
  runAction,
  statusOf,
} from '../lab/harness.ts';
import { watchPace } from '../lab/meter.ts';
import { formationOn, host, leads, provisioned, removeAll } from './hosts.ts';

/** A cluster that has lost a host, read, checked and left alone. `spread` has a container on each host, `pair` none on m2. */

const spreadBy = (remote: string) =>
  formationOn('spread', { monitor: 'm1', alpha: 'm2', beta: 'm3' }, { incus: { remote } });
const spread = spreadBy('m1');
const pair = formationOn('pair', { monitor: 'm3', alpha: 'm3', beta: 'm1' }, { incus: { remote: 'm1' } });

const check = (yaml: string) => runAction('check-formation', { formation: yaml });
const statusOfHost = async (name: string) => {
  const listed = await incus('query', 'm1:/1.0/cluster/members?recursion=1');
  const hosts = JSON.parse(listed) as { server_name: string; status: string }[];
  return hosts.find(({ server_name: each }) => each === name)?.status;
};
/** What a check found, of the findings that did not pass. */
const failed = ({ report }: Finished) =>
  (
    report as {
      formations: {
        verdict: {
          findings: {
            check: string;
            status: string;
            faults: { evidence: string; remedy?: { run?: string } }[];
          }[];
        };
      }[];
    }
  ).formations[0]?.verdict.findings.filter(({ status }) => status === 'fail');

beforeAll(() => provisioned(spread, pair), 600_000);
afterAll(removeAll, 200_000);
afterEach(async () => {
  await host('boot', 'm2').catch(() => host('heal', 'm2').catch(() => {}));
  await incus('cluster', 'restore', 'm1:m2', '--force').catch(() => {});
  for (const { yaml } of [spread, pair]) await becomesHealthy(yaml, 120_000);
}, 300_000);

describe('formations over three hosts', () => {
  it('are told with their hosts, and with what the loss of one would be', async () => {
    const [ofSpread, ofPair] = [await check(spread.yaml), await check(pair.yaml)];
    expect(ofSpread.log).toMatch(/spread-monitor +m1 +Running +monitor/);
    expect(JSON.parse(ofSpread.outputs['nodes'] ?? '')).toMatchObject([
      { location: 'm2' },
      { location: 'm3' },
    ]);
    expect(ofSpread.outputs['warnings']).toBe('');
    expect(ofPair.outputs['warnings']).toBe('failure-domains');
    expect(failed(ofPair)?.[0]?.faults[0]?.evidence).toBe(
      'm3 takes the primary, pair-alpha, and the monitor with it: no failover',
    );
  });
});

describe('a host that loses its power', () => {
  it('is named at every second, while the rest is told and nothing is touched', async () => {
    await becomesHealthy(spread.yaml, 60_000);
    await host('kill', 'm2');
    const began = performance.now();
    const times: { at: number; took: number; code: number | null }[] = [];
    const pace = watchPace();
    for (let round = 0; performance.now() - began < 40_000; round++) {
      const at = (performance.now() - began) / 1000;
      const checked = await check(round % 2 === 0 ? spread.yaml : pair.yaml);
      times.push({ at, took: checked.tookMs / 1000, code: checked.code });
      if (round % 2 === 0) {
        expect(checked.outputs['message'], `${at} s after the loss`).toContain('its host m2 does not answer');
        // So soon after, others have heard from it a moment ago.
        expect(checked.code).toBe(at < 15 && checked.code === 3 ? 3 : 1);
      } else
        expect([checked.code, checked.outputs['message']]).toEqual([0, expect.stringContaining('healthy')]);
      if (round === 0) await refusedByAll();
    }
    const longestMs = pace.tolerable(3000);
    await refusedByAll();
    const longest = Math.max(...times.map(({ took }) => took));
    figure(`check with a host lost, the longest of ${times.length} in 40 s (load ${loadAverage()})`, longest);
    expect(longest * 1000).toBeLessThan(longestMs);
    expect(await statusOf('spread-beta')).toBe('Running');
  });

  /** Whoever would change something, without a change. */
  async function refusedByAll(): Promise<void> {
    const unasked = 'its host m2 does not answer';
    for (const inputs of [{ mode: 'plan' }, { mode: 'apply' }, { mode: 'destroy', confirm: 'spread' }]) {
      const refused = await runAction('provision-pgaf', { formation: spread.yaml, ...inputs });
      expect([refused.code, refused.outputs['message']]).toEqual([3, expect.stringContaining(unasked)]);
      expect(refused.outputs['message']).toContain('Nothing was touched');
    }
    const refused = await runAction('failover-drill', { formation: spread.yaml });
    expect([1, 3]).toContain(refused.code);
    expect(refused.outputs['message']).toMatch(/nothing was stopped: .*its host m2 does not answer/);
  }

  it('is told as that also where it is the one that is asked: a check goes on by another, a change does not', async () => {
    await host('kill', 'm2');
    const { code, outputs, log } = await check(spreadBy('m2').yaml);
    expect([1, 3]).toContain(code);
    expect(outputs['message']).toContain('its host m2 does not answer');
    expect(log).toMatch(/the Incus server of the remote m2 does not answer; going on by m[13],/);
    const plan = await runAction('provision-pgaf', { formation: spreadBy('m2').yaml, mode: 'plan' });
    expect([plan.code, plan.outputs['message']]).toEqual([
      3,
      expect.stringContaining(
        'the Incus server of the remote m2 does not answer; m1, m3 of the same cluster do',
      ),
    ]);
  });
});

it('a host that takes the monitor and the primary with it leaves no failover, which is said with its cause', async () => {
  // It is on one host with its monitor.
  await leads(pair.yaml, pair.alpha);
  await host('kill', 'm3');
  try {
    const began = performance.now();
    const pace = watchPace();
    const all: Finished[] = [];
    // A node that heard from the monitor a moment ago is a sign of life, for ten seconds.
    while (performance.now() - began < 15_000) all.push(await check(pair.yaml));
    const told = 'its host m3 does not answer';
    const loss = 'the primary, pair-alpha, and the monitor with it: no failover';
    for (const { code, log } of all) {
      expect([1, 3], log).toContain(code);
      expect(log).toContain(told);
      expect(log).toContain(loss);
      expect(log).not.toContain('writes are taken by none');
    }
    const last = all.at(-1) as Finished;
    expect([last.code, last.outputs['failed-checks']]).toEqual([1, 'hosts-online']);
    expect(last.outputs['message']).toContain(`pair-monitor: ${told}; m3 takes ${loss}`);
    expect(last.log).toMatch(/follows +one-writable-primary .*no node that can be asked takes writes/);
    expect(last.log).toMatch(/pair-beta +m1 +Running .*standby/);
    const longest = Math.max(...all.map(({ tookMs }) => tookMs));
    figure(`check with monitor and primary lost, the longest of ${all.length} in 15 s`, longest / 1000);
    expect(longest).toBeLessThan(pace.tolerable(3000));
  } finally {
    await host('boot', 'm3');
  }
});

describe('a host whose Incus alone is gone', () => {
  it('leaves its node unknown, tells the rest, and nobody says that the node is lost', async () => {
    await becomesHealthy(spread.yaml, 60_000);
    await host('kill', '--incusd', 'm2');
    const pace = watchPace();
    const checked = await check(spread.yaml);
    expect([checked.code, checked.outputs['warnings']], checked.log).toEqual([3, 'hosts-online']);
    expect(checked.log).toMatch(/its host m2 does not answer.*; the monitor has heard from it [\d.]+ s ago/);
    expect(checked.log).toMatch(/unknown +nodes-reachable/);
    expect(checked.log).toMatch(/unknown +one-writable-primary/);
    expect(checked.log).toMatch(
      /spread-beta +m3 +Running +(?:secondary|primary) +good +(?:standby|writable)/,
    );
    expect(checked.outputs['failed-checks']).toBe('');
    figure('check with an incusd gone', checked.tookMs / 1000);
    expect(checked.tookMs).toBeLessThan(pace.tolerable(3000));
  });

  it('leaves all unknown where it is that of the monitor and the primary, for as long as a standby hears from there', async () => {
    await leads(pair.yaml, pair.alpha);
    await host('kill', '--incusd', 'm3');
    try {
      const began = performance.now();
      const times: number[] = [];
      while (performance.now() - began < 30_000) {
        const checked = await check(pair.yaml);
        times.push(checked.tookMs / 1000);
        expect([checked.code, checked.outputs['failed-checks']], checked.log).toEqual([3, '']);
        expect(checked.log).toMatch(/pair-beta has heard from pair-monitor, which is on the same host/);
      }
      figure(
        `check with the incusd of monitor and primary gone, the longest of ${times.length} in 30 s (load ${loadAverage()})`,
        Math.max(...times),
      );
    } finally {
      await host('boot', 'm3');
    }
  }, 300_000);
});

it('settings of the cluster that would fight a formation are told, and what is printed mends them', async () => {
  await becomesHealthy(spread.yaml, 60_000);
  await incus('config', 'set', 'm1:', 'cluster.healing_threshold=300');
  await incus('config', 'set', `m1:${spread.alpha}`, 'cluster.evacuate=live-migrate');
  try {
    const found = await check(spread.yaml);
    expect([found.code, found.outputs['warnings']], found.log).toEqual([0, 'cluster-settings']);
    const remedies = (failed(found)?.[0]?.faults ?? []).map(({ remedy }) => remedy?.run ?? '');
    expect(remedies).toEqual([
      'incus config set m1: cluster.healing_threshold=0',
      `incus config set m1:${spread.alpha} --project default cluster.evacuate=stop`,
    ]);
    for (const command of remedies) await promisify(execFile)('sh', ['-c', command], { timeout: 30_000 });
    expect((await check(spread.yaml)).outputs['warnings']).toBe('');
  } finally {
    await incus('config', 'unset', 'm1:', 'cluster.healing_threshold');
    await incus('config', 'unset', `m1:${spread.alpha}`, 'cluster.evacuate');
  }
});

it('no drill begins on a host that is evacuated, which would not let its container start again', async () => {
  await incus('config', 'set', 'm1:', 'cluster.healing_threshold=25');
  try {
    await host('cut', 'm2');
    await eventually(
      'Incus to heal the cluster',
      150_000,
      async () => (await statusOfHost('m2')) === 'Evacuated',
    );
  } finally {
    await host('heal', 'm2');
    await incus('config', 'unset', 'm1:', 'cluster.healing_threshold');
  }
  await eventually(
    'm2 to tell of what runs',
    60_000,
    async () => (await statusOf(spread.alpha).catch(() => '')) === 'Running',
  );
  const refused = await runAction('failover-drill', { formation: spread.yaml });
  expect([refused.code, refused.outputs['message']]).toEqual([
    1,
    expect.stringContaining('nothing was stopped'),
  ]);
  const found = await check(spread.yaml);
  expect(found.log).toContain(
    'its host m2 is evacuated: it runs, and once it stops it cannot be started there',
  );
  expect(await statusOf(spread.alpha)).toBe('Running');
}, 400_000);
