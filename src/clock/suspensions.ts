import { uptime } from 'node:os';
import { type Moment, now } from './clock.ts';

const everyMs = 1000;
/** The kernel tells its uptime in hundredths of a second. */
const leastMs = 1000;

/** The clock since boot, read between two moments of ours; milliseconds. */
export interface Reading {
  asked: Moment;
  sinceBoot: number;
  answered: Moment;
}

/**
 * Tells for how long this machine was suspended: our clock (CLOCK_MONOTONIC) stands still meanwhile, and the one since boot
 * (CLOCK_BOOTTIME, by which the kernel's uptime goes) does not. What was measured across it took longer than it seems.
 */
export class SuspensionWatch {
  private last: Reading;
  private readonly timer: NodeJS.Timeout;
  private readonly onSuspended: (at: Moment, lastedMs: number) => void;
  private readonly read: () => Reading;

  /**
   * @param onSuspended is told when that was noticed, and how long it lasted at least
   * @param read reads both clocks; those of this machine where nothing else is said
   */
  constructor(onSuspended: (at: Moment, lastedMs: number) => void, read: () => Reading = clocks) {
    this.onSuspended = onSuspended;
    this.read = read;
    this.last = read();
    this.timer = setInterval(() => this.look(), everyMs);
    this.timer.unref();
  }

  /** Looks now. */
  look(): void {
    const before = this.last;
    this.last = this.read();
    const { asked, sinceBoot, answered } = this.last;
    // A process that does not get to run between two clocks is not suspended: what they may be apart by that is left out.
    const lastedMs = sinceBoot - before.sinceBoot - (answered - before.asked);
    if (lastedMs >= leastMs) this.onSuspended(asked, lastedMs);
  }

  /** Looks for the last time. */
  stop(): void {
    clearInterval(this.timer);
    this.look();
  }
}

function clocks(): Reading {
  const asked = now();
  const sinceBoot = uptime() * 1000;
  return { asked, sinceBoot, answered: now() };
}
