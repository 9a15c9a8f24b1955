import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { killThem, victims } from '../lab/guards.ts';
import {
  becomesHealthy,
  drilled,
  eventually,
  type Finished,
  figure,
  loadAverage,
  root,
  runAction,
  startAction,
  statusOf,
} from '../lab/harness.ts';
import { random } from '../lab/random.ts';
import { hasTraces } from '../lab/traces.ts';
import { formationOn, host, leads, provisioned, removeAll } from './hosts.ts';

/**
 * Drills that take a whole host away. `apart` has a container on each host; of `near` the monitor and alpha are on m1.
 * `PGHA_HOST_LOSSES` has each repeated, `PGHA_KILLS` says how many are killed, `PGHA_SEED` repeats when.
 */
const losses = Number(process.env['PGHA_HOST_LOSSES'] ?? 1);
const kills = Number(process.env['PGHA_KILLS'] ?? 1);
const seed = Number(process.env['PGHA_SEED'] ?? Date.now() % 1_000_000);

const apart = formationOn('apart', { monitor: 'm1', alpha: 'm2', beta: 'm3' });
const near = formationOn('near', { monitor: 'm1', alpha: 'm1', beta: 'm3' });

async function lose(yaml: string, inputs: Record<string, string> = {}): Promise<Finished> {
  await becomesHealthy(yaml, 120_000);
  return await strike(yaml, inputs);
}

async function strike(yaml: string, inputs: Record<string, string>): Promise<Finished> {
  return await runAction('failover-drill', { formation: yaml, fault: 'host-loss', ...inputs });
}

beforeAll(async () => {
  await provisioned(apart, near);
  for (const { yaml } of [apart, near]) await becomesHealthy(yaml, 120_000);
}, 800_000);
afterAll(removeAll, 200_000);

const rounds = Array.from({ length: losses }, (_, index) => index + 1);

describe('a drill that takes a host away', { timeout: 300_000 }, () => {
  it('is refused before anything is touched, where what it is given fits nothing', async () => {
    for (const [inputs, says] of [
      [{ host: 'm9' }, /m9 is no host of the cluster; it has m1, m2, m3/],
      [{ host: 'm 1' }, /input host: must be primary, standby, monitor, or the name of a host/],
      [{ 'power-off-command': '[true]' }, /input power-off-command: give power-on-command as well/],
      [{ 'power-on-command': 'true' }, /input power-on-command: must be a list/],
      [{ 'power-off-command': '[true]', 'power-on-command': '[true]' }, /has containers that are not the/],
    ] as const) {
      const { code, log } = await strike(apart.yaml, { host: 'm1', ...inputs });
      expect(code, log).toBe(3);
      expect(log).toMatch(says);
      expect(await hasTraces(apart)).toEqual([]);
    }
    const other = await runAction('failover-drill', { formation: apart.yaml, fault: 'stop', host: 'm2' });
    expect([other.code, other.log]).toEqual([3, expect.stringContaining('input host: it is of the fault')]);
  });

  it.each(rounds)('is survived where the monitor is elsewhere (%i)', async (round) => {
    const drill = await lose(apart.yaml);
    expect(drill.code, drill.log).toBe(0);
    const record = drilled(drill.report);
    expect(record.expected).toBe('failover');
    expect(record.targets).toEqual([
      { container: record.primary, role: 'primary', fellSeconds: expect.any(Number) },
    ]);
    expect(record.proof).toMatch(/was answered within 1\.5 s, and Incus shows it as Stopped$/);
    expect(record.proofAtUndo).toBe(record.proof);
    expect(await hasTraces(apart)).toEqual([]);
    told(drill, `host of the primary lost, ${round} of ${losses}`);
  });

  it.each(rounds)('ends the service until it is undone where the monitor goes too (%i)', async (round) => {
    await leads(near.yaml, near.alpha);
    const drill = await strike(near.yaml, {});
    expect(drill.code, drill.log).toBe(0);
    const record = drilled(drill.report);
    expect(record.expected).toBe('outage');
    expect(record.because).toBe('m1 takes the primary, near-alpha, and the monitor with it: no failover');
    expect(record.targets).toEqual([
      { container: 'near-alpha', role: 'primary', fellSeconds: expect.any(Number) },
      { container: 'near-monitor', role: 'monitor', fellSeconds: expect.any(Number) },
    ]);
    expect(drill.log).toMatch(/near-alpha and near-monitor fell [\d.]+ ms apart, by the clock of their host/);
    // A monitor that is up before its primary has the standby take over once the host is back.
    if (record.promotion !== undefined)
      expect(record.promotion.seconds).toBeGreaterThan(record.undoSeconds ?? Number.POSITIVE_INFINITY);
    expect(drill.outputs['lost-writes']).toBe('0');
    expect(await statusOf('apart-monitor')).toBe('Running');
    expect(await hasTraces(near)).toEqual([]);
    told(drill, `host of monitor and primary lost, ${round} of ${losses}`);
  });

  it('takes nothing that is needed where it is the host of the standby', async () => {
    const drill = await lose(apart.yaml, { host: 'standby' });
    expect(drill.code, drill.log).toBe(0);
    expect(drilled(drill.report)).toMatchObject({ expected: 'none', targets: [{ role: 'standby' }] });
    expect(await hasTraces(apart)).toEqual([]);
  });

  it('takes its power by the commands that are given, and brings it back', async () => {
    await leads(apart.yaml, apart.alpha);
    const command = (order: string) => switching(order, '--password=hunter22');
    const wrong = await lose(apart.yaml, {
      'power-off-command': command('kill'),
      'power-on-command': command('boot'),
    });
    // The lab knows no such option: nothing goes, and nothing is left.
    expect(wrong.code, wrong.log).toBe(3);
    expect(wrong.log.replace('::add-mask::hunter22', '')).not.toContain('hunter22');
    const drill = await lose(apart.yaml, {
      'power-off-command': switching('kill'),
      'power-on-command': switching('boot'),
    });
    expect(drill.code, drill.log).toBe(0);
    expect(drilled(drill.report)).toMatchObject({ expected: 'failover', host: 'm2' });
    expect(drilled(drill.report).proof).toMatch(/^no TCP connection from .* to apart-alpha was answered/);
    expect(await hasTraces(apart)).toEqual([]);
    told(drill, 'power of the host of the primary lost');
  });
});

