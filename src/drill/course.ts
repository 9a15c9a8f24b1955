import { type Moment, now, toSeconds } from '../clock/clock.ts';
import { faultCatalogue } from '../faults/catalogue.ts';
import type { Fallen, Fault, MemberRole, Scene, Targets } from '../faults/fault.ts';
import type { MemberLocks } from '../faults/member-locks.ts';
import type { Member } from '../formation/formation.ts';
import type { Lease } from '../incus/lease.ts';
import type { MonitorWatch } from '../monitor/watch.ts';
import type { ProbeWatch } from '../probes/watch.ts';
import type { Casualties } from './casualties.ts';
import type { WatchedClients } from './clients.ts';
import type { Guard } from './guard.ts';
import type { DrillOptions } from './options.ts';
import type { Plan } from './plan.ts';
import type { DrillRecord, RecordedAnnouncement } from './record.ts';
import { isFailoverSign } from './verdict/failover.ts';
import { listed } from './verdict/targets.ts';
import { toldSince } from './verdict/told.ts';

/** A drill of hours hears of some hundred; what goes beyond is somebody else's noise. */
const mostAnnouncements = 5000;

/** All that stands ready when the fault is due. */
export interface Stage {
  scene: Scene;
  casualties: Casualties;
  /** In every container; a target's ends where the fault stops it, and is taken again. */
  locks: MemberLocks;
  watch: MonitorWatch;
  clients: WatchedClients | undefined;
  /** Undefined where none are asked. */
  probes: ProbeWatch | undefined;
  guard: Guard;
  /** Held by the scene's commands; let go of before the undo, which waits for those that still hold it. */
  lease: Lease;
  record: DrillRecord;
  plan: Plan;
  options: DrillOptions;
  /** Whether the application's commits wait for no standby. */
  asynchronous: boolean;
}

/** What the parts of a drill that hurts somebody share: who is hurt and since when, who watches, and what was seen. */
export class Course {
  readonly scene: Scene;
  readonly watch: MonitorWatch;
  readonly clients: WatchedClients | undefined;
  readonly probes: ProbeWatch | undefined;
  readonly record: DrillRecord;
  readonly plan: Plan;
  readonly options: DrillOptions;
  readonly entry: Fault;
  readonly targets: Targets;
  readonly asynchronous: boolean;
  /** When the fault was issued. */
  faultAt: Moment | undefined;

  constructor({ scene, casualties, watch, clients, probes, guard, record, plan, ...rest }: Stage) {
    const { options, asynchronous } = rest;
    this.scene = scene;
    this.watch = watch;
    this.clients = clients;
    this.probes = probes;
    this.record = record;
    this.plan = plan;
    this.asynchronous = asynchronous;
    // Without its guard it goes on no more than when it is told to stop.
    this.options = { ...options, signal: AbortSignal.any([options.signal, guard.lost]) };
    this.entry = faultCatalogue[options.fault];
    this.targets = casualties.targets;
    record.primary = scene.primary.name;
    record.target = this.targets[0].name;
    record.targets = this.targets.map((member) => ({ container: member.name, role: roleOf(member, scene) }));
  }

  get targetNames(): string[] {
    return this.targets.map(({ name }) => name);
  }

  /** For people. */
  get targetList(): string {
    return listed(this.targetNames);
  }

  /** What ends the wait for what comes of the fault: the drill's own end, and a probe that stays broken for too long. */
  get whileInForce(): AbortSignal {
    const { signal } = this.options;
    return this.probes === undefined ? signal : AbortSignal.any([signal, this.probes.tripped]);
  }

  /** Seconds since the fault; 0 while there is none. */
  offset(moment: Moment): number {
    return toSeconds(moment - (this.faultAt ?? moment));
  }

  /** Of containers that were to go at one moment. */
  noteFallen({ at, apartMs }: Fallen): void {
    const { record } = this;
    record.targets = (record.targets ?? []).map((target) => {
      const fellAt = at.get(target.container);
      return fellAt === undefined ? target : { ...target, fellSeconds: this.offset(fellAt) };
    });
    // Of one there is nothing to be told.
    if (apartMs === undefined || at.size < 2) return;
    record.fellApartMs = Math.round(apartMs * 1000) / 1000;
    this.options.log.info(
      `${this.targetList} fell ${record.fellApartMs} ms apart, by the clock of their host`,
    );
  }

  /** What every probe was answered. */
  noteProbes(): void {
    const { probes, record, faultAt = now() } = this;
    if (probes !== undefined) record.probes = probes.recorded(faultAt);
  }

  /** All that the monitor announced, each at its time, and when nobody saw what it did. */
  noteWatch(): void {
    const { record, watch, faultAt = now() } = this;
    const heard = watch.announcements
      .map(({ at, between, name, reportedState, goalState, health }) => ({
        ...toldSince(faultAt, at, between),
        node: name,
        reportedState,
        goalState,
        health,
      }))
      .sort((one, other) => one.seconds - other.seconds);
    record.announcements = bounded(heard, record.primary ?? '');
    const spots = watch.blindSpots.map(({ from, to, why }) => ({
      from: this.offset(from),
      ...(to !== undefined && { to: this.offset(to) }),
      why,
    }));
    if (spots.length > 0) record.blind = spots;
  }
}

/** The first ones; of the rest only what tells that a failover began, which no noise may hide. Pure. */
export function bounded(
  heard: readonly RecordedAnnouncement[],
  primary: string,
  most = mostAnnouncements,
): RecordedAnnouncement[] {
  const signs = heard.slice(most).filter((each) => each.seconds >= 0 && isFailoverSign(each, primary));
  return [...heard.slice(0, most), ...signs.slice(0, most)];
}

function roleOf(member: Member, { primary, monitor }: Scene): MemberRole {
  if (member === monitor) return 'monitor';
  return member === primary ? 'primary' : 'standby';
}
