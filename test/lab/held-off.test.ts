import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { allContainers, type LabFormation, labFormation } from './formations.ts';
import { becomesHealthy, drilled, type Finished, incus, inside, runAction } from './harness.ts';
import { hasTraces } from './traces.ts';

/** Drills that are held: by a key on the project or the monitor, or by the hours of the formation file. */

const formation: LabFormation = labFormation(12);
const { monitor, yaml } = formation;
const reason = 'release freeze until Friday';
const key = 'user.pgha.hold';
const drill = (given = yaml, inputs: Record<string, string> = {}) =>
  runAction('failover-drill', { formation: given, ...inputs });

beforeAll(async () => {
  const { code, log } = await runAction('provision-pgaf', { formation: yaml });
  expect(code, log).toBe(0);
  await becomesHealthy(yaml, 60_000);
});
afterEach(async () => {
  // Unset is refused where nothing is set.
  await incus('config', 'set', monitor, `${key}=`);
  await incus('project', 'set', 'default', `${key}=`);
});

/** Since when each container runs, and what pg_autoctl it has: a drill that touched one would change either. */
async function lives(): Promise<string[]> {
  const command = [
    'sh',
    '-c',
    'cut -d" " -f22 /proc/1/stat; systemctl show --value --property=MainPID pg_autoctl',
  ];
  return await Promise.all((await allContainers()).map((name) => inside(name, ...command)));
}

function isHeldOff({ code, outputs, log, summary }: Finished, why: RegExp): void {
  expect(code, log).toBe(1);
  expect(outputs['outcome']).toBe('unhealthy');
  expect(outputs['message']).toMatch(/^drills are held, nothing was touched: /);
  expect(outputs['message']).toMatch(why);
  expect(outputs['message']).toContain('override-hold: true');
  expect(summary).toContain('drills are held');
}

describe('a hold', () => {
  it.each([
    ['monitor', ['config', 'set', monitor], `incus config unset ${monitor} --project default ${key}`],
    ['project', ['project', 'set', 'default'], `incus project unset default ${key}`],
  ])(
    'on the %s keeps a drill from beginning, is shown by the check, and ends as told',
    async (on, set, end) => {
      const before = await lives();
      await incus(...set, `${key}=${reason}`);
      const found = await drill();
      isHeldOff(found, new RegExp(`${reason} \\(user\\.pgha\\.hold of the ${on} `));
      expect(found.outputs['message']).toContain(`\`${end}\``);
      expect(await lives()).toEqual(before);
      expect(await hasTraces(formation)).toEqual([]);
      const checked = await runAction('check-formation', { formation: yaml });
      expect(checked.code, checked.log).toBe(0);
      expect(checked.outputs['held']).toContain(reason);
      expect(checked.log).toMatch(new RegExp(`^drills are held: ${reason}`, 'm'));
      expect(checked.summary).toContain(reason);
      await incus(...end.split(' ').slice(1));
      const again = await runAction('check-formation', { formation: yaml });
      expect([again.code, again.outputs['held']], again.log).toEqual([0, '']);
    },
  );

  it('is of no account to a person who says so, and the report has it', async () => {
    await incus('config', 'set', monitor, `${key}=${reason}`);
    const found = await drill(yaml, { 'override-hold': 'true', fault: 'switchover' });
    expect(found.code, found.log).toBe(0);
    expect(found.log).toContain('drills are held, and this one goes on, as override-hold says');
    expect(drilled(found.report).overridden).toContain(reason);
    expect(found.summary).toContain('this one overrode that');
  });
});

describe('hours in which drills are allowed', () => {
  /** A window that began an hour ago, or begins in an hour, by the clock of UTC. */
  const hours = (fromNow: number) => {
    const time = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString().slice(11, 16);
    const windows = [`daily ${time(fromNow)}-${time(fromNow + 120)}`];
    return labFormation(12, { 'allowed-hours': { 'time-zone': 'UTC', windows } }).yaml;
  };

  it('keep a drill from beginning outside of them, and let it begin in them', async () => {
    const outside = hours(60);
    isHeldOff(await drill(outside), /it is \w{3} \d\d:\d\d in UTC, and allowed-hours has daily /);
    const checked = await runAction('check-formation', { formation: outside });
    expect([checked.code, checked.outputs['held']], checked.log).toEqual([
      0,
      expect.stringContaining('allowed-hours'),
    ]);
    const inside = await drill(hours(-60), { fault: 'switchover' });
    expect(inside.code, inside.log).toBe(0);
  });
});
