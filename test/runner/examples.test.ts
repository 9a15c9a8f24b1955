import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { becomesHealthy, figure, root, runAction } from '../lab/harness.ts';
import { allRun, stopped } from './faults.ts';
import { formation, provisionInputs } from './formation.ts';
import { Runner, told } from './runner.ts';

/** The worked examples and the workflow that pgha ships, as they stand, on a real runner. */

const runner = new Runner();
const alerts: string[] = [];
let webhook: Server;
let secrets: Record<string, string>;

beforeAll(async () => {
  await runner.open();
  webhook = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      alerts.push(body);
      response.end();
    });
  });
  await new Promise<void>((listening) => webhook.listen(0, '127.0.0.1', listening));
  secrets = { ALERT_WEBHOOK: `http://127.0.0.1:${(webhook.address() as AddressInfo).port}/alert` };
  const { code, log } = await runAction('provision-pgaf', provisionInputs());
  expect(code, log).toBe(0);
});
beforeEach(() => {
  alerts.length = 0;
});
afterAll(() => {
  webhook.close();
  runner.close();
});

const makefile = (recipe: string) => `test:\n\t${recipe}\n`;

describe(`examples/veza-ci.yml on ${runner.name}`, () => {
  it('tells that the drill failed, its outcome and message, and uploads the report', async () => {
    // A formation of which nothing exists is not healthy, so there is nothing to drill.
    const { succeeded, log } = await runner.run('examples/veza-ci.yml', {
      files: { 'formation.yml': absent, Makefile: makefile('true') },
      secrets,
    });
    expect(succeeded, told(log)).toBe(false);
    expect(alerts).toHaveLength(1);
    expect(alerts[0]).toMatch(
      /^The failover drill failed: unhealthy\. .*nothing was stopped.* RTO: not measured\. /,
    );
    expect(log).toMatch(/\| uploaded failover-drill: failover-drill-absent-\w+\.json \d+/);
  });

  it('tells that the drill never started when the backend failed', async () => {
    const { succeeded, log } = await runner.run('examples/veza-ci.yml', {
      files: { 'formation.yml': formation, Makefile: makefile('false') },
      secrets,
    });
    expect(succeeded, told(log)).toBe(false);
    expect(alerts).toEqual([expect.stringMatching(/^The failover drill never started\. /)]);
  });

  it('leaves the formation healthy when the run is cancelled in the middle of the fault', async () => {
    const run = await runner.start('examples/veza-ci.yml', {
      files: { 'formation.yml': formation, Makefile: makefile('true') },
      secrets,
    });
    await run.says(/fault: stop/);
    const target = await stopped();
    run.cancel();
    const cancelledAt = performance.now();
    await allRun(target);
    figure('cancelled, then every container runs', (performance.now() - cancelledAt) / 1000);
    const { succeeded, log } = await run.ended;
    expect(succeeded, told(log)).toBe(false);
    expect(log).not.toContain('promotion:');
    await becomesHealthy(formation, 60_000);
    figure('cancelled, then a healthy formation', (performance.now() - cancelledAt) / 1000);
  });

  // A runner by itself cancels a run whole, later jobs included; a server sends them all the same.
  it.each([
    [
      { BACKEND: 'success', RESULT: 'cancelled', OUTCOME: '', MESSAGE: '', RTO: '' },
      'The failover drill was cancelled. It left no message. RTO: not measured. https://ci/run',
    ],
    [
      {
        BACKEND: 'success',
        RESULT: 'failure',
        OUTCOME: 'missed',
        MESSAGE: 'It "took" $(too) `long`.',
        RTO: '71.250',
      },
      'The failover drill failed: missed. It "took" $(too) `long`. RTO: 71.250 s. https://ci/run',
    ],
    [
      { BACKEND: 'success', RESULT: 'failure', OUTCOME: '', MESSAGE: '', RTO: '' },
      'The failover drill failed: no outcome. It left no message. RTO: not measured. https://ci/run',
    ],
  ])('sends %j as it should', async (given, text) => {
    const { jobs } = parse(readFileSync(join(root, 'examples', 'veza-ci.yml'), 'utf8')) as {
      jobs: { notify: { steps: [{ run: string }] } };
    };
    const env = { PATH: process.env['PATH'], ...given, RUN: 'https://ci/run', ...secrets };
    await promisify(execFile)('bash', ['-eo', 'pipefail', '-c', jobs.notify.steps[0].run], { env });
    expect(alerts).toEqual([text]);
  });
});

describe(`.gitea/workflows/failover-drill.yml on ${runner.name}`, () => {
  it('is called from another workflow, which reads its outputs', async () => {
    await becomesHealthy(formation, 60_000);
    const shipped = '.gitea/workflows/failover-drill.yml';
    const { succeeded, log, seen } = await runner.run('test/runner/workflows/called.yml', {
      files: { 'formation.yml': formation, [shipped]: readFileSync(join(root, shipped), 'utf8') },
    });
    expect(succeeded, told(log)).toBe(true);
    const { drill } = seen.get('needs') as Record<string, { outputs: Record<string, string> }>;
    expect(drill?.outputs).toMatchObject({ outcome: 'pass' });
    expect(drill?.outputs['rto-seconds']).toMatch(/^\d+\.\d{3}$/);
    expect(log).toMatch(/\| uploaded failover-drill: failover-drill-default-\w+\.json \d+/);
    expect(log).toMatch(/\| uploaded failover-drill: failover-drill-default-\w+\.svg \d+/);
  });
});

const absent = `
formation: absent
monitor: { name: absent-monitor }
nodes: [{ name: absent-alpha }, { name: absent-beta }]
`;
