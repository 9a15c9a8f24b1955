import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Finished, runAction } from './harness.ts';

/** An action with what its own process took: its clients and what runs in containers left out. */
export interface Metered {
  finished: Finished;
  cpuSeconds: number;
  peakMegabytes: number;
}

export async function meteredAction(
  action: string,
  inputs: Record<string, string>,
  env: Record<string, string> = {},
): Promise<Metered> {
  const folder = mkdtempSync(join(tmpdir(), 'pgha-meter-'));
  const [meter, usage] = [join(folder, 'meter.cjs'), join(folder, 'usage.json')];
  const write = `require('node:fs').writeFileSync(${JSON.stringify(usage)}, JSON.stringify(process.resourceUsage()))`;
  writeFileSync(meter, `process.on('exit', () => ${write});\n`);
  const finished = await runAction(action, inputs, { env: { ...env, NODE_OPTIONS: `--require ${meter}` } });
  const { userCPUTime, systemCPUTime, maxRSS } = JSON.parse(readFileSync(usage, 'utf8')) as Record<
    'userCPUTime' | 'systemCPUTime' | 'maxRSS',
    number
  >;
  return {
    finished,
    cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
    peakMegabytes: maxRSS / 1024,
  };
}

/** What a bare Node takes to start and end on a machine that has nothing else to do, in milliseconds. */
const nodeStartMs = 60;

/**
 * What a wall-clock time may be where `aim` is aimed at: figures tell how near the aim is, and a test fails where it is
 * missed by so much that something must have gone wrong, on whatever machine. For the best of several measurements; one
 * by itself needs `watchPace`.
 */
export function tolerable(aim: number): number {
  const starts = Array.from({ length: 3 }, () => {
    const started = performance.now();
    execFileSync(process.execPath, ['-e', '0']);
    return performance.now() - started;
  });
  return withSlowness(aim, Math.min(...starts));
}

/**
 * Three times the aim, and more by as much as this machine is slower than the one that the limits of these tests stand
 * for: by its processors, and by what else runs on them.
 */
const withSlowness = (aim: number, startMs: number) => 3 * aim * Math.max(1, startMs / nodeStartMs);

/** What this machine did while something was measured: what else runs on it comes and goes within seconds. */
export interface Pace {
  /** As `tolerable`, by what the machine did since the watch began. */
  tolerable(aim: number): number;
  /**
   * For how long at worst it did not let this process run, or kept back a program that had to start: how much later than
   * what it stamps a moment may be that another process has stamped.
   */
  worstMs(): number;
}

/** Watches this machine from now on, until it is asked. */
export function watchPace(): Pace {
  const [everyMs, startEveryMs] = [20, 1000];
  const starts: number[] = [];
  let worstStallMs = 0;
  let last = performance.now();
  const look = setInterval(() => {
    worstStallMs = Math.max(worstStallMs, performance.now() - last - everyMs);
    last = performance.now();
  }, everyMs);
  let ended = false;
  const start = () => {
    const began = performance.now();
    execFile(process.execPath, ['-e', '0'], () => {
      starts.push(performance.now() - began);
      if (!ended) setTimeout(start, startEveryMs).unref();
    });
  };
  start();
  const end = () => {
    // What this process itself did since the last look counts as well.
    if (!ended) worstStallMs = Math.max(worstStallMs, performance.now() - last - everyMs);
    ended = true;
    clearInterval(look);
    return starts.length > 0 ? starts : [nodeStartMs];
  };
  return {
    tolerable(aim) {
      const known = end().toSorted((one, other) => one - other);
      return withSlowness(aim, known[Math.floor(known.length / 2)] ?? nodeStartMs);
    },
    worstMs: () => Math.max(...end().map((ms) => ms - nodeStartMs), worstStallMs, 0),
  };
}
