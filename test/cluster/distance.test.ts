import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { liveSettings } from '../../src/check/live-settings.ts';
import { observe } from '../../src/check/observe.ts';
import { parseFormation } from '../../src/formation/file/load.ts';
import { membersOf } from '../../src/formation/formation.ts';
import { Incus } from '../../src/incus/incus.ts';
import { openMemberSession } from '../../src/postgres/member-session.ts';
import type { LiveSettings } from '../../src/prediction/basis.ts';
import { predict } from '../../src/prediction/prediction.ts';
import { labFormation } from '../lab/formations.ts';
import { eventually, figure, inside, loadAverage, runAction } from '../lab/harness.ts';
import { freezeFor, measure, setScene } from '../lab/measured-failover.ts';
import { host } from './hosts.ts';

/**
 * What the way between hosts costs: a formation whose members are a round trip of PGHA_RTT milliseconds apart (10 by
 * itself), monitor on m1, data nodes on m2 and m3. `PGHA_RTT=50 PGHA_RUNS=3 PGHA_PROFILES=balanced` for the tables of
 * docs/timings.md; one run of fast is part of the cluster tests. The lab is left with near hosts.
 */
const roundTripMs = Number(process.env['PGHA_RTT'] ?? 10);
const runs = Number(process.env['PGHA_RUNS'] ?? 1);
const profiles = (process.env['PGHA_PROFILES'] ?? 'fast').split(',') as ('fast' | 'balanced')[];
const ridesOut = { fast: 3, balanced: 10 };
const chosen =
  process.env['PGHA_FAULTS'] ?? (runs > 1 ? 'crash-stop,full-cut,monitor-cut,switchover' : 'crash-stop');
const faults = chosen.split(',') as ('crash-stop' | 'full-cut' | 'monitor-cut' | 'switchover')[];

const incus = new Incus({ remote: 'local', project: 'default' });
const delay = async (ms: number) => await host('delay', 'm1', 'm2', 'm3', `${ms}ms`);

