import { now } from '../clock/clock.ts';
import { sleep } from '../clock/deadline.ts';
import { NotConvergedError } from '../contract/errors.ts';
import type { Formation } from '../formation/formation.ts';
import { describeNodes, isSettled, type MonitorNode, readNodes } from '../monitor/nodes.ts';
import type { Session } from '../postgres/session.ts';
import type { Steps } from './steps.ts';

/**
 * Waits until the monitor has every node where it wants it. What it knew before our last change does not
 * count: it takes a report and a health check of each node since then.
 * @throws NotConvergedError at the deadline, with the state of every node
 */
export async function settle(
  monitor: Session,
  formation: Formation,
  steps: Steps,
  { deadlineMs, signal }: { deadlineMs: number; signal: AbortSignal },
): Promise<void> {
  const started = now();
  let nodes: MonitorNode[] = [];
  const settled = async () => {
    const all = await readNodes(monitor, formation.name);
    // A node that the file does not name may be gone for good: it is for check-formation to tell.
    nodes = all.filter(({ name }) => formation.nodes.some((node) => node.name === name));
    return nodes.length === formation.nodes.length && isSettled(nodes) && nodes.every(isFresh);
  };
  const isFresh = (node: MonitorNode) => {
    const age = steps.changedAt === undefined ? Number.POSITIVE_INFINITY : (now() - steps.changedAt) / 1000;
    return node.secondsSinceReport < age && node.secondsSinceHealthCheck < age;
  };
  if (await settled()) return;
  await steps.wait(formation.name, 'converge', async () => {
    while (!(await settled())) {
      if (now() - started > deadlineMs) {
        throw new NotConvergedError(
          `formation ${formation.name} did not converge in ${deadlineMs / 1000} s: ${describeNodes(nodes)}`,
        );
      }
      await sleep(100, signal);
    }
  });
}
