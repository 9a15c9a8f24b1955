import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { becomesHealthy, figure, root } from '../../lab/harness.ts';
import { staysHealthy } from '../../lab/stays-healthy.ts';
import { provisioned, runnerFormation, slowFormation, unhurriedFormation } from '../formation.ts';
import { type Runner, secrets, told } from '../runner.ts';
import { allRunUnmarked, stopped } from '../under-drill.ts';
import { Webhook } from '../webhook.ts';
import { asOnGitea, ServerRunner } from './server-runner.ts';

/** What only a server has: schedules, people, artifacts, groups, and a runner that may be gone. */

const runner = new ServerRunner(process.env['PGHA_TEST_RUNNER'] ?? '');
const webhook = new Webhook();
let given: Record<string, string>;

const textOf = (path: string) => readFileSync(join(root, path), 'utf8');
const shipped = (name: string) => ({ [`.gitea/workflows/${name}`]: textOf(`.gitea/workflows/${name}`) });
const makefile = { Makefile: 'test:\n\ttrue\n' };
const seconds = /^\d+\.\d{3}$/;

beforeAll(async () => {
  await runner.open();
  console.log(`${runner.name}: ${runner.daemon.version()}`);
  given = { ALERT_WEBHOOK: await webhook.open(), VEZA_DB_PASSWORD: secrets.APP_PASSWORD };
  await provisioned();
});
beforeEach(() => {
  webhook.messages.length = 0;
});
afterAll(async () => {
  webhook.close();
  await runner.close();
});

describe(`on ${runner.name}`, () => {
  it('a schedule runs examples/called-drill.yml, which calls the drill of another repository and reads its outputs', async () => {
    const { succeeded, log } = await runner.run('examples/called-drill.yml', {
      event: 'schedule',
      files: { 'formation.yml': runnerFormation },
      secrets: given,
    });
    expect(succeeded, told(log)).toBe(true);
    expect(log).toMatch(/\| formation file: formation\.yml$/m);
    const [, rto] = /\| the drill's outcome is 'pass' after '(.*)' s$/m.exec(log) ?? [];
    expect(rto, told(log)).toMatch(seconds);
    await becomesHealthy(runnerFormation, 60_000);
  });

  it('a person starts nightly-drill.yml, and the drill that it calls is given what the person chose', async () => {
    const run = await runner.start('.gitea/workflows/nightly-drill.yml', {
      event: 'workflow_dispatch',
      inputs: { formation: 'formation.yml', fault: 'kill-node', 'rto-target-seconds': '30' },
      variables: { PGHA_WORKFLOWS: 'on' },
      files: { 'formation.yml': runnerFormation, ...shipped('failover-drill.yml') },
      secrets: given,
    });
    const { succeeded, log } = await run.ended;
    expect(succeeded, told(log)).toBe(true);
    expect(log).toMatch(/\| formation file: formation\.yml$/m);
    expect(log).toContain('fault: kill-node');
    await becomesHealthy(runnerFormation, 60_000);
    // The report as a person has it: fetched from the run's page, and opened.
    const artifact = (await run.artifacts()).get('failover-drill') ?? new Map<string, Buffer>();
    const [, report = Buffer.alloc(0)] = [...artifact].find(([name]) => name.endsWith('.json')) ?? [];
    const { campaign } = JSON.parse(report.toString()) as {
      campaign: { drills: { record: { fault: string; rtoTargetSeconds: number } }[] };
    };
    expect(campaign.drills[0]?.record).toMatchObject({ fault: 'kill-node', rtoTargetSeconds: 30 });
    const kinds = [...artifact.keys()].map((name) => name.replace(/^[^.]*/, '')).sort();
    expect(kinds).toEqual(['.html', '.journal.jsonl', '.json', '.junit.xml', '.svg']);
    for (const content of artifact.values()) expect(content.length).toBeGreaterThan(200);
  });

  it('a push of examples/provision.yml applies the formation, and a pull request plans and changes nothing', async () => {
    const repository = await runner.pushed('examples/provision.yml', {
      files: { 'formation.yml': runnerFormation },
      secrets: given,
    });
    const pushed = await (await repository.newRun('provision.yml', 'push')).ended;
    expect(pushed.succeeded, told(pushed.log)).toBe(true);
    await repository.propose('formation.yml', slowFormation);
    const planned = await (await repository.newRun('provision.yml', 'pull_request')).ended;
    expect(planned.succeeded, told(planned.log)).toBe(true);
    expect(planned.log).toMatch(/primary.demote.timeout.*90/);
    await staysHealthy(runnerFormation);
  });

  it('of three runs in one group the first is never cancelled, and the last one runs after it', async () => {
    const repository = await runner.repository();
    const name = 'github-drill.yml';
    const text = asOnGitea(textOf(`examples/${name}`));
    await repository.push({ [`.gitea/workflows/${name}`]: text, 'formation.yml': runnerFormation });
    const runs = [];
    for (const known of [0, 1, 2]) {
      await repository.dispatch(name, { 'rto-target-seconds': '30' });
      runs.push(await repository.newRun(name, 'workflow_dispatch', known));
      if (known === 0) await stopped(120_000);
    }
    const [first, second, third] = await Promise.all(runs.map((run) => run.conclusion()));
    figure('three runs in one group', `${first}, ${second}, ${third}`, '');
    expect([first, third]).toEqual(['success', 'success']);
    await becomesHealthy(runnerFormation, 60_000);
  });
});

