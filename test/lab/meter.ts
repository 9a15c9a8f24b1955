import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Finished, loadAverage, runAction } from './harness.ts';

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

/** By how much a time is stretched where more processes want to run than there are cores: each gets less of them. */
export function crowding(): number {
  return Math.max(1, Number(loadAverage()) / availableParallelism());
}
