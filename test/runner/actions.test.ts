import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, figure, incus, runAction } from '../lab/harness.ts';
import { watchPace } from '../lab/meter.ts';
import { staysHealthy } from '../lab/stays-healthy.ts';
import { chosenRunner, tellsOutputsOfFailedJobs } from './chosen-runner.ts';
import { containers, nodes, provisioned, runnerFormation, slowFormation } from './formation.ts';
import { type Ended, reporterPassword, secrets, told } from './runner.ts';
import { ServerRunner } from './server/server-runner.ts';
import { allRunUnmarked, stopped } from './under-drill.ts';

/** The actions as people meet them: by their addresses, in a workflow, on a real runner. */

const files = { 'formation.yml': runnerFormation };
const runner = chosenRunner();
const node = (major: 20 | 24) => process.env[`PGHA_TEST_NODE_${major}`] ?? '';

interface Step {
  outcome: string;
  conclusion: string;
  outputs: Record<string, string>;
}

beforeAll(async () => {
  await runner.open();
  for (const name of containers) await incus('delete', '--force', name).catch(() => {});
});
afterAll(() => runner.close());

const seconds = /^\d+\.\d{3}$/;

describe(`on ${runner.name}`, () => {
  it('the root action, on Node 20, provisions, checks and drills, and its outputs are there in a later step', async () => {
    const run = await runner.start('test/runner/workflows/acceptance.yml', { files, node: node(20) });
    // The base image is made as well.
    await run.says(/fault: stop/, 400_000);
    expect(nodesAtWork('/dist/acceptance/main.js')).toEqual([expect.stringMatching(/^v20\./)]);
    const { succeeded, log, seen } = await run.ended;
    expect(succeeded, told(log)).toBe(true);
    const { outputs } = seen.get('acceptance') as Step;
    expect(outputs).toMatchObject({ 'exit-code': '0', outcome: 'pass', changed: 'true', healthy: 'true' });
    expect(outputs['rto-seconds']).toMatch(seconds);
    expect([outputs['old-primary'], outputs['new-primary']]).toEqual(nodes);
    expect(outputs['formation-uri']).toContain('r-alpha.incus');
    figure('the whole acceptance, RTO', Number(outputs['rto-seconds']));
    await staysHealthy(runnerFormation);
  });

  it('check and drill pass at the addresses that users write, on Node 24', async () => {
    const run = await runner.start('test/runner/workflows/drill.yml', { files, node: node(24) });
    await run.says(/fault: stop/);
    expect(nodesAtWork('/dist/failover-drill/main.js')).toEqual([expect.stringMatching(/^v24\./)]);
    const { succeeded, log, seen } = await run.ended;
    expect(succeeded, told(log)).toBe(true);
    const { check, drill } = seen.get('steps') as Record<string, Step>;
    expect(check?.outputs).toMatchObject({ outcome: 'pass', healthy: 'true', 'failed-checks': '' });
    expect(drill?.outputs).toMatchObject({ 'exit-code': '0', outcome: 'pass' });
    expect(drill?.outputs['rto-seconds']).toMatch(seconds);
    expect(drill?.outputs['message']).toContain(drill?.outputs['new-primary']);
    expect(log).toContain(
      `the drill of ${drill?.outputs['old-primary']} passed in ${drill?.outputs['rto-seconds']} s`,
    );
    figure('a drill on Node 24, RTO', Number(drill?.outputs['rto-seconds']));
    await staysHealthy(runnerFormation);
  });

  it('a failing exit leaves its outputs to later steps and jobs, at the nested addresses', async () => {
    const { succeeded, log, seen } = await runner.run('test/runner/workflows/failing.yml', { files });
    expect(succeeded, told(log)).toBe(false);
    const { refused, absent, missed } = seen.get('steps') as Record<string, Step>;
    for (const step of [refused, absent])
      expect(step).toMatchObject({ outcome: 'failure', conclusion: 'success' });
    expect(refused?.outputs).toMatchObject({ 'exit-code': '3', outcome: 'error' });
    expect(absent?.outputs).toMatchObject({ 'exit-code': '1', outcome: 'unhealthy', healthy: 'false' });
    expect(missed).toMatchObject({
      outcome: 'failure',
      outputs: { 'exit-code': '2', outcome: 'missed' },
    });
    expect(missed?.outputs['rto-seconds']).toMatch(seconds);
    expect(log).toContain('told of a failure after code 2');
    expect(log).not.toMatch(/\| this must not run/);
    const { result, outputs } = (seen.get('needs') as { drill: { result: string; outputs: object } }).drill;
    expect(result).toBe('failure');
    if (tellsOutputsOfFailedJobs(runner))
      expect(outputs).toEqual({
        outcome: 'missed',
        message: missed?.outputs['message'],
        'rto-seconds': missed?.outputs['rto-seconds'],
      });
    await staysHealthy(runnerFormation);
  });

  it('of two jobs on one formation one drills, and the other says why not', async () => {
    const { log, seen } = await runner.run('test/runner/workflows/together.yml', { files });
    const drills = [seen.get('one'), seen.get('two')] as Record<string, string>[];
    const [first, second] = drills.sort((a, b) => Number(a['exit-code']) - Number(b['exit-code']));
    expect(first, told(log)).toMatchObject({ 'exit-code': '0', outcome: 'pass' });
    expect(second?.['message']).toMatch(
      /another drill or provisioning run is at work on formation default|nothing was stopped/,
    );
    expect(second).toMatchObject({ 'rto-seconds': '' });
    await staysHealthy(runnerFormation);
  });
});

