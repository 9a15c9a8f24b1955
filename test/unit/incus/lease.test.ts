import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from '../../../src/incus/command.ts';
import { holdLease, isLeaseHeld } from '../../../src/incus/lease.ts';
import { type Compiled, compileSources } from '../../compiled.ts';

let compiled: Compiled;
beforeAll(() => {
  compiled = compileSources();
}, 120_000);
afterAll(() => compiled.remove());

const anyId = () => randomBytes(6).toString('hex');
const until = async (wanted: boolean, drill: string) => {
  for (let tries = 0; (await isLeaseHeld(drill)) !== wanted; tries++) {
    if (tries > 500) throw new Error(`it is ${wanted ? 'not held' : 'still held'}`);
    await new Promise((next) => setTimeout(next, 20));
  }
};

describe('a lease', () => {
  it('is held until it is released, and by that drill alone', async () => {
    const drill = anyId();
    expect(await isLeaseHeld(drill)).toBe(false);
    const lease = await holdLease(drill);
    expect(await isLeaseHeld(drill)).toBe(true);
    expect(await isLeaseHeld(anyId())).toBe(false);
    await expect(holdLease(drill)).rejects.toThrow('so nothing was done');
    lease.release();
    await until(false, drill);
    expect(lease.fd).toBeUndefined();
  });

  it('is asked for more often than anybody could answer', async () => {
    const drill = anyId();
    const lease = await holdLease(drill);
    const command = runCommand('sleep', ['20'], { deadlineMs: 3000, lease }).catch(() => {});
    lease.release();
    const answers = await Promise.all(Array.from({ length: 6000 }, () => isLeaseHeld(drill)));
    expect(answers.every((held) => held)).toBe(true);
    await command;
    await until(false, drill);
  });

  it.each(['by hand', '', '../x', '0123456789AB', undefined])('has no name for %j', async (drill) => {
    expect(await isLeaseHeld(drill)).toBe(false);
  });

  it('is held on by a command whose drill was killed, and by what that started, until they end', async () => {
    const drill = anyId();
    const script = `
      const { holdLease } = await import(${JSON.stringify(compiled.url('incus/lease'))});
      const { runCommand } = await import(${JSON.stringify(compiled.url('incus/command'))});
      const lease = await holdLease(process.argv[1]);
      runCommand('sh', ['-c', 'sleep 3; :'], { deadlineMs: 60000, lease });
      // One that only reads does not count.
      runCommand('sleep', ['10'], { deadlineMs: 60000 });
      setTimeout(() => console.log('under way'), 200);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, drill], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const killedAt = performance.now();
    expect(await isLeaseHeld(drill)).toBe(true);
    await until(false, drill);
    expect(performance.now() - killedAt).toBeGreaterThan(1500);
  });
});
