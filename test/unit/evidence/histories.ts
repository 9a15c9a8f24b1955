import fc from 'fast-check';
import { HistorySurvey } from '../../../src/evidence/ledger/survey.ts';
import type { LedgerRead, Roles, RowRanges } from '../../../src/evidence/record.ts';
import { partsOf, type RowKey, rangesOf } from '../../../src/evidence/rows.ts';
import {
  type Actor,
  type HistoryEvent,
  inOrder,
  type WriteHistory,
} from '../../../src/evidence/write-history.ts';

/**
 * Histories of a failover from alpha to beta as a correct formation makes them, together with what the rows read
 * are, built from a model of the table: a row is committed at one moment, or never.
 */
export interface ToldFailover {
  history: WriteHistory & { events: HistoryEvent[] };
  reads: [afterPromotion: LedgerRead, afterRejoin: LedgerRead];
  scene: Roles & { newPrimary: string };
  /** What was made, for a test to compare with or to break. */
  made: Made[];
  /** The new primary's first acknowledgement to the application. */
  firstAt: number;
}

export interface Made extends RowKey {
  actor: Actor;
  node: string;
  invokedAt: number;
  endedAt: number;
  outcome: 'acknowledged' | 'failed' | 'unknown';
  committedAt: number | undefined;
}

type Fate = 'acknowledged' | 'failed' | 'present' | 'absent';
interface Step {
  pauseMs: number;
  tookMs: number;
  fate: Fate;
}

const anyStep: fc.Arbitrary<Step> = fc.record({
  pauseMs: fc.integer({ min: 1, max: 60 }),
  tookMs: fc.integer({ min: 1, max: 30 }),
  fate: fc.constantFrom<Fate>('acknowledged', 'acknowledged', 'acknowledged', 'failed', 'present', 'absent'),
});
const anySteps = fc.array(anyStep, { maxLength: 12 });
const sure: Step = { pauseMs: 5, tookMs: 5, fate: 'acknowledged' };

/** A client's steps before the fault, its write that the fault caught, after the promotion, and after the rejoin. */
const anyClient = fc.record({
  before: anySteps,
  caught: fc.option(fc.constantFrom<Fate>('present', 'absent')),
  after: anySteps,
  late: anySteps,
});

export const anyFailover: fc.Arbitrary<ToldFailover> = fc
  .record({
    clients: fc.array(anyClient, { minLength: 1, maxLength: 4 }),
    witness: fc.record({ client: anySteps, local: anySteps }),
    outageMs: fc.integer({ min: 10, max: 20_000 }),
  })
  .map(({ clients, witness, outageMs }) => {
    const maker = new Maker();
    for (const [index, { before }] of clients.entries())
      maker.run('application', `app${index}`, 'alpha', 0, index === 0 ? [sure, ...before] : before);
    maker.run('witness', 'writer', 'alpha', 0, [sure, ...witness.client]);
    maker.run('local-witness', 'local', 'alpha', 0, [sure, ...witness.local]);
    const faultAt = maker.end() + 10;
    for (const [index, { caught }] of clients.entries())
      if (caught)
        maker.run('application', `app${index}`, 'alpha', faultAt - 2, [
          { pauseMs: 0, tookMs: 5, fate: caught },
        ]);
    const promotedAt = Math.max(faultAt, maker.end()) + outageMs;
    for (const [index, { after }] of clients.entries())
      maker.run('application', `app${index}`, 'beta', promotedAt, index === 0 ? [sure, ...after] : after);
    const readAt = maker.end() + 10;
    for (const [index, { late }] of clients.entries())
      maker.run('application', `app${index}`, 'beta', readAt + 10, late);
    const reads = [
      maker.read(readAt),
      maker.read(Math.max(readAt, maker.end()) + 10),
    ] as ToldFailover['reads'];
    const firstAt = Math.min(
      ...maker.made
        .filter(({ node, outcome }) => node === 'beta' && outcome === 'acknowledged')
        .map(({ endedAt }) => endedAt),
    );
    const scene = { faultAt, oldPrimary: 'alpha', newPrimary: 'beta' };
    return { history: { run: 'run', events: maker.events }, reads, scene, made: maker.made, firstAt };
  });

class Maker {
  readonly made: Made[] = [];
  readonly events: HistoryEvent[] = [];
  private readonly connections = new Map<string, number>();

  /** One client's steps in turn; a write that is not acknowledged costs it its connection. */
  run(actor: Actor, client: string, node: string, from: number, steps: readonly Step[]): void {
    let at = from;
    let [connection, seq] = ['', 0];
    for (const { pauseMs, tookMs, fate } of steps) {
      if (connection === '') {
        const count = (this.connections.get(client) ?? 0) + 1;
        this.connections.set(client, count);
        [connection, seq] = [`${client}.${count}`, 0];
        this.events.push({ kind: 'connected', at, connection, actor, node, server: '10.0.0.1', backend: 1 });
      }
      const invokedAt = at + pauseMs;
      const endedAt = invokedAt + tookMs;
      const outcome = fate === 'acknowledged' || fate === 'failed' ? fate : 'unknown';
      const committed = fate === 'acknowledged' || fate === 'present';
      const write = { connection, seq: ++seq, actor, node, invokedAt, endedAt, outcome } as const;
      this.made.push({ ...write, committedAt: committed ? invokedAt : undefined });
      this.events.push(...eventsOf(write, node === 'alpha' ? 1 : 2));
      at = endedAt;
      if (outcome !== 'acknowledged') connection = '';
    }
  }

  end(): number {
    return Math.max(0, ...this.made.map(({ endedAt }) => endedAt));
  }

  read(at: number): LedgerRead {
    return readOf(
      this.made.filter(({ committedAt = Number.POSITIVE_INFINITY }) => committedAt <= at),
      at,
    );
  }
}

export function eventsOf(write: Omit<Made, 'committedAt'>, timeline: number): HistoryEvent[] {
  const { connection, seq, invokedAt, endedAt, outcome } = write;
  const key = { connection, seq };
  const end = { ...key, at: endedAt };
  return [
    { kind: 'invoked', ...key, at: invokedAt },
    outcome === 'acknowledged'
      ? { kind: 'acknowledged', ...end, timeline }
      : { kind: outcome, ...end, why: 'silence' },
  ];
}

/** What a history tells before its writes are judged. */
export function surveyOf(events: readonly HistoryEvent[], roles: Roles): HistorySurvey {
  const survey = new HistorySurvey(roles);
  for (const event of inOrder(events)) survey.take(event);
  return survey;
}

export function readOf(rows: readonly RowKey[], at: number): LedgerRead {
  return { node: 'beta', startedAt: at, endedAt: at + 3, inRecovery: false, rows: rangesOf(rows) };
}

export function* rowsIn(ranges: RowRanges): Generator<RowKey> {
  for (const [connection, [from, to]] of partsOf(ranges))
    for (let seq = from; seq <= to; seq++) yield { connection, seq };
}