/** A command of the lab as an input: such a command gets nothing of the job's environment. */
function switching(order: string, ...more: string[]): string {
  const inLab = ['env', `PGHA_LAB=${process.env['PGHA_LAB']}`, join(root, 'lab', 'lab')];
  return JSON.stringify([...inLab, 'host', order, 'm2', ...more]);
}

function told({ outputs, report }: Finished, what: string): void {
  const { fellApartMs, targets = [], rtoTargetSeconds: _, ...record } = drilled(report);
  const about = `${what} (${record.primary}, load ${loadAverage()})`;
  for (const name of ['rto', 'client-rto', 'write-outage', 'rejoin'] as const) {
    const value = outputs[`${name}-seconds`];
    if (value) figure(`${about}: ${name}`, Number(value));
  }
  if (fellApartMs !== undefined) figure(`${about}: ${targets.length} fell apart by`, fellApartMs, 'ms');
}

describe(`a drill of a host's loss that is killed (seed ${seed})`, { timeout: 400_000 }, () => {
  const next = random(seed);
  const killed = Array.from({ length: kills }, (_, index) => {
    const victim = victims[index % victims.length] as (typeof victims)[number];
    return [index + 1, victim, index % 2 === 0 ? near : apart, Math.round(next() * 18_000)] as const;
  });

  it.each(killed)('%i: %s leaves nothing behind', async (_, victim, { yaml, ...its }, afterMs) => {
    const drill = startAction('failover-drill', { formation: yaml, fault: 'host-loss' });
    await drill.says('baseline:');
    const ended = await Promise.race([
      drill.finished.then(() => true),
      new Promise<boolean>((done) => setTimeout(() => done(false), afterMs)),
    ]);
    const lastWord = drill.log().trim().split('\n').at(-1) ?? '';
    if (!ended) await killThem(victim, drill);
    const killedAt = performance.now();
    await drill.finished;
    if (victim === 'both') {
      const { code, log } = await runAction('provision-pgaf', { formation: yaml });
      expect(code, log).toBe(0);
    }
    await eventually(
      'nothing to be left of it',
      180_000,
      async () => (await hasTraces({ yaml, ...its })).length === 0,
    );
    const what = `${victim}, ${ended ? 'ended by itself' : `killed after ${afterMs} ms`} (${lastWord.slice(0, 60)})`;
    figure(`${what}: nothing left of it`, (performance.now() - killedAt) / 1000);
    await becomesHealthy(yaml, 120_000);
    figure(`${what}: healthy`, (performance.now() - killedAt) / 1000);
  });
});

it('is undone after its power was taken by who finds the drill dead', async () => {
  await leads(apart.yaml, apart.alpha);
  const inputs = {
    ...{ formation: apart.yaml, fault: 'host-loss' },
    'power-off-command': switching('kill'),
    'power-on-command': switching('boot'),
  };
  for (const victim of ['group', 'both'] as const) {
    await leads(apart.yaml, apart.alpha);
    const drill = startAction('failover-drill', inputs);
    await drill.says(/^proof:/m);
    await killThem(victim, drill);
    const killedAt = performance.now();
    const { state } = await drill.finished;
    if (victim === 'both') {
      const post = await startAction('failover-drill', inputs, { step: 'post', state }).finished;
      expect(post.code, post.log).toBe(0);
    }
    await eventually(
      'the host to be back, and nothing left',
      180_000,
      async () => (await hasTraces(apart).catch(() => ['silent'])).length === 0,
    );
    figure(`${victim} killed with the power off: nothing left`, (performance.now() - killedAt) / 1000);
    await becomesHealthy(apart.yaml, 120_000);
  }
}, 600_000);

afterAll(async () => {
  await host('boot', 'm2').catch(() => {});
}, 200_000);
