import type { Moment } from '../clock/clock.ts';
import type { Formation, Member } from '../formation/formation.ts';
import type { RelianceName } from '../formation/releases.ts';
import type { Incus } from '../incus/incus.ts';
import type { ContainerRelay } from '../incus/relay/container-relay.ts';
import type { Session } from '../postgres/session.ts';
import type { FaultClass } from '../prediction/record.ts';
import type { PowerSwitch } from './power-switch.ts';

/** Who is who when a drill begins, and the ways to reach them. None of these is touched by a fault. */
export interface Scene {
  formation: Formation;
  incus: Incus;
  monitor: Member;
  primary: Member;
  standbys: Member[];
  /** The host of each container, by name; none where Incus is no cluster. */
  locations: Readonly<Record<string, string>>;
  /** What takes a host's power and brings it back, where it is not for Incus to stop containers. */
  power: PowerSwitch | undefined;
  /** Ways into the containers that are open already, where there are some. */
  relayOf?: ((name: string) => ContainerRelay) | undefined;
  /** A session on the monitor's database, under a deadline of its own. */
  openMonitor(signal: AbortSignal): Promise<Session>;
}

/** Whom a fault hits: one container, or several that go together. The first is the one that it is named after. */
export type Targets = readonly [Member, ...Member[]];

/** When containers fell that were to go at one moment. */
export interface Fallen {
  /** By name. */
  at: ReadonlyMap<string, Moment>;
  /** From the earliest to the latest, by a clock that they share; undefined where there was none. */
  apartMs: number | undefined;
}

/** A fault that is ready to be inflicted. */
export interface Blow {
  /** Where its trace will be, where that depends on the formation: the mark keeps it for the undo. */
  place?: string;
  /** What must be done first and hurts nobody yet. The mark stands already. */
  arm?(): Promise<void>;
  /** Waits for the moment at which the fault may come; it comes right after. */
  moment?(): Promise<void>;
  /**
   * Not to be aborted: a command whose client is killed still happens, only later than one can tell.
   * @throws CommandError, DeadlineError, EnvironmentError: the fault may be in force all the same
   */
  inject(): Promise<void>;
  /** When each container fell, once it is in force; where that can be told. */
  fell?(): Fallen | undefined;
  /** Lets go of what was armed: called before the undo, whatever became of the fault. */
  disarm?(): void;
  /** What shows that the fault is in force (or was inflicted, where it is over at once); undefined when nothing does. */
  proof(): Promise<string | undefined>;
}

/**
 * Reads what a fault needs to know, and whether it can be shown at all. Touches nothing.
 * @throws EnvironmentError when it cannot, with what to do about it
 */
export type Prepare = (scene: Scene, targets: Targets, signal: AbortSignal) => Promise<Blow>;

/** What a fault leaves in a container that runs. */
export interface Trace {
  /** Whether text of a mark may be the place of such a trace, whoever wrote it there. Left out where it has but one. */
  isPlace?(text: string): boolean;
  /**
   * Takes it away: from the container's mark alone, twice, and in several processes at once.
   * @param place as the mark has it
   * @returns what was done, for people; undefined where there was none
   */
  remove(
    incus: Incus,
    container: string,
    place: string | undefined,
    signal: AbortSignal,
  ): Promise<string | undefined>;
}

/** What a member is when a drill begins. */
export const memberRoles = ['primary', 'standby', 'monitor'] as const;
export type MemberRole = (typeof memberRoles)[number];

/**
 * What should come of a fault: `either` where both are right, and only the return to health is judged; `outage` where
 * nobody can take over and nobody serves until it is undone.
 */
export const expectations = ['failover', 'none', 'either', 'outage'] as const;
export type Expected = (typeof expectations)[number];

/** A fault that a drill can inflict: what is done to whom, for how long, what should come of it and why, and how. */
export interface Fault {
  /** What is done, in words that follow the fault's name and a colon. */
  does: string;
  expected: Expected | 'by-placement';
  /** Why that is to be expected. */
  because: string;
  /** Of a member, the first of that role; of several roles, all that have them. */
  hits: MemberRole | 'primary-and-monitor' | 'primary-and-standbys' | 'host';
  /**
   * How long it is in force: until the promotion; until a failover has begun; as long as a failover would take to show;
   * shorter than the formation's timings make a failover of; or it is over as soon as it is done.
   */
  lasts: 'until-promotion' | 'until-failover-begins' | 'while-watched' | 'briefly' | 'a-moment';
  /** Set where the monitor's container is no place to watch clients from: the fault hits it, or its link to the primary. */
  clientsOnStandby?: true;
  /** What it leaves in a container that runs, besides the mark: what an undo has to take away. */
  leaves?: Trace;
  /** What the expectation rests on and not every release of pg_auto_failover does: on an unknown one it is not inflicted. */
  reliesOn?: RelianceName;
  /** What the prediction of check-formation calls it (docs/prediction.md); left out where it does not speak of it. */
  predictedAs?: FaultClass;
  /** For people, to follow "after": "the power of pgaf-primary was cut". @param containers all targets' names */
  deed(containers: string): string;
  /** The targets' lanes in the picture while it is in force, and what its end is called. */
  state: string;
  end: string;
  prepare: Prepare;
}
