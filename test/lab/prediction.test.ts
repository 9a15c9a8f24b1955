import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { FaultClass, FaultPrediction, Span } from '../../src/prediction/record.ts';
import { markdownTable } from '../../src/report/table.ts';
import { labFormation } from './formations.ts';
import { becomesHealthy, loadAverage, runAction } from './harness.ts';
import { crashPostgres, liftCut, type Measured, measure, predictedNow } from './measured-failover.ts';

/**
 * Real faults against what is predicted of them from the settings that the formation has. `PGHA_RUNS=5` for the
 * tables of docs/prediction.md, `PGHA_NODES=3` for those of three data nodes, `PGHA_DEBIAN=13` for the other release,
 * `PGHA_PROFILES=fast` for one profile alone.
 */
const runs = Number(process.env['PGHA_RUNS'] ?? 1);
const nodes = Number(process.env['PGHA_NODES'] ?? 2);
const debian = process.env['PGHA_DEBIAN'] === '13' ? 13 : 12;
const measuring = process.env['PGHA_RUNS'] !== undefined;
const all = measuring ? (runs > 1 ? 'fast,balanced,upstream' : 'fast,balanced') : 'fast';
const profiles = (process.env['PGHA_PROFILES'] ?? all).split(',');

// What timings.test.ts inflicts on every run need not be inflicted twice.
const failovers = measuring
  ? (['crash-stop', 'freeze', 'full-cut', 'monitor-cut', 'switchover'] as const)
  : (['switchover'] as const);

/** A figure that was measured, beside what was predicted of it. */
interface Compared {
  fault: FaultClass;
  what: string;
  predicted: Span;
  measured: number;
  load: string;
}

describe.each(profiles)(`predictions hold: %s, ${nodes} data nodes, Debian ${debian}`, (profile) => {
  // More nodes than the common formation has are a formation of their own.
  const prefix = nodes === 2 ? `d${debian}` : `f${debian}`;
  const names = ['alpha', 'beta', 'gamma', 'delta'].slice(0, nodes).map((name) => `${prefix}-${name}`);
  const { yaml } = labFormation(debian, {
    timings: profile,
    monitor: { name: `${prefix}-monitor` },
    nodes: names.map((name) => ({ name })),
  });
  const compared: Compared[] = [];
  const compare = (fault: FaultClass, what: string, predicted: Span, measured: number | undefined) => {
    const one = {
      fault,
      what,
      predicted,
      measured: measured ?? Number.POSITIVE_INFINITY,
      load: loadAverage(),
    };
    compared.push(one);
    process.stdout.write(
      `figure: ${profile}, ${nodes} nodes, ${fault}, load ${one.load}: ${what} ${one.measured} s, ` +
        `predicted ${predicted.least} to ${predicted.most} s\n`,
    );
    return one;
  };
  const predicted = async (fault: FaultClass): Promise<FaultPrediction> => (await predictedNow(yaml))[fault];

  beforeAll(async () => {
    for (const name of names) await liftCut(name);
    const { code, log } = await runAction('provision-pgaf', { formation: yaml, prune: 'true' });
    expect(code, log).toBe(0);
  });
  beforeEach(() => becomesHealthy(yaml, 120_000));
  afterAll(() => {
    if (measuring) process.stdout.write(`\n${tableOf(profile, compared)}\n`);
  });

  for (let run = 1; run <= runs; run++) {
    it.each(failovers)(`%s, run ${run}`, async (fault) => {
      const prediction = await predicted(fault);
      expect(prediction.promotion, prediction.notPromoted ?? '').not.toBeNull();
      const taken = await measure(yaml, fault);
      const figures = [
        compare(fault, 'promotion', prediction.promotion as Span, taken.announced),
        compare(fault, 'outage', prediction.outage as Span, outageOf(fault, taken)),
        ...fencingFigures(fault, prediction, taken, compare),
      ];
      for (const { what, predicted: interval, measured } of figures) {
        expect(measured, what).toBeGreaterThanOrEqual(interval.least);
        expect(measured, what).toBeLessThanOrEqual(interval.most);
      }
      for (const [step, seconds] of partsOf(taken))
        process.stdout.write(
          `figure: ${profile}, ${nodes} nodes, ${fault}: ${step} ${seconds.toFixed(3)} s\n`,
        );
    });

    it(`postgres-crash, run ${run}`, async () => {
      const { outage, promotion, mayFailOver } = await predicted('postgres-crash');
      expect(promotion).toBeNull();
      const ridden = await crashPostgres(yaml, 6000);
      const { predicted: interval, measured } =
        ridden.promoted === undefined
          ? compare('postgres-crash', 'outage', outage as Span, ridden.outage)
          : compare(
              'postgres-crash',
              'failover all the same',
              mayFailOver?.promotion as Span,
              ridden.promoted,
            );
      // It is either ridden out in silence or a failover that is seen through.
      if (ridden.promoted === undefined) expect(ridden.otherStates).toEqual([]);
      expect(measured).toBeGreaterThanOrEqual(interval.least);
      expect(measured).toBeLessThanOrEqual(interval.most);
    });
  }
});

