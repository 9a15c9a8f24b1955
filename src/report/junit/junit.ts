import { escapeXml } from '../xml.ts';

/** JUnit's XML, as Jenkins, GitLab and the test reporters of GitHub and Gitea read it. */

export interface TestSuite {
  name: string;
  /** ISO 8601. */
  timestamp: string;
  cases: TestCase[];
}

export interface TestCase {
  name: string;
  /** What dotted name it is listed under. */
  classname: string;
  seconds?: number;
  result:
    | { kind: 'passed'; note?: string }
    | { kind: 'failed' | 'error'; message: string; detail: string }
    | { kind: 'skipped'; message: string };
}

/** Its lists name rows and containers. */
const mostOfDetail = 50_000;

export function junitXml(name: string, suites: readonly TestSuite[]): string {
  const all = suites.flatMap(({ cases }) => cases);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${attributes({ name, ...counts(all) })}>`,
    ...suites.flatMap((suite) => [
      `  <testsuite ${attributes({ name: suite.name, timestamp: suite.timestamp, ...counts(suite.cases) })}>`,
      ...suite.cases.flatMap(testcase),
      '  </testsuite>',
    ]),
    '</testsuites>',
    '',
  ].join('\n');
}

function counts(cases: readonly TestCase[]): Record<string, string> {
  const of = (kind: TestCase['result']['kind']) =>
    String(cases.filter(({ result }) => result.kind === kind).length);
  const seconds = cases.reduce((sum, { seconds: one = 0 }) => sum + one, 0);
  return {
    tests: String(cases.length),
    failures: of('failed'),
    errors: of('error'),
    skipped: of('skipped'),
    time: seconds.toFixed(3),
  };
}

function testcase({ name, classname, seconds = 0, result }: TestCase): string[] {
  const open = `    <testcase ${attributes({ name, classname, time: seconds.toFixed(3) })}`;
  const within = (line: string) => [`${open}>`, `      ${line}`, '    </testcase>'];
  switch (result.kind) {
    case 'passed':
      return result.note === undefined
        ? [`${open}/>`]
        : within(`<system-out>${escapeXml(result.note)}</system-out>`);
    case 'skipped':
      return within(`<skipped ${attributes({ message: result.message })}/>`);
    case 'failed':
    case 'error': {
      const tag = result.kind === 'failed' ? 'failure' : 'error';
      return within(
        `<${tag} ${attributes({ message: result.message, type: result.kind })}>${escapeXml(result.detail, mostOfDetail)}</${tag}>`,
      );
    }
  }
}

const attributes = (values: Record<string, string>) =>
  Object.entries(values)
    .map(([key, value]) => `${key}="${escapeXml(value)}"`)
    .join(' ');
