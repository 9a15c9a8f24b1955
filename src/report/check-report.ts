import { describeRemedy, type Finding, type Severity } from '../check/check.ts';
import { holdingOf } from '../check/holds.ts';
import type { Checked } from '../check/many.ts';
import type { Observation } from '../check/observation.ts';
import type { Judged } from '../check/wait.ts';
import { type Outcome, worstOutcome } from '../contract/outcome.ts';
import { type Formation, membersOf } from '../formation/formation.ts';
import { isConverged } from '../monitor/nodes.ts';
import type { Prediction, Span } from '../prediction/record.ts';
import { escapeMarkdown, markdownTable, type Table, textTable } from './table.ts';

/**
 * The data nodes as the monitor and their own Postgres show them. In a cluster each member has its host, the monitor among
 * them.
 */
export function nodesTable(observation: Observation): Table {
  const { headings, rows } = nodesAlone(observation);
  const { instances, monitor, nodes } = observation;
  if (Object.values(instances).every(({ location }) => location === undefined)) return { headings, rows };
  const [ofMonitor] = Object.keys(instances).filter((name) => !(name in nodes));
  const monitorRow =
    ofMonitor === undefined
      ? []
      : [
          [
            ofMonitor,
            shownStatus(instances[ofMonitor]),
            'monitor',
            '',
            monitor.ok ? 'answers' : 'no answer',
            '',
            '',
          ],
        ];
  const placed = [...monitorRow, ...rows].map(([name = '', ...rest]) => [
    name,
    instances[name]?.location ?? '?',
    ...rest,
  ]);
  const [first = '', ...others] = headings;
  return { headings: [first, 'host', ...others], rows: placed };
}

const shownStatus = (instance: Observation['instances'][string] | undefined) => instance?.status ?? '?';

function nodesAlone({ instances, monitor, nodes }: Observation): Table {
  const known = monitor.ok ? monitor.value.nodes : [];
  return {
    headings: ['node', 'container', 'state', 'health', 'postgres', 'timeline', 'lag'],
    rows: Object.entries(nodes).map(([name, read]) => {
      const node = known.find((candidate) => candidate.name === name);
      const state = node
        ? isConverged(node)
          ? node.reportedState
          : `${node.reportedState} → ${node.goalState}`
        : '?';
      const health = node ? ({ 1: 'good', 0: 'bad' }[node.health] ?? 'unknown') : '?';
      const server = read.ok
        ? read.value.inRecovery
          ? 'standby'
          : read.value.readOnly
            ? 'read-only'
            : 'writable'
        : 'no answer';
      return [
        name,
        shownStatus(instances[name]),
        state,
        health,
        server,
        read.ok ? String(read.value.timeline) : '?',
        shownLag(lagOf(node?.nodeId, nodes)),
      ];
    }),
  };
}

/**
 * Bytes of WAL that a standby has still to flush, as the primary that it streams from sees it. pg_auto_failover
 * names a standby's connection after its node id.
 */
function lagOf(nodeId: number | undefined, nodes: Observation['nodes']): number | undefined {
  const connections = Object.values(nodes).flatMap((read) => (read.ok ? read.value.standbys : []));
  const own = connections.find(
    ({ applicationName }) => applicationName === `pgautofailover_standby_${nodeId}`,
  );
  // One whose answer did not come yet has none.
  return own !== undefined && own.lagBytes >= 0 ? own.lagBytes : undefined;
}

const shownLag = (bytes: number | undefined) => (bytes === undefined ? '' : `${bytes} B`);

/** Those that passed by something, of those that had anything to judge. */
function passes(findings: readonly Finding[]): string {
  const asked = findings.filter(({ unasked }) => unasked === undefined);
  return `${asked.filter(({ status }) => status === 'pass').length} of ${asked.length}`;
}

/** The others, by why. */
function unaskedLines(findings: readonly Finding[]): string[] {
  const told = findings.flatMap(({ check, unasked }) =>
    unasked === undefined ? [] : [`${check} (${unasked})`],
  );
  return told.length === 0 ? [] : [`not judged: ${told.join(', ')}`];
}

const marks = { pass: 'ok', fail: 'FAILED', follows: 'follows', unknown: 'unknown' } as const;

