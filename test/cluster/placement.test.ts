import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { labFormation } from '../lab/formations.ts';
import { eventually, figure, root, runAction, startAction, statusOf } from '../lab/harness.ts';
import { watchPace } from '../lab/meter.ts';
import { labNamed, runInTime } from '../lab/named-lab.ts';

/** Which hosts a formation's containers get, what is moved where the file changes, and what is refused before anything is made. */

const incus = async (...args: string[]) => (await runInTime('incus', args, { timeout: 60_000 })).stdout;
const names = { monitor: { name: 'p-monitor' }, nodes: [{ name: 'p-a' }, { name: 'p-b' }] };
const containers = ['p-monitor', 'p-a', 'p-b'];
const file = (changes: Record<string, unknown> = {}): string =>
  labFormation(12, { ...names, ...changes }).yaml;

/** The host of each container of the formation that is there. */
async function hostsNow(project = 'default'): Promise<Record<string, string>> {
  const listed = await incus('list', '--project', project, '--format', 'csv', '--columns', 'nL', '^p-');
  return Object.fromEntries(
    listed
      .trim()
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split(',')),
  ) as Record<string, string>;
}

const stepsOf = (log: string) =>
  [...log.matchAll(/^\[.*\] (\S+) +((?:move|switch over|launch) .*?)(?: \([\d.]+ s\))?$/gm)].map(
    ([, container, what]) => `${container} ${what?.replace(/ \(base image \S+\)| \(writes pause.*?\)/, '')}`,
  );

afterAll(async () => {
  await incus('delete', '--force', ...Object.keys(await hostsNow())).catch(() => {});
  await incus('cluster', 'group', 'assign', 'm1', 'default').catch(() => {});
  await incus('cluster', 'group', 'assign', 'm2', 'default').catch(() => {});
  await incus('cluster', 'group', 'delete', 'data').catch(() => {});
});

