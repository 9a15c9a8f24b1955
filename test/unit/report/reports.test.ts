import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parseClientUri } from '../../../src/application/client-uri.ts';
import { checkCatalogue } from '../../../src/check/catalogue/catalogue.ts';
import type { ObservedLogin } from '../../../src/check/observation.ts';
import { type JudgeOptions, judge } from '../../../src/check/verdict.ts';
import type { DrillRecord } from '../../../src/drill/record.ts';
import { type DrillVerdict, judgeDrill } from '../../../src/drill/verdict/verdict.ts';
import { campaignMarkdown } from '../../../src/report/campaign-report.ts';
import { checkMessage, judgedLines, judgedMarkdown } from '../../../src/report/check-report.ts';
import { eventsTable } from '../../../src/report/drill-events.ts';
import { drillLines } from '../../../src/report/drill-report.ts';
import { drillTimeline } from '../../../src/report/pictures/timeline.ts';
import { provisionMarkdown } from '../../../src/report/provision-report.ts';
import {
  builtInFormation,
  campaignOf,
  healthyObservation,
  judgedDrill,
  nodeOf,
  observedInstance,
  passingDrill,
  rowOf,
  unhealthyVerdict,
} from '../builders.ts';

const formation = builtInFormation();
const drillMarkdown = (record: DrillRecord, verdict: DrillVerdict) =>
  campaignMarkdown(campaignOf([judgedDrill(record)], { proofs: [] }), verdict);
const published = readFileSync(
  join(import.meta.dirname, '..', '..', '..', 'schemas', 'check-report.schema.json'),
  'utf8',
);

