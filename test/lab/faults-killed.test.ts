import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type FaultName, faultNames } from '../../src/faults/catalogue.ts';
import { seed } from './extent.ts';
import { labFormation } from './formations.ts';
import { killThem, newestGuard, victims } from './guards.ts';
import {
  becomesHealthy,
  checkPasses,
  eventually,
  figure,
  incus,
  isAlive,
  labelsOf,
  root,
  runAction,
  startAction,
  statusOf,
} from './harness.ts';
import { random } from './random.ts';
import { hasTraces } from './traces.ts';

/**
 * A drill that is killed at any moment of any fault leaves nothing behind: its process group, with its checkout and
 * its folders deleted at that very moment; it alone; its guard alone; both, after which the next run undoes it.
 * `PGHA_KILLS` raises the number of kills, `PGHA_SEED` repeats them.
 */
const formation = labFormation(12);
const kills = Number(process.env['PGHA_KILLS'] ?? 2);

/** Not what disk-full and host-loss would say in this lab. */
const faults = faultNames.filter((name) => name !== 'disk-full' && name !== 'host-loss');

beforeAll(async () => {
  const { code, log } = await runAction('provision-pgaf', { formation: formation.yaml });
  expect(code, log).toBe(0);
});
beforeEach(() => becomesHealthy(formation.yaml, 120_000));

