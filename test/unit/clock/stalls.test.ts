import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { now } from '../../../src/clock/clock.ts';
import { sleep } from '../../../src/clock/deadline.ts';
import { StallWatch } from '../../../src/clock/stalls.ts';
import { compileSources } from '../../compiled.ts';

describe('a stall watch', () => {
  it('tells for how long this process was too busy, and nothing of a short while', async () => {
    const stalls: number[] = [];
    const watch = new StallWatch(600, (from, to) => stalls.push(to - from));
    const until = now() + 900;
    while (now() < until);
    await sleep(250);
    watch.stop();
    expect(stalls[0]).toBeGreaterThan(890);
  });

  it('tells of one that lasts until it is ended', () => {
    const stalls: number[] = [];
    const watch = new StallWatch(300, (from, to) => stalls.push(to - from));
    const until = now() + 400;
    while (now() < until);
    watch.stop();
    expect(stalls).toHaveLength(1);
  });

  it('tells of a process that was stopped by a signal', { timeout: 60_000 }, async () => {
    const compiled = compileSources();
    const program = `
      import { StallWatch } from '${compiled.url('clock/stalls')}';
      new StallWatch(1000, (from, to) => { console.log(Math.round(to - from)); process.exit(); });
      console.log('ready');
      setTimeout(() => process.exit(1), 20_000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (text: Buffer) => {
      said += text.toString();
    });
    await once(child.stdout, 'data');
    child.kill('SIGSTOP');
    await sleep(1500);
    child.kill('SIGCONT');
    await once(child, 'close');
    compiled.remove();
    expect(Number(said.split('\n')[1])).toBeGreaterThan(1000);
  });
});
