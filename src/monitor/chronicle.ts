import type { Moment } from '../clock/clock.ts';
import type { Interval } from '../clock/interval.ts';
import { EnvironmentError } from '../contract/errors.ts';
import { type Between, type ClockReading, clockSetBy, dated } from './dating.ts';
import { type EventsRead, type MonitorEvent, settlesWithin } from './events.ts';
import type { MonitorNode } from './nodes.ts';

/** What the monitor announced of a node, and when. */
export interface Announcement {
  /** When it did, as near as that is known. */
  at: Moment;
  /** Between these two moments for certain. */
  between: Interval;
  /**
   * `notification`: by LISTEN, as it happened. `event`: nobody listened then, and the monitor's table of events has its
   * time. `table`: only the table of nodes showed the change, and nothing tells its time.
   */
  heardBy: 'notification' | 'event' | 'table';
  name: string;
  reportedState: string;
  goalState: string;
  /** 1 good, 0 bad, -1 not known: an event does not say. */
  health: number;
}

export type NodeView = Pick<MonitorNode, 'nodeId' | 'name' | 'reportedState' | 'goalState' | 'health'> & {
  /** When the node last reported and was last checked by the monitor, as of the last reading. */
  reportedAt: Moment;
  checkedAt: Moment;
  /** What that report said; false where there was no reading yet. */
  postgresRuns: boolean;
};

type Notified = Pick<MonitorNode, 'nodeId' | 'name' | 'reportedState' | 'goalState' | 'health'>;

/** Such a transaction takes milliseconds; it is given as much as any took that was heard of, and no less than this. */
const leastTransactionMs = 500;
/** A reading so short before a notification shows that the watch was awake. */
const promptWithinMs = 1500;
/** A notification that comes by so much later tells nothing of the time. */
const lateMs = 100;

/** A monitor was put in the place of the one that was watched, or set back to what it was before: there is no going on. */
export class AnotherMonitorError extends EnvironmentError {}

/**
 * What is known of a formation's nodes, from the monitor's notifications and from readings of its tables, each event
 * once and in order. Nothing is read or waited for here.
 */
export class Chronicle {
  readonly announcements: Announcement[] = [];
  private readonly views = new Map<string, NodeView>();
  /** Heard of, and not yet found in the table of events. */
  private readonly unexplained = new Set<Announcement>();
  /** Found there, and not yet heard of. */
  private pending: { event: MonitorEvent; seen: Between }[] = [];
  private readonly knownEvents = new Set<number>();
  /** Events up to this number were there before the watch began. */
  private floor = 0;
  private newest: number | undefined;
  private server: string | undefined;
  private last: ClockReading | undefined;
  private slowestMs = 0;

  /** The nodes as last heard of. */
  get nodes(): NodeView[] {
    return [...this.views.values()].sort((a, b) => a.nodeId - b.nodeId);
  }

  /** The last reading. */
  get lastLook(): ClockReading | undefined {
    return this.last;
  }

  /** The number of the last event that is known, for the next reading. */
  get lastEvent(): number | undefined {
    return this.newest;
  }

  /**
   * Whether a reading shows that the numbers of events have begun anew: then all of its events are wanted, and not only
   * those after the last that is known.
   */
  beginsAnew({ newest }: Pick<EventsRead, 'newest'>): boolean {
    return this.newest !== undefined && newest < this.newest;
  }

  /** A notification came. */
  notified(node: Notified, at: Moment): void {
    const found = this.pending.find(({ event }) => isSame(event, node));
    if (found) this.pending = this.pending.filter((each) => each !== found);
    const heard: Announcement = {
      at,
      between: { least: this.last?.asked ?? at, most: at },
      heardBy: 'notification',
      name: node.name,
      reportedState: node.reportedState,
      goalState: node.goalState,
      health: node.health,
    };
    this.announce(node, heard);
    if (found) this.explain(heard, found.event, found.seen);
    else this.unexplained.add(heard);
  }

  /**
   * The monitor's tables were read, as they stood at one moment.
   * @param listened whether notifications came on the same session since the reading before
   * @throws AnotherMonitorError when its events have begun anew, and not by somebody who emptied their table
   */
  read(
    nodes: readonly MonitorNode[],
    { clock, newest, server, events }: EventsRead,
    look: Omit<ClockReading, 'clock'>,
    listened: boolean,
  ): void {
    const after: ClockReading = { ...look, clock };
    const before = this.last ?? after;
    if (this.beginsAnew({ newest })) {
      if (server !== this.server)
        throw new AnotherMonitorError(
          `the monitor is not what it was, so that nobody can tell what it did: its last event is ${newest}, and ${this.newest} was known before its Postgres was started anew`,
        );
      // Those that are there came since: what was known by a number is another one.
      this.knownEvents.clear();
      this.newest = newest;
      this.floor = 0;
    }
    this.server = server;
    const isFirst = this.last === undefined;
    // The first reading goes back from the last number of all; later ones from the formation's own, which may be far below.
    if (isFirst) this.floor = newest - settlesWithin;
    this.last = after;
    const unknown = events.filter(({ id }) => id > this.floor && !this.knownEvents.has(id));
    for (const { id } of unknown) this.knownEvents.add(id);
    const fresh = borneOut(unknown, nodes);
    this.newest =
      events.length > 0 ? Math.max(this.newest ?? 0, ...events.map(({ id }) => id)) : (this.newest ?? newest);
    for (const id of this.knownEvents) if (id < this.newest - 2 * settlesWithin) this.knownEvents.delete(id);

    // What was there when the watch began is not news. A notification may be on its way until the next reading.
    const missed = listened ? this.pending : [...this.pending, ...this.unheard(fresh, { before, after })];
    this.pending = listened ? this.unheard(fresh, { before, after }) : [];
    if (isFirst) this.pending = [];
    else for (const { event, seen } of missed) this.missed(event, seen);
    this.seen(nodes, { before, after }, isFirst ? [] : missed.map(({ event }) => event));
    // What was notified before a reading stands in it, or is known already.
    for (const heard of this.unexplained) if (heard.at <= look.asked) this.unexplained.delete(heard);
  }

