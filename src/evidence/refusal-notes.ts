import { type Moment, now } from '../clock/clock.ts';
import type { Journal } from './journal.ts';
import type { Actor } from './write-history.ts';

const againAfterMs = 1000;

/** Writes refusals into the journal: once for as long as a node says the same, and again every second. */
export class RefusalNotes {
  private readonly journal: Journal;
  private readonly last = new Map<string, { why: string; at: Moment }>();

  constructor(journal: Journal) {
    this.journal = journal;
  }

  /**
   * @param turned the node took writes from this client until now, so that the moment counts
   * @param final it will not change by itself
   */
  note(actor: Actor, node: string, why: string, { turned = false, final = false } = {}): void {
    const at = now();
    const before = this.last.get(`${actor} ${node}`);
    if (!turned && before?.why === why && at - before.at < againAfterMs) return;
    this.last.set(`${actor} ${node}`, { why, at });
    this.journal.record({ kind: 'refused', at, actor, node, why, ...(final && { final }) });
  }
}
