import { type Moment, now } from '../clock/clock.ts';
import { sleep } from '../clock/deadline.ts';
import type { Log } from '../contract/log.ts';
import { type Formation, membersOf } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { MonitorWatch } from '../monitor/watch.ts';
import { openMemberSession } from '../postgres/member-session.ts';
import type { Observation } from './observation.ts';
import { type ObserveOptions, observe } from './observe.ts';
import { type JudgeOptions, judge, type Verdict } from './verdict.ts';

/** Not everything that keeps a formation from being healthy is announced: the next reading is not later than this. */
const longestPauseMs = 2000;
/** What follows an announcement at once need not be read twice. */
const shortestPauseMs = 200;

export interface WaitOptions {
  /** How long to wait for health; 0 reads once. */
  waitMs: number;
  judging?: JudgeOptions;
  observing?: ObserveOptions;
  log?: Log;
  signal?: AbortSignal | undefined;
}

export interface Waited extends Judged {
  /** When the last reading began that did not do; undefined where the first did. */
  unhealthyAt: Moment | undefined;
}

export interface Judged {
  observation: Observation;
  verdict: Verdict;
}

/**
 * Reads and judges a formation until it is healthy or the time has passed. After the first reading the monitor's
 * notifications say when to look again. What it waits for is told as it changes.
 * @returns the last reading
 * @throws as observe
 */
export async function untilHealthy(
  formation: Formation,
  incus: Incus,
  { waitMs, judging = {}, observing = {}, log = silent, signal }: WaitOptions,
): Promise<Waited> {
  const until = now() + waitMs;
  let watch: MonitorWatch | undefined;
  let told = '';
  try {
    for (let unhealthyAt: Moment | undefined; ; ) {
      const began = now();
      const observation = await observe(formation, incus, { ...observing, ...(signal && { signal }) });
      const verdict = judge(observation, formation, judging);
      const leftMs = until - now();
      if (verdict.outcome === 'pass' || leftMs <= 0) return { observation, verdict, unhealthyAt };
      unhealthyAt = began;
      const why = waitingFor(verdict);
      if (why !== told) log.info(`waiting, for ${Math.ceil(leftMs / 1000)} s at most: ${why}`);
      told = why;
      watch ??= await watchOf(formation, incus, log);
      await change(watch, Math.min(leftMs, longestPauseMs), signal);
    }
  } finally {
    await watch?.stop();
  }
}

const silent: Log = { info: () => {}, warn: () => {}, debug: () => {} };

function waitingFor({ findings, message }: Verdict): string {
  const failed = findings.filter((finding) => finding.status === 'fail');
  const [grave = failed[0]] = failed.filter((finding) => finding.severity === 'error');
  const [problem] = grave?.faults ?? [];
  return grave && problem ? `${grave.check} of ${problem.subject}` : message;
}

/** Undefined where no monitor answers: then time alone says when to look again. */
async function watchOf(formation: Formation, incus: Incus, log: Log): Promise<MonitorWatch | undefined> {
  const [monitor] = membersOf(formation);
  const open = (signal: AbortSignal) => openMemberSession(incus, formation, monitor, { signal });
  return await MonitorWatch.start(formation, open, log).catch(() => undefined);
}

/** The next announcement, or the pause. */
async function change(
  watch: MonitorWatch | undefined,
  pauseMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  await sleep(Math.min(shortestPauseMs, pauseMs), signal);
  if (watch === undefined) return await sleep(Math.max(0, pauseMs - shortestPauseMs), signal);
  const heard = watch.announcements.length;
  await watch
    .until('an announcement', { deadlineMs: Math.max(1, pauseMs - shortestPauseMs), signal }, (_, all) =>
      all.length > heard ? true : undefined,
    )
    .catch(() => signal?.throwIfAborted());
}
