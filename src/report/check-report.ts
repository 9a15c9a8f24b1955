import { type Finding, type Severity, told } from '../check/check.ts';
import type { Checked } from '../check/many.ts';
import type { Observation } from '../check/observation.ts';
import type { Judged } from '../check/wait.ts';
import { type Outcome, worstOutcome } from '../contract/outcome.ts';
import { type Formation, membersOf } from '../formation/formation.ts';
import { isConverged } from '../monitor/nodes.ts';
import type { Prediction, Span } from '../prediction/prediction.ts';
import { escapeMarkdown, markdownTable, type Table, textTable } from './table.ts';

/** The data nodes as the monitor and their own Postgres show them. */
export function nodesTable({ instances, monitor, nodes }: Observation): Table {
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
        instances[name]?.status ?? '?',
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
  return own?.lagBytes;
}

const shownLag = (bytes: number | undefined) => (bytes === undefined ? '' : `${bytes} B`);

const marks = { pass: 'ok', fail: 'FAILED', follows: 'follows', unknown: 'unknown' } as const;

function findingRows(findings: readonly Finding[]): string[][] {
  return findings.flatMap((finding) => {
    const mark =
      finding.status === 'fail' && finding.severity === 'warning' ? 'warning' : marks[finding.status];
    if (finding.faults.length === 0)
      return [[mark, finding.check, '', finding.status === 'unknown' ? 'could not be read' : '']];
    return finding.faults.map((fault) => [
      mark,
      finding.check,
      fault.subject,
      finding.status === 'follows'
        ? `${fault.evidence}. Follows from ${finding.because.join(', ')}`
        : `${fault.evidence}. To do: ${told(fault.remedy)}`,
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
  const passed = verdict.findings.length - failed.length;
  return [
    ...textTable(nodesTable(observation)),
    ...(verdict.prediction ? ['', ...textTable(predictionTable(verdict.prediction)), ''] : []),
    `${passed} of ${verdict.findings.length} checks passed`,
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
  return `${bad.length} of ${checked.length} formations ${bad.length === 1 ? 'is' : 'are'} not healthy: ${bad.map((each) => each.formation.name).join(', ')}; ${gravest && messageOfOne(gravest)}`;
}

function formationsTable(checked: readonly Checked[]): Table {
  return {
    headings: ['formation', 'outcome', 'primary', 'checks', 'verdict'],
    rows: checked.map((each) => {
      const passed = each.judged ? each.verdict.findings.filter(({ status }) => status === 'pass').length : 0;
      return [
        each.formation.name,
        outcomeOf(each),
        (each.judged && each.verdict.primary) || '',
        each.judged ? `${passed} of ${each.verdict.findings.length}` : '',
        messageOfOne(each),
      ];
    }),
  };
}

/** Lines for the log: one formation whole, or a table of several with what failed in each. */
export function checkLines(checked: readonly Checked[]): string[] {
  const [first] = checked;
  if (checked.length === 1) return first?.judged ? judgedLines(first) : [];
  return [
    ...textTable(formationsTable(checked)),
    ...checked.flatMap((each) =>
      each.judged && each.verdict.findings.some(({ status }) => status !== 'pass')
        ? ['', `formation ${each.formation.name}:`, ...judgedLines(each)]
        : [],
    ),
  ];
}

export function checkMarkdown(checked: readonly Checked[]): string {
  const sections = checked.map((each) =>
    each.judged
      ? judgedMarkdown(each)
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
      finding.faults.map((fault) => ({
        severity: fault.severity ?? finding.severity,
        title: `${finding.check}: ${fault.subject}`,
        text: `${checked.length === 1 ? '' : `${each.formation.name}: `}${fault.evidence}. To do: ${told(fault.remedy)}`,
      })),
    )
    .sort((a, b) => a.severity.localeCompare(b.severity));
}

/** The data nodes for the next step of a workflow. Plain data. */
export function nodesOf({ formation, observation }: Judged & { formation: Formation }): object[] {
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
