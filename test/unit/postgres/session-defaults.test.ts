import { describe, expect, it } from 'vitest';
import {
  defaultFor,
  describeDefault,
  isOn,
  type SessionDefault,
  timeMs,
} from '../../../src/postgres/session-defaults.ts';

const place = (given: Partial<SessionDefault>): SessionDefault => ({
  name: 'statement_timeout',
  value: '0',
  ofServer: false,
  role: '',
  database: '',
  ...given,
});

describe('what a session has by default', () => {
  const server = place({ value: '1', ofServer: true });
  const everybody = place({ value: '2' });
  const database = place({ value: '3', database: 'postgres' });
  const role = place({ value: '4', role: 'postgres' });
  const both = place({ value: '5', role: 'postgres', database: 'postgres' });

  it.each([
    [[server], '1'],
    [[server, everybody], '2'],
    [[everybody, database, server], '3'],
    [[role, database, everybody, server], '4'],
    [[server, everybody, database, role, both], '5'],
    [[server, place({ value: '6', role: 'another' })], '1'],
    [[server, place({ value: 'on', role: 'postgres', name: 'default_transaction_read_only' })], '1'],
  ])('is what hangs closest on it (%#)', (places, value) => {
    expect(defaultFor(places, 'statement_timeout', 'postgres')?.value).toBe(value);
  });

  it('is told with where it hangs', () => {
    expect([server, everybody, database, role, both].map(describeDefault)).toEqual([
      'statement_timeout is 1 for the server',
      'statement_timeout is 2 for every role',
      'statement_timeout is 3 for database postgres',
      'statement_timeout is 4 for role postgres',
      'statement_timeout is 5 for role postgres in database postgres',
    ]);
  });
});

describe('values as Postgres reads them', () => {
  it.each([
    ['on', true],
    ['TRUE', true],
    ['y', true],
    ['1', true],
    ['off', false],
    ['no', false],
    ['0', false],
  ])('%s is %s', (value, is) => {
    expect(isOn(value)).toBe(is);
  });

  it.each([
    ['30', 30],
    ['30ms', 30],
    ['0.5 s', 500],
    ['2min', 120_000],
    ['soon', undefined],
  ])('%s is %s ms', (value, ms) => {
    expect(timeMs(value)).toBe(ms);
  });
});
