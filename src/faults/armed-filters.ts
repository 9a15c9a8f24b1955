import { type Moment, now } from '../clock/clock.ts';
import { withDeadline } from '../clock/deadline.ts';
import { EnvironmentError, lastLines, messageOf } from '../contract/errors.ts';
import { withoutHints } from '../incus/command.ts';
import type { Incus } from '../incus/incus.ts';
import type { Fallen } from './fault.ts';
import { armedFilterCommand } from './packet-filter.ts';

/**
 * Packet filters that stand ready in several containers of one host and come into force at one moment of that host's
 * clock. An order takes its own time to each container, and the moment lies later than that.
 */

const openDeadlineMs = 15_000;
const answerDeadlineMs = 10_000;
/** How much later than the orders the moment lies: some of the slowest answers, within these bounds. */
const lead = { answers: 3, leastMs: 100, mostMs: 1000 };
const shownErrorCharacters = 2000;
const partingMs = 1000;

/** One container's. A line comes for each that is sent, and one to begin with. */
class Armed {
  readonly container: string;
  /** What its host's clock shows more than ours, and how long the answer took; undefined where it has none. */
  offset: { ms: number; tookMs: number } | undefined;
  private readonly child: ReturnType<Incus['startIn']>;
  private text = '';
  private errors = '';
  private ended: string | undefined;
  private heard: (() => void) | undefined;

  constructor(incus: Incus, container: string) {
    this.container = container;
    this.child = incus.startIn(container, armedFilterCommand());
    const { stdout, stderr, stdin } = this.child;
    stdout.setEncoding('utf8').on('data', (text: string) => {
      this.text = (this.text + text).slice(-shownErrorCharacters);
      this.heard?.();
    });
    stderr.setEncoding('utf8').on('data', (text: string) => {
      this.errors = (this.errors + text).slice(-shownErrorCharacters);
    });
    stdin.on('error', () => {});
    const end = (why: string) => {
      this.ended ??= why;
      this.heard?.();
    };
    this.child.on('error', (error) => end(messageOf(error)));
    this.child.on('close', () => end(lastLines(withoutHints(this.errors), 2) || 'it ended'));
  }

  say(line: string): void {
    this.child.stdin.write(`${line}\n`);
  }

  /** @throws EnvironmentError when it has ended, DeadlineError, or the signal's reason */
  async line(deadlineMs: number, signal?: AbortSignal): Promise<string> {
    return await withDeadline(
      `the packet filter in ${this.container}`,
      deadlineMs,
      (inner) =>
        new Promise<string>((resolve, reject) => {
          const look = () => {
            const [, line, rest] = /^([^\n]*)\n([\s\S]*)$/.exec(this.text) ?? [];
            if (line === undefined) {
              if (this.ended !== undefined)
                reject(
                  new EnvironmentError(`the packet filter in ${this.container} is not ready: ${this.ended}`),
                );
              return;
            }
            this.text = rest ?? '';
            resolve(line);
          };
          this.heard = look;
          inner.addEventListener('abort', () => reject(inner.reason), { once: true });
          look();
        }),
      signal,
    );
  }

  async readClock(sentAt: Moment, signal?: AbortSignal): Promise<void> {
    const said = await this.line(answerDeadlineMs, signal);
    const at = now();
    const [, clock = 'none'] = /^clock (none|[\d.]+)$/.exec(said) ?? [];
    const tookMs = at - sentAt;
    this.offset = clock === 'none' ? undefined : { ms: Number(clock) - (at - tookMs / 2), tookMs };
  }

  /** What has not had its moment does nothing any more. */
  end(): void {
    this.child.stdin.end();
    // A client whose host is gone hears of no end, and would hold the lease.
    setTimeout(() => this.child.kill('SIGKILL'), partingMs).unref();
  }
}

export class ArmedFilters {
  private readonly all: readonly Armed[];

  private constructor(all: readonly Armed[]) {
    this.all = all;
  }

  /** Gets one ready in every container. @throws as Armed.line, and none is ready then */
  static async arm(incus: Incus, containers: readonly string[], signal?: AbortSignal): Promise<ArmedFilters> {
    const filters = new ArmedFilters(containers.map((name) => new Armed(incus, name)));
    try {
      await Promise.all(filters.all.map((each) => each.line(openDeadlineMs, signal)));
      return filters;
    } catch (error) {
      filters.end();
      throw error;
    }
  }

  /** Reads their clocks, right before the moment. Throws as `arm`. */
  async readClocks(signal?: AbortSignal): Promise<void> {
    await Promise.all(
      this.all.map(async (each) => {
        const sentAt = now();
        each.say('clock');
        await each.readClock(sentAt, signal);
      }),
    );
  }

  /**
   * Puts all in force. @returns when each came to be so
   * @throws as Armed.line: some may be in force all the same
   */
  async fire(): Promise<Fallen> {
    const offsets = this.all.flatMap(({ offset }) => offset ?? []);
    const best = [...offsets].sort((one, other) => one.tookMs - other.tookMs)[0];
    const slowestMs = Math.max(0, ...offsets.map(({ tookMs }) => tookMs));
    const leadMs = Math.min(lead.mostMs, Math.max(lead.leastMs, lead.answers * slowestMs));
    const isTimed = best !== undefined && offsets.length === this.all.length;
    const order = isTimed ? `at ${(now() + leadMs + best.ms).toFixed(3)}` : 'at none';
    for (const each of this.all) each.say(order);
    const told = await Promise.all(
      this.all.map(async (each) => ({ each, said: await each.line(answerDeadlineMs), at: now() })),
    );
    const stretches = told.map(({ each, said, at }) => {
      const [, before, after] = /^fell ([\d.]+) ([\d.]+)$/.exec(said) ?? [];
      const stretch =
        !isTimed || before === undefined || after === undefined
          ? undefined
          : { least: Number(before), most: Number(after) };
      return {
        container: each.container,
        at: best === undefined || stretch === undefined ? at : stretch.most - best.ms,
        stretch,
      };
    });
    const known = stretches.flatMap(({ stretch }) => stretch ?? []);
    return {
      at: new Map(stretches.map(({ container, at }) => [container, at])),
      // From the earliest that one can have fallen to the latest that another can.
      apartMs:
        known.length < this.all.length
          ? undefined
          : Math.max(...known.map(({ most }) => most)) - Math.min(...known.map(({ least }) => least)),
    };
  }

  end(): void {
    for (const each of this.all) each.end();
  }
}
