import type { Moment } from '../clock/clock.ts';
import { LastAnswers } from './last-answers.ts';
import type { RowKey } from './rows.ts';
import type { Opener } from './write-attempts.ts';
import type { HistoryEvent } from './write-history.ts';

/** A client's connections of which one may still be heard. */
const mostOfClient = 4;

/** What of a history is asked for while it grows. It grows with clients and nodes, not with writes. */
export class Sightings {
  readonly answers = new LastAnswers((connection) => this.openers.get(connection)?.node);
  private readonly openers = new Map<string, Opener>();
  private readonly byClient = new Map<string, string[]>();
  private readonly acknowledged = new Map<string, number>();
  /** The row that each node acknowledged last, the latest node last. */
  private readonly latest = new Map<string, RowKey>();
  private readonly looks = new Map<string, { witness: string; way: number | undefined; at: Moment }>();

  take(event: HistoryEvent): void {
    if (event.kind === 'connected') this.open(event);
    else if (event.kind === 'acknowledged') this.acknowledge(event);
    else if (event.kind === 'looked') {
      const { witness, way, at } = event;
      this.looks.set(`${witness} ${way}`, { witness, way, at });
    }
    this.answers.hear(event);
  }

  /** Undefined also for a connection that its client gave up long ago. */
  opener(connection: string): Opener | undefined {
    return this.openers.get(connection);
  }

  /** How many writes a node has acknowledged to clients, the superuser's left out. */
  acknowledgedBy(node: string): number {
    return this.acknowledged.get(node) ?? 0;
  }

  /** The row that another node acknowledged last. */
  latestElsewhere(node: string): RowKey | undefined {
    return [...this.latest].findLast(([other]) => other !== node)?.[1];
  }

  /** Whether the witness of another way has looked since then. */
  hasLooked(name: string, besides: number | undefined, since: Moment): boolean {
    return [...this.looks.values()].some(
      ({ witness, way, at }) => witness === name && way !== besides && at >= since,
    );
  }

  private open({ connection, actor, node }: HistoryEvent & { kind: 'connected' }): void {
    const client = connection.split('.')[0] ?? '';
    const own = this.byClient.get(client) ?? [];
    own.push(connection);
    if (own.length > mostOfClient) this.openers.delete(own.shift() ?? '');
    this.byClient.set(client, own);
    this.openers.set(connection, { actor, node });
  }

  private acknowledge({ connection, seq }: HistoryEvent & { kind: 'acknowledged' }): void {
    const opened = this.openers.get(connection);
    if (opened === undefined) return;
    const { actor, node } = opened;
    if (actor !== 'local-witness') this.acknowledged.set(node, this.acknowledgedBy(node) + 1);
    // Who took what came by the connection string is not known yet.
    if (actor === 'uri-client') return;
    this.latest.delete(node);
    this.latest.set(node, { connection, seq });
  }
}
