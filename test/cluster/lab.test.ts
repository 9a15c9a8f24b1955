import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { eventually, figure, root } from '../lab/harness.ts';
import { watchPace } from '../lab/meter.ts';
import { labNamed, runInTime, tracesOf } from '../lab/named-lab.ts';

/** The lab's cluster itself, in a lab of another name beside the one that the other tests use. */

const name = 'spare-c';
const lab = labNamed(name);
const members = ['m1', 'm2', 'm3'];

/** The cluster's client, by `lab exec`, under a deadline of its own: `incus exec` hands other signals on to its command. */
const client = async (...args: string[]) =>
  (await lab('exec', '--', 'timeout', '--signal=KILL', '20', 'incus', ...args)).stdout;
const containerOf = (member: string) => `on-${member}`;
/** A command in that member's container, asked for at `by`. */
const inside = (by: string, member: string, ...command: string[]) =>
  client('exec', `${by}:${containerOf(member)}`, '-T', '--', ...command);
const statusBy = async (by: string) =>
  Object.fromEntries(
    (await client('cluster', 'list', `${by}:`, '--format', 'csv', '--columns', 'ns'))
      .trim()
      .split('\n')
      .map((line) => line.split(',')),
  ) as Record<string, string>;

/** Every container by way of every member: what is not really back does not answer there. */
async function everyWayIsOpen(): Promise<void> {
  for (const by of members)
    for (const member of members)
      expect(await inside(by, member, 'hostname'), `${member} by ${by}`).toBe(`${containerOf(member)}\n`);
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

afterAll(() => lab('down'));

describe('the lab as a cluster', () => {
  it('is raised anew where the terminal that raised it was killed', async () => {
    const raising = spawn(join(root, 'lab', 'lab'), ['up', '--members', '3'], {
      env: { ...process.env, PGHA_LAB: name },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    raising.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    await eventually('a member to join', 60_000, async () => said.includes('m2: joins'));
    raising.kill('SIGKILL');
    // What it was to become is on record.
    expect((await lab('up')).stderr).toContain('remains of a lab that ended early');
    expect(Object.keys(await statusBy('m1'))).toEqual(members);
    await lab('down');
  });

  it('is raised once by two terminals at once, and again in no time', async () => {
    const [first, second] = await Promise.all([
      seconds(() => lab('up', '--members', '3')),
      seconds(() => lab('up', '--members', '3')),
    ]);
    figure('lab up --members 3', Math.min(first, second));
    const pace = watchPace();
    const again = await seconds(() => lab('up'));
    figure('lab up of a cluster that is up', again);
    expect(again * 1000).toBeLessThan(pace.tolerable(1000));
    const { stdout } = await lab('status');
    for (const [at, member] of members.entries())
      expect(stdout).toContain(`${member},10.77.7.1${at + 1},online`);
    expect(stdout).toContain('debian/12');
  });

  it('has members that are real, each with its remote, and containers that reach each other by name', async () => {
    expect(await client('remote', 'get-default')).toBe('m1\n');
    for (const member of members)
      await client('launch', 'debian/12', `${member}:${containerOf(member)}`, '--target', member);
    await eventually('the names to be known', 20_000, () =>
      inside('m1', 'm3', 'getent', 'hosts', 'on-m1.incus', 'on-m2.incus').then(
        () => true,
        () => false,
      ),
    );
    for (const member of members)
      for (const other of members)
        await inside('m1', member, 'ping', '-c', '1', '-W', '5', `${containerOf(other)}.incus`);
    await everyWayIsOpen();
  });

  it('is talked to from any shell that has its environment', async () => {
    const script = `set -e; env=$(PGHA_LAB=${name} "$1" env); eval "$env"
      incus remote get-default; incus cluster list m3: -f csv -c n; incus query local:/1.0 | grep server_name
      echo "$PGHA_LAB_MEMBERS"`;
    const { stdout } = await runInTime('bash', ['-c', script, '-', join(root, 'lab', 'lab')]);
    expect(stdout.split('\n').map((line) => line.trim())).toEqual([
      'm1',
      ...members,
      '"server_name": "m1",',
      'm1 m2 m3',
      '',
    ]);
  });

  it('refuses what does not fit it, with what would', async () => {
    const refused = (...args: string[]) =>
      expect(lab(...args).catch((error: unknown) => error)).resolves.toMatchObject({ code: 3 });
    await refused('up', '--members', '4');
    await refused('up', '--members', '1');
    await refused('up', '--members', 'three');
    await refused('host', 'kill', 'm4');
    await refused('host', 'kill');
    await refused('host', 'reboot', 'm1');
    await refused('host', 'cut', '--incusd', 'm1');
    await refused('host', 'delay', 'm1');
    await refused('host', 'delay', '10ms');
    await refused('host', 'delay', 'm1', '10s');
  });

  it('loses a host without a word, and has it back with what ran there', async () => {
    figure('lab host kill', await seconds(() => lab('host', 'kill', 'm2')));
    // Nobody answers there any more: no refusal either.
    await expect(
      lab('exec', '--', 'timeout', '2', 'bash', '-c', 'exec 3<>/dev/tcp/10.77.7.12/8443'),
    ).rejects.toMatchObject({ stderr: expect.not.stringContaining('refused') });
    await expect(lab('host', 'cut', 'm2')).rejects.toMatchObject({ code: 3 });
    await expect(lab('status')).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringContaining('m2,10.77.7.12,off'),
    });
    await eventually('the others to mark it', 60_000, async () => (await statusBy('m1'))['m2'] === 'OFFLINE');
    figure('lab host boot, once OFFLINE', await seconds(() => lab('host', 'boot', 'm2')));
    await everyWayIsOpen();
    expect(await statusBy('m3')).toEqual({ m1: 'ONLINE', m2: 'ONLINE', m3: 'ONLINE' });
  });

  it('loses the first host like any other', async () => {
    await lab('host', 'kill', 'm1');
    await eventually('the others to answer', 60_000, () =>
      inside('m2', 'm3', 'true').then(
        () => true,
        () => false,
      ),
    );
    figure('lab host boot of m1', await seconds(() => lab('host', 'boot', 'm1')));
    await everyWayIsOpen();
  });

  it('cuts a host off, whose containers run on, and has it back', async () => {
    await inside('m3', 'm3', 'touch', '/run/before');
    await lab('host', 'cut', 'm3');
    await expect(lab('status')).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringContaining('m3,10.77.7.13,cut off'),
    });
    await expect(inside('m1', 'm1', 'ping', '-c', '1', '-W', '1', 'on-m3.incus')).rejects.toThrow();
    await lab('host', 'heal', 'm3');
    await inside('m1', 'm3', 'test', '-e', '/run/before');
    await everyWayIsOpen();
  });

  it('has hosts that are far away, also once they have been off, until the next up', async () => {
    const roundTrips = async () => {
      const said = await inside('m1', 'm1', 'ping', '-c', '10', '-i', '0.1', 'on-m2.incus');
      const [, least = 'NaN', mean = 'NaN'] = /= ([\d.]+)\/([\d.]+)\//.exec(said) ?? [];
      figure('mean round trip', mean, 'ms');
      return Number(least);
    };
    expect(await roundTrips()).toBeLessThan(10);
    await lab('host', 'delay', 'm1', '5ms');
    await lab('host', 'delay', 'm2', '15ms');
    expect(await roundTrips()).toBeGreaterThan(20);
    expect(await roundTrips()).toBeLessThan(30);
    await lab('host', 'kill', 'm2');
    await lab('host', 'boot', 'm2');
    await everyWayIsOpen();
    expect(await roundTrips()).toBeGreaterThan(20);
    expect((await lab('status')).stdout).toContain('m2,10.77.7.12,online, 15 ms away');
    await lab('host', 'delay', 'm2', '0ms');
    expect(await roundTrips()).toBeLessThan(15);
    expect((await lab('up')).stderr).toContain('near again');
    expect(await roundTrips()).toBeLessThan(5);
    await everyWayIsOpen();
  });

  it('loses a daemon alone: a refusal there, containers that run on', async () => {
    await lab('host', 'kill', '--incusd', 'm2');
    await expect(client('query', 'm2:/1.0')).rejects.toMatchObject({
      stderr: expect.stringContaining('connection refused'),
    });
    await inside('m1', 'm1', 'ping', '-c', '1', '-W', '5', 'on-m2.incus');
    await lab('host', 'boot', 'm2');
    await everyWayIsOpen();
  });

  it('is repaired by the next up, whatever became of its members, and keeps its containers', async () => {
    for (const member of members) await inside('m1', member, 'touch', '/root/kept');
    await lab('host', 'kill', 'm1');
    await lab('host', 'cut', 'm2');
    await lab('host', 'kill', '--incusd', 'm3');
    const repaired = await seconds(async () => {
      expect((await lab('up')).stderr).not.toContain('building anew');
    });
    figure('lab up of a cluster whose three members were lost', repaired);
    await everyWayIsOpen();
    for (const member of members) await inside('m2', member, 'test', '-e', '/root/kept');
    await client('cluster', 'evacuate', 'm2', '--force');
    await lab('up');
    expect(await statusBy('m1')).toEqual({ m1: 'ONLINE', m2: 'ONLINE', m3: 'ONLINE' });
    await everyWayIsOpen();
  });

  it('leaves nothing behind after down, even with a host that is off', async () => {
    await lab('host', 'kill', 'm3');
    figure('lab down of a cluster', await seconds(() => lab('down')));
    await eventually('every trace to be gone', 10_000, async () => (await tracesOf(name)).length === 0).catch(
      async () => {
        expect(await tracesOf(name)).toEqual([]);
      },
    );
    await expect(lab('status')).rejects.toMatchObject({ code: 1 });
  });
});
