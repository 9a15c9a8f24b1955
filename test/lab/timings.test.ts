import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { markdownTable } from '../../src/report/table.ts';
import { everything } from './extent.ts';
import { labFormation } from './formations.ts';
import { becomesHealthy, figure, loadAverage, runAction } from './harness.ts';
import {
  freezeFor,
  liftCut,
  type Measured,
  type MeasuredFault,
  measure,
  predictedNow,
} from './measured-failover.ts';

/**
 * What the timings profiles claim, measured. `PGHA_RUNS=5` measures everything five times, upstream as well,
 * and prints the tables of docs/timings.md; `PGHA_DEBIAN=13` does so on Debian 13.
 */
const runs = Number(process.env['PGHA_RUNS'] ?? 1);
const debian = process.env['PGHA_DEBIAN'] === '13' ? 13 : 12;

const aims = {
  balanced: { promotedWithin: 30, ridesOut: 10 },
  fast: { promotedWithin: 12, ridesOut: 3 },
  upstream: undefined,
};

const mainCuts = ['full-cut', 'monitor-cut'] as const satisfies MeasuredFault[];
const allCuts = [...mainCuts, 'full-cut-amid-report', 'link-down'] as const satisfies MeasuredFault[];
const told: Record<MeasuredFault, string> = {
  'crash-stop': 'crash-stop',
  freeze: 'freeze until the promotion',
  'full-cut': 'full cut',
  'full-cut-amid-report': 'full cut amid a report',
  'link-down': 'full cut, link down',
  'monitor-cut': 'monitor cut',
  switchover: 'switchover',
};

const chosen = process.env['PGHA_PROFILES']?.split(',');
const profiles = (['fast', 'balanced', 'upstream'] as const).filter((name) =>
  chosen ? chosen.includes(name) : runs > 1 || name === 'fast' || (everything && name === 'balanced'),
);

describe.each(profiles)(`timings: %s, Debian ${debian}`, (profile) => {
  const aim = aims[profile];
  const { yaml, nodes } = labFormation(debian, { timings: profile });
  const measured: { fault: MeasuredFault; figures: Measured }[] = [];
  const take = async (fault: MeasuredFault): Promise<Measured> => {
    const figures = await measure(yaml, fault);
    measured.push({ fault, figures });
    const what = `${profile}, ${told[fault]}, Debian ${debian}, load ${figures.load}`;
    figure(`${what}: new primary takes writes`, figures.writable);
    figure(`${what}: old primary takes none`, figures.fenced ?? 'never');
    figure(`${what}: margin`, figures.margin);
    if (figures.thawed !== undefined)
      figure(
        `${what}: old primary takes writes after the thaw for`,
        (figures.fenced ?? Number.NaN) - figures.thawed,
      );
    return figures;
  };

  beforeAll(async () => {
    for (const name of nodes) await liftCut(name);
    const { code, log } = await runAction('provision-pgaf', { formation: yaml });
    expect(code, log).toBe(0);
  });
  beforeEach(() => becomesHealthy(yaml, 90_000));
  afterAll(() => {
    if (runs > 1) process.stdout.write(`\n${tableOf(profile, measured)}\n`);
  });

  for (let run = 1; run <= runs; run++) {
    // The aim is for the median: at a load of 29 one run in five missed it, by 0.2 s (docs/timings.md). What a single one
    // has to keep on a busy machine is the prediction.
    it(`promotes as soon as predicted after a crash-stop, run ${run}`, async () => {
      const { promotion } = (await predictedNow(yaml))['crash-stop'];
      const { announced, writable } = await take('crash-stop');
      expect(Math.max(announced ?? Number.POSITIVE_INFINITY, writable)).toBeLessThan(promotion?.most ?? 0);
    });

    it.each(runs > 1 || everything ? allCuts : mainCuts)(
      `fences the old primary before the new one takes writes: %s, run ${run}`,
      async (fault) => {
        const { fenced, margin, writesAfterPromotion } = await take(fault);
        // What upstream's clocks do is for the table.
        if (!aim) return;
        expect(fenced).toBeDefined();
        expect(margin).toBeGreaterThan(0);
        expect(writesAfterPromotion).toBe(0);
      },
    );

    it(`demotes a primary that was frozen until the promotion soon after the thaw, run ${run}`, async () => {
      const { fenced, thawed } = await take('freeze');
      expect((fenced ?? Number.POSITIVE_INFINITY) - (thawed ?? 0)).toBeLessThan(3);
    });

    it.runIf(aim)(`rides out a freeze without failing over, run ${run}`, async () => {
      const frozen = aim?.ridesOut ?? 0;
      // A failover begins when a standby reports, once a second, and not later than two of them after the thaw.
      const { otherStates, outage } = await freezeFor(yaml, frozen * 1000, 4000);
      figure(
        `${profile}, freeze of ${frozen} s, Debian ${debian}, load ${loadAverage()}: write outage`,
        outage,
      );
      expect(otherStates).toEqual([]);
      expect(outage).toBeGreaterThan(frozen - 0.1);
    });
  }

  it.runIf(aim && runs > 1)('promotes in time after a crash-stop, by the median', () => {
    const taken = measured.filter(({ fault }) => fault === 'crash-stop').map(({ figures }) => figures);
    const late = taken.map(({ announced, writable }) =>
      Math.max(announced ?? Number.POSITIVE_INFINITY, writable),
    );
    expect(late.sort((a, b) => a - b)[Math.floor(late.length / 2)]).toBeLessThan(aim?.promotedWithin ?? 0);
  });
});

/** Rows for docs/timings.md: least, median and greatest. */
function tableOf(profile: string, measured: { fault: MeasuredFault; figures: Measured }[]): string {
  const faults = [...new Set(measured.map(({ fault }) => fault))];
  const rows = faults.map((fault) => {
    const of = measured.filter((one) => one.fault === fault).map(({ figures }) => figures);
    const end =
      fault === 'freeze'
        ? of.map(({ fenced, thawed }) => (fenced ?? Number.NaN) - (thawed ?? 0))
        : of.map(({ fenced }) => fenced);
    return [
      profile,
      told[fault],
      String(of.length),
      spread(of.map(({ writable }) => writable)),
      fault === 'freeze' ? `${spread(end)} after the thaw` : spread(end),
      fault === 'freeze' ? '' : spread(of.map(({ margin }) => margin)),
    ];
  });
  return markdownTable({
    headings: ['profile', 'fault', 'n', 'new primary takes writes', 'old primary takes none', 'margin'],
    rows,
  });
}

function spread(values: (number | undefined)[]): string {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  const shown = [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)].map((value) =>
    value?.toFixed(1),
  );
  const never = values.length - sorted.length;
  const figures = sorted.length === 0 ? '' : shown.join(' / ');
  return [figures, never > 0 ? `never (${never} of ${values.length})` : ''].filter(Boolean).join(', ');
}
