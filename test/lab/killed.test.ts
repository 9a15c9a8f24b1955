import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { everything, seed } from './extent.ts';
import { labFormation } from './formations.ts';
import { becomesHealthy, figure, incus, inside, runAction, startAction } from './harness.ts';
import { random } from './random.ts';

/** Provisioning that is killed at any moment is finished by the next run; two at once do not harm each other. */

const names = ['k-monitor', 'k-alpha', 'k-beta'] as const;
const [monitor, alpha, beta] = names;
const yaml = labFormation(12, {
  monitor: { name: monitor },
  nodes: [{ name: alpha }, { name: beta }],
}).yaml;

const removeAll = async () => {
  for (const name of names) await incus('delete', '--force', name).catch(() => {});
};
const primary = async () =>
  (await runAction('check-formation', { formation: yaml })).outputs['primary'] ?? '';
const sql = async (node: string, text: string) =>
  await inside(
    node,
    'runuser',
    '-u',
    'postgres',
    '--',
    'env',
    '-C',
    '/',
    'psql',
    '-d',
    'veza',
    '-Atqc',
    text,
  );

/** What a run has to do before it is killed in the midst of it. `keepsData`: what stood before must stand after. */
const tasks: [string, boolean, () => Promise<void>][] = [
  ['a formation from nothing', false, removeAll],
  [
    'a standby whose container is gone',
    true,
    async () => void (await incus('delete', '--force', (await primary()) === alpha ? beta : alpha)),
  ],
  [
    'a primary whose container is gone',
    true,
    async () => void (await incus('delete', '--force', await primary())),
  ],
  ['a monitor whose container is gone', true, async () => void (await incus('delete', '--force', monitor))],
];

/** Kills in all; raised for the closing note. */
const kills = Number(process.env['PGHA_KILLS'] ?? (everything ? tasks.length : 1));

beforeAll(async () => {
  const { code, log } = await runAction('provision-pgaf', { formation: yaml });
  expect(code, log).toBe(0);
});
afterAll(removeAll);

/** A launch takes its time on a disk that has just lost containers. */
const patience = 600_000;

describe(`provisioning that is killed (seed ${seed})`, { timeout: patience }, () => {
  const next = random(seed);
  const first = Math.floor(next() * tasks.length);
  const rounds = Array.from({ length: kills }, (_, index) => {
    const task = tasks[(first + index) % tasks.length] as (typeof tasks)[number];
    return [index + 1, ...task, Math.round(200 + next() * 14_000)] as const;
  });

  it.each(rounds)('%i: %s is finished by the next run', async (_, what, keepsData, prepare, afterMs) => {
    await sql(await primary(), 'CREATE TABLE IF NOT EXISTS kept (id int); INSERT INTO kept VALUES (1)');
    const before = (await sql(await primary(), 'SELECT count(*) FROM kept')).trim();
    await prepare();
    const killed = startAction('provision-pgaf', { formation: yaml });
    const ended = await Promise.race([
      killed.finished.then(() => true),
      new Promise<boolean>((done) => setTimeout(() => done(false), afterMs)),
    ]);
    if (!ended) process.kill(-(killed.child.pid ?? 0), 'SIGKILL');
    const { log } = await killed.finished;
    const lastStep = [...log.matchAll(/^\[ *[\d.]+ s\] +(.*)$/gm)].at(-1)?.[1] ?? 'nothing done';

    const started = performance.now();
    const second = await runAction('provision-pgaf', { formation: yaml });
    expect(second.code, `${log}\n===== the next run =====\n${second.log}`).toBe(0);
    await becomesHealthy(yaml, 10_000);
    if (keepsData) expect((await sql(await primary(), 'SELECT count(*) FROM kept')).trim()).toBe(before);
    const again = await runAction('provision-pgaf', { formation: yaml, mode: 'plan' });
    expect(again.outputs['changed'], again.log).toBe('false');
    const when = ended
      ? 'had ended by itself'
      : `killed after ${(afterMs / 1000).toFixed(1)} s (${lastStep})`;
    figure(`${what}: ${when}, finished in`, (performance.now() - started) / 1000);
  });
});

describe('a run that is killed while it creates a standby', { timeout: patience }, () => {
  it('leaves pg_autoctl create running in the container, which the next run lets finish', async () => {
    await incus('delete', '--force', (await primary()) === alpha ? beta : alpha);
    const killed = startAction('provision-pgaf', { formation: yaml });
    await killed.says(/pg_autoctl create postgres/, 120_000);
    // Long enough for it to have registered: pg_autoctl has its process id on disk by then.
    await new Promise((next) => setTimeout(next, 300));
    process.kill(-(killed.child.pid ?? 0), 'SIGKILL');
    await killed.finished;
    const next = await runAction('provision-pgaf', { formation: yaml });
    expect(next.code, next.log).toBe(0);
    await becomesHealthy(yaml, 10_000);
  });
});

describe('two provisioning runs that start from nothing at once', { timeout: patience }, () => {
  it('make one formation: the other waits or leaves with a clear message', async () => {
    await removeAll();
    const both = await Promise.all([
      runAction('provision-pgaf', { formation: yaml }),
      runAction('provision-pgaf', { formation: yaml }),
    ]);
    const codes = both.map(({ code }) => code).sort();
    expect(codes, both.map(({ log }) => log).join('\n=====\n')).toEqual([0, 3]);
    const left = both.find(({ code }) => code === 3);
    expect(left?.outputs['message']).toMatch(/another (?:provisioning run|run|drill)/);
    await becomesHealthy(yaml, 10_000);
  });
});
