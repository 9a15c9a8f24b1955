import { afterAll, expect, it } from 'vitest';
import { commandsOf } from '../lab/documented.ts';
import { eventually, figure, root } from '../lab/harness.ts';
import { labNamed, runInTime } from '../lab/named-lab.ts';

/** The walk of docs/hosts.md, as it stands there, in a lab of its own. */

const name = 'walk-c';
const environment = { ...process.env, PGHA_LAB: name };
const check = './pgha check-formation --formation lab/formations/debian-12-hosts.yml';

/** A line, typed at a shell to which the lab's environment is known. */
async function typed(line: string): Promise<{ code: number; said: string; seconds: number }> {
  const inLab = line.startsWith('./pgha check') ? `eval "$(./pgha lab env)"\n${line}` : line;
  const began = performance.now();
  const ended = await runInTime('bash', ['-c', inLab], {
    cwd: root,
    env: environment,
    timeout: 500_000,
    maxBuffer: 32 * 1024 * 1024,
  }).then(
    ({ stdout, stderr }) => ({ code: 0, said: stdout + stderr }),
    (error: { code?: unknown; stdout?: string; stderr?: string }) => {
      if (typeof error.code !== 'number') throw error;
      return { code: error.code, said: `${error.stdout}${error.stderr}` };
    },
  );
  return { ...ended, seconds: (performance.now() - began) / 1000 };
}

afterAll(() => labNamed(name)('down'), 240_000);

it('several hosts are seen as docs/hosts.md says, from an empty lab', { timeout: 900_000 }, async () => {
  const walk = commandsOf('docs/hosts.md').slice(0, 6);
  expect(walk).toEqual([
    './pgha demo --members 3',
    'eval "$(./pgha lab env)"',
    'lab/lab host kill m2',
    check,
    'lab/lab host boot m2',
    './pgha lab down',
  ]);
  const demo = await typed('./pgha demo --members 3');
  expect(demo.code, demo.said).toBe(0);
  figure('./pgha demo --members 3', demo.seconds);
  const kill = await typed('lab/lab host kill m2');
  expect(kill.code, kill.said).toBe(0);
  const lostAt = performance.now();

  const lost = await typed(check);
  expect([1, 3], lost.said).toContain(lost.code);
  expect(lost.said).toContain('its host m2 does not answer');
  // "Half a minute after the loss pgaf-primary is the primary."
  await eventually('pgaf-primary to take writes', 60_000, async () =>
    /pgaf-primary +m1 +Running +\S+ +\S+ +writable/.test((await typed(check)).said),
  );
  figure('pgaf-primary takes writes, after the loss', (performance.now() - lostAt) / 1000);
  const boot = await typed('lab/lab host boot m2');
  expect(boot.code, boot.said).toBe(0);
  await eventually('the formation to be healthy', 120_000, async () => (await typed(check)).code === 0);
  const down = await typed('./pgha lab down');
  expect(down.code, down.said).toBe(0);
});