describe.each(profiles)(`hosts ${roundTripMs} ms apart: %s`, (profile) => {
  const name = profile[0] ?? '';
  const { yaml } = labFormation(12, {
    timings: profile,
    monitor: { name: `w${name}-monitor`, target: 'm1' },
    nodes: [
      { name: `w${name}-alpha`, target: 'm2' },
      { name: `w${name}-beta`, target: 'm3' },
    ],
  });
  const formation = parseFormation(yaml, 'formation.yml');
  const told = (what: string) => `${roundTripMs} ms, ${profile}, load ${loadAverage()}: ${what}`;
  /** As check-formation reads them; a machine that is too busy for its deadlines is asked again. */
  const settings = async (): Promise<LiveSettings> => {
    let read: LiveSettings | undefined;
    await eventually('the settings', 120_000, async () => {
      read = liveSettings(await observe(formation, incus), formation);
      return read?.nodes.every(({ monitorRoundTripMs }) => monitorRoundTripMs !== undefined) === true;
    });
    return read as LiveSettings;
  };
  const settled = async () => {
    const [monitor] = membersOf(formation);
    await eventually('settled states', 180_000, async () => {
      const session = await openMemberSession(incus, formation, monitor, { deadlineMs: 30_000 });
      const rows = await session.query(
        `SELECT reportedstate = goalstate AND goalstate IN ('primary', 'secondary') AND health = 1 AS well
           FROM pgautofailover.node`,
        [],
        { deadlineMs: 30_000 },
      );
      session.close();
      return rows.every(({ well }) => well === true);
    });
  };

  beforeAll(async () => {
    // Whoever measures two profiles side by side sets the distance for both.
    if (process.env['PGHA_DISTANCE_SET'] === undefined) await delay(roundTripMs / 2);
    const { code, log, tookMs } = await runAction('provision-pgaf', { formation: yaml });
    expect(code, log).toBe(0);
    figure(told('provisioning'), tookMs / 1000);
    // The first one brings the image to each host.
  }, 900_000);
  beforeEach(settled);
  afterAll(async () => {
    if (process.env['PGHA_DISTANCE_SET'] === undefined) await delay(0);
  });

  it('is seen by a check', async () => {
    const said = await inside(`w${name}-alpha`, 'ping', '-c', '20', '-i', '0.1', `w${name}-beta.incus`);
    figure(told('ping, least / mean / most'), /= ([\d./]+)\/[\d.]+ ms/.exec(said)?.[1] ?? 'none', 'ms');
    for (let run = 1; run <= Math.max(3, runs); run++) {
      const { code, tookMs, log } = await runAction('check-formation', { formation: yaml });
      figure(told(`check, code ${code}`), tookMs / 1000);
      if (runs === 1) expect(code, log).toBe(0);
    }
  });

  it('makes commits wait for a round trip', async () => {
    const { primary } = await setScene(yaml);
    const session = await openMemberSession(incus, formation, primary);
    try {
      for (const commit of ['on', 'local']) {
        await session.query(`SET synchronous_commit = ${commit}`);
        await session.query('CREATE TEMP TABLE IF NOT EXISTS took (ms float8)');
        await session.query('DELETE FROM took');
        await session.query(
          `DO $$ DECLARE since timestamptz; BEGIN FOR i IN 1..60 LOOP since := clock_timestamp();
             UPDATE public.pgha_fencing SET n = n + 1; COMMIT;
             INSERT INTO took VALUES (extract(epoch FROM clock_timestamp() - since) * 1000); COMMIT;
           END LOOP; END $$`,
          [],
          { deadlineMs: 60_000 },
        );
        const [row] = await session.query(
          'SELECT round(min(ms)::numeric, 1) AS least, round((percentile_cont(0.5) WITHIN GROUP (ORDER BY ms))::numeric, 1) AS median, round(max(ms)::numeric, 1) AS most FROM took',
        );
        figure(told(`commit, ${commit}`), `${row?.['least']} / ${row?.['median']} / ${row?.['most']}`, 'ms');
      }
    } finally {
      session.close();
    }
  });

  it('makes keepers report less often', async () => {
    const { monitor } = await setScene(yaml);
    const session = await openMemberSession(incus, formation, monitor);
    try {
      const seen: Record<string, Set<number>> = {};
      const until = performance.now() + 20_000;
      while (performance.now() < until)
        for (const row of await session.query(
          'SELECT nodename, extract(epoch FROM reporttime)::float8 AS at FROM pgautofailover.node',
        )) {
          seen[String(row['nodename'])] ??= new Set();
          seen[String(row['nodename'])]?.add(Number(row['at']));
        }
      for (const [node, times] of Object.entries(seen)) {
        const sorted = [...times].sort((a, b) => a - b);
        const gaps = sorted.slice(1).map((at, i) => at - (sorted[i] ?? at));
        figure(told(`reports of ${node}, mean`), gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length);
        figure(told(`reports of ${node}, most`), Math.max(...gaps));
      }
    } finally {
      session.close();
    }
  });

  for (let run = 1; run <= runs; run++) {
    it.each(faults)(`%s is as predicted, run ${run}`, async (fault) => {
      const read = await settings();
      const { promotion, outage } = predict(read)[fault];
      for (const { name: node, monitorRoundTripMs } of read.nodes)
        figure(told(`the way from ${node} to the monitor`), monitorRoundTripMs ?? 'not known', 'ms');
      const taken = await measure(yaml, fault);
      const out = fault === 'switchover' ? taken.writable - taken.lastWrite : taken.writable;
      figure(
        told(`${fault}: promotion, predicted ${promotion?.least} to ${promotion?.most}`),
        taken.announced ?? 'never',
      );
      figure(told(`${fault}: outage, predicted ${outage?.least} to ${outage?.most}`), out);
      figure(told(`${fault}: detected`), taken.steps.detected ?? 'never');
      figure(told(`${fault}: fenced`), taken.fenced ?? 'never');
      figure(told(`${fault}: margin`), taken.margin);
      expect(taken.announced).toBeGreaterThanOrEqual(promotion?.least ?? Number.NaN);
      expect(taken.announced).toBeLessThanOrEqual(promotion?.most ?? Number.NaN);
      expect(out).toBeGreaterThanOrEqual(outage?.least ?? Number.NaN);
      expect(out).toBeLessThanOrEqual(outage?.most ?? Number.NaN);
      if (fault !== 'switchover') expect(taken.writesAfterPromotion).toBe(0);
    });

    it(`rides out a freeze without failing over, run ${run}`, async () => {
      const { otherStates, outage } = await freezeFor(yaml, ridesOut[profile] * 1000, 4000);
      figure(told(`freeze of ${ridesOut[profile]} s: write outage`), outage);
      expect(otherStates).toEqual([]);
    });
  }
});
