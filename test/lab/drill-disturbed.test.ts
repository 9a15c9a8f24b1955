import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sleep } from '../../src/clock/deadline.ts';
import { onMonitor, sql } from './breakage.ts';
import { labFormation } from './formations.ts';
import { becomesHealthy, drilled, figure, root, runAction, startAction } from './harness.ts';
import { watchPace } from './meter.ts';
import { hasTraces } from './traces.ts';

/** Drills whose surroundings change while the fault is in force: they tell what they can, and say so where they cannot. */

const formation = labFormation(12);
const provision = async (yaml: string) => {
  const { code, log } = await runAction('provision-pgaf', { formation: yaml });
  expect(code, log).toBe(0);
};

beforeAll(() => provision(formation.yaml));
beforeEach(() => becomesHealthy(formation.yaml, 120_000));

describe("somebody who deletes the monitor's events with their numbers", () => {
  it('takes nothing from a drill that hears of the promotion', async () => {
    // A crash of the monitor skips some, and other formations on it take some: this one's last lies below the last of all.
    await onMonitor(
      formation.monitor,
      "SELECT setval('pgautofailover.event_eventid_seq', last_value + 60) FROM pgautofailover.event_eventid_seq",
    );
    const drilling = startAction('failover-drill', { formation: formation.yaml });
    await drilling.says(/^proof:/m);
    await onMonitor(formation.monitor, 'TRUNCATE pgautofailover.event RESTART IDENTITY');
    const { code, log, report } = await drilling.finished;
    expect(code, log).toBe(0);
    expect(log).toContain("the monitor's events were deleted and their numbers begin anew");
    const { promotion, blind, announcements } = drilled(report);
    expect(promotion?.heardBy).toBe('notification');
    expect(blind).toBeUndefined();
    // What was written down before the drill began is no news: there are the nodes as they were, and nothing else.
    const before = announcements.filter(({ seconds }) => seconds < 0).map(({ node }) => node);
    expect(before.sort(), JSON.stringify(announcements, null, 1)).toEqual([...formation.nodes].sort());
    // Each is told once: those that were written down since have numbers that others had before.
    const promotions = announcements.filter(
      ({ node, goalState, reportedState }) =>
        node === promotion?.node && goalState === 'wait_primary' && reportedState === 'wait_primary',
    );
    expect(promotions, JSON.stringify(announcements, null, 1) + log).toHaveLength(1);
  });
});

describe('a machine that is suspended while the primary is down', () => {
  /** The kernel's uptime goes on while it sleeps, and our clock does not: from the sign on it has slept for a minute. */
  function suspension(): { env: Record<string, string>; begin(): void; remove(): void } {
    const folder = mkdtempSync(join(tmpdir(), 'pgha-suspension-'));
    const [preload, sign] = [join(folder, 'preload.cjs'), join(folder, 'sign')];
    writeFileSync(
      preload,
      `const { existsSync } = require('node:fs');
       const os = require('node:os');
       const { uptime } = os;
       os.uptime = () => uptime() + (existsSync(${JSON.stringify(sign)}) ? 60 : 0);
       require('node:module').syncBuiltinESMExports();\n`,
    );
    return {
      env: { NODE_OPTIONS: `--require ${preload}` },
      begin: () => writeFileSync(sign, ''),
      remove: () => rmSync(folder, { recursive: true }),
    };
  }

  it('proves nothing: code 3, with how long that lasted, and the fault is undone', async () => {
    const { env, begin, remove } = suspension();
    const drilling = startAction('failover-drill', { formation: formation.yaml }, { env });
    await drilling.says(/^proof:/m);
    begin();
    const { code, outputs, log, report } = await drilling.finished;
    remove();
    expect(code, log).toBe(3);
    expect(outputs['message']).toMatch(
      /this machine was suspended for (?:59\.[5-9]|60\.[0-4]) s, while its clock stood still \(noticed [\d.]+ s after the fault\), so the drill proves nothing/,
    );
    expect(drilled(report).disturbed).toContain('this machine was suspended');
    expect(await hasTraces(formation)).toEqual([]);
  });
});

describe('an Incus daemon that is killed and comes back', () => {
  const balanced = labFormation(12, { timings: 'balanced' }).yaml;

  /** Of this lab: any other that runs here has a log of its own. */
  function daemons(): number[] {
    const log = `/pgha-lab/${process.env['PGHA_LAB']}/incusd.log`;
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => {
        const [command = '', ...args] = argvOf(pid);
        return basename(command) === 'incusd' && args.some((arg) => arg.endsWith(log));
      })
      .map(Number);
  }
  const bringBack = async () => {
    await promisify(execFile)(join(root, 'lab', 'lab'), ['up'], { timeout: 120_000 });
  };
  const primaryOf = async () =>
    (await runAction('check-formation', { formation: balanced })).outputs['primary'] ?? '';

  it('hides the promotion, whose time is told by what the monitor wrote down', {
    timeout: 400_000,
  }, async () => {
    await provision(balanced);
    // The placeholder does not do then: the way of clients breaks with the daemon, and the drill would tell that.
    await sql(await primaryOf(), "ALTER ROLE veza PASSWORD 'none of yours'");
    const drilling = startAction('failover-drill', { formation: balanced, 'rto-target-seconds': '30' });
    const pace = watchPace();
    try {
      await drilling.says('fault: stop');
      await sleep(13_000);
      const [daemon, ...others] = daemons();
      expect(others).toEqual([]);
      process.kill(daemon ?? Number.NaN, 'SIGKILL');
      await sleep(20_000);
      await bringBack();
      const { code, outputs, log, report } = await drilling.finished;
      expect(code, log).toBe(0);
      const { promotion, blind = [] } = drilled(report);
      expect(promotion?.heardBy).toBe('event');
      // A busy machine may have had it blind at other times as well.
      const rto = Number(outputs['rto-seconds']);
      const spot = blind.find(({ from, to }) => from < rto && rto < (to ?? 0));
      expect(spot?.to, JSON.stringify(blind)).toBeGreaterThan(33);
      expect(rto).toBeLessThan(30);
      figure('RTO over the death of the Incus daemon, balanced', Number(outputs['rto-seconds']));
      const wrote = await onMonitor(
        formation.monitor,
        `SELECT extract(epoch FROM eventtime) * 1000 FROM pgautofailover.event
          WHERE nodename = '${promotion?.node}' AND reportedstate = 'wait_primary' AND goalstate = 'wait_primary'
          ORDER BY eventid DESC LIMIT 1`,
      );
      const offMs = Date.parse(promotion?.at ?? '') - Number(wrote);
      figure("promotion: told, against the monitor's own table", offMs, 'ms');
      expect(Math.abs(offMs)).toBeLessThanOrEqual(500 + pace.tolerable(10) + pace.worstMs());
      expect(log).toMatch(/the watch on the monitor was blind from \S+ to \S+, for .* s: /);
      expect(await hasTraces(formation)).toEqual([]);
    } finally {
      if (daemons().length === 0) await bringBack();
      await drilling.finished;
      await becomesHealthy(balanced, 120_000);
      await sql(await primaryOf(), "ALTER ROLE veza PASSWORD 'changeme-DEV-ONLY'");
      await provision(formation.yaml);
    }
  });
});

function argvOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
