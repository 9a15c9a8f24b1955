import { type Finding, told } from '../check/check.ts';
import type { Observation } from '../check/observation.ts';
import type { Verdict } from '../check/verdict.ts';
import { isConverged } from '../monitor/nodes.ts';
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
        lagOf(node?.nodeId, nodes),
      ];
    }),
  };
}

/**
 * Bytes of WAL that a standby has still to flush, as the primary that it streams from sees it. pg_auto_failover
 * names a standby's connection after its node id.
 */
function lagOf(nodeId: number | undefined, nodes: Observation['nodes']): string {
  const connections = Object.values(nodes).flatMap((read) => (read.ok ? read.value.standbys : []));
  const own = connections.find(
    ({ applicationName }) => applicationName === `pgautofailover_standby_${nodeId}`,
  );
  return own === undefined ? '' : `${own.lagBytes} B`;
}

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

/** Lines for the log: the nodes, then the checks that did not pass. */
export function checkLines(observation: Observation, verdict: Verdict): string[] {
  const failed = verdict.findings.filter((finding) => finding.status !== 'pass');
  const passed = verdict.findings.length - failed.length;
  return [
    ...textTable(nodesTable(observation)),
    `${passed} of ${verdict.findings.length} checks passed`,
    ...(failed.length > 0 ? textTable(findingsTable(failed)) : []),
  ];
}

/** The job summary's section. */
export function checkMarkdown(observation: Observation, verdict: Verdict): string {
  return [
    `### ${verdict.outcome === 'pass' ? '✅' : '❌'} ${escapeMarkdown(verdict.message)}`,
    '',
    markdownTable(nodesTable(observation)),
    '',
    `<details${verdict.outcome === 'pass' ? '' : ' open'}><summary>Checks</summary>`,
    '',
    markdownTable(findingsTable(verdict.findings)),
    '',
    '</details>',
    '',
  ].join('\n');
}