  /** Events that no notification told of; those that one did give it its time. */
  private unheard(events: readonly MonitorEvent[], seen: Between): { event: MonitorEvent; seen: Between }[] {
    return events.flatMap((event) => {
      const heard = [...this.unexplained].find((each) => isSame(event, each));
      if (heard === undefined) return [{ event, seen }];
      this.explain(heard, event, seen);
      return [];
    });
  }

  private explain(heard: Announcement, { time }: MonitorEvent, seen: Between): void {
    this.unexplained.delete(heard);
    const found = dated(time, seen, heard.at, this.transactionMs());
    const { asked, clock } = seen.after;
    // Of those that were heard of at once, the slowest tells what a transaction here may take.
    if (heard.at - seen.before.asked <= promptWithinMs && clockSetBy(seen) === 0)
      this.slowestMs = Math.max(this.slowestMs, heard.at - (time + asked - clock));
    if (heard.at - found.at > lateMs) heard.heardBy = 'event';
    heard.at = found.at;
    heard.between = found.between;
  }

  private transactionMs(): number {
    return Math.max(leastTransactionMs, this.slowestMs);
  }

  private missed(event: MonitorEvent, seen: Between): void {
    const { name, reportedState, goalState, time } = event;
    const view = this.views.get(name);
    const told: Announcement = {
      ...dated(time, seen, undefined, this.transactionMs()),
      heardBy: 'event',
      name,
      reportedState,
      goalState,
      health: -1,
    };
    this.announcements.push(told);
    if (view) this.views.set(name, { ...view, reportedState, goalState });
  }

  /** What the table of nodes says: most of it was announced, and whatever was not is now. */
  private seen(
    nodes: readonly MonitorNode[],
    { before, after }: Between,
    missed: readonly MonitorEvent[],
  ): void {
    const names = new Set(nodes.map(({ name }) => name));
    for (const name of this.views.keys()) if (!names.has(name)) this.views.delete(name);
    for (const node of nodes) {
      const { name, nodeId, reportedState, goalState, health } = node;
      const last = missed.findLast((event) => event.name === name);
      const awaited = this.pending.some(({ event }) => event.name === name);
      const at = after.answered;
      if (last !== undefined && isSame(last, node)) this.setView(node, health);
      else if (!awaited)
        this.announce(node, {
          at,
          between: { least: before.asked, most: at },
          heardBy: 'table',
          name,
          reportedState,
          goalState,
          health,
        });
      const view = this.views.get(name) ?? this.setView({ nodeId, name, reportedState, goalState }, health);
      view.reportedAt = at - node.secondsSinceReport * 1000;
      view.checkedAt = at - node.secondsSinceHealthCheck * 1000;
      view.postgresRuns = node.postgresRuns;
    }
  }

  /** Keeps it where it is news. */
  private announce(node: Omit<Notified, 'health'>, told: Announcement): void {
    const before = this.views.get(node.name);
    if (before && isSame(before, told) && before.health === told.health) return;
    this.setView(node, told.health);
    this.announcements.push(told);
  }

  private setView(
    { nodeId, name, reportedState, goalState }: Omit<Notified, 'health'>,
    health: number,
  ): NodeView {
    const {
      reportedAt = Number.NEGATIVE_INFINITY,
      checkedAt = Number.NEGATIVE_INFINITY,
      postgresRuns = false,
    } = this.views.get(name) ?? {};
    const view = { nodeId, name, reportedState, goalState, health, reportedAt, checkedAt, postgresRuns };
    this.views.set(name, view);
    return view;
  }
}

/**
 * The events without those that the table of nodes denies. Both were read as they stood at one moment, and the monitor
 * writes an event with the change that it tells of: the last of a node says what its row says, or somebody else wrote it.
 */
function borneOut(events: readonly MonitorEvent[], nodes: readonly MonitorNode[]): MonitorEvent[] {
  const rows = new Map(nodes.map((node) => [node.name, node]));
  const sure = new Set<string>();
  return events
    .toReversed()
    .filter((event) => {
      const row = rows.get(event.name);
      // One that is not there any more has nothing to say.
      if (row === undefined || isSame(event, row)) sure.add(event.name);
      return sure.has(event.name);
    })
    .toReversed();
}

type ReportedStates = Pick<MonitorEvent, 'name' | 'reportedState' | 'goalState'>;
const isSame = (one: ReportedStates, other: ReportedStates) =>
  one.name === other.name && one.reportedState === other.reportedState && one.goalState === other.goalState;
