import { execFileSync } from 'node:child_process';
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
 * missed by so much that something must have gone wrong, on whatever machine.
 */
export function tolerable(aim: number): number {
  return 3 * aim * slowness();
}

/**
 * By how much slower this machine is now than the one that the limits of these tests stand for: by its processors, and
 * by what else runs on them. At least 1.
 */
function slowness(): number {
  const starts = Array.from({ length: 3 }, () => {
    const started = performance.now();
    execFileSync(process.execPath, ['-e', '0']);
    return performance.now() - started;
  });
  return Math.max(1, Math.min(...starts) / nodeStartMs);
}