function findingRows(findings: readonly Finding[]): string[][] {
  return findings.flatMap((finding) => {
    if (finding.unasked !== undefined) return [['–', finding.check, '', `not judged: ${finding.unasked}`]];
    const mark =
      finding.status === 'fail' && finding.severity === 'warning' ? 'warning' : marks[finding.status];
    if (finding.faults.length === 0)
      return [[mark, finding.check, '', finding.status === 'unknown' ? 'could not be read' : '']];
    return finding.faults.map((problem) => [
      mark,
      finding.check,
      problem.subject,
      finding.status === 'follows'
        ? `${problem.evidence}. Follows from ${finding.because.join(', ')}`
        : `${problem.evidence}. To do: ${describeRemedy(problem.remedy)}`,
    ]);
  });
}

const findingsTable = (findings: readonly Finding[]): Table => ({
  headings: ['result', 'check', 'where', 'what was read, and what to do'],
  rows: findingRows(findings),
});

const shownSpan = (span: Span | null) =>
  span === null ? '' : `${span.least.toFixed(1)} to ${span.most.toFixed(1)} s`;

/** What the settings lead to, fault by fault. */
function predictionTable(prediction: Prediction): Table {
  return {
    headings: ['fault', 'promotion', 'writes out', 'costs most', 'old primary fenced before'],
    rows: Object.values(prediction).map(({ fault, promotion, outage, costliest, fencing }) => [
      fault,
      promotion === null ? 'none' : shownSpan(promotion),
      shownSpan(outage),
      costliest === null ? '' : `${costliest.setting} (${costliest.costSeconds.toFixed(1)} s)`,
      fencing === null ? '' : fencing.margin === null ? 'never for certain' : shownSpan(fencing.margin),
    ]),
  };
}

/** The least time between the old primary's last writes and the new one's first, over the cuts; undefined if not known. */
export function fencingMargin(prediction: Prediction | undefined): number | undefined {
  const margins = (['full-cut', 'monitor-cut'] as const).map(
    (cut) => prediction?.[cut].fencing?.margin?.least,
  );
  return margins.some((margin) => margin === undefined)
    ? undefined
    : Math.min(...margins.filter((margin) => margin !== undefined));
}

/** Lines for the log of one formation: the nodes, then the checks that did not pass. */
export function judgedLines({ observation, verdict }: Judged): string[] {
  const failed = verdict.findings.filter((finding) => finding.status !== 'pass');
  return [
    ...textTable(nodesTable(observation)),
    ...(verdict.prediction ? ['', ...textTable(predictionTable(verdict.prediction)), ''] : []),
    `${passes(verdict.findings)} checks passed`,
    ...unaskedLines(verdict.findings),
    ...(failed.length > 0 ? textTable(findingsTable(failed)) : []),
  ];
}

/** The job summary's section of one formation. */
export function judgedMarkdown({ observation, verdict }: Judged): string {
  return [
    `### ${verdict.outcome === 'pass' ? '✅' : '❌'} ${escapeMarkdown(verdict.message)}`,
    '',
    markdownTable(nodesTable(observation)),
    '',
    ...(verdict.prediction
      ? [
          '<details><summary>What to expect of a failover, by the settings in force</summary>',
          '',
          markdownTable(predictionTable(verdict.prediction)),
          '',
          '</details>',
          '',
        ]
      : []),
    `<details${verdict.outcome === 'pass' ? '' : ' open'}><summary>Checks</summary>`,
    '',
    markdownTable(findingsTable(verdict.findings)),
    '',
    '</details>',
    '',
  ].join('\n');
}

export function outcomeOf(checked: Checked): Outcome {
  return checked.judged ? checked.verdict.outcome : 'error';
}

const messageOfOne = (checked: Checked) => (checked.judged ? checked.verdict.message : checked.failed);

/** One sentence on one formation, or on several. */
export function checkMessage(checked: readonly Checked[]): string {
  const [first, ...others] = checked;
  if (first && others.length === 0) return messageOfOne(first);
  const worst = worstOutcome(checked.map(outcomeOf));
  const bad = checked.filter((each) => outcomeOf(each) !== 'pass');
  if (bad.length === 0) return `all ${checked.length} formations are healthy`;
  const gravest = bad.find((each) => outcomeOf(each) === worst);
  const told = (some: readonly Checked[], what: string) =>
    some.length === 0
      ? []
      : [
          `${some.length} of ${checked.length} formations ${what}: ${some.map((each) => each.formation.name).join(', ')}`,
        ];
  const unhealthy = bad.filter((each) => outcomeOf(each) === 'unhealthy');
  const unjudged = bad.filter((each) => outcomeOf(each) === 'error');
  return [
    ...told(unhealthy, `${unhealthy.length === 1 ? 'is' : 'are'} not healthy`),
    ...told(unjudged, 'could not be judged'),
    gravest && messageOfOne(gravest),
  ].join('; ');
}

