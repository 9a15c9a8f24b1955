import { type Moment, now } from '../../clock/clock.ts';
import { sleep } from '../../clock/deadline.ts';
import type { Log } from '../../contract/log.ts';
import { UnansweredError } from '../explanations.ts';
import { doesAnswer, neighboursOf } from './neighbours.ts';

/**
 * By which remote a run talks to its Incus. All members of a cluster answer for all of it, so where the one that is asked
 * does not answer any more, the run goes on by another that the client has a remote of. Whoever sees a call that
 * takes long, or a session that is silent, says so (`suspect`): then the remote and the others are asked side by side, and only
 * where another answers and this one does not is it left. What goes on over it ends at that moment (`leaving`).
 *
 * In the lab `/1.0`, which no member asks another for, took 0.1 to 1.1 s while a host was lost, 2.8 s once in 56; calls by
 * a lost host fail after 3.4 to 12 s, or not at all.
 */
export class Endpoints {
  private remote: string;
  /** Undefined: nobody has looked for them yet. */
  private others: readonly string[] | undefined;
  private readonly log: Log | undefined;
  private left = new AbortController();
  private probing: Promise<void> | undefined;
  private heardAt: Moment | undefined;
  private readonly abandoned: Map<string, string[]>;

  private constructor(
    remote: string,
    others: readonly string[] | undefined,
    log: Log | undefined,
    abandoned = new Map<string, string[]>(),
  ) {
    this.remote = remote;
    this.others = others;
    this.log = log;
    this.abandoned = abandoned;
  }

  /** One remote, whatever becomes of it. */
  static only(remote: string): Endpoints {
    return new Endpoints(remote, [], undefined);
  }

  /** @param others those of the same cluster, where they are known already */
  static from(remote: string, log?: Log, others?: readonly string[]): Endpoints {
    return new Endpoints(remote, others, log);
  }

  get current(): string {
    return this.remote;
  }

  /** The others, as far as somebody has looked for them. */
  get known(): readonly string[] {
    return this.others ?? [];
  }

  /** Whether it may ever be left. */
  get hasOthers(): boolean {
    return this.others === undefined || this.others.length > 0;
  }

  /** Aborts when the current remote is left, with an UnansweredError that says so. Another signal then stands for the next. */
  get leaving(): AbortSignal {
    return this.left.signal;
  }

  /** Looks for the others in the client's own files: no server is asked. Never throws but what the signal says. */
  async learn(signal?: AbortSignal): Promise<readonly string[]> {
    this.others ??= await neighboursOf(this.remote, signal);
    return this.others;
  }

  /**
   * A second way to the same cluster, for what must not end with the first: by another remote, which it leaves by itself and
   * without a word.
   * @returns undefined where no other is known, and then nobody is asked; or where none answers
   */
  async beside(signal?: AbortSignal): Promise<Endpoints | undefined> {
    const asked = this.known.map(async (name) =>
      (await doesAnswer(name, mostMs, signal)) ? name : undefined,
    );
    const found = await firstOf(asked);
    signal?.throwIfAborted();
    if (found === undefined) return undefined;
    const others = [...this.known.filter((name) => name !== found), this.remote];
    return new Endpoints(found, others, undefined, this.abandoned);
  }

  /**
   * Finds out whether a remote is dead, and leaves it then. Never throws.
   * @param how `doubt` where it may merely be slow: one that was heard a moment ago is not asked again
   * @returns whether it has been left
   */
  async suspect(remote: string, how: 'doubt' | 'failure' = 'doubt'): Promise<boolean> {
    if (remote === this.remote && this.hasOthers) {
      const isFresh = this.heardAt !== undefined && now() - this.heardAt < believedMs;
      if (this.probing === undefined && isFresh && how === 'doubt') return false;
      this.probing ??= this.probe().finally(() => {
        this.probing = undefined;
      });
      await this.probing;
    }
    return remote !== this.remote;
  }

  private async probe(): Promise<void> {
    const { remote } = this;
    const others = await this.learn();
    if (others.length === 0) return;
    const own = doesAnswer(remote, mostMs).then((answers) => (answers ? remote : undefined));
    const began = now();
    if (await Promise.race([own, sleep(headStartMs)])) return this.heard();
    const asked = others.map(async (name) => ((await doesAnswer(name, mostMs)) ? name : undefined));
    const found = await firstOf([own, ...asked]);
    if (found === undefined) return;
    const patienceMs = Math.max(leastMs, patience * (now() - began));
    const answers = found === remote || (await Promise.race([own, sleep(patienceMs - (now() - began))]));
    if (answers) this.heard();
    else this.leave(found);
  }

  private heard(): void {
    this.heardAt = now();
  }

  private leave(next: string): void {
    const { left, remote } = this;
    const why = `the Incus server of the remote ${remote} does not answer`;
    this.log?.warn(`${why}; going on by ${next}, of the same cluster`);
    this.others = [remote, ...this.known.filter((name) => name !== next)];
    this.remote = next;
    this.left = new AbortController();
    left.abort(new UnansweredError(`${why} any more; ${next} of the same cluster does`));
  }

  /**
   * What was started in an instance by a client that has ended: a member that has lost the one between them keeps it for
   * as long as its connection seems to live. Whoever comes there next ends it.
   */
  abandon(instance: string, id: string): void {
    if (this.known.length === 0) return;
    this.abandoned.set(instance, [...this.abandonedIn(instance), id].slice(-mostAbandoned));
  }

  abandonedIn(instance: string): readonly string[] {
    return this.abandoned.get(instance) ?? [];
  }

  /** They were ended. */
  settled(instance: string, ids: readonly string[]): void {
    const left = this.abandonedIn(instance).filter((id) => !ids.includes(id));
    this.abandoned.set(instance, left);
  }
}

/** The first that is something; undefined once all have come to nothing. */
async function firstOf<T>(asked: readonly Promise<T | undefined>[]): Promise<T | undefined> {
  const found = asked.map(async (each) => {
    const value = await each;
    if (value === undefined) throw new Error('nothing');
    return value;
  });
  return await Promise.any(found).catch(() => undefined);
}

/** What takes longer is not waited for; who was heard is believed for so long. */
const mostMs = 4000;
const believedMs = 2500;
/** Who has not answered by then, nor in so many times what another took, is dead. */
const leastMs = 1500;
/** Others are asked where it has not answered by then. */
const headStartMs = 400;
const patience = 3;
const mostAbandoned = 32;