describe("a check's report", () => {
  it('shows the nodes as the monitor and Postgres have them', () => {
    const observation = healthyObservation();
    const lines = judgedLines({ observation, verdict: judge(observation, formation) });
    expect(lines.slice(0, 4)).toEqual([
      'node          container  state      health  postgres  timeline  lag',
      '------------  ---------  ---------  ------  --------  --------  ---',
      'pgaf-primary  Running    primary    good    writable  1',
      'pgaf-replica  Running    secondary  good    standby   1         0 B',
    ]);
    expect(lines.slice(-2)).toEqual([
      `${checkCatalogue.length - 4} of ${checkCatalogue.length - 4} checks passed`,
      'not judged: application-session (no app-password was given), client-uri (no client-uri was given), rto-target (no rto-target-seconds was given), failure-domains (Incus is no cluster)',
    ]);
  });

  it('passes nothing that it was given nothing to judge by', () => {
    const observation = healthyObservation();
    const read = parseClientUri('postgres://a/veza');
    const clientUri = 'uri' in read ? read.uri : undefined;
    const given = { rtoTargetSeconds: 60, clientUri, withoutFile: true };
    observation.logins = { 'pgaf-primary': { ok: true, value: {} as ObservedLogin } };
    const unaskedOf = (asked: JudgeOptions) =>
      judge(observation, formation, asked).findings.flatMap(({ check, unasked }) =>
        unasked === undefined ? [] : [check],
      );
    expect(unaskedOf(given)).toEqual(['unit-file', 'failure-domains', 'matches-file', 'environment-kept']);
    expect(unaskedOf({})).toEqual(['client-uri', 'rto-target', 'failure-domains']);
    expect(judgedMarkdown({ observation, verdict: judge(observation, formation) })).toContain(
      'not judged: no rto-target-seconds was given',
    );
  });

  it('tells formations that could not be judged apart from those that are not healthy', () => {
    const observation = healthyObservation();
    nodeOf(observation, 'pgaf-primary').replayPaused = true;
    Object.assign(rowOf(observation, 'pgaf-replica'), { reportedState: 'catchingup' });
    const ill = { formation, judged: true, observation, verdict: judge(observation, formation) } as const;
    const unread = { formation: { ...formation, name: 'b' }, judged: false, failed: 'no incus' } as const;
    expect(checkMessage([unread, unread])).toBe('2 of 2 formations could not be judged: b, b; no incus');
    expect(checkMessage([ill, unread])).toBe(
      '1 of 2 formations is not healthy: default; 1 of 2 formations could not be judged: b; no incus',
    );
  });

  it('is as its published schema says', () => {
    const observation = healthyObservation();
    observation.nodes['pgaf-replica'] = { ok: false, failed: 'silence' };
    const judgedOne = { formation, judged: true, observation, verdict: judge(observation, formation) };
    const report = {
      ...{ action: 'check-formation', outcome: 'unhealthy', exitCode: 1, message: 'm' },
      formations: [judgedOne, { formation, judged: false, failed: 'no incus' }],
    };
    const ajv = new Ajv({ allErrors: true });
    const validate = ajv.compile(JSON.parse(published) as object);
    expect(validate(JSON.parse(JSON.stringify(report))), ajv.errorsText(validate.errors)).toBe(true);
    expect(validate({ ...report, outcome: 'fine' })).toBe(false);
  });

  it('shows what to expect of a failover', () => {
    const observation = healthyObservation();
    const text = judgedLines({ observation, verdict: judge(observation, formation) }).join('\n');
    expect(text).toMatch(
      /crash-stop +[\d.]+ to [\d.]+ s +[\d.]+ to [\d.]+ s +pgautofailover\.\w+ \([\d.]+ s\)/,
    );
    expect(text).toMatch(/postgres-crash +none +0\.2 to 6\.0 s/);
  });

  it('shows what failed, with what was read and what to do', () => {
    const observation = healthyObservation();
    Object.assign(rowOf(observation, 'pgaf-replica'), {
      reportedState: 'catchingup',
      secondsSinceStateChange: 3,
    });
    nodeOf(observation, 'pgaf-primary').readOnly = true;
    const text = judgedLines({ observation, verdict: judge(observation, formation) }).join('\n');
    expect(text).toMatch(/pgaf-replica +Running +catchingup → secondary +good +standby/);
    expect(text).toMatch(/pgaf-primary +Running +primary +good +read-only/);
    expect(text).toContain(`${checkCatalogue.length - 7} of ${checkCatalogue.length - 4} checks passed`);
    expect(text).toMatch(/FAILED +states-converged +pgaf-replica +reported catchingup.* To do: wait/);
    expect(text).toMatch(/follows +failover-possible .* Follows from states-converged$/m);
  });

  it('shows question marks for what could not be read, and unknown for what it would have told', () => {
    const observation = healthyObservation();
    observation.monitor = { ok: false, failed: 'silence' };
    observation.nodes['pgaf-replica'] = { ok: false, failed: 'silence' };
    const text = judgedLines({ observation, verdict: judge(observation, formation) }).join('\n');
    expect(text).toMatch(/pgaf-replica +Running +\? +\? +no answer +\?/);
    expect(text).toMatch(/unknown +states-converged +could not be read/);
  });

  it('shows a warning as one', () => {
    const observation = healthyObservation();
    observation.instances['pgaf-primary'] = observedInstance({ drillMark: 'x' });
    expect(judgedLines({ observation, verdict: judge(observation, formation) }).join('\n')).toMatch(
      /warning +no-interrupted-drill +pgaf-primary/,
    );
  });

  it('in the job summary starts with the verdict, and is open where there is something to do', () => {
    const observation = healthyObservation();
    const healthy = judgedMarkdown({ observation, verdict: judge(observation, formation) });
    expect(healthy).toMatch(/^### ✅ formation default is healthy: primary pgaf-primary/);
    expect(healthy).toContain('<details><summary>Checks</summary>');
    expect(judgedMarkdown({ observation, verdict: unhealthyVerdict() })).toMatch(
      /^### ❌ .*[\s\S]*<details open>/,
    );
  });

  it('lets nothing that was read become markup of the page', () => {
    const observation = healthyObservation();
    observation.monitor = { ok: false, failed: '<img src=x> | `a` **b**' };
    const text = judgedMarkdown({ observation, verdict: judge(observation, formation) });
    expect(text).not.toContain('<img');
    expect(text).toContain('&lt;img src=x> \\| \\`a\\` \\*\\*b\\*\\*');
  });
});

describe("a drill's report", () => {
  const record = passingDrill();

  it('tells its own deeds among what the monitor announced, in order, from the fault on', () => {
    expect(eventsTable(record).rows.map((row) => row.map((cell) => cell.replaceAll('**', '')))).toEqual([
      ['+0.000 s', 'pgaf-primary', 'fault: stop'],
      ['+4.200 s', 'pgaf-primary', 'primary → draining (not healthy)'],
      ['+9.800 s', 'pgaf-replica', 'wait_primary'],
      ['+9.850 s', 'pgaf-primary', 'undo'],
      ['+14.100 s', 'default', 'every node converged and healthy'],
    ]);
  });

  it('in the job summary is the verdict, the figures and the events', () => {
    expect(drillMarkdown(record, judgeDrill(record))).toMatchInlineSnapshot(`
      "### ✅ Failover drill: pgaf-replica took over from pgaf-primary in 9.800 s (target 60 s); no clients were watched, so nothing is told of their writes; all nodes healthy 4.250 s after its return

      | figure | measured | predicted | target |
      | --- | --- | --- | --- |
      | RTO: fault to promotion as the monitor announced it | 9.800 s | 22.6 to 29.5 s | 60.000 s |
      | rejoin: undo to every node converged and healthy | 4.250 s |  |  |
      | whole drill | 15.600 s |  |  |

      - Postgres 16.4, pg\\_auto\\_failover 2.2

      **Where the time went**

      | step | from | took | share |
      | --- | --- | --- | --- |
      | demotion wait: the old primary has its time to fence itself; and what came before | 0.000 s | 9.800 s | 100 % |
      | the new primary opens for writes and is announced | 9.800 s | 0.000 s | 0 % |

      - took longest: demotion wait: the old primary has its time to fence itself; and what came before, 9.800 s of 9.800 s (100 %); which setting decides it was not announced

      <details><summary>Events</summary>

      | since the fault | where | what |
      | --- | --- | --- |
      | +0.000 s | pgaf-primary | **fault**: stop |
      | +4.200 s | pgaf-primary | primary → draining (not healthy) |
      | +9.800 s | pgaf-replica | wait\\_primary |
      | +9.850 s | pgaf-primary | **undo** |
      | +14.100 s | default | **every node converged and healthy** |

      - proof of the fault: Incus shows the container as Stopped
      - and just before the undo: Incus shows the container as Stopped

      </details>
      "
    `);
  });

  it('in the log has neither Markdown nor a line without a place', () => {
    const lines = drillLines(record, judgeDrill(record));
    expect(lines.join('\n')).not.toContain('**');
    expect(lines).toContain('+0.000 s         pgaf-primary  fault: stop');
  });

  it('of a drill that stopped nothing is its verdict alone', () => {
    const untouched = passingDrill({
      faultAt: undefined,
      promotion: undefined,
      baseline: unhealthyVerdict(),
    });
    expect(drillLines(untouched, judgeDrill(untouched))).toEqual([]);
    expect(drillMarkdown(untouched, judgeDrill(untouched))).toMatch(
      /^### ❌ Failover drill: no drill on .*\n$/,
    );
  });

  it('shows a dash for what was not measured, never a zero', () => {
    const missed = passingDrill({ promotion: undefined, settledSeconds: undefined });
    expect(drillMarkdown(missed, judgeDrill(missed))).toMatch(
      /RTO: [^|]* \\| – \\| [^|]* \\| 60\\.000 s \\|/,
    );
  });

  it('lets nothing that the monitor announced become markup, bold included', () => {
    const told = { seconds: 1, node: '<b>', reportedState: '**a**', goalState: '**a**', health: 1 };
    const text = drillMarkdown(passingDrill({ announcements: [told] }), judgeDrill(record));
    expect(text).not.toContain('<b>');
    expect(text).not.toContain('**a**');
  });
});

describe("a drill's picture", () => {
  const picture = (given: Partial<DrillRecord>) => {
    const record = passingDrill(given);
    return drillTimeline(record, judgeDrill(record));
  };

  it('names what the fault did to its target, and its end', () => {
    expect(picture({})).toMatch(/>power back<[\s\S]*>down</);
    expect(picture({ fault: 'network-cut' })).toMatch(/>link back<[\s\S]*>cut off</);
  });

  it('shows no state of a fault that was over at once', () => {
    const text = picture({ fault: 'switchover' });
    expect(text).toContain('switchover on pgaf-primary');
    expect(text).not.toMatch(/>down<|>power back<|><\/text>/);
  });
});

describe("a provisioning run's report", () => {
  const observation = healthyObservation();
  const proof = { observation, verdict: judge(observation, formation) };

  it('tells what was changed', () => {
    const changes = [{ container: 'pgaf-primary', what: 'created | node', seconds: 2.904 }];
    const text = provisionMarkdown({ mode: 'apply', changed: true, changes, proof });
    expect(text).toContain('| pgaf-primary | created \\| node | 2.90 |');
  });

  it('tells when there was nothing to change', () => {
    const text = provisionMarkdown({ mode: 'apply', changed: false, changes: [], proof });
    expect(text).toMatch(/Nothing had to be changed\.\n$/);
  });

  it('tells what a plan would change, without a proof', () => {
    const changes = [{ container: 'pgaf-primary', what: 'create the node', seconds: 0 }];
    const text = provisionMarkdown({ mode: 'plan', changed: true, changes, proof: undefined });
    expect(text).toMatch(/^### Plan\n/);
    expect(text).toContain('| container | would change |');
    expect(text).toContain('| pgaf-primary | create the node |');
  });
});
