import { afterAll, describe, expect, it } from 'vitest';
import { eventually, figure } from './harness.ts';
import { watchPace } from './meter.ts';
import { labNamed, tracesOf } from './named-lab.ts';

/** The lab itself, in a lab of another name beside the one that the other tests use. */

const name = 'spare';
const lab = labNamed(name);
const traces = () => tracesOf(name);

afterAll(() => lab('down'));

describe('the lab', () => {
  it('is raised once by two terminals at once, and again in no time', async () => {
    await Promise.all([lab('up'), lab('up')]);
    const pace = watchPace();
    const started = performance.now();
    await lab('up');
    const tookMs = performance.now() - started;
    figure('lab up when it is up', tookMs / 1000);
    expect(tookMs).toBeLessThan(pace.tolerable(500));
    expect((await lab('status')).stdout).toContain('debian/12');
  });

  it('runs a command where the containers can be reached, and passes its exit code on', async () => {
    await lab('exec', '--', 'incus', 'launch', 'debian/12', 'one');
    // Nothing listens there: a refusal comes from the container itself, and is an answer.
    const knock = 'exec 3<>"/dev/tcp/$(incus list -f csv -c 4 one | cut -d" " -f1)/9"';
    await eventually('the container to answer', 20_000, () =>
      lab('exec', '--', 'timeout', '2', 'bash', '-c', knock).then(
        () => true,
        (error: Error) => error.message.includes('Connection refused'),
      ),
    );
    await expect(lab('exec', '--', 'sh', '-c', 'exit 7')).rejects.toMatchObject({ code: 7 });
  });

  it('has no members that could be lost', async () => {
    await expect(lab('host', 'kill', 'm1')).rejects.toMatchObject({
      code: 3,
      stderr: expect.stringContaining('lab spare has one server, and so no members'),
    });
    await expect(lab('up', '--members', '3')).rejects.toMatchObject({
      code: 3,
      stderr: expect.stringContaining('lab spare is up with one member, not 3'),
    });
  });

  it('leaves nothing behind after down', async () => {
    const { stdout: env } = await lab('env');
    expect(env).toContain(name);
    const started = performance.now();
    await lab('down');
    figure('lab down with one container', (performance.now() - started) / 1000);
    await eventually('every trace to be gone', 10_000, async () => (await traces()).length === 0).catch(
      async () => {
        expect(await traces()).toEqual([]);
      },
    );
    await expect(lab('status')).rejects.toMatchObject({ code: 1 });
  });

  it('goes down twice without complaint', async () => {
    await lab('down');
    await lab('down');
  });
});
