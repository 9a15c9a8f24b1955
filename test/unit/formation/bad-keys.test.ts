import { describe, expect, it } from 'vitest';
import { explicitTimings, timings, unknownKeys } from '../../corpus/keys.ts';
import { formationOf } from '../builders.ts';
import { errorsOf, expectOneError, expectSentences } from '../refusal.ts';

describe('a key that is not known is refused at every level, with the keys that are', () => {
  it.each(unknownKeys)('%s', (...bad) => expectOneError(bad));
});

it('a key with a line break stays on one line of the log', () => {
  const [error = ''] = errorsOf(() => formationOf('"a\\n::error::b": 1'));
  expect(error).toMatch(/^f\.yaml:1: .*unknown key.*$/);
});

describe('explicit timings', () => {
  it('are complete or refused, each missing one named', () => {
    const errors = errorsOf(() => formationOf(timings(explicitTimings.slice(2))));
    expectSentences(errors);
    expect(errors).toEqual([
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
    const errors = errorsOf(() => formationOf(timings(lines)));
    expectSentences(errors);
    expect(errors).toEqual([expect.stringMatching(allowed)]);
    expect(errors[0]).toContain(`f.yaml:${lines.indexOf(bad) + 2}: timings.${key}: `);
  });

  it('name two bad values, and not the whole of timings, when two are bad', () => {
    const lines = [...explicitTimings];
    lines[0] = 'health-check-period: soon';
    lines[5] = 'primary-demote-timeout: later';
    const errors = errorsOf(() => formationOf(timings(lines)));
    expect(errors).toEqual([
      expect.stringMatching(/^f\.yaml:2: timings\.health-check-period: /),
      expect.stringMatching(/^f\.yaml:7: timings\.primary-demote-timeout: /),
    ]);
  });

  it('that are not known by name are refused with the names', () => {
    expect(errorsOf(() => formationOf('timings: slow'))).toEqual([
      expect.stringMatching(
        /^f\.yaml:1: timings: must be upstream, balanced, fast, or a map .*\(found "slow"\)$/,
      ),
    ]);
  });
});

describe('a key in a wrong place, or nearly spelt, is told with where it goes', () => {
  it.each([
    [
      'accept-dual-primary-risk: true',
      /; it belongs at timings\.accept-dual-primary-risk, a map of all clocks/,
    ],
    ['port: 5433', /; it belongs at one of postgres\.port, probes\[\]\.tcp\.port$/],
    ['sync-standbys: 1', /; it belongs at replication\.sync-standbys$/],
    ['replication: { candidate-priority: 1 }', /; it belongs at nodes\[\]\.candidate-priority$/],
    ['postgres: { name: a }', /; it belongs at one of .*postgres\.databases\[\]\.name/],
    ['postgres: { Version: 16 }', /; is version meant\?$/],
    ['formatoin: a', /; is formation meant\?$/],
    ['base_image: true', /; is base-image meant\?$/],
    ['health_check_period: 1', /; it belongs at timings\.health-check-period/],
    ['zzz: 1', /allowed here: [a-z, -]+$/],
  ])('%s', (text, says) => {
    const errors = errorsOf(() => formationOf(text));
    expectSentences(errors);
    expect(errors).toEqual([expect.stringMatching(says)]);
  });

  it('and so are several in one map', () => {
    const many = Array.from({ length: 12 }, (_, index) => `key${index}: 1\n`).join('');
    const text = `${many}verion: 16\npostgres: { prot: 1, tls: self-signed }\n`;
    const errors = errorsOf(() => formationOf(text));
    expect(errors).toHaveLength(15);
    expectSentences(errors);
  });

  it('a password in a URL is not repeated, where none may be', () => {
    const [error = ''] = errorsOf(() =>
      formationOf('postgres: { packages: { proxy: "http://u:hunter2@p:3128" } }'),
    );
    expect(error).toMatch(/postgres\.packages\.proxy: must be .* without a password/);
    expect(error).not.toContain('hunter2');
  });
});
