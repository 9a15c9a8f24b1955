import { type Moment, now } from '../clock/clock.ts';
import { sleep, withDeadline } from '../clock/deadline.ts';
import { DeadlineError, messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import type { Session } from '../postgres/session.ts';
import { describeNodes, type MonitorNode, readNodes } from './nodes.ts';
import { parseStateNotification } from './notification.ts';

/** What the monitor announced of a node, and when this process heard it. */
export interface Announcement {
  at: Moment;
  /** `notification` for LISTEN, `table` where only the table showed the change (a notification was missed). */
  heardBy: 'notification' | 'table';
  name: string;
  reportedState: string;
  goalState: string;
  health: number;
}

type NodeView = Pick<MonitorNode, 'nodeId' | 'name' | 'reportedState' | 'goalState' | 'health'> & {
  /** When the node last reported and was last checked by the monitor, as of the last sweep. */
  reportedAt: Moment;
  checkedAt: Moment;
};

/** The table is read this often besides, so that a lost notification or a dead session is noticed. */
const sweepEveryMs = 500;
const sweepDeadlineMs = 2000;
const reconnectPauseMs = 500;

/**
 * Watches a formation by the monitor's notifications. A lost session is opened again; a sweep of the node
 * table fills the gap. Everything heard is kept in order in `announcements`.
 */
export class MonitorWatch {
  readonly announcements: Announcement[] = [];
  private nodes = new Map<string, NodeView>();
  private session: Session | undefined;
  private readonly stopped = new AbortController();
  private readonly waiting = new Set<() => void>();
  private loop: Promise<void> = Promise.resolve();

  private readonly formation: string;
  private readonly openSession: (signal: AbortSignal) => Promise<Session>;
  private readonly log: Log;

  private constructor(formation: string, openSession: (signal: AbortSignal) => Promise<Session>, log: Log) {
    this.formation = formation;
    this.openSession = openSession;
    this.log = log;
  }

  /**
   * Opens the first session and listens. @throws when that fails
   * @param openSession opens a session on the monitor's database, under a deadline of its own
   */
  static async start(
    formation: string,
    openSession: (signal: AbortSignal) => Promise<Session>,
    log: Log,
  ): Promise<MonitorWatch> {
    const watch = new MonitorWatch(formation, openSession, log);
    await watch.listen();
    watch.loop = watch.keepWatching();
    return watch;
  }

  /** The nodes as last heard of. */
  get current(): NodeView[] {
    return [...this.nodes.values()].sort((a, b) => a.nodeId - b.nodeId);
  }

  /**
   * Waits until `condition` holds of the announcements and the nodes, and returns what it returned.
   * @throws DeadlineError that tells the last known state
   */
  async until<T>(
    what: string,
    { deadlineMs, signal }: { deadlineMs: number; signal?: AbortSignal | undefined },
    condition: (nodes: NodeView[], announcements: readonly Announcement[]) => T | undefined,
  ): Promise<T> {
    let recheck = () => {};
    try {
      return await withDeadline(
        what,
        deadlineMs,
        () =>
          new Promise<T>((resolve) => {
            recheck = () => {
              const found = condition(this.current, this.announcements);
              if (found !== undefined) resolve(found);
            };
            this.waiting.add(recheck);
            recheck();
          }),
        signal,
      );
    } catch (error) {
      if (error instanceof DeadlineError)
        error.message += `; the monitor's last word: ${describeNodes(this.current)}`;
      throw error;
    } finally {
      this.waiting.delete(recheck);
    }
  }

  async stop(): Promise<void> {
    this.stopped.abort();
    this.session?.close();
    await this.loop;
  }

  private async listen(): Promise<void> {
    const session = await this.openSession(this.stopped.signal);
    try {
      await session.listen('state', (payload) => {
        const at = now();
        const heard = parseStateNotification(payload);
        if (heard?.formation === this.formation) this.hear({ ...heard, at, heardBy: 'notification' });
      });
      this.session = session;
      await this.sweep(session);
    } catch (error) {
      session.close();
      throw error;
    }
  }

  private async sweep(session: Session): Promise<void> {
    const found = await readNodes(session, this.formation, sweepDeadlineMs);
    const at = now();
    const known = new Set(found.map((node) => node.name));
    for (const name of this.nodes.keys()) if (!known.has(name)) this.nodes.delete(name);
    for (const node of found) {
      this.hear({ ...node, at, heardBy: 'table' });
      const view = this.nodes.get(node.name);
      if (!view) continue;
      view.reportedAt = at - node.secondsSinceReport * 1000;
      view.checkedAt = at - node.secondsSinceHealthCheck * 1000;
    }
    this.recheckAll();
  }

  private hear(heard: Announcement & { nodeId: number }): void {
    const before = this.nodes.get(heard.name);
    if (
      before?.reportedState === heard.reportedState &&
      before.goalState === heard.goalState &&
      before.health === heard.health
    )
      return;
    const { nodeId, name, reportedState, goalState, health, at, heardBy } = heard;
    const { reportedAt, checkedAt } = before ?? {
      reportedAt: Number.NEGATIVE_INFINITY,
      checkedAt: Number.NEGATIVE_INFINITY,
    };
    this.nodes.set(name, { nodeId, name, reportedState, goalState, health, reportedAt, checkedAt });
    this.announcements.push({ at, heardBy, name, reportedState, goalState, health });
    this.recheckAll();
  }

  private recheckAll(): void {
    for (const recheck of this.waiting) recheck();
  }

  private async keepWatching(): Promise<void> {
    const { signal } = this.stopped;
    while (!signal.aborted) {
      try {
        await sleep(
          this.session && this.session.lost === undefined ? sweepEveryMs : reconnectPauseMs,
          signal,
        );
        if (this.session && this.session.lost === undefined) await this.sweep(this.session);
        else await this.listen();
      } catch (error) {
        if (signal.aborted) return;
        this.log.debug(`the watch on the monitor was interrupted and goes on: ${messageOf(error)}`);
      }
    }
  }
}
