import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { everything } from './extent.ts';
import { asPostgres, asRoot } from './foreign.ts';
import { certified } from './foreign-certified.ts';
import { shared } from './foreign-shared.ts';
import { applicationPassword, type ForeignWay, handOver, role, tutorial } from './foreign-ways.ts';
import { removeContainers } from './formations.ts';
import { becomesHealthy, figure, runAction, startAction } from './harness.ts';
import {
  listenForSteps,
  type PlannedChange,
  type ToldStep,
  unannounced,
  unplanned,
  whileWriting,
} from './written.ts';

/**
 * Formations that were made in foreign ways: adopted by the action, planned, applied while a client writes, drilled. It
 * takes minutes for each; test/lab/existing-formation.test.ts shows the first of them in every run.
 */

const patience = 600_000;

const ways: [string, ForeignWay][] = [
  ["upstream's tutorial", tutorial],
  ['the Ansible role', role],
  ['three nodes on a shared monitor', shared],
  ["certificates of a CA of one's own", certified],
];

describe.runIf(everything).each(ways)('a formation of others: %s', { timeout: patience }, (title, way) => {
  const folder = mkdtempSync(join(tmpdir(), 'pgha-foreign-'));
  const path = join(folder, 'formation.yml');
  const file = () => way.edited(readFileSync(path, 'utf8'));
  const inputs = () => ({
    formation: file(),
    'app-password': applicationPassword,
    ...way.given?.(),
  });
  const rulesQuery =
    'SELECT type, database, user_name, address, netmask, auth_method FROM pg_hba_file_rules ORDER BY line_number';
  /** The rules of each node, in their order. */
  const rulesOf = async () =>
    await Promise.all(
      way.nodes.map(async (node) =>
        (await asRoot(node, asPostgres(`psql -Atc "${rulesQuery}"`))).trim().split('\n'),
      ),
    );

  beforeAll(async () => {
    await removeContainers();
    await way.make();
  }, patience);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const adopt = () => runAction('provision-pgaf', { mode: 'adopt', formation: path, adopt: way.asked });

  it('is adopted by the action: the file is written, and the formation is healthy by it', async () => {
    const { code, outputs, log, summary } = await adopt();
    expect(code, log).toBe(0);
    expect(outputs).toMatchObject({ changed: 'false', 'formation-file': path, primary: way.nodes[0] });
    expect(outputs['message']).toContain(`formation ${way.formation} is healthy`);
    const text = readFileSync(path, 'utf8');
    for (const each of way.says) expect(text).toMatch(each);
    expect(summary).toContain(text);
    const again = await adopt();
    expect(again.code).toBe(3);
    expect(again.outputs['message']).toContain('is there already, and is left as it is');
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  it('is taken over as its plan says, while writes go on', async () => {
    await handOver(way);
    const rules = await rulesOf();
    const left = await way.left?.();
    const plan = await runAction('provision-pgaf', { ...inputs(), mode: 'plan' });
    expect(plan.code, plan.log).toBe(0);
    let steps: ToldStep[] = [];
    const written = await whileWriting(file(), async () => {
      const started = startAction('provision-pgaf', inputs());
      const told = listenForSteps(started.child.stdout);
      const { code, log, tookMs, report } = await started.finished;
      steps = told();
      expect(code, log).toBe(0);
      expect(report?.['changes']).not.toEqual([]);
      figure(`${title}: taken over in`, tookMs / 1000);
    });
    figure(`${title}: writes acknowledged meanwhile`, written.acknowledged, 'writes');
    figure(`${title}: of them lost`, written.lost.length, 'writes');
    figure(`${title}: the longest time without a write`, written.longestMs / 1000);
    for (const { from, to } of written.pauses) figure(`${title}: a pause of writes`, (to - from) / 1000);
    expect(written.acknowledged).toBeGreaterThan(100);
    expect(written.lost).toEqual([]);
    expect(unplanned(steps, (plan.report?.['changes'] ?? []) as PlannedChange[])).toEqual([]);
    expect(unannounced(written, steps)).toEqual([]);
    expect(await way.left?.()).toEqual(left);
    if (/^keep:.*access/m.test(file())) {
      const now = await rulesOf();
      // pg_autoctl itself adds one for each node that it comes to follow.
      for (const [index, before] of rules.entries())
        expect(now[index]?.filter((each) => before.includes(each))).toEqual(before);
    }
    const again = await runAction('provision-pgaf', inputs());
    expect(again.outputs, again.log).toMatchObject({ 'exit-code': '0', changed: 'false' });
    expect(await way.left?.()).toEqual(left);
  });

  it('passes a drill', async () => {
    await becomesHealthy(file(), 60_000);
    const { code, outputs, log } = await runAction('failover-drill', {
      ...inputs(),
      'rto-target-seconds': '60',
      'require-client-evidence': 'true',
    });
    expect(code, log).toBe(0);
    expect(outputs).toMatchObject({ outcome: 'pass', 'lost-writes': '0' });
    expect(Number(outputs['writes-at-risk'])).toBeGreaterThan(0);
    figure(`${title}: RTO of a drill`, Number(outputs['rto-seconds']));
    figure(`${title}: RTO of its clients`, Number(outputs['client-rto-seconds']));
    figure(`${title}: writes at risk, none of them lost`, outputs['writes-at-risk'] ?? '', 'writes');
  });
});
