import type { CampaignRecord, CampaignVerdict, JudgedDrill, Proof } from '../../campaign/campaign-record.ts';
import { drillCases } from './drill-cases.ts';
import { junitXml, type TestCase, type TestSuite } from './junit.ts';

/**
 * One suite a drill with a case for each thing judged, and one for what they come to together. A file without a
 * failure or an error always stands for a verdict that passed.
 */
export function campaignJunit(campaign: CampaignRecord, verdict: CampaignVerdict): string {
  const { formation, drills } = campaign;
  const suites = drills.map((drill, index) => suiteOf(drill, index, campaign));
  const classname = `${formation}.campaign`;
  const cases: TestCase[] = [
    {
      name: 'every planned drill was run',
      classname,
      result:
        campaign.endedEarly === undefined
          ? { kind: 'passed', note: `${drills.length} of ${campaign.rounds}` }
          : {
              kind: 'error',
              message: campaign.endedEarly,
              detail: `${drills.length} of ${campaign.rounds} drills were run: ${campaign.endedEarly}`,
            },
    },
    ...campaign.proofs.map((proof) => regressionCase(proof, classname)),
  ];
  const told = [...suites.flatMap((suite) => suite.cases), ...cases];
  cases.push({ name: 'the verdict', classname, result: verdictOf(verdict, told) });
  const timestamp = drills[0]?.record.startedAt ?? '';
  return junitXml('failover-drill', [...suites, { name: `${formation}: campaign`, timestamp, cases }]);
}

function suiteOf(
  drill: JudgedDrill,
  index: number,
  { formation, selfTest, drills }: CampaignRecord,
): TestSuite {
  const { record, verdict } = drill;
  const classname = `${formation}.${record.fault}`;
  const judged = drillCases(drill).map((each): TestCase => ({ classname, ...each }));
  const cases = selfTest ? judged.map(onlyTold) : judged;
  const last = selfTest ? { kind: 'skipped' as const, message: inSelfTest } : verdictOf(verdict, cases);
  cases.push({ name: 'the verdict', classname, result: last });
  const number = drills.length === 1 ? '' : ` ${index + 1}`;
  return { name: `${formation}: drill${number}: ${record.fault}`, timestamp: record.startedAt, cases };
}

const inSelfTest = 'a self-test, in which writes were made to be lost: the campaign as a whole is judged';

function onlyTold(given: TestCase): TestCase {
  const { result } = given;
  if (result.kind !== 'failed' && result.kind !== 'error') return given;
  return { ...given, result: { kind: 'skipped', message: `${inSelfTest} (${result.message})` } };
}

/** A verdict that is not a pass fails a case of its own where no other case has told why. */
function verdictOf({ outcome, message }: CampaignVerdict, told: readonly TestCase[]): TestCase['result'] {
  if (outcome === 'pass') return { kind: 'passed', note: message };
  if (told.some(({ result }) => result.kind === 'failed' || result.kind === 'error'))
    return { kind: 'skipped', message: `follows from what failed: ${message}` };
  return { kind: outcome === 'error' ? 'error' : 'failed', message, detail: `${outcome}: ${message}` };
}

function regressionCase({ fault, regression, noRegression }: Proof, classname: string): TestCase {
  const name = `${fault}: the median RTO is not slower than before`;
  if (regression === undefined)
    return {
      name,
      classname,
      result: { kind: 'skipped', message: noRegression ?? 'no gate was asked for' },
    };
  const { nowSeconds, beforeSeconds, allowedPercent, failed } = regression;
  const message = `median RTO ${nowSeconds.toFixed(3)} s against ${beforeSeconds.toFixed(3)} s before (allowed: ${allowedPercent} % more)`;
  return {
    name,
    classname,
    seconds: nowSeconds,
    result: failed ? { kind: 'failed', message, detail: message } : { kind: 'passed', note: message },
  };
}
