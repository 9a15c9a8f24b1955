import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { killThem } from '../lab/guards.ts';
import { becomesHealthy, eventually, figure, loadAverage, runAction, startAction } from '../lab/harness.ts';
import { random } from '../lab/random.ts';
import { areWholeBy, formationOn, guardLog, host, provisioned, removeAll } from './hosts.ts';

/**
 * A drill that takes a host away is killed, and the server that it goes through is lost within two seconds of that, before
 * it or after. The formation has nothing on that server's host. Its primary is alone on m2, or on m3 with the monitor.
 * `PGHA_KILLS` says how many, `PGHA_SEED` repeats when.
 */
const by = (remote: string) =>
  formationOn('gone', { monitor: 'm3', alpha: 'm2', beta: 'm3' }, { incus: { remote } });
const { yaml, monitor, alpha, beta } = by('m1');
const isWhole = async () => await areWholeBy('m2', monitor, alpha, beta);

const kills = Number(process.env['PGHA_KILLS'] ?? 1);
const seed = Number(process.env['PGHA_SEED'] ?? Date.now() % 1_000_000);
const next = random(seed);
/** How the server goes away, and who is killed. With its guard gone too, the next run by another server undoes the fault. */
const rounds = Array.from({ length: kills }, (_, index) => ({
  round: index + 1,
  loss: index % 2 === 0 ? ['cut', 'm1'] : ['kill', '--incusd', 'm1'],
  victim: index % 3 === 2 ? ('both' as const) : ('group' as const),
  afterMs: Math.round(next() * 18_000),
  lostMs: Math.round(next() * 4000 - 2000),
}));

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));
const backAgain = async () => await host('boot', 'm1');

beforeAll(() => provisioned({ yaml }), 600_000);
afterAll(removeAll, 200_000);
afterEach(backAgain, 200_000);

describe(`a drill of a host's loss that is killed with its server (seed ${seed})`, {
  timeout: 400_000,
}, () => {
  it.each(rounds)('$round: $victim killed after $afterMs ms, $loss $lostMs ms after that', async (its) => {
    await becomesHealthy(yaml, 120_000);
    const before = guardLog().length;
    const drill = startAction('failover-drill', { formation: yaml, fault: 'host-loss' });
    await drill.says('baseline:', 120_000);
    const ended = await Promise.race([
      drill.finished.then(() => true),
      pause(its.afterMs + Math.min(0, its.lostMs)).then(() => false),
    ]);
    const lost = pause(Math.max(0, its.lostMs)).then(async () => await host(...its.loss));
    await pause(Math.max(0, -its.lostMs));
    const lastWord = drill.log().trim().split('\n').at(-1) ?? '';
    if (!ended && drill.child.exitCode === null) await killThem(its.victim, drill);
    const killedAt = performance.now();
    const sinceSeconds = () => (performance.now() - killedAt) / 1000;
    await Promise.all([lost, drill.finished]);
    if (its.victim === 'both') {
      const mended = await runAction('provision-pgaf', { formation: by('m2').yaml });
      expect(mended.code, mended.log).toBe(0);
    }
    await eventually('the containers to be whole', 180_000, isWhole);
    const whole = sinceSeconds();
    // What was seen whole may not have been hit yet.
    await pause(8000);
    await eventually('the containers to be whole', 60_000, isWhole);
    const said = guardLog().slice(before).trim().split('\n').at(-1) ?? '';
    // The server is still away.
    await becomesHealthy(yaml, 120_000);
    const what = `${its.victim} killed ${its.afterMs} ms after the baseline (${lastWord.slice(0, 60)}), ${its.loss.join(' ')} ${its.lostMs} ms after that (load ${loadAverage()})`;
    figure(`${what}; guard: ${said.slice(-120)}; whole`, whole);
    figure(`${what}: seen healthy by another server`, sinceSeconds());
    await backAgain();
    await becomesHealthy(yaml, 120_000);
    figure(`${what}: healthy with its server back`, sinceSeconds());
  });
});