describe(`a drill that ${runner.name} ends in the middle of its fault leaves the formation healthy`, () => {
  it("when the step's time is over", async () => {
    await provisioned(slowFormation);
    const run = await runner.start('test/runner/workflows/timeout.yml', {
      files: { 'formation.yml': slowFormation },
    });
    const startedAt = performance.now();
    const pace = watchPace();
    await run.says(/fault: stop/);
    const faultMs = performance.now() - startedAt;
    const target = await stopped();
    const ended: Ended = await run.ended;
    const tookMs = performance.now() - startedAt;
    expect(ended.succeeded, told(ended.log)).toBe(false);
    expect(tookMs).toBeGreaterThan(60_000);
    // The step began before its fault; the runner then has to end it.
    expect(tookMs).toBeLessThan(faultMs + 60_000 + pace.tolerable(5000));
    expect(ended.log).not.toContain('promotion:');
    await allRunUnmarked(target);
    await eventually('a healthy formation', 60_000, async () => {
      const asked = { formation: slowFormation, 'rto-target-seconds': '150' };
      return (await runAction('check-formation', asked)).code === 0;
    });
    figure(
      'from the start of a step of one minute to a healthy formation',
      (performance.now() - startedAt) / 1000,
    );
    await provisioned(runnerFormation);
  });
});

describe('the whole of all logs, debug lines and all,', () => {
  it('has debug lines of the actions, and masks where secrets were printed', () => {
    const all = runner.logs.join('\n');
    expect(runner.logs.length).toBeGreaterThanOrEqual(5);
    // Of a server server/ways.test.ts has them: there a secret asks for them whose value, `true`, no log shows then.
    if (!(runner instanceof ServerRunner)) expect(all).toContain('run: incus');
    expect(all).toMatch(/\| the application's: \*\*\*/);
    expect(all).toMatch(/\| the reporter's: \*\*\*/);
  });

  it.each([...Object.values(secrets).filter(Boolean), reporterPassword])('has no secret (%#)', (secret) => {
    const lines = runner.logs
      .join('\n')
      .split('\n')
      .filter((line) => line.includes(secret));
    expect(lines.map((line) => line.replaceAll(secret, '(here)'))).toEqual([]);
  });
});

/** Versions of the Node processes that run an entry of the runner's copy of the actions. */
function nodesAtWork(entry: string): string[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => {
      try {
        const [, script = ''] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        if (!script.startsWith(runner.folder) || !script.endsWith(entry)) return [];
        return [execFileSync(readlinkSync(`/proc/${pid}/exe`), ['--version'], { encoding: 'utf8' }).trim()];
      } catch {
        return []; // It has ended.
      }
    });
}
