import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseFormation } from '../../src/formation/file/load.ts';
import { membersOf } from '../../src/formation/formation.ts';
import { Incus } from '../../src/incus/incus.ts';
import { isSettled, readNodes } from '../../src/monitor/nodes.ts';
import { openMemberSession } from '../../src/postgres/member-session.ts';
import { allRun, writtenFormation } from './breakage.ts';
import { containersOf, labFormation } from './formations.ts';
import { figure, incus, loadAverage, runAction, startAction } from './harness.ts';
import { watchPace } from './meter.ts';

/** wait-seconds: told what is waited for, and passed as soon as there is nothing left to wait for. */

const formation = labFormation(12);
const path = writtenFormation(formation.yaml);
let standby: string;

beforeAll(async () => {
  const { code, outputs, log } = await runAction('provision-pgaf', { formation: path });
  expect(code, log).toBe(0);
  standby = outputs['standbys'] ?? '';
});

afterAll(() => allRun(containersOf(formation)));

describe('a standby that is started five seconds later', () => {
  it('is waited for, and health is told soon after it is on the monitor', async () => {
    await incus('stop', '--force', standby);
    const waiting = startAction('check-formation', { formation: path, 'wait-seconds': '120' });
    await waiting.says(/waiting, for \d+ s at most: nodes-reachable of /);
    await new Promise((next) => setTimeout(next, 5000));
    expect(waiting.child.exitCode).toBeNull();
    const pace = watchPace();
    await incus('start', standby);
    const settledAt = await settled();
    const { code, log } = await waiting.finished;
    const lateSeconds = (performance.now() - settledAt) / 1000;
    expect(code, log).toBe(0);
    expect(log).toContain(`waiting, for`);
    expect(log.match(/^waiting, /gm)?.length).toBeLessThan(15);
    figure(
      'check-formation passes after the monitor shows health',
      `${lateSeconds.toFixed(3)} (load ${loadAverage()})`,
    );
    expect(lateSeconds).toBeLessThan(pace.tolerable(1.5));
  });
});

describe('what does not become healthy', () => {
  it('ends the wait at its time, with the last verdict', async () => {
    await incus('stop', '--force', standby);
    try {
      const pace = watchPace();
      const { code, outputs, log, tookMs } = await runAction('check-formation', {
        formation: path,
        'wait-seconds': '4',
      });
      expect(code, log).toBe(1);
      expect(outputs['message']).toContain('the container is Stopped');
      expect(tookMs).toBeGreaterThan(4000);
      expect(tookMs).toBeLessThan(4000 + pace.tolerable(2500));
    } finally {
      await incus('start', standby);
    }
  });
});

/** When a listener of the test's own sees every node where the monitor wants it, and healthy. */
async function settled(): Promise<number> {
  const parsed = parseFormation(formation.yaml, 'formation.yml');
  const [monitor] = membersOf(parsed);
  const session = await openMemberSession(
    new Incus({ remote: 'local', project: 'default' }),
    parsed,
    monitor,
  );
  try {
    const until = performance.now() + 60_000;
    while (performance.now() < until) {
      const nodes = await readNodes(session, parsed);
      if (isSettled(nodes) && nodes.every(({ secondsSinceReport }) => secondsSinceReport < 2))
        return performance.now();
      await new Promise((next) => setTimeout(next, 50));
    }
    throw new Error('the monitor showed no health within a minute');
  } finally {
    session.close();
  }
}
