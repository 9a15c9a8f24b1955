import { onAbort } from '../clock/abort.ts';
import { type Moment, now, toSeconds } from '../clock/clock.ts';
import { sleep } from '../clock/deadline.ts';
import { StallWatch } from '../clock/stalls.ts';
import { CancelledError, EnvironmentError, messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { LateAnswerError } from './broken.ts';
import { LookHistory } from './looks.ts';
import type { ReadyProbe } from './ready.ts';
import type { ProbeRecord, Stretch, TripRecord } from './record.ts';

/** Shorter ones of our own process make no answer late. */
const toldStallMs = 250;
const mostStalls = 1000;
/** Looks at a probe of which nothing is known, before a drill gives up to know it. */
const mostAnew = 4;
/** Between two looks there is a pause, however long the first took. */
const shortestPauseMs = 20;

/** A probe stayed broken for longer than it may. */
export class TrippedError extends Error {
  override readonly name = 'TrippedError';
  constructor(readonly trip: Omit<TripRecord, 'seconds'> & { at: Moment }) {
    super(
      `the probe ${trip.probe} had no good answer for ${trip.brokenSeconds.toFixed(3)} s, and may be without for ${trip.allowedSeconds} s (abort-when): ${trip.why}`,
    );
  }
}

interface Watched {
  ready: ReadyProbe;
  looks: LookHistory;
  /** Resolved at the next look's end. */
  waiting: Set<() => void>;
  timer?: NodeJS.Timeout | undefined;
}

/** Looks by every probe, on and on, until it is stopped. One that is late is asked anew once it has answered or timed out. */
export class ProbeWatch {
  private readonly watched: readonly Watched[];
  private readonly log: Log;
  private readonly ended = new AbortController();
  private readonly tripping = new AbortController();
  private readonly stalls: { from: Moment; to: Moment }[] = [];
  private readonly stallWatch: StallWatch;
  private readonly running: Promise<unknown>;
  /** Since when one may trip; undefined where none may. */
  private armedAt: Moment | undefined;

  private constructor(probes: readonly ReadyProbe[], log: Log) {
    this.watched = probes.map((ready) => ({ ready, looks: new LookHistory(), waiting: new Set() }));
    this.log = log;
    this.stallWatch = new StallWatch(toldStallMs, (from, to) => {
      this.stalls.push({ from, to });
      if (this.stalls.length > mostStalls) this.stalls.shift();
    });
    this.running = Promise.all(this.watched.map((each) => this.run(each)));
  }

  /** Begins to look, and waits until each probe has been told once. @throws the signal's reason */
  static async start(
    probes: readonly ReadyProbe[],
    { log, signal }: { log: Log; signal: AbortSignal },
  ): Promise<ProbeWatch> {
    const watch = new ProbeWatch(probes, log);
    try {
      // Each look has a time-out of its own.
      await Promise.all(watch.watched.map((each) => watch.told(each, signal)));
      return watch;
    } catch (error) {
      await watch.stop();
      throw error;
    }
  }

  /** Those whose last look was broken, each with what it came to. */
  get broken(): string[] {
    return this.comingTo('broken');
  }

  /**
   * Waits until it is known of each probe whether its last look was a good one; what is not known is asked anew.
   * @returns those that do not hold
   * @throws EnvironmentError where that cannot be told, as this process itself does not get to run; or the signal's reason
   */
  async known(signal: AbortSignal): Promise<string[]> {
    await Promise.all(
      this.watched.map(async (each) => {
        for (let anew = 0; each.looks.now?.last.state === 'unknown' && anew < mostAnew; anew++)
          await this.told(each, signal);
      }),
    );
    const unknown = this.comingTo('unknown');
    if (unknown.length > 0 && this.broken.length === 0)
      throw new EnvironmentError(`whether probes hold cannot be told: ${unknown.join('; ')}`);
    return this.broken;
  }

  private comingTo(state: Stretch['state']): string[] {
    return this.watched.flatMap(({ ready, looks }) => {
      const last = looks.now?.last;
      return last?.state === state ? [`${ready.probe.name}: ${last.why}`] : [];
    });
  }

  /** Aborts with a TrippedError once a probe stays broken for longer than it may, from `arm` on. */
  get tripped(): AbortSignal {
    return this.tripping.signal;
  }

  /** From a moment on no probe may stay broken for longer than it may. */
  arm(since: Moment): void {
    this.armedAt = since;
    for (const each of this.watched) this.watchOut(each);
  }

  disarm(): void {
    this.armedAt = undefined;
    for (const each of this.watched) clearTimeout(each.timer);
  }

  /**
   * Waits until each probe has given a good answer to a look that asked since now; each looks once in any case.
   * @returns false where one had not by the deadline. @throws the signal's reason
   */
  async holdAgain(deadlineMs: number, signal: AbortSignal): Promise<boolean> {
    const since = now();
    const until = since + deadlineMs;
    const holds = async (each: Watched) => {
      for (;;) {
        await this.told(each, signal);
        const last = each.looks.now?.last;
        if (last === undefined || last.asked < since) continue;
        if (last.state === 'good') return true;
        if (now() >= until) return false;
      }
    };
    return (await Promise.all(this.watched.map(holds))).every((held) => held);
  }

  /** Ends what still looks. Never throws. */
  async stop(): Promise<void> {
    this.disarm();
    this.ended.abort(new CancelledError('the probes were ended'));
    await this.running.catch(() => {});
    this.stallWatch.stop();
  }

  /** @param origin the fault */
  recorded(origin: Moment): ProbeRecord[] {
    return this.watched.map(({ ready: { probe, shown }, looks }) => ({
      name: probe.name,
      asks: shown,
      intervalSeconds: probe.intervalSeconds,
      timeoutSeconds: probe.timeoutSeconds,
      ...(probe.abortSeconds !== undefined && { abortSeconds: probe.abortSeconds }),
      ...looks.recorded(origin),
    }));
  }

  private async run(each: Watched): Promise<void> {
    const { probe } = each.ready;
    const { signal } = this.ended;
    try {
      for (;;) {
        const asked = now();
        await this.lookOnce(each, asked);
        const due = asked + probe.intervalSeconds * 1000;
        await sleep(Math.max(shortestPauseMs, due - now()), signal);
        this.noteGap(each);
      }
    } catch (error) {
      if (!signal.aborted) this.log.warn(`the probe ${probe.name} ended: ${messageOf(error)}`);
    }
  }

  private async lookOnce(each: Watched, asked: Moment): Promise<void> {
    const { signal } = this.ended;
    let why: string | undefined;
    let isUnknown = false;
    try {
      await each.ready.look(signal);
    } catch (error) {
      signal.throwIfAborted();
      why = messageOf(error);
      // What we kept from running ourselves, nobody else was late for.
      isUnknown =
        error instanceof LateAnswerError && now() - asked - this.stalledMs(asked, now()) < error.limitMs;
    }
    const told = now();
    if (isUnknown)
      why = `${why}; this runner itself did not run for ${toSeconds(this.stalledMs(asked, told))} s of it`;
    const state = why === undefined ? 'good' : isUnknown ? 'unknown' : 'broken';
    const before = each.looks.now?.first.state;
    each.looks.note({ state, asked, told, why });
    if (before !== undefined && before !== state)
      this.log.debug(`the probe ${each.ready.probe.name} is ${state}${why === undefined ? '' : `: ${why}`}`);
    this.watchOut(each);
    for (const next of [...each.waiting]) next();
  }

  /** Between two looks: where this process did not run, nobody looked. */
  private noteGap(each: Watched): void {
    const from = each.looks.now?.last.told;
    if (from === undefined) return;
    const to = now();
    const lostMs = this.stalledMs(from, to);
    if (lostMs < Math.max(2 * toldStallMs, each.ready.probe.intervalSeconds * 1000)) return;
    const why = `this runner itself did not run for ${toSeconds(lostMs)} s`;
    each.looks.note({ state: 'unknown', asked: from, told: to, why });
    this.watchOut(each);
  }

  private stalledMs(from: Moment, to: Moment): number {
    this.stallWatch.look();
    return this.stalls.reduce(
      (sum, stall) => sum + Math.max(0, Math.min(to, stall.to) - Math.max(from, stall.from)),
      0,
    );
  }

  private async told(each: Watched, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = withResolvers();
    each.waiting.add(resolve);
    const forget = [signal, this.ended.signal].map((either) => onAbort(either, resolve));
    await promise;
    for (const end of forget) end();
    each.waiting.delete(resolve);
    signal.throwIfAborted();
    this.ended.signal.throwIfAborted();
  }

  /** Has one trip in time, where it does not recover before. */
  private watchOut(each: Watched): void {
    clearTimeout(each.timer);
    const { armedAt } = this;
    const { abortSeconds, name } = each.ready.probe;
    const run = each.looks.now;
    if (armedAt === undefined || abortSeconds === undefined || run?.first.state !== 'broken') return;
    const since = Math.max(armedAt, run.first.asked);
    const lasted = now() - since - this.stalledMs(since, now());
    const leftMs = abortSeconds * 1000 - lasted;
    if (leftMs > 0) {
      each.timer = setTimeout(() => this.watchOut(each), Math.max(1, leftMs));
      return;
    }
    if (this.tripping.signal.aborted) return;
    const trip = {
      probe: name,
      at: now(),
      brokenSeconds: toSeconds(now() - since),
      allowedSeconds: abortSeconds,
      why: run.last.why ?? '',
    };
    this.tripping.abort(new TrippedError(trip));
  }
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
