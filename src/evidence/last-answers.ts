import { readOnlyAnswer } from '../application/way-in.ts';
import type { Moment } from '../clock/clock.ts';
import type { HistoryEvent } from './write-history.ts';

/** More than these tell nothing more. */
const most = 4;

/** What the nodes, or the ways to them, answered last since a moment to those who wanted to write: by node. Pure. */
export function lastAnswers(events: readonly HistoryEvent[], since: Moment): string[] {
  const said = new Map<string, string>();
  const nodes = new Map<string, string>();
  const hear = (node: string, why: string) => {
    said.delete(node);
    said.set(node, why);
  };
  for (const event of events) {
    if (event.kind === 'connected') nodes.set(event.connection, event.node);
    if (event.at < since) continue;
    if (event.kind === 'refused') hear(event.node, event.why);
    else if (event.kind === 'failed' || event.kind === 'unknown')
      hear(nodes.get(event.connection) ?? event.connection, event.why);
    else if (event.kind === 'failing' || event.kind === 'broken') hear('the clients', event.why);
  }
  const telling = [...said].filter(([, why]) => why !== readOnlyAnswer);
  // A standby says so all the time.
  return (telling.length > 0 ? telling : [...said])
    .slice(-most)
    .map(([node, why]) => `${node} said last: ${why}`);
}
