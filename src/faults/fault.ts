import type { Formation, Member } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import type { Session } from '../postgres/session.ts';

/** Who is who when a drill begins, and the ways to reach them. None of these is touched by a fault. */
export interface Scene {
  formation: Formation;
  incus: Incus;
  monitor: Member;
  primary: Member;
  standbys: Member[];
  /** A session on the monitor's database, under a deadline of its own. */
  openMonitor(signal: AbortSignal): Promise<Session>;
}

/** A fault that is ready to be inflicted on one container. */
export interface Blow {
  /** File that will hold the disk's room: the one trace whose place depends on the formation. */
  fill?: string;
  /** What must be done first and hurts nobody yet. The mark stands already. */
  arm?(): Promise<void>;
  /** Waits for the moment at which the fault may come; it comes right after. */
  moment?(): Promise<void>;
  /**
   * Not to be aborted: a command whose client is killed still happens, only later than one can tell.
   * @throws CommandError, DeadlineError, EnvironmentError: the fault may be in force all the same
   */
  inject(): Promise<void>;
  /** What shows that the fault is in force (or was inflicted, where it is over at once); undefined when nothing does. */
  proof(): Promise<string | undefined>;
}

/**
 * Reads what a fault needs to know, and whether it can be shown at all. Touches nothing.
 * @throws EnvironmentError when it cannot, with what to do about it
 */
export type Prepare = (scene: Scene, target: Member, signal: AbortSignal) => Promise<Blow>;
