import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { becomesHealthy, checkPasses, figure, root } from '../lab/harness.ts';
import { chosenRunner, tellsOutputsOfFailedJobs } from './chosen-runner.ts';
import { provisioned, runnerFormation } from './formation.ts';
import { told } from './runner.ts';
import { ServerRunner } from './server/server-runner.ts';
import { allRunUnmarked, stopped } from './under-drill.ts';
import { Webhook } from './webhook.ts';

/** The worked examples and the workflow that pgha ships, as they stand, on a real runner. */

const runner = chosenRunner();
const webhook = new Webhook();
const alerts = webhook.messages;
let secrets: Record<string, string>;

beforeAll(async () => {
  await runner.open();
  secrets = { ALERT_WEBHOOK: await webhook.open() };
  await provisioned();
});
beforeEach(() => {
  alerts.length = 0;
});
afterAll(async () => {
  webhook.close();
  await runner.close();
});

const makefile = (recipe: string) => `test:\n\t${recipe}\n`;

describe(`examples/veza-ci.yml on ${runner.name}`, () => {
  it('tells that the drill failed, its outcome and message, and uploads the report', async () => {
    // A formation of which nothing exists is not healthy, so there is nothing to drill.
    const { succeeded, log, uploads } = await runner.run('examples/veza-ci.yml', {
      files: { 'formation.yml': absent, Makefile: makefile('true') },
      secrets,
    });
    expect(succeeded, told(log)).toBe(false);
    expect(alerts).toHaveLength(1);
    expect(alerts[0]).toMatch(
      tellsOutputsOfFailedJobs(runner)
        ? /^formation\.yml: failover-drill failed\. unhealthy: .*nothing was stopped.* RTO: not measured\. https?:/
        : /^formation\.yml: failover-drill failed\. No verdict\. RTO: not measured\. https?:/,
    );
    expect(uploads.get('failover-drill')).toContainEqual(
      expect.stringMatching(/^failover-drill-absent-\w+\.json$/),
    );
  });

  it('tells that the drill never started when the backend failed', async () => {
    const { succeeded, log } = await runner.run('examples/veza-ci.yml', {
      files: { 'formation.yml': runnerFormation, Makefile: makefile('false') },
      secrets,
    });
    expect(succeeded, told(log)).toBe(false);
    expect(alerts).toEqual([
      expect.stringMatching(/^formation\.yml: backend failed\. failover-drill never started\. No verdict\. /),
    ]);
  });

  // Of a server server/ways.test.ts has it, with slower timings: a person's word takes seconds there.
  it.skipIf(runner instanceof ServerRunner)(
    'leaves the formation healthy when the run is cancelled in the middle of the fault',
    async () => {
      const run = await runner.start('examples/veza-ci.yml', {
        files: { 'formation.yml': runnerFormation, Makefile: makefile('true') },
        secrets,
      });
      await run.says(/fault: stop/);
      const target = await stopped();
      await run.cancel();
      const cancelledAt = performance.now();
      await allRunUnmarked(target);
      figure('cancelled, then every container runs', (performance.now() - cancelledAt) / 1000);
      const { succeeded, log } = await run.ended;
      expect(succeeded, told(log)).toBe(false);
      expect(log).not.toContain('promotion:');
      await checkPasses(runnerFormation, 60_000);
      figure('cancelled, then a healthy formation', (performance.now() - cancelledAt) / 1000);
    },
  );
});

describe(`.gitea/workflows/failover-drill.yml on ${runner.name}`, () => {
  // Started by hand, since a runner may then take what the called file says of that for what its caller gives.
  it('is called from another workflow that was started by hand, which reads its outputs', async () => {
    await becomesHealthy(runnerFormation, 60_000);
    const shipped = '.gitea/workflows/failover-drill.yml';
    const { succeeded, log, seen, uploads } = await runner.run('test/runner/workflows/called.yml', {
      event: 'workflow_dispatch',
      files: { 'formation.yml': runnerFormation, [shipped]: readFileSync(join(root, shipped), 'utf8') },
    });
    expect(succeeded, told(log)).toBe(true);
    const { drill } = seen.get('needs') as Record<string, { outputs: Record<string, string> }>;
    expect(log).toMatch(/\| formation file: formation\.yml$/m);
    expect(drill?.outputs).toMatchObject({ outcome: 'pass' });
    expect(drill?.outputs['rto-seconds']).toMatch(/^\d+\.\d{3}$/);
    for (const kind of ['json', 'svg'])
      expect(uploads.get('failover-drill')).toContainEqual(
        expect.stringMatching(new RegExp(`^failover-drill-default-\\w+\\.${kind}$`)),
      );
  });
});

describe(`a copy of this repository on ${runner.name}`, () => {
  it.each([
    ['ci.yml', 'push', undefined],
    ['nightly-drill.yml', 'schedule', undefined],
    ['release.yml', 'push', 'v9.9.9'],
  ])('starts nothing of %s', async (name, event, tag) => {
    const called = '.gitea/workflows/failover-drill.yml';
    const { succeeded, log } = await runner.run(join('.gitea/workflows', name), {
      event,
      ...(tag && { tag }),
      files: { 'formation.yml': runnerFormation, [called]: readFileSync(join(root, called), 'utf8') },
    });
    expect(succeeded, told(log)).toBe(true);
    expect(log).not.toMatch(/formation file|Run (?:Set up|Main|Pre)/);
  });
});

const absent = `
formation: absent
monitor: { name: absent-monitor }
nodes: [{ name: absent-alpha }, { name: absent-beta }]
`;