/** A checkout as a runner makes one, and a home for the job beside it: both can vanish. */
function borrowedCheckout(): { checkout: string; home: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'pgha-checkout-'));
  const checkout = join(folder, 'checkout');
  for (const name of ['dist', 'actions']) cpSync(join(root, name), join(checkout, name), { recursive: true });
  const home = mkdtempSync(join(folder, 'home-'));
  return { checkout, home, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

describe(`a drill that is killed (seed ${seed})`, { timeout: 300_000 }, () => {
  const next = random(seed);
  // Each fault comes in turn, from a random one on; a kill comes from just before the fault until after its undo.
  const first = Math.floor(next() * faults.length);
  const rounds = Array.from({ length: kills }, (_, index) => {
    const fault = faults[(first + index) % faults.length] as FaultName;
    const victim = victims[(first + index) % victims.length] as (typeof victims)[number];
    return [index + 1, victim, fault, Math.round(next() * 14_000)] as const;
  });

  it.each(rounds)(
    '%i: %s, with %s, %i ms after its baseline, leaves nothing behind',
    async (_, victim, fault, afterMs) => {
      const { checkout, home, remove } = borrowedCheckout();
      const drill = startAction(
        'failover-drill',
        { formation: formation.yaml, fault },
        { checkout, env: { HOME: home, TMPDIR: home } },
      );
      await drill.says('baseline:');
      const ended = await Promise.race([
        drill.finished.then(() => true),
        new Promise<boolean>((done) => setTimeout(() => done(false), afterMs)),
      ]);
      const lastWord = drill.log().trim().split('\n').at(-1) ?? '';
      if (!ended) await killThem(victim, drill, checkout);
      // A drill that lives on needs its own code.
      if (victim === 'group') remove();
      const killedAt = performance.now();
      await drill.finished;
      if (victim === 'both') {
        const { code, log } = await runAction('provision-pgaf', { formation: formation.yaml });
        expect(code, log).toBe(0);
      }
      await eventually(
        `nothing to be left of ${fault}`,
        120_000,
        async () => (await hasTraces(formation)).length === 0,
      );
      remove();
      const what = `${victim}, ${fault}, ${ended ? 'ended by itself' : `killed after ${afterMs} ms`} (${lastWord.slice(0, 60)})`;
      figure(`${what}: nothing left of it`, (performance.now() - killedAt) / 1000);
      await checkPasses(formation.yaml, 120_000);
      figure(`${what}: healthy`, (performance.now() - killedAt) / 1000);
    },
  );
});

/** CI has one of them; the others come with more kills. */
const isThorough = kills > 2;

describe('what is left where the guard was killed as well', { timeout: 300_000 }, () => {
  const killBoth = async (fault: FaultName): Promise<Record<string, string>> => {
    const drill = startAction('failover-drill', { formation: formation.yaml, fault });
    await drill.says(/^proof:/m);
    const guard = await newestGuard();
    process.kill(guard, 'SIGKILL');
    process.kill(-(drill.child.pid ?? 0), 'SIGKILL');
    const { state } = await drill.finished;
    await eventually('the guard to be dead', 30_000, () => Promise.resolve(!isAlive(guard)));
    expect(await hasTraces(formation)).not.toEqual([]);
    return state;
  };

  it('of monitor-stop is undone by the next drill, though there is no monitor to lock', async () => {
    await killBoth('monitor-stop');
    expect(await statusOf(formation.monitor)).toBe('Stopped');
    const { code, log } = await runAction('failover-drill', {
      formation: formation.yaml,
      fault: 'switchover',
    });
    expect(code, log).toBe(0);
    expect(await hasTraces(formation)).toEqual([]);
  });

  it.runIf(isThorough)('of network-cut is undone by the next drill, which then passes', async () => {
    await killBoth('network-cut');
    const { code, log } = await runAction('failover-drill', {
      formation: formation.yaml,
      fault: 'switchover',
    });
    expect(code, log).toBe(0);
    expect(log).toContain('bore the mark of an interrupted drill');
    expect(await hasTraces(formation)).toEqual([]);
  });

  it.runIf(isThorough)('of monitor-cut is undone by provision-pgaf', async () => {
    await killBoth('monitor-cut');
    const { code, log } = await runAction('provision-pgaf', { formation: formation.yaml });
    expect(code, log).toBe(0);
    expect(await hasTraces(formation)).toEqual([]);
    await checkPasses(formation.yaml, 60_000);
  });

  it.runIf(isThorough)('of kill-node is undone by several at once, who do not harm each other', async () => {
    const state = await killBoth('kill-node');
    const posts = Array.from({ length: 3 }, () =>
      startAction('failover-drill', { formation: formation.yaml }, { step: 'post', state }),
    );
    for (const { finished } of posts) {
      const { code, log } = await finished;
      expect(code, log).toBe(0);
    }
    expect(await hasTraces(formation)).toEqual([]);
    await checkPasses(formation.yaml, 60_000);
  });

  it.runIf(isThorough)(
    'of kill-node over a restart of its container is the mark, which the next drill removes',
    async () => {
      await killBoth('kill-node');
      const marked = await Promise.all(
        formation.nodes.map(async (name) => ('user.pgha.drill' in (await labelsOf(name)) ? [name] : [])),
      );
      await incus('restart', '--force', marked.flat()[0] ?? '');
      await checkPasses(formation.yaml, 60_000);
      const { code, log } = await runAction('failover-drill', {
        formation: formation.yaml,
        fault: 'switchover',
      });
      expect(code, log).toBe(0);
      expect(await hasTraces(formation)).toEqual([]);
    },
  );

  it.runIf(isThorough)('under a mark that nobody can read is undone all the same', async () => {
    const [node] = formation.nodes;
    await killBoth('standby-cut');
    const marked = await Promise.all(
      formation.nodes.map(async (name) => ('user.pgha.drill' in (await labelsOf(name)) ? [name] : [])),
    );
    await incus('config', 'set', marked.flat()[0] ?? node, 'user.pgha.drill=by hand');
    const { code, log } = await runAction('provision-pgaf', { formation: formation.yaml });
    expect(code, log).toBe(0);
    expect(await hasTraces(formation)).toEqual([]);
    await checkPasses(formation.yaml, 60_000);
  });
});

describe('a fault that somebody ends early', () => {
  it.runIf(isThorough)('proves nothing: code 3', async () => {
    const { outputs: before } = await runAction('check-formation', { formation: formation.yaml });
    const drill = startAction('failover-drill', { formation: formation.yaml, fault: 'standby-cut' });
    await drill.says(/^proof:/m);
    await incus('restart', '--force', before['primary'] ?? '');
    const { code, outputs, log } = await drill.finished;
    expect(code, log).toBe(3);
    expect(outputs['message']).toContain('was back before the drill undid the fault');
    await checkPasses(formation.yaml, 60_000);
  });
});