describe(`a drill that ends on ${runner.name} in the middle of its fault`, () => {
  beforeAll(() => provisioned(unhurriedFormation));
  afterAll(() => provisioned());

  it.each([
    // A workflow tells that starts because of it.
    ['veza-ci.yml', /^formation\.yml: Veza CI was cancelled\. pass: .*healthy.* \(after http/],
    // Nothing starts because of a schedule's run. Its own last step tells, where a runner still runs that.
    [
      'nightly.yml',
      runner.name === 'gitea-server'
        ? /^formation\.yml: nightly was cancelled\. No verdict\. RTO: not measured\. http/
        : undefined,
    ],
  ])(
    'because a person cancelled the run of examples/%s: the formation is healthy again, and the webhook is told',
    async (example, message) => {
      const run = await runner.start(`examples/${example}`, {
        event: example === 'nightly.yml' ? 'schedule' : 'push',
        files: {
          'formation.yml': unhurriedFormation,
          ...makefile,
          '.gitea/workflows/cancelled-drill.yml': textOf('examples/cancelled-drill.yml'),
        },
        secrets: { ...given, ACTIONS_STEP_DEBUG: 'true' },
      });
      const target = await stopped(120_000);
      const happened: [number, string][] = [];
      const clickedAt = performance.now();
      const note = (what: string) => happened.push([(performance.now() - clickedAt) / 1000, what]);
      await run.cancel();
      note('the button is clicked');
      const heard =
        message && webhook.hears(message, 240_000).then((said) => note(`the webhook is told: ${said}`));
      await allRunUnmarked(target);
      note('every container runs, and bears no mark');
      figure('clicked, then every container runs', happened.at(-1)?.[0] ?? 0);
      await becomesHealthy(unhurriedFormation, 60_000);
      note('the formation is healthy');
      figure('clicked, then a healthy formation', happened.at(-1)?.[0] ?? 0);
      const { log } = await run.ended;
      note(`the run is ${await run.conclusion()}, and the runner is done with it`);
      await heard;
      console.log(await run.log({ withTimes: true }));
      for (const [at, what] of happened) console.log(`${at.toFixed(1).padStart(7)} s  ${what}`);
      expect(await run.conclusion()).toBe('cancelled');
      expect(log).not.toContain('promotion:');
      if (heard === undefined) expect(webhook.messages).toEqual([]);
    },
  );

  // act_runner reads a job's `timeout-minutes`, and does nothing with it.
  it.skipIf(runner.name === 'gitea-server/act_runner')("because the job's time is up", async () => {
    await provisioned(slowFormation);
    const run = await runner.start('test/runner/workflows/job-timeout.yml', {
      files: { 'formation.yml': slowFormation },
    });
    const target = await stopped(120_000);
    const { log, seen } = await run.ended;
    await allRunUnmarked(target);
    // By its target's measure, which is not for such timings, it is not; provisioning ends once it is.
    await provisioned(unhurriedFormation);
    await becomesHealthy(unhurriedFormation, 60_000);
    expect(await run.conclusion(), told(log)).toBe('failure');
    expect(log).not.toContain('promotion:');
    expect((seen.get('needs') as { drill: { result: string } }).drill.result).toBe('failure');
  });

  it("because the runner's daemon was killed: its successor tells", async () => {
    const run = await runner.start('examples/veza-ci.yml', {
      files: { 'formation.yml': unhurriedFormation, ...makefile },
      secrets: given,
    });
    const target = await stopped(120_000);
    const killedAt = performance.now();
    runner.daemon.kill();
    // The drill goes on without it to its end; where a runner gives steps a terminal, it ends as that is closed.
    await allRunUnmarked(target, 120_000);
    figure('daemon killed, then every container runs', (performance.now() - killedAt) / 1000);
    await becomesHealthy(unhurriedFormation, 60_000);
    figure('daemon killed, then a healthy formation', (performance.now() - killedAt) / 1000);
    await runner.daemon.start();
    await webhook.hears(
      /^formation\.yml: failover-drill failed\. No verdict\. RTO: not measured\. http/,
      240_000,
    );
    figure('daemon killed, then told', (performance.now() - killedAt) / 1000);
    expect(await run.conclusion()).toBe('failure');
  });
});

describe('the logs of all these runs', () => {
  it.each(Object.values(secrets))('have no secret (%#)', (secret) => {
    const all = (runner satisfies Runner).logs.join('\n');
    expect(all).toContain('run: incus');
    expect(all.includes(secret)).toBe(false);
  });
});
