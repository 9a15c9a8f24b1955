import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Timings, timingsProfiles } from '../../../src/formation/timings.ts';
import type { LiveNode } from '../../../src/prediction/basis.ts';
import { predict } from '../../../src/prediction/prediction.ts';
import type { FaultClass, Span } from '../../../src/prediction/record.ts';
import { liveOf } from './live.ts';

/** Every figure of docs/timings.md lies inside what is predicted of those settings. */

const faults: Record<string, FaultClass> = {
  'crash-stop': 'crash-stop',
  'full cut': 'full-cut',
  'full cut amid a report': 'full-cut',
  'full cut, link down': 'full-cut',
  'monitor cut': 'monitor-cut',
  'freeze until the promotion': 'freeze',
};

interface Row {
  nodes: number;
  profile: keyof typeof timingsProfiles;
  fault: string;
  writable: number[];
  fenced: number[];
  margin: number[];
}

function rowsOf(markdown: string): Row[] {
  let nodes = 2;
  return markdown.split('\n').flatMap((line) => {
    if (line.startsWith('Three data nodes')) nodes = 3;
    const cells = line.split('|').map((cell) => cell.trim());
    const [, profile = '', fault = '', , writable = '', fenced = '', margin = ''] = cells;
    if (!(profile in timingsProfiles && fault in faults)) return [];
    const numbers = (cell: string) => (cell.match(/\d+\.\d/g) ?? []).map(Number);
    return [
      {
        nodes,
        profile: profile as Row['profile'],
        fault,
        writable: numbers(writable),
        fenced: numbers(fenced),
        margin: numbers(margin),
      },
    ];
  });
}

/** The page tells tenths of a second. */
function expectInside(figures: readonly number[], { least, most }: Span): void {
  for (const one of figures) {
    expect(one).toBeGreaterThanOrEqual(least - 0.05);
    expect(one).toBeLessThanOrEqual(most + 0.05);
  }
}

const rows = rowsOf(readFileSync('docs/timings.md', 'utf8'));

it('the page has its tables', () => {
  expect(rows.length).toBeGreaterThanOrEqual(34);
  expect(new Set(rows.map(({ nodes }) => nodes))).toEqual(new Set([2, 3]));
});

const predicted = ({ nodes, profile, fault }: Row) =>
  predict(liveOf(timingsProfiles[profile], nodes))[faults[fault] as FaultClass];

it.each(rows)('$profile, $fault, $nodes data nodes: the new primary takes writes when predicted', (row) => {
  expect(row.writable.length).toBeGreaterThan(0);
  expectInside(row.writable, predicted(row).outage as Span);
});

it.each(rows.filter(({ margin }) => margin.length > 0))(
  '$profile, $fault, $nodes data nodes: the old primary is fenced when predicted, and that much before',
  (row) => {
    const { fenced, margin, lateSeconds } = predicted(row).fencing as {
      fenced: Span;
      margin: Span;
      lateSeconds: number;
    };
    expectInside(row.fenced, { least: fenced.least, most: fenced.most + lateSeconds });
    expectInside(row.margin, { least: margin.least - lateSeconds, most: margin.most });
  },
);

it.each(rows.filter(({ fault }) => fault.startsWith('freeze')))(
  '$profile, $nodes data nodes: two primaries after a thaw for no longer than predicted',
  (row) => {
    expect(row.fenced.length).toBeGreaterThan(0);
    expectInside(row.fenced, { least: 0, most: predicted(row).fencing?.overlapSeconds as number });
  },
);

describe('clocks of the first measurements, with two health checks of 1 s, 0.5 s apart, and nothing to help the keepers', () => {
  const clocks = (given: Partial<Timings>): Timings => ({
    ...timingsProfiles.upstream,
    healthCheckPeriodMs: 1000,
    healthCheckTimeoutMs: 1000,
    healthCheckRetryDelayMs: 500,
    healthCheckMaxRetries: 1,
    primaryDemoteTimeoutMs: 5000,
    networkPartitionTimeoutSeconds: 3,
    ...given,
  });
  const node: Partial<LiveNode> = { walReceiverStatusIntervalMs: 10_000 };

  it.each([
    [
      'U 3, W 30',
      clocks({ nodeConsideredUnhealthyTimeoutMs: 3000, walSenderTimeoutMs: 30_000 }),
      [8.9, 9.3],
      [31.2],
      [9.1],
    ],
    [
      'U 4, W 5',
      clocks({ nodeConsideredUnhealthyTimeoutMs: 4000, walSenderTimeoutMs: 5000 }),
      [9.8],
      [7.2, 7.7],
      [9.7, 10.2],
    ],
  ])('%s', (_, timings, promotion, fenced, writable) => {
    const prediction = predict(liveOf(timings, 2, node));
    const cut = prediction['full-cut'];
    expectInside(promotion, prediction['crash-stop'].promotion as Span);
    expectInside(writable, cut.outage as Span);
    expectInside(fenced, cut.fencing?.fenced as Span);
  });

  it('upstream', () => {
    expectInside([53.7], predict(liveOf(timingsProfiles.upstream))['crash-stop'].promotion as Span);
  });

  it('the obvious tuning leaves two primaries, for 22 s as it was measured', () => {
    const timings = clocks({ nodeConsideredUnhealthyTimeoutMs: 3000, walSenderTimeoutMs: 30_000 });
    const { margin, overlapSeconds } = predict(liveOf(timings, 2, node))['full-cut'].fencing ?? {};
    expectInside([-22.1], margin as Span);
    expect(overlapSeconds).toBeGreaterThan(22);
  });
});