describe('a formation on a cluster', () => {
  it('is spread over the hosts by itself, and a plan says where', async () => {
    const plan = await runAction('provision-pgaf', { formation: file(), mode: 'plan' });
    expect(plan.code, plan.log).toBe(0);
    const launches = stepsOf(plan.log);
    expect(launches).toHaveLength(3);
    expect(new Set(launches.map((line) => line.split(' ').at(-1))).size, plan.log).toBe(3);
    const { code, log, tookMs } = await runAction('provision-pgaf', { formation: file() });
    expect(code, log).toBe(0);
    expect(stepsOf(log).sort()).toEqual(launches.sort());
    expect(new Set(Object.values(await hostsNow())).size).toBe(3);
    figure('provisioning on three hosts', tookMs / 1000);
    const checked = await runAction('check-formation', { formation: file() });
    expect(checked.log).not.toContain('failure-domains');
  });

  it('stays where it is while the file says nothing', async () => {
    const before = await hostsNow();
    const { code, log, outputs } = await runAction('provision-pgaf', { formation: file() });
    expect(code, log).toBe(0);
    expect(outputs['changed']).toBe('false');
    expect(await hostsNow()).toEqual(before);
  });

  it('is moved where the file says: a standby at once, the primary once it has handed over', async () => {
    const { 'p-a': a = '', 'p-b': b = '', 'p-monitor': monitor = '' } = await hostsNow();
    const primary = (await runAction('check-formation', { formation: file() })).outputs['primary'];
    const standby = primary === 'p-a' ? 'p-b' : 'p-a';
    const swapped = {
      nodes: [
        { name: 'p-a', target: b },
        { name: 'p-b', target: a },
      ],
    };
    const formation = file(swapped);
    const before = { 'p-a': a, 'p-b': b };
    const moved = (name: 'p-a' | 'p-b') =>
      `${name} move from ${before[name]} to ${before[name] === a ? b : a} (restarts pg_autoctl and Postgres)`;
    const expected = [moved(standby), `default switch over from ${primary}`, moved(primary as 'p-a')];
    const misplaced = await runAction('check-formation', { formation });
    expect(misplaced.log).toMatch(/warning +placement-matches-file/);
    const plan = await runAction('provision-pgaf', { formation, mode: 'plan' });
    expect(plan.code, plan.log).toBe(0);
    expect(stepsOf(plan.log)).toEqual(expected);
    const { code, log, tookMs } = await runAction('provision-pgaf', { formation });
    expect(code, log).toBe(0);
    expect(stepsOf(log).filter((line) => !line.includes('still running'))).toEqual(expected);
    expect(await hostsNow()).toEqual({ 'p-monitor': monitor, 'p-a': b, 'p-b': a });
    figure('both data nodes moved to other hosts in', tookMs / 1000);
    const again = await runAction('provision-pgaf', { formation });
    expect(again.outputs['changed'], again.log).toBe('false');
  });

  it.each([0, 1.5, 4, 9])(
    'is moved by the next run where one was killed %s s into a move',
    async (seconds) => {
      const { 'p-a': a = '', 'p-b': b = '' } = await hostsNow();
      const formation = file({
        nodes: [
          { name: 'p-a', target: b },
          { name: 'p-b', target: a },
        ],
      });
      const { outputs } = await runAction('check-formation', { formation });
      const standby = outputs['primary'] === 'p-a' ? 'p-b' : 'p-a';
      const killed = startAction('provision-pgaf', { formation });
      await eventually(
        `${standby} to be stopped`,
        60_000,
        async () => (await statusOf(standby)) !== 'Running',
      );
      await new Promise((done) => setTimeout(done, seconds * 1000));
      killed.child.kill('SIGKILL');
      await killed.finished.catch(() => {});
      const { code, log, tookMs } = await runAction('provision-pgaf', { formation });
      expect(code, log).toBe(0);
      expect(await hostsNow()).toMatchObject({ 'p-a': b, 'p-b': a });
      figure(`both moved by the run after one that was killed ${seconds} s into a move, in`, tookMs / 1000);
    },
  );

  it('goes to the group that the file names, and the monitor to the host that it names', async () => {
    const { 'p-a': a = '', 'p-b': b = '', 'p-monitor': monitor = '' } = await hostsNow();
    await incus('cluster', 'group', 'create', 'data');
    for (const host of [a, b]) await incus('cluster', 'group', 'assign', host, 'default,data');
    const settled = file({ hosts: ['@data'], monitor: { name: 'p-monitor', target: monitor } });
    const nothing = await runAction('provision-pgaf', { formation: settled, mode: 'plan' });
    expect(nothing.outputs['changed'], nothing.log).toBe('false');
    const formation = file({ hosts: ['@data'] });
    const plan = await runAction('provision-pgaf', { formation, mode: 'plan' });
    expect(stepsOf(plan.log), plan.log).toHaveLength(1);
    expect(plan.log).toMatch(
      new RegExp(`p-monitor +move from ${monitor} to (?:${a}|${b}); nobody can fail over meanwhile`),
    );
  });
});

