import { stuckFactor } from '../../check/catalogue/from-observation.ts';
import { type Moment, now } from '../../clock/clock.ts';
import { sleep } from '../../clock/deadline.ts';
import { NotConvergedError } from '../../contract/errors.ts';
import type { Formation, Member } from '../../formation/formation.ts';
import { describeNodes, isAtRest, isSettled, type MonitorNode, readNodes } from '../../monitor/nodes.ts';
import { canFollow } from '../../monitor/transitions.ts';
import type { Session } from '../../postgres/session.ts';
import type { Steps } from '../steps.ts';

/** So long a keeper that reports is seen not to take an order, besides what the check allows for any transition. */
const hopelessMs = 5_000;

/** Tells orders that no keeper knows a way to follow, as those of a monitor that was set back to an earlier state. */
export class Orders {
  private readonly stuckSeconds: number;
  private readonly since = new Map<string, Moment>();

  constructor({ timings }: Formation) {
    this.stuckSeconds = (stuckFactor * timings.primaryDemoteTimeoutMs) / 1000;
  }

  /** The nodes whose order will never be followed. Each order is told once. */
  hopeless(nodes: readonly MonitorNode[], at: Moment): MonitorNode[] {
    const due = nodes.filter(
      (node) =>
        !canFollow(node) &&
        node.secondsSinceReport * 1000 < hopelessMs &&
        node.secondsSinceStateChange > this.stuckSeconds,
    );
    for (const order of this.since.keys())
      if (!due.some((node) => orderOf(node) === order)) this.since.delete(order);
    return due.filter((node) => {
      const order = orderOf(node);
      const since = this.since.get(order) ?? at;
      const isHopeless = at - since > hopelessMs;
      this.since.set(order, isHopeless ? (Number.POSITIVE_INFINITY as Moment) : since);
      return isHopeless;
    });
  }
}

const orderOf = ({ nodeId, reportedState, goalState }: MonitorNode) =>
  `${nodeId} ${reportedState} ${goalState}`;

/** The way out that upstream's users have found (#1025): the monitor decides anew from where the node is. */
async function takeBack(
  monitor: Session,
  { nodeId, name, reportedState, goalState }: MonitorNode,
  steps: Steps,
): Promise<void> {
  await steps.take(
    name,
    `take back the order ${goalState}, to which no keeper knows a way from ${reportedState}`,
    () =>
      monitor.query(
        `UPDATE pgautofailover.node SET goalstate = reportedstate
        WHERE nodeid = $1 AND reportedstate::text = $2 AND goalstate::text = $3`,
        [nodeId, reportedState, goalState],
      ),
  );
}

/** So often, what may hold a standby up is looked for. */
const longMs = 20_000;

/**
 * Waits until the monitor has every node where it wants it. What it knew before our last change does not
 * count: it takes a report and a health check of each node since then.
 * @param among the nodes that are there; others of the file may still have to be made
 * @param helpAlong is called now and then, where this takes long
 * @throws NotConvergedError at the deadline, with the state of every node
 */
export async function settle(
  monitor: Session,
  formation: Formation,
  steps: Steps,
  {
    among,
    deadlineMs,
    signal,
    helpAlong,
  }: {
    among: readonly Pick<Member, 'name'>[];
    deadlineMs: number;
    signal: AbortSignal;
    helpAlong: () => Promise<void>;
  },
): Promise<void> {
  const started = now();
  let nodes: MonitorNode[] = [];
  const settled = async () => {
    const all = await readNodes(monitor, formation);
    // A node that the file does not name may be gone for good: it is for check-formation to tell.
    nodes = all.filter(({ name }) => among.some((node) => node.name === name));
    const isThere = among.length === 1 ? nodes.every(isAtRest) : isSettled(nodes);
    return nodes.length === among.length && isThere && nodes.every(isFresh);
  };
  const isFresh = (node: MonitorNode) => {
    const age = steps.changedAt === undefined ? Number.POSITIVE_INFINITY : (now() - steps.changedAt) / 1000;
    return node.secondsSinceReport < age && node.secondsSinceHealthCheck < age;
  };
  if (await settled()) return;
  await steps.wait(formation.name, 'converge', async () => {
    const orders = new Orders(formation);
    let helpedAt = started;
    while (!(await settled())) {
      for (const node of orders.hopeless(nodes, now())) await takeBack(monitor, node, steps);
      if (now() - started > deadlineMs) {
        throw new NotConvergedError(
          `formation ${formation.name} did not converge in ${deadlineMs / 1000} s: ${describeNodes(nodes)}`,
        );
      }
      if (now() - helpedAt > longMs) {
        await helpAlong();
        helpedAt = now();
      }
      await sleep(100, signal);
    }
  });
}
