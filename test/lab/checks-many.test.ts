import { describe, expect, it } from 'vitest';
import { type BreakableFormation, breakableFormation } from './breakable.ts';
import { onMonitor, writtenFormation } from './breakage.ts';
import { labFormation } from './formations.ts';
import { becomesHealthy, type Finished, figure, incus, loadAverage, runAction } from './harness.ts';

/** Several formations in one step: one table, one verdict, the worst code. Two of them share a monitor. */

const nodes: [string, string] = ['d12-delta', 'd12-epsilon'];
const second = labFormation(12, { formation: 'second', nodes: nodes.map((name) => ({ name })) });
const first = breakableFormation({
  furnish: besideIt,
  clear: async ({ monitor }) => {
    await runAction('provision-pgaf', { formation: paths.second, mode: 'destroy', confirm: 'second' });
    // The monitor stays, and remembers them.
    await onMonitor(monitor, "DELETE FROM pgautofailover.node WHERE formationid = 'second'");
  },
});
const paths = { first: first.path, second: writtenFormation(second.yaml) };
const checkBoth = (formations: string) =>
  runAction('check-formation', { formation: paths.first, formations, 'fail-on': 'warning' });

/** Provisions the second formation on the monitor of the first. */
async function besideIt({ path }: BreakableFormation): Promise<void> {
  const { code, log } = await runAction('provision-pgaf', { formation: paths.second });
  expect(code, log).toBe(0);
  // The monitor goes on letting in the first one's nodes.
  await becomesHealthy(path, 60_000);
}

const ways: [string, string][] = [
  ['by their files', paths.second],
  ['by the word monitor', 'monitor'],
];

describe.each(ways)('two formations on one monitor, named %s', (_, formations) => {
  it('pass together', async () => {
    const { code, outputs, log } = await checkBoth(formations);
    expect(code, log).toBe(0);
    expect(outputs['message']).toBe('all 2 formations are healthy');
    expect(log).toMatch(/^default +pass +d12-\w+ +(\d+) of \1 /m);
    expect(log).toMatch(/^second +pass +d12-\w+ +(\d+) of \1 /m);
    expect(JSON.parse(outputs['formations'] ?? '')).toMatchObject([
      { formation: 'default', outcome: 'pass' },
      { formation: 'second', outcome: 'pass' },
    ]);
  });

  it('are not healthy when one is not: its problem is told, with its name, and the other passes', async () => {
    const standby = await standbyOf(paths.second);
    await incus('stop', '--force', standby);
    let found: Finished;
    try {
      found = await checkBoth(formations);
    } finally {
      await incus('start', standby);
    }
    const { code, outputs, log, summary } = found;
    expect(code, log).toBe(1);
    expect(outputs).toMatchObject({ outcome: 'unhealthy', 'failed-checks': 'second/nodes-reachable' });
    expect(outputs['message']).toMatch(
      /^1 of 2 formations is not healthy: second; .*the container is Stopped/,
    );
    expect(log).toMatch(/^default +pass /m);
    expect(log).toMatch(/^second +unhealthy /m);
    expect(log).toContain(`incus start ${standby}`);
    expect(summary).toContain('1 of 2 formations is not healthy');
    await becomesHealthy(paths.second, 60_000);
  });
});

describe('a formation that cannot be judged', () => {
  it('makes the code 3, and hides nothing of the others', async () => {
    const elsewhere = labFormation(12, { formation: 'elsewhere', incus: { remote: 'nowhere' } });
    const { code, outputs, log } = await checkBoth(`${writtenFormation(elsewhere.yaml)}\n${paths.second}`);
    expect(code, log).toBe(3);
    expect(outputs['outcome']).toBe('error');
    expect(log).toMatch(/^default +pass /m);
    expect(log).toMatch(/^elsewhere +error .*nowhere is not a remote/m);
    expect(log).toMatch(/^second +pass /m);
  });
});

// On a machine that has nothing else to do.
describe.runIf(process.env['PGHA_SPEED'] === 'all')('ten formations', () => {
  it('are checked side by side, in a fraction of ten times the time of one', async () => {
    const one = await runAction('check-formation', { formation: paths.first });
    expect(one.code, one.log).toBe(0);
    // Two real ones, five times each: what is read, and by how many clients, is that of ten.
    const more = Array.from({ length: 9 }, (_, index) => (index % 2 === 0 ? paths.second : paths.first));
    const ten = await checkBoth(more.join('\n'));
    expect(ten.code, ten.log).toBe(0);
    expect(ten.outputs['message']).toBe('all 10 formations are healthy');
    figure('check-formation of ten formations, whole process', ten.tookMs / 1000);
    figure(
      'check-formation of one, in the same minute',
      `${(one.tookMs / 1000).toFixed(3)} (load ${loadAverage()})`,
    );
    expect(ten.tookMs).toBeLessThan(10 * one.tookMs);
  });
});

async function standbyOf(formation: string): Promise<string> {
  const { code, outputs, log } = await runAction('check-formation', { formation });
  expect(code, log).toBe(0);
  return outputs['standbys'] ?? '';
}
