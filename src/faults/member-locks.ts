import { now } from '../clock/clock.ts';
import { retryUntil, sleep, withDeadline } from '../clock/deadline.ts';
import { DeadlineError, EnvironmentError, messageOf } from '../contract/errors.ts';
import { type Formation, type Member, membersOf } from '../formation/formation.ts';
import type { Instance } from '../incus/answers.ts';
import type { Incus } from '../incus/incus.ts';
import { drillMarkKey } from '../incus/labels.ts';
import { ContainerRelay } from '../incus/relay/container-relay.ts';
import { LockHeldError, waitAndStartAgain } from '../monitor/lock.ts';
import { readMark } from './mark.ts';
import othersAtWork from './scripts/others-at-work.sh';

/**
 * One run at a time changes a formation. It holds a lock in each of its containers that runs, taken in the order of their
 * names: so two runs whose files have a container in common meet there, whatever else these say, and one of them goes on.
 *
 * A lock lives in the container's own /run and ends with its owner, however that is killed; nothing of it is left in Incus
 * for somebody to judge by its age. The price: a container that does not run has none. What is done to one without it
 * is to start it, which Incus does once and which two runs that do it agree on, and the lock is taken then before
 * anything else. A drill that stops a container says in its mark there where it holds the others (`locks`).
 *
 * A monitor serves several formations: there the lock is of the formation, and the container's own is shared.
 */
export class MemberLocks {
  private readonly formation: Formation;
  private readonly incus: Incus;
  /** The way into a container that its lock is held by. */
  readonly relayOf: (name: string) => ContainerRelay;
  private readonly own: OwnRelays | undefined;
  private readonly held = new Set<string>();
  /** Lost with their relay, and being taken again. */
  private readonly returning = new Map<string, Promise<void>>();
  private readonly released = new AbortController();
  private takenByAnother: string | undefined;
  private readonly signal: AbortSignal | undefined;
  private readonly monitorAlone: boolean;

  private constructor({ formation, incus, relayOf, signal, monitorAlone = false }: LockOptions) {
    this.formation = formation;
    this.incus = incus;
    this.own = relayOf === undefined ? new OwnRelays(incus) : undefined;
    this.relayOf = relayOf ?? ((name) => (this.own as OwnRelays).relay(name));
    this.signal = signal;
    this.monitorAlone = monitorAlone;
  }

  /**
   * Takes the locks in all that runs of `instances`.
   * @throws LockHeldError when another run holds one of them; EnvironmentError, DeadlineError when one cannot be asked for
   */
  static async take(options: LockOptions, instances: ReadonlyMap<string, Instance>): Promise<MemberLocks> {
    const locks = new MemberLocks(options);
    try {
      await locks.add(instances);
      return locks;
    } catch (error) {
      locks.release();
      throw error;
    }
  }

  /** Takes those in what has come up since. Throws as `take`, and lets go of nothing. */
  async add(instances: ReadonlyMap<string, Instance>): Promise<void> {
    const names = lockPlaces(this.formation, instances).filter((name) => !this.held.has(name));
    // They come to life side by side, and are asked one after the other.
    for (const name of names) this.relayOf(name);
    for (const name of names) await this.lockIn(name);
  }

  /** Takes the one in a container that we have just made, or brought back. Throws as `take`. */
  async addNew(name: string): Promise<void> {
    await this.lockIn(name);
  }

  /** The containers in which it has locks. */
  get places(): string[] {
    return [...this.held].sort();
  }

  /** Why another run has one of them now, or undefined. */
  get lost(): string | undefined {
    return this.takenByAnother;
  }

  /**
   * Waits for locks that were lost with the way to their container and are being taken again.
   * @throws LockHeldError when another run was quicker, DeadlineError when Incus does not let us back in
   */
  async stand(): Promise<void> {
    if (this.returning.size > 0) await this.untilReturned();
    if (this.takenByAnother !== undefined) throw new LockHeldError(this.takenByAnother);
  }

