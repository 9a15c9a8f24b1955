import { readOnlyAnswer } from '../application/way-in.ts';
import type { Moment } from '../clock/clock.ts';
import type { HistoryEvent } from './write-history.ts';

/** More than these tell nothing more. */
const most = 4;

/** What the nodes, or the ways to them, answered last to those who wanted to write. */
export class LastAnswers {
  private readonly said = new Map<string, { why: string; at: Moment }>();
  private readonly nodeOf: (connection: string) => string | undefined;

  constructor(nodeOf: (connection: string) => string | undefined) {
    this.nodeOf = nodeOf;
  }

  hear(event: HistoryEvent): void {
    if (event.kind === 'refused') this.note(event.node, event);
    else if (event.kind === 'failed' || event.kind === 'unknown')
      this.note(this.nodeOf(event.connection) ?? event.connection, event);
    else if (event.kind === 'failing' || event.kind === 'broken') this.note('the clients', event);
  }

  /** By node, the latest last. */
  since(moment: Moment): string[] {
    const heard = [...this.said].filter(([, { at }]) => at >= moment);
    const telling = heard.filter(([, { why }]) => why !== readOnlyAnswer);
    // A standby says so all the time.
    return (telling.length > 0 ? telling : heard)
      .slice(-most)
      .map(([node, { why }]) => `${node} said last: ${why}`);
  }

  private note(node: string, { why, at }: { why: string; at: Moment }): void {
    this.said.delete(node);
    this.said.set(node, { why, at });
  }
}