function formationsTable(checked: readonly Checked[]): Table {
  return {
    headings: ['formation', 'outcome', 'primary', 'checks', 'verdict'],
    rows: checked.map((each) => {
      return [
        each.formation.name,
        outcomeOf(each),
        (each.judged && each.verdict.primary) || '',
        each.judged ? passes(each.verdict.findings) : '',
        messageOfOne(each),
      ];
    }),
  };
}

/** Why no drill would have begun at the time of the reading; none where one would. */
export function holdLines({ formation, observation }: Judged & { formation: Formation }): string[] {
  const { reasons, unread } = holdingOf(formation, observation, new Date(observation.observedAt));
  return [
    ...reasons.map((reason) => `drills are held: ${reason}`),
    ...(unread === undefined ? [] : [`whether drills are held could not be read: ${unread}`]),
  ];
}

/** Lines for the log: one formation whole, or a table of several with what failed in each. */
export function checkLines(checked: readonly Checked[]): string[] {
  const [first] = checked;
  if (checked.length === 1) return first?.judged ? [...judgedLines(first), ...holdLines(first)] : [];
  return [
    ...textTable(formationsTable(checked)),
    ...checked.flatMap((each) =>
      each.judged && each.verdict.findings.some(({ status }) => status !== 'pass')
        ? ['', `formation ${each.formation.name}:`, ...judgedLines(each)]
        : [],
    ),
    ...checked.flatMap((each) =>
      each.judged ? holdLines(each).map((line) => `${each.formation.name}: ${line}`) : [],
    ),
  ];
}

export function checkMarkdown(checked: readonly Checked[]): string {
  const sections = checked.map((each) =>
    each.judged
      ? [judgedMarkdown(each), ...holdLines(each).map((line) => `⏸ ${escapeMarkdown(line)}\n`)].join('\n')
      : `### ❌ formation ${escapeMarkdown(each.formation.name)}: ${escapeMarkdown(each.failed)}\n`,
  );
  if (checked.length === 1) return sections.join('\n');
  return [
    `## ${escapeMarkdown(checkMessage(checked))}`,
    '',
    markdownTable(formationsTable(checked)),
    '',
    ...sections,
  ].join('\n');
}

/** Ids of the checks that failed by themselves, with that severity; with the formation's name where there are several. */
export function failedChecks(checked: readonly Checked[], severity: Severity): string[] {
  return checked.flatMap((each) =>
    each.judged
      ? each.verdict.findings
          .filter((finding) => finding.status === 'fail' && finding.severity === severity)
          .map(({ check }) => (checked.length === 1 ? check : `${each.formation.name}/${check}`))
      : [],
  );
}

/** What a runner shows at the top of the job: every failed check with what to do, the gravest first. */
export function annotationsOf(
  checked: readonly Checked[],
): { severity: Severity; title: string; text: string }[] {
  return checked
    .flatMap((each) => (each.judged ? each.verdict.findings.map((finding) => ({ each, finding })) : []))
    .filter(({ finding }) => finding.status === 'fail')
    .flatMap(({ each, finding }) =>
      finding.faults.map((problem) => ({
        severity: problem.severity ?? finding.severity,
        title: `${finding.check}: ${problem.subject}`,
        text: `${checked.length === 1 ? '' : `${each.formation.name}: `}${problem.evidence}. To do: ${describeRemedy(problem.remedy)}`,
      })),
    )
    .sort((a, b) => a.severity.localeCompare(b.severity));
}

/** The data nodes for the next step of a workflow. Plain data. */
export function nodesOutput({ formation, observation }: Judged & { formation: Formation }): object[] {
  const rows = observation.monitor.ok ? observation.monitor.value.nodes : [];
  return membersOf(formation)
    .slice(1)
    .map(({ name, host }) => {
      const row = rows.find((each) => each.name === name);
      const read = observation.nodes[name];
      const lag = lagOf(row?.nodeId, observation.nodes);
      return {
        name,
        host,
        location: observation.instances[name]?.location ?? null,
        port: formation.postgres.port,
        state: row?.reportedState ?? null,
        goal: row?.goalState ?? null,
        healthy: row === undefined ? null : row.health === 1,
        role: read?.ok ? (read.value.inRecovery ? 'standby' : 'primary') : null,
        timeline: read?.ok ? read.value.timeline : null,
        lagBytes: lag ?? null,
      };
    });
}