  private async untilReturned(): Promise<void> {
    try {
      await withDeadline(
        'the locks that were lost',
        returnDeadlineMs,
        async (signal) => {
          while (this.takenByAnother === undefined && this.returning.size > 0)
            await Promise.race([...this.returning.values(), sleep(100, signal)]);
        },
        this.signal,
      );
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
      throw new EnvironmentError(
        `the lock in ${[...this.returning.keys()].join(', ')} was lost and could not be taken again in ${returnDeadlineMs / 1000} s`,
      );
    }
  }

  /**
   * Does what changes the monitor for all of its formations: one run at a time, of whichever formation.
   * @param work gets whether runs of its other formations are under way
   * @throws DeadlineError when another is at it for minutes, and as `work`
   */
  async aloneOnMonitor<T>(work: (others: boolean) => Promise<T>): Promise<T> {
    const { name } = this.formation.monitor;
    const relay = this.relayOf(name);
    const options = { deadlineMs: lockDeadlineMs, signal: this.signal };
    await retryUntil(
      `the run of another formation to end what it does to the monitor ${name}`,
      { deadlineMs: monitorDeadlineMs, pauseMs: 300, signal: this.signal },
      async () => (await relay.lock(monitorWorkPath, 'alone', options)) || undefined,
    );
    try {
      const command = ['sh', '-c', othersAtWork, 'sh', formationLockPath(this.formation)];
      const said = await relay.read(command, { ...options, maxBytes: 1000 });
      return await work(said.includes('busy'));
    } finally {
      // With the relay it ends by itself.
      await relay.unlock(monitorWorkPath, { deadlineMs: lockDeadlineMs }).catch(() => {});
    }
  }

  /** The container is about to be stopped by ourselves, and its lock goes with it. */
  forgo(name: string): void {
    this.held.delete(name);
  }

  release(): void {
    this.released.abort();
    this.own?.close();
  }

  private async lockIn(name: string): Promise<void> {
    const taken = await this.lockUnlessDown(name);
    if (taken === undefined) return;
    if (!taken) throw new LockHeldError(this.heldBy(name), waitAndStartAgain);
    this.held.add(name);
  }

  /** @returns whether it was taken; undefined where the container was stopped or deleted meanwhile: there is nothing to lock */
  private async lockUnlessDown(name: string): Promise<boolean | undefined> {
    const until = now() + stoppingMs;
    for (;;) {
      try {
        return await this.tryLock(name, this.signal);
      } catch (error) {
        this.signal?.throwIfAborted();
        const instance = await this.incus.instance(name, this.signal);
        if (instance === undefined || instance.status !== 'Running') return undefined;
        if (now() > until) throw this.untaken(name, error, instance);
      }
      await sleep(partingPauseMs, this.signal);
    }
  }

  private untaken(name: string, error: unknown, { config }: Instance): EnvironmentError {
    const project = this.incus.project === 'default' ? '' : ` --project ${this.incus.project}`;
    // Whatever a drill does to it, it undoes.
    const remedy =
      config?.[drillMarkKey] === undefined
        ? `restart the container if it does not answer (incus restart --force${project} ${name})`
        : 'a drill has marked the container: wait for that drill to end, and start again';
    return new EnvironmentError(`the lock in ${name} could not be taken: ${messageOf(error)}; ${remedy}`);
  }

  private heldBy(name: string): string {
    return `another drill or provisioning run is at work on formation ${this.formation.name}${this.monitorAlone ? ', or on another that shares its monitor' : ''} (it holds the lock in ${name})`;
  }

  /** A moment is left to the owner before us, which Incus may still be ending, and which may have been ourselves. */
  private async tryLock(name: string, signal?: AbortSignal): Promise<boolean> {
    const until = now() + partingMs;
    for (;;) {
      // The last try begins after the moment has passed, however long this process did not get to run.
      const isLast = now() > until;
      if (await this.tryOnce(name)) return true;
      if (isLast) return false;
      await sleep(partingPauseMs, signal);
    }
  }

