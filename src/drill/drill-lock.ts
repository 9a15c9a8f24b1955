import { MemberLocks } from '../faults/member-locks.ts';
import { type Formation, membersOf } from '../formation/formation.ts';
import type { Instance } from '../incus/answers.ts';
import type { Incus } from '../incus/incus.ts';
import { FormationLock } from '../monitor/lock.ts';
import { openMemberSession } from '../postgres/member-session.ts';

/** What a drill holds: the locks in the containers, and the formation's on the monitor. */
export class DrillLock {
  readonly members: MemberLocks;
  private readonly monitor: FormationLock;

  constructor(members: MemberLocks, monitor: FormationLock) {
    this.members = members;
    this.monitor = monitor;
  }

  /** @throws LockHeldError where another run is at work; EnvironmentError, DeadlineError where a member does not answer */
  static async take(
    formation: Formation,
    incus: Incus,
    instances: ReadonlyMap<string, Instance>,
    signal: AbortSignal,
  ): Promise<DrillLock> {
    const members = await MemberLocks.take({ formation, incus, signal }, instances);
    const [monitor] = membersOf(formation);
    // The way to the monitor is open, and both locks there are lost with it and taken again.
    const open = (inner: AbortSignal) =>
      openMemberSession(incus, formation, monitor, {
        relay: members.relayOf(monitor.name),
        signal: inner,
      });
    try {
      return new DrillLock(members, await FormationLock.take(open, formation.name));
    } catch (error) {
      members.release();
      throw error;
    }
  }

  /** Why one of them is another run's now, or undefined. */
  get lost(): string | undefined {
    return this.members.lost ?? this.monitor.lost;
  }

  release(): void {
    this.monitor.release();
    this.members.release();
  }
}