describe('what cannot be is refused before anything is made', () => {
  const other = (changes: Record<string, unknown>) =>
    file({
      formation: 'other',
      monitor: { name: 'p-other-monitor' },
      nodes: [{ name: 'p-other-a' }, { name: 'p-other-b' }],
      ...changes,
    });

  async function isRefused(formation: string, ...says: RegExp[]): Promise<void> {
    for (const mode of ['plan', 'apply']) {
      const { code, log } = await runAction('provision-pgaf', { formation, mode });
      expect(code, log).toBe(3);
      for (const each of says) expect(log).toMatch(each);
    }
    expect(Object.keys(await hostsNow()).sort()).toEqual([...containers].sort());
  }

  it('members and groups that are not there, all at once, with their keys', async () => {
    await isRefused(
      other({ hosts: ['m1', '@gone'], monitor: { name: 'p-other-monitor', target: 'm9' } }),
      /hosts\[1\]: no host is in a group gone; there are the groups .*default/,
      /monitor\.target: the cluster has no member m9; it has m1, m2, m3/,
    );
  });

  it('a bridge that each host has by itself', async () => {
    const network = 'p-own';
    for (const host of (process.env['PGHA_LAB_MEMBERS'] ?? '').split(' '))
      await incus('network', 'create', network, '--target', host);
    await incus(
      'network',
      'create',
      network,
      'ipv4.address=10.79.1.1/24',
      'ipv4.nat=false',
      'ipv6.address=none',
    );
    try {
      await isRefused(
        other({ incus: { network } }),
        /incus\.network: the network p-own is a managed bridge, which each host of the cluster has by itself/,
      );
      // On one host it will do.
      const alone = other({ incus: { network }, hosts: ['m1'] });
      const plan = await runAction('provision-pgaf', { formation: alone, mode: 'plan' });
      expect(plan.code, plan.log).toBe(0);
    } finally {
      await incus('network', 'delete', network);
    }
  });

  it('a host in a restricted project that does not let its users choose one', async () => {
    const project = 'p-restricted';
    const features = ['features.images=false', 'features.storage.volumes=false', 'restricted=true'];
    await incus('project', 'create', project, ...features.flatMap((each) => ['-c', each]));
    await incus('project', 'set', project, 'restricted.devices.nic=allow');
    const profile = await incus('profile', 'show', 'default');
    await runInTime('sh', [
      '-c',
      'printf %s "$1" | incus profile edit default --project "$2"',
      'sh',
      profile,
      project,
    ]);
    try {
      const target = other({ incus: { project }, hosts: ['m1'] });
      await isRefused(
        target,
        /the project p-restricted is restricted, and does not let its users choose a host; .*incus project set p-restricted restricted\.cluster\.target=allow/,
      );
      const open = await runAction('provision-pgaf', {
        formation: other({ incus: { project } }),
        mode: 'plan',
      });
      expect(open.code, open.log).toBe(0);
      expect(open.log).toContain('Incus chooses the hosts of new containers');
      await incus('project', 'set', project, 'restricted.cluster.target=allow');
      const allowed = await runAction('provision-pgaf', { formation: target, mode: 'plan' });
      expect(allowed.code, allowed.log).toBe(0);
      expect(stepsOf(allowed.log).every((line) => line.endsWith(' on m1'))).toBe(true);
    } finally {
      await incus('project', 'delete', project);
    }
  });

  it('a host that was just lost, and one that counts as offline', async () => {
    const lab = labNamed(process.env['PGHA_LAB'] ?? 'pgha');
    const formation = other({ monitor: { name: 'p-other-monitor', target: 'm3' } });
    await lab('host', 'cut', 'm3');
    await lab('host', 'kill', 'm3');
    try {
      const lost = await runAction('provision-pgaf', { formation, mode: 'plan' });
      expect(lost.code, lost.log).toBe(3);
      expect(lost.log).toMatch(
        /m3 does not answer, and containers are to be made there or moved; nothing was touched/,
      );
      figure('a host that was just lost is told after', lost.tookMs / 1000);
      const path = join(mkdtempSync(join(tmpdir(), 'pgha-test-')), 'formation.yml');
      writeFileSync(path, other({ nodes: [{ name: 'p-other-a', target: 'm3' }, { name: 'p-other-b' }] }));
      const began = performance.now();
      const pace = watchPace();
      const doctor = runInTime(join(root, 'pgha'), ['doctor', '--formation', path]).catch((error) => error);
      expect((await doctor).stdout).toMatch(/target: no host of m3 takes containers: m3 does not answer/);
      const tookMs = performance.now() - began;
      figure('and by the doctor after', tookMs / 1000);
      expect(tookMs).toBeLessThan(pace.tolerable(6000));
      await eventually('m3 to count as offline', 60_000, async () =>
        /^m3,.*OFFLINE/m.test(await incus('cluster', 'list', '--format', 'csv', '--columns', 'ns')),
      );
      const offline = await runAction('provision-pgaf', { formation, mode: 'plan' });
      expect(offline.code, offline.log).toBe(3);
      expect(offline.log).toMatch(
        /monitor\.target: no host that p-other-monitor may be on takes containers: m3 is offline \(No heartbeat for \d+ s\)/,
      );
      figure('a host that is offline is told after', offline.tookMs / 1000);
    } finally {
      await lab('host', 'boot', 'm3');
    }
  });
});