  private async tryOnce(name: string): Promise<boolean> {
    const relay = this.relayOf(name);
    const options = { deadlineMs: lockDeadlineMs, signal: this.signal };
    const member = membersOf(this.formation).find((each) => each.name === name);
    const isMonitor = member?.role === 'monitor';
    if (!(await relay.lock('/run/pgha.lock', isMonitor && !this.monitorAlone ? 'shared' : 'alone', options)))
      return false;
    if (isMonitor && !(await relay.lock(formationLockPath(this.formation), 'alone', options))) return false;
    relay.onLost = () => this.returns(name);
    return true;
  }

  private returns(name: string): void {
    if (this.released.signal.aborted || !this.held.has(name)) return;
    const again = this.takeAgain(name).finally(() => this.returning.delete(name));
    this.returning.set(name, again);
  }

  /** Never throws. */
  private async takeAgain(name: string): Promise<void> {
    const { signal } = this.released;
    while (!signal.aborted && this.held.has(name)) {
      try {
        await sleep(returnPauseMs, signal);
        if (!(await this.tryLock(name, signal)))
          this.takenByAnother ??= `the lock in ${name} was lost and another run has taken it`;
        return;
      } catch {
        // Incus does not let us in yet, or the container does not run: then it has no lock.
        const instance = await this.incus.instance(name, signal).catch(() => undefined);
        if (instance !== undefined && instance.status !== 'Running') this.forgo(name);
      }
    }
  }
}

export interface LockOptions {
  formation: Formation;
  incus: Incus;
  /** Ways into the containers that are open for other things as well; without, each lock has one of its own. */
  relayOf?: (name: string) => ContainerRelay;
  signal?: AbortSignal | undefined;
  /** Whether the monitor's other formations may not be worked on either. */
  monitorAlone?: boolean;
}

const formationLockPath = ({ name }: Formation): string => `/run/pgha-${name}.lock`;
const monitorWorkPath = '/run/pgha.monitor.lock';

/** To install the monitor and to bring it up. */
const monitorDeadlineMs = 300_000;
const lockDeadlineMs = 15_000;
const partingMs = 2000;
/** So long Incus may list a container as running that is being stopped, and lets nobody in. */
const stoppingMs = 5000;
const partingPauseMs = 200;
const returnPauseMs = 500;
const returnDeadlineMs = 30_000;

/**
 * The containers to lock, in order: those of the formation that run, and those in which a drill whose mark stands on one
 * of them says that it has locks. Pure.
 */
export function lockPlaces(formation: Formation, instances: ReadonlyMap<string, Instance>): string[] {
  const names = membersOf(formation).map(({ name }) => name);
  const told = names.flatMap(
    (name) => readMark(instances.get(name)?.config?.[drillMarkKey] ?? '').locks ?? [],
  );
  return [...new Set([...names, ...told])].filter((name) => instances.get(name)?.status === 'Running').sort();
}

/** The members that bear a drill's mark. Pure. */
export function markedOf(
  members: readonly Member[],
  instances: ReadonlyMap<string, Instance>,
): readonly Member[] {
  return members.filter(({ name }) => instances.get(name)?.config?.[drillMarkKey] !== undefined);
}

class OwnRelays {
  private readonly incus: Incus;
  private readonly relays = new Map<string, ContainerRelay>();

  constructor(incus: Incus) {
    this.incus = incus;
  }

  relay(name: string): ContainerRelay {
    const open = this.relays.get(name);
    if (open && open.lost === undefined) return open;
    const relay = new ContainerRelay(this.incus, name, 'root');
    this.relays.set(name, relay);
    return relay;
  }

  close(): void {
    for (const relay of this.relays.values()) relay.close();
  }
}
