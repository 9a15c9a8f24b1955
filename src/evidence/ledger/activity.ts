import type { Activity, Roles } from '../record.ts';
import { writeAttemptsOf } from '../write-attempts.ts';
import type { WriteHistory } from '../write-history.ts';

/** Hundredths of a second: a picture is a few hundred of them wide. */
const hundredth = (at: number) => Math.round(at / 10) / 100;

/** The application's writes by the node that they were sent to, the old primary first. Pure. */
export function activityOf(history: WriteHistory, { faultAt, oldPrimary }: Roles): Activity[] {
  const byNode = new Map<string, Activity>();
  for (const { actor, node, outcome, endedAt, invokedAt } of writeAttemptsOf(history).byKey.values()) {
    if (actor !== 'application') continue;
    const activity = byNode.get(node) ?? { node, acknowledged: [], unknown: [], failed: [] };
    byNode.set(node, activity);
    activity[outcome].push(hundredth((endedAt ?? invokedAt) - faultAt));
  }
  const inOrder = (moments: number[]) => [...new Set(moments)].sort((one, other) => one - other);
  return [...byNode.values()]
    .map(({ node, acknowledged, unknown, failed }) => ({
      node,
      acknowledged: inOrder(acknowledged),
      unknown: inOrder(unknown),
      failed: inOrder(failed),
    }))
    .sort(
      (one, other) =>
        rank(one.node, oldPrimary) - rank(other.node, oldPrimary) || (one.node < other.node ? -1 : 1),
    );
}

const rank = (node: string, oldPrimary: string) => (node === oldPrimary ? 0 : 1);
