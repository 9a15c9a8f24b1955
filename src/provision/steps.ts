import { humanDuration, type Moment, now, toSeconds } from '../clock/clock.ts';
import type { Log } from '../contract/log.ts';

/** One thing that was changed, or with a plan would be. */
export interface Change {
  container: string;
  /** As an order: "install packages". */
  what: string;
  /** How long it took; 0 in a plan, and for what took no time worth telling. */
  seconds: number;
  /** What ends and starts again in the container for it. */
  restarts?: Restarts;
}

export type Restarts = 'Postgres' | 'pg_autoctl and Postgres';

export type Mode = 'plan' | 'apply';

const heartbeatMs = 15_000;

/**
 * The steps of a run, told as they are taken and kept for the report. In a plan they are told and kept, and
 * nothing is done: so a plan and the run that follows it say the same.
 */
export class Steps {
  readonly changes: Change[] = [];
  readonly planning: boolean;
  /** When the last change was made; undefined while there is none. */
  changedAt: Moment | undefined;
  /** Asked before every change: it throws where the run may make none any more. */
  permit: (() => Promise<void>) | undefined;
  private readonly log: Log;
  private readonly startedAt: Moment = now();

  constructor(log: Log, mode: Mode) {
    this.log = log;
    this.planning = mode === 'plan';
  }

  /** Takes a step that changes something: a line at its end, a heartbeat while it lasts. */
  async take(
    container: string,
    what: string,
    work: () => Promise<unknown>,
    restarts?: Restarts,
  ): Promise<void> {
    const told = { container, what, ...(restarts !== undefined && { restarts }) };
    const shown = restarts === undefined ? what : `${what} (restarts ${restarts})`;
    if (this.planning) {
      this.changes.push({ ...told, seconds: 0 });
      this.line(container, shown);
      return;
    }
    await this.permit?.();
    const started = now();
    await this.wait(container, shown, work);
    this.changedAt = now();
    this.changes.push({ ...told, seconds: toSeconds(this.changedAt - started) });
  }

  /** The same for what changes nothing itself, and is never part of a plan. */
  async wait<T>(container: string, what: string, work: () => Promise<T>): Promise<T> {
    const started = now();
    const took = () => humanDuration(now() - started);
    const heartbeat = setInterval(
      () => this.line(container, `${what}: still running after ${took()}`),
      heartbeatMs,
    );
    try {
      const result = await work();
      this.line(container, `${what} (${took()})`);
      return result;
    } catch (error) {
      this.line(container, `${what}: failed after ${took()}`);
      throw error;
    } finally {
      clearInterval(heartbeat);
    }
  }

  /** What belongs to a step that is being taken, such as a new node's clocks to its creation: not told apart. */
  get within(): Steps {
    const inner = new Steps({ ...this.log, info: this.log.debug }, this.planning ? 'plan' : 'apply');
    inner.permit = this.permit;
    return inner;
  }

  warn(text: string): void {
    this.log.warn(text);
  }

  /** For the debug log. */
  note(text: string): void {
    this.log.debug(text);
  }

  private line(container: string, text: string): void {
    const lead = this.planning
      ? '[  plan  ]'
      : `[${((now() - this.startedAt) / 1000).toFixed(1).padStart(6)} s]`;
    this.log.info(`${lead} ${container.padEnd(14)} ${text}`);
  }
}
