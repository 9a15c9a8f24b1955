import { type Moment, now } from './clock.ts';

const everyMs = 100;

/** Tells of each time for which this process did not get to run: stopped by a signal, starved, or busy with itself. */
export class StallWatch {
  private last = now();
  private readonly timer: NodeJS.Timeout;
  private readonly leastMs: number;
  private readonly onStall: (from: Moment, to: Moment) => void;

  /** @param leastMs shorter ones are not told */
  constructor(leastMs: number, onStall: (from: Moment, to: Moment) => void) {
    this.leastMs = leastMs;
    this.onStall = onStall;
    this.timer = setInterval(() => this.look(), everyMs);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.look();
  }

  /** Tells of one that has just ended, before the time comes to look. */
  look(): void {
    const [from, to] = [this.last, now()];
    this.last = to;
    if (to - from >= this.leastMs) this.onStall(from, to);
  }
}
