import { describe, expect, it } from 'vitest';
import type { UriEnd } from '../../../src/application/by-uri.ts';
import { judgeLedger } from '../../../src/evidence/ledger/ledger.ts';
import type { LedgerRead } from '../../../src/evidence/record.ts';
import { strangeEnd } from '../../../src/evidence/uri-clients.ts';
import type { Actor, HistoryEvent } from '../../../src/evidence/write-history.ts';

/** Clients by the application's own connection string: whichever node took a write, its timeline tells. Milliseconds. */

const faultAt = 10_000;
const roles = { faultAt, oldPrimary: 'alpha', newPrimary: 'beta' };
const connected = (connection: string, actor: Actor, node: string): HistoryEvent => ({
  ...{ kind: 'connected', at: 0, connection, actor, node },
});
/** A write of a connection: acknowledged on a timeline, or not. */
const write = (connection: string, seq: number, at: number, timeline?: number): HistoryEvent[] => [
  { kind: 'invoked', at, connection, seq },
  timeline === undefined
    ? { kind: 'unknown', at: at + 5, connection, seq, why: 'silence' }
    : { kind: 'acknowledged', at: at + 5, connection, seq, timeline },
];
const straight = [
  connected('app1.1', 'application', 'alpha'),
  connected('app1.2', 'application', 'beta'),
  connected('writer.1', 'witness', 'alpha'),
  connected('uri1.1', 'uri-client', 'pooler:6432'),
  ...write('app1.1', 1, 9000, 3),
  ...write('writer.1', 1, 9000, 3),
  ...write('app1.2', 1, 20_000, 4),
];
const rows = {
  'app1.1': [[1, 1]],
  'app1.2': [[1, 1]],
  'writer.1': [[1, 1]],
  'uri1.1': [[1, 9]],
} as LedgerRead['rows'];
const judge = (events: HistoryEvent[], read: Partial<LedgerRead> = {}, of: Partial<typeof roles> = {}) =>
  judgeLedger(
    { run: 'run', events: [...straight, ...events] },
    [{ node: 'beta', startedAt: 60_000, endedAt: 60_001, inRecovery: false, rows, ...read }],
    { ...roles, ...of },
  );

describe('clients by the connection string', () => {
  const events = [
    ...write('uri1.1', 1, 9500, 3),
    ...write('uri1.1', 2, 9990),
    { kind: 'refused', at: 15_000, actor: 'uri-client', node: 'pooler:6432', why: 'no server' } as const,
    ...write('uri1.1', 3, 35_000, 4),
  ];

  it('have times of their own, beside those that go straight to the nodes', () => {
    const verdict = judge(events, {
      rows: {
        ...rows,
        'uri1.1': [
          [1, 1],
          [3, 3],
        ],
      },
    });
    expect(verdict).toMatchObject({ clientRtoSeconds: 10.005, writeOutageSeconds: 11 });
    expect(verdict.byUri).toMatchObject({
      clientRtoSeconds: 25.005,
      writeOutageSeconds: 25.5,
      longestPauseSeconds: 25.5,
      acknowledgedWrites: 2,
      unknownWrites: 1,
      refusals: [{ node: 'pooler:6432', why: 'no server', seconds: 5 }],
      activity: { acknowledged: [-0.49, 25.01], unknown: [0] },
    });
    // What they were told is none of the others' refusals.
    expect(verdict.refusals).toEqual([]);
    expect(verdict.lost.count).toBe(0);
  });

  it('count where loss is judged: a write acknowledged through a pooler and gone is lost', () => {
    const verdict = judge(events, { rows: { ...rows, 'uri1.1': [[3, 3]] } });
    expect(verdict.lost).toEqual({ count: 1, rows: { 'uri1.1': [[1, 1]] } });
    expect(verdict.acknowledgedWrites).toBe(5);
  });

  it('count as at risk, or in flight, where the old primary took them, or nobody answered in time', () => {
    expect(judge(events)).toMatchObject({ writesAtRisk: 3, writesInFlight: 1 });
    // The new primary's first may come through the pooler.
    const early = [
      ...write('uri1.1', 1, 9500, 3),
      ...write('uri1.1', 2, 15_000, 4),
      ...write('uri1.1', 3, 16_000),
    ];
    expect(judge(early)).toMatchObject({ writesAtRisk: 3, writesInFlight: 0 });
    expect(judge(early)).toMatchObject({ clientRtoSeconds: 10.005, byUri: { clientRtoSeconds: 5.005 } });
  });

  it('show two primaries where the old one acknowledges after the first on the new one, by whichever way', () => {
    const verdict = judge([
      ...events.slice(0, 2),
      ...write('uri1.1', 2, 22_000, 3),
      ...write('uri1.1', 3, 35_000, 4),
    ]);
    expect(verdict.overlap).toEqual({ count: 1, rows: { 'uri1.1': [[2, 2]] } });
    expect(verdict.overlapSeconds).toBe(2);
  });

  it('are no witnesses, and no clients that go straight', () => {
    const without = (gone: string) =>
      judgeLedger(
        {
          run: 'run',
          events: [...straight, ...events].filter((each) => !JSON.stringify(each).includes(gone)),
        },
        [],
        roles,
      ).inconclusive.join('; ');
    expect(without('writer.1')).toContain('no witness wrote on alpha');
    expect(without('app1.1')).toContain('no write of the application was acknowledged by alpha');
  });

  it('belong to the primary that stayed where nobody was promoted', () => {
    const stayed = [...write('uri1.1', 1, 9500, 3), ...write('uri1.1', 2, 12_000, 3)];
    const verdict = judge(stayed, { node: 'alpha' }, { newPrimary: undefined as unknown as string });
    expect(verdict.byUri).toMatchObject({ clientRtoSeconds: undefined, longestPauseSeconds: 2.5 });
    expect(verdict.writesAtRisk).toBe(3);
  });

  it('are not told of where there were none, as in older reports', () => {
    const events = straight.filter((each) => !JSON.stringify(each).includes('uri1'));
    expect(judgeLedger({ run: 'run', events }, [], roles).byUri).toBeUndefined();
  });
});

describe('a drill goes by a connection string only to the primary that it is about', () => {
  const end: UriEnd = {
    ...{ inRecovery: false, readOnly: false, address: '10.0.0.1', database: 'veza', user: 'veza' },
    systemIdentifier: '7001',
  };
  const wanted = { formation: 'default', database: 'veza', user: 'veza' };
  const wrong = (given: Partial<UriEnd>) =>
    strangeEnd({ ...end, ...given }, { ...wanted, systemIdentifier: () => Promise.resolve('7001') });

  it('and to no other', async () => {
    expect(await wrong({})).toBeUndefined();
    expect(await wrong({ address: undefined, systemIdentifier: undefined })).toBeUndefined();
    expect(await wrong({ systemIdentifier: '9' })).toMatch(
      /it leads to another cluster: 10\.0\.0\.1 has the/,
    );
    expect(await wrong({ inRecovery: true })).toContain('which is a standby');
    expect(await wrong({ readOnly: true })).toContain('default_transaction_read_only');
    expect(await wrong({ database: 'other' })).toContain('another database than veza');
    expect(await wrong({ user: 'other' })).toContain('another role than veza');
  });
});
