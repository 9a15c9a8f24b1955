import fc from 'fast-check';
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { describe, expect, it } from 'vitest';
import { checkCatalogue } from '../../../src/check/catalogue/catalogue.ts';
import { judge } from '../../../src/check/verdict.ts';
import { checkJunit } from '../../../src/report/junit/check-junit.ts';
import { junitXml, type TestCase } from '../../../src/report/junit/junit.ts';
import { builtInFormation, healthyObservation, nodeOf, rowOf } from '../builders.ts';

const parser = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '' });

describe("JUnit's XML", () => {
  it('is well-formed and says what it was given, whatever that holds', () => {
    const anything = fc.string({ unit: 'binary', maxLength: 40 });
    fc.assert(
      fc.property(anything, anything, (message, detail) => {
        const cases: TestCase[] = [
          { name: message, classname: 'c', result: { kind: 'failed', message, detail } },
          { name: 'b', classname: detail, seconds: 1.5, result: { kind: 'passed', note: detail } },
        ];
        const xml = junitXml('suites', [{ name: detail, timestamp: '', cases }]);
        expect(XMLValidator.validate(xml)).toBe(true);
        expect(parser.parse(xml).testsuites).toMatchObject({ tests: '2', failures: '1', time: '1.500' });
      }),
    );
  });
});

describe("a check's JUnit", () => {
  const formation = builtInFormation();
  const suiteOf = (change: (observation: ReturnType<typeof healthyObservation>) => void) => {
    const observation = healthyObservation();
    change(observation);
    const verdict = judge(observation, formation);
    const xml = checkJunit([{ formation, judged: true, observation, verdict }], 'error');
    return parser.parse(xml).testsuites.testsuite as {
      tests: string;
      failures: string;
      skipped: string;
      testcase: {
        name: string;
        failure?: { message: string; '#text': string };
        skipped?: { message: string };
      }[];
    };
  };
  const caseOf = (suite: ReturnType<typeof suiteOf>, name: string) =>
    suite.testcase.find((each) => each.name === name);

  it('has one test case a check, all of which pass for a healthy formation', () => {
    const suite = suiteOf(() => {});
    // What needs a password, a target, a connection string or a cluster judged nothing.
    expect(suite).toMatchObject({ tests: String(checkCatalogue.length), failures: '0', skipped: '4' });
    expect(caseOf(suite, 'rto-target')?.skipped?.message).toBe('no rto-target-seconds was given');
    expect(suite.testcase.map(({ name }) => name)).toEqual(checkCatalogue.map(({ id }) => id));
  });

  it('tells evidence and remedy of what failed, and skips what follows from it', () => {
    const suite = suiteOf((observation) => {
      Object.assign(rowOf(observation, 'pgaf-replica'), {
        reportedState: 'catchingup',
        secondsSinceStateChange: 3,
      });
    });
    expect(suite).toMatchObject({ failures: '1', skipped: '5' });
    expect(caseOf(suite, 'states-converged')?.failure?.message).toMatch(/^pgaf-replica: reported catchingup/);
    expect(caseOf(suite, 'states-converged')?.failure?.['#text']).toContain('to do: wait for it to converge');
    expect(caseOf(suite, 'failover-possible')?.skipped?.message).toBe('follows from states-converged');
  });

  it('passes a warning with a note where warnings do not fail', () => {
    const suite = suiteOf((observation) => {
      nodeOf(observation, 'pgaf-replica').replayPaused = true;
    });
    expect(suite).toMatchObject({ failures: '0' });
    expect(JSON.stringify(caseOf(suite, 'replay-runs'))).toContain('warning: pgaf-replica: replay is paused');
  });

  it('is an error for a formation that could not be judged', () => {
    const xml = checkJunit([{ formation, judged: false, failed: 'no <incus>' }], 'error');
    expect(parser.parse(xml).testsuites.testsuite).toMatchObject({ name: 'default', errors: '1' });
  });
});