/** From the last write before to the first after; a cut-off primary's own last writes are nobody's but its own. */
function outageOf(fault: FaultClass, { writable, lastWrite }: Measured): number {
  return fault === 'switchover' ? Math.round((writable - lastWrite) * 1000) / 1000 : writable;
}

function fencingFigures(
  fault: FaultClass,
  { fencing }: FaultPrediction,
  { fenced, thawed, margin, writesAfterPromotion }: Measured,
  compare: (fault: FaultClass, what: string, predicted: Span, measured: number | undefined) => Compared,
): Compared[] {
  if (!fencing) return [];
  if (fault === 'freeze') {
    const most = fencing.overlapSeconds ?? 0;
    const overlap = fenced === undefined || thawed === undefined ? undefined : fenced - thawed;
    return [compare(fault, 'two primaries after the thaw', { least: 0, most }, overlap)];
  }
  // Every node of this formation has what it needs to fence itself.
  expect(fencing.fenced, fencing.reason).not.toBeNull();
  const { lateSeconds: late } = fencing;
  const { least, most } = fencing.fenced as Span;
  const between = fencing.margin as Span;
  // Said to be impossible where the keeper is late by no more than is allowed for.
  if (fencing.overlapWhenLateSeconds === 0) expect(writesAfterPromotion).toBe(0);
  return [
    compare(fault, 'old primary fenced', { least, most: most + late }, fenced),
    compare(fault, 'margin', { least: between.least - late, most: between.most }, margin),
  ];
}

function partsOf({ steps, writable, announced }: Measured): [string, number][] {
  const { detected, demoting, permitted } = steps;
  const marks: [string, number | undefined][] = [
    ['given up', detected],
    ['chosen and prepared', demoting],
    ['demotion awaited', permitted],
    ['opened', writable],
    ['announced', announced],
  ];
  let since = 0;
  return marks.flatMap(([step, at]) => {
    if (at === undefined) return [];
    const took: [string, number] = [step, at - since];
    since = at;
    return [took];
  });
}

/** Rows for docs/prediction.md. */
function tableOf(profile: string, compared: readonly Compared[]): string {
  const kinds = [...new Set(compared.map(({ fault, what }) => `${fault}|${what}`))];
  const rows = kinds.map((kind) => {
    const of = compared.filter(({ fault, what }) => `${fault}|${what}` === kind);
    const sorted = of.map(({ measured }) => measured).sort((a, b) => a - b);
    const least = Math.min(...of.map(({ predicted }) => predicted.least));
    const most = Math.max(...of.map(({ predicted }) => predicted.most));
    const shown =
      sorted.length > 2 ? [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)] : sorted;
    const loads = of.map(({ load }) => Number(load));
    return [
      profile,
      ...kind.split('|'),
      String(of.length),
      `${least.toFixed(1)} to ${most.toFixed(1)}`,
      shown.map((value) => value?.toFixed(1)).join(sorted.length > 2 ? ' / ' : ', '),
      `${Math.min(...loads).toFixed(0)} to ${Math.max(...loads).toFixed(0)}`,
    ];
  });
  return markdownTable({
    headings: ['profile', 'fault', 'what', 'n', 'predicted', 'measured', 'load'],
    rows,
  });
}
