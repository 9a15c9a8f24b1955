import { describe, expect, it } from 'vitest';
import { explicitTimings, timings, unknownKeys } from '../../corpus/keys.ts';
import { formationOf } from '../builders.ts';
import { expectFault, expectSentences, faultsOf } from '../refusal.ts';

describe('a key that is not known is refused at every level, with the keys that are', () => {
  it.each(unknownKeys)('%s', (...bad) => expectFault(bad));
});

it('a key with a line break stays on one line of the log', () => {
  const [fault = ''] = faultsOf(() => formationOf('"a\\n::error::b": 1'));
  expect(fault).toMatch(/^f\.yaml:1: .*unknown key.*$/);
});

describe('explicit timings', () => {
  it('are complete or refused, each missing one named', () => {
    const faults = faultsOf(() => formationOf(timings(explicitTimings.slice(2))));
    expectSentences(faults);
    expect(faults).toEqual([
      expect.stringMatching(/timings\.health-check-period: is required/),
      expect.stringMatching(/timings\.health-check-timeout: is required/),
    ]);
  });

  it.each([
    ['health-check-period: 0', /seconds from 0\.1 to 600 \(found 0\)/],
    ['health-check-timeout: 5s', /seconds from 0\.1 to 600 \(found "5s"\)/],
    ['health-check-retry-delay: -1', /seconds from 0\.1 to 600/],
    ['health-check-max-retries: 1.5', /whole number from 1 to 100/],
    ['node-considered-unhealthy-timeout: 20000', /seconds from 1 to 3600/],
    ['primary-demote-timeout: .inf', /seconds from 1 to 3600/],
    ['network-partition-timeout: 2.5', /whole number from 1 to 3600/],
    ['wal-sender-timeout: null', /seconds from 1 to 3600 \(found nothing\)/],
  ])('refuse `%s` with its line and range', (bad, allowed) => {
    const key = bad.split(':')[0] ?? '';
    const lines = explicitTimings.map((line) => (line.startsWith(`${key}:`) ? bad : line));
    const faults = faultsOf(() => formationOf(timings(lines)));
    expectSentences(faults);
    expect(faults).toEqual([expect.stringMatching(allowed)]);
    expect(faults[0]).toContain(`f.yaml:${lines.indexOf(bad) + 2}: timings.${key}: `);
  });

  it('name two bad values, and not the whole of timings, when two are bad', () => {
    const lines = [...explicitTimings];
    lines[0] = 'health-check-period: soon';
    lines[5] = 'primary-demote-timeout: later';
    const faults = faultsOf(() => formationOf(timings(lines)));
    expect(faults).toEqual([
      expect.stringMatching(/^f\.yaml:2: timings\.health-check-period: /),
      expect.stringMatching(/^f\.yaml:7: timings\.primary-demote-timeout: /),
    ]);
  });

  it('that are not known by name are refused with the names', () => {
    expect(faultsOf(() => formationOf('timings: slow'))).toEqual([
      expect.stringMatching(
        /^f\.yaml:1: timings: must be upstream, balanced, fast, or a map .*\(found "slow"\)$/,
      ),
    ]);
  });
});
