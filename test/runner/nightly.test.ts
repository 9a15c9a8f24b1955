import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { becomesHealthy, figure } from '../lab/harness.ts';
import { chosenRunner } from './chosen-runner.ts';
import { nodes, provisioned, runnerFormation } from './formation.ts';
import { secrets, told } from './runner.ts';
import { ServerRunner } from './server/server-runner.ts';
import { allRunUnmarked, stopped } from './under-drill.ts';
import { Webhook } from './webhook.ts';

/** The composite action on a real runner: all of it where the drill passes, and what is left where it does not. */

const runner = chosenRunner();
const webhook = new Webhook();
const files = { 'formation.yml': runnerFormation };
let address: string;

interface Step {
  outcome: string;
  outputs: Record<string, string>;
}

beforeAll(async () => {
  await runner.open();
  address = await webhook.open();
  await provisioned();
});
beforeEach(() => {
  webhook.messages.length = 0;
});
afterAll(async () => {
  webhook.close();
  await runner.close();
});

const nightly = async (workflow: string, given: Record<string, string> = files) =>
  await runner.run(`test/runner/workflows/${workflow}.yml`, {
    files: given,
    secrets: { ALERT_WEBHOOK: address },
  });
const stepOf = (seen: Map<string, unknown>) => seen.get('nightly') as Step;
/** What siblings would say of inputs that only the outer action has. */
const strangers = /there is no such input/;

describe(`nightly on ${runner.name}`, () => {
  it('provisions if asked, checks, drills, keeps the reports, and tells nobody when all is well', async () => {
    const { succeeded, log, seen, uploads } = await nightly('nightly');
    expect(succeeded, told(log)).toBe(true);
    const { outcome, outputs } = stepOf(seen);
    expect(outcome).toBe('success');
    expect(outputs).toMatchObject({ 'exit-code': '0', outcome: 'pass', changed: 'false', healthy: 'true' });
    expect([outputs['old-primary'], outputs['new-primary']].sort()).toEqual(nodes);
    expect(outputs['message']).toContain(outputs['new-primary']);
    expect(outputs['rto-seconds']).toMatch(/^\d+\.\d{3}$/);
    expect(outputs['html']).toMatch(/failover-drill-default-.*\.html$/);
    figure('a nightly drill, RTO', Number(outputs['rto-seconds']));
    for (const report of ['provision-pgaf-default', 'check-formation-default', 'failover-drill-default'])
      expect(uploads.get('failover-drill')).toContainEqual(
        expect.stringMatching(new RegExp(`^${report}[\\w-]*\\.json$`)),
      );
    expect(webhook.messages).toEqual([]);
    expect(log).not.toMatch(strangers);
    await becomesHealthy(runnerFormation, 60_000);
  });

  it('fails with a drill that does, keeps its reports, and tells the webhook once', async () => {
    const { succeeded, log, seen, uploads } = await nightly('nightly-failing');
    expect(succeeded, told(log)).toBe(false);
    const { outcome, outputs } = stepOf(seen);
    expect(outcome).toBe('failure');
    expect(outputs).toMatchObject({ 'exit-code': '2', outcome: 'missed' });
    expect(outputs['rto-seconds']).toMatch(/^\d+\.\d{3}$/);
    expect(uploads.get('night')).toContainEqual(expect.stringMatching(/^failover-drill-default-\w+\.json$/));
    expect(log).not.toMatch(/\| this must not run/);
    const said = `formation.yml: failover-drill failed. missed: ${outputs['message']}`;
    expect(webhook.messages).toHaveLength(1);
    expect(webhook.messages[0]).toContain(said);
    expect(webhook.messages[0]).toMatch(
      new RegExp(`RTO: ${outputs['rto-seconds']} s\\. https?://\\S+/actions(/runs/\\S+)?$`),
    );
    expect(log).not.toMatch(strangers);
    await becomesHealthy(runnerFormation, 120_000);
  });

  it('drills nothing where the check fails, and tells so', async () => {
    const { succeeded, log, seen, uploads } = await nightly('nightly-failing', { 'formation.yml': absent });
    expect(succeeded, told(log)).toBe(false);
    expect(stepOf(seen).outputs).toMatchObject({ outcome: 'unhealthy', healthy: 'false', 'rto-seconds': '' });
    expect(log).not.toContain('formation file:');
    expect(uploads.get('night')).toContain('check-formation-absent.json');
    expect(webhook.messages).toEqual([
      expect.stringMatching(
        /^formation\.yml: check-formation failed\. failover-drill never started\. unhealthy: .* RTO: not measured\. /,
      ),
    ]);
  });

  it('tells in the log that nobody was told, and is no less a failure', async () => {
    const secret = 'http://127.0.0.1:9/Nobody-listens-here';
    const { succeeded, log } = await runner.run('test/runner/workflows/nightly-failing.yml', {
      files: { 'formation.yml': absent },
      secrets: { ALERT_WEBHOOK: secret },
    });
    expect(succeeded, told(log)).toBe(false);
    expect(log).toMatch(/alert: the webhook could not be reached \(.*\), so nobody was told/);
    expect(log).toMatch(/check-formation: .*not/);
    expect(webhook.messages).toEqual([]);
  });

  // Of a server server/ways.test.ts has it, with slower timings: a person's word takes seconds there.
  it.skipIf(runner instanceof ServerRunner)(
    'leaves the formation healthy when the run is cancelled in the middle of the fault',
    async () => {
      const run = await runner.start('test/runner/workflows/nightly.yml', {
        files,
        secrets: { ALERT_WEBHOOK: address },
      });
      await run.says(/fault: stop/, 120_000);
      const target = await stopped();
      await run.cancel();
      await allRunUnmarked(target);
      const { succeeded, log } = await run.ended;
      expect(succeeded, told(log)).toBe(false);
      expect(log).not.toContain('promotion:');
      await becomesHealthy(runnerFormation, 60_000);
    },
  );

  it('shows no secret in all that was logged, debug lines and all', () => {
    const all = runner.logs.join('\n');
    expect(all).toMatch(/\| the webhook: \*\*\*/);
    const held = [address, secrets.ALERT_WEBHOOK, secrets.APP_PASSWORD, secrets.USER_PASSWORDS];
    for (const secret of held) {
      const lines = all.split('\n').filter((line) => line.includes(secret));
      expect(lines.map((line) => line.replaceAll(secret, '(here)'))).toEqual([]);
    }
  });
});

const absent = `
formation: absent
monitor: { name: absent-monitor }
nodes: [{ name: absent-alpha }, { name: absent-beta }]
`;
