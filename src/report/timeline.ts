import type { DrillRecord, RecordedAnnouncement } from '../drill/record.ts';
import type { DrillVerdict } from '../drill/verdict.ts';
import { catalogue } from '../faults/catalogue.ts';

/** A stretch of time in which a node was in one state. */
interface Segment {
  from: number;
  to: number;
  kind: 'primary' | 'standby' | 'changing' | 'down';
  label: string;
}

const width = 960;
const gutter = 132;
const right = 24;
const laneHeight = 34;
const laneGap = 14;
const top = 96;

/**
 * A drill as a picture: a lane of states for each node, the outage shaded from the fault to the promotion,
 * the RTO and its target. Pure; a self-contained SVG that follows the reader's light or dark scheme.
 * @returns '' when no fault was injected
 */
export function drillTimeline(record: DrillRecord, verdict: DrillVerdict): string {
  if (record.faultAt === undefined) return '';
  const last = Math.max(
    record.settledSeconds ?? 0,
    record.undoSeconds ?? 0,
    ...record.announcements.map(({ seconds }) => seconds),
    1,
  );
  const start = -last * 0.04;
  const end = last * 1.04;
  const x = (seconds: number) =>
    gutter + ((Math.min(Math.max(seconds, start), end) - start) / (end - start)) * (width - gutter - right);
  const nodes = [...new Set(record.announcements.map(({ node }) => node))].sort(
    (a, b) => Number(b === record.target) - Number(a === record.target),
  );
  const { state, end: undone } = catalogue[record.fault];
  const bottom = top + nodes.length * (laneHeight + laneGap);

  const lanes = nodes.map((node, index) => {
    const y = top + index * (laneHeight + laneGap);
    const segments = segmentsOf(node, record, state, start, end).map((segment) => drawSegment(segment, x, y));
    return `<text class="node" x="${gutter - 12}" y="${y + laneHeight / 2 + 5}" text-anchor="end">${escapeXml(node)}</text>${segments.join('')}`;
  });
  const outage =
    verdict.rtoSeconds === undefined
      ? ''
      : drawOutage(x, verdict.rtoSeconds, record.rtoTargetSeconds, end, bottom);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${bottom + 62}" role="img" font-family="ui-sans-serif, system-ui, sans-serif">`,
    `<title>${escapeXml(verdict.message)}</title>`,
    style,
    `<rect class="paper" width="${width}" height="${bottom + 62}"/>`,
    `<text class="heading" x="20" y="30">Failover drill of formation ${escapeXml(record.formation)}: ${escapeXml(record.fault)} on ${escapeXml(record.target ?? '')}</text>`,
    `<text class="note" x="20" y="50">${escapeXml(verdict.message)}</text>`,
    outage,
    ...lanes,
    drawMoment(x(0), bottom, 'fault'),
    record.undoSeconds === undefined || undone === ''
      ? ''
      : drawMoment(x(record.undoSeconds), bottom, undone),
    record.settledSeconds === undefined ? '' : drawMoment(x(record.settledSeconds), bottom, 'healthy'),
    drawAxis(x, start, end, bottom),
    '</svg>\n',
  ].join('\n');
}

function segmentsOf(node: string, record: DrillRecord, state: string, start: number, end: number): Segment[] {
  const heard = record.announcements.filter((announcement) => announcement.node === node);
  const segments: Segment[] = [];
  for (const [index, announcement] of heard.entries()) {
    const from = index === 0 ? start : announcement.seconds;
    const to = heard[index + 1]?.seconds ?? end;
    const { kind, label } = look(announcement);
    const previous = segments.at(-1);
    if (previous?.kind === kind && previous.label === label) previous.to = to;
    else segments.push({ from, to, kind, label });
  }
  return node === record.target && state !== '' ? withFault(segments, state, heard, record) : segments;
}

/** While its fault lasts the monitor may keep the target's last report: what the drill did to it is what holds. */
function withFault(
  segments: readonly Segment[],
  state: string,
  heard: readonly RecordedAnnouncement[],
  record: DrillRecord,
): Segment[] {
  const back =
    heard.find(({ seconds }) => seconds > (record.undoSeconds ?? Number.POSITIVE_INFINITY))?.seconds ??
    Number.POSITIVE_INFINITY;
  const down = {
    from: 0,
    to: Math.min(back, segments.at(-1)?.to ?? back),
    kind: 'down' as const,
    label: state,
  };
  const before = segments
    .filter(({ from }) => from < 0)
    .map((segment) => ({ ...segment, to: Math.min(segment.to, 0) }));
  const after = segments
    .filter(({ to }) => to > down.to)
    .map((segment) => ({ ...segment, from: Math.max(segment.from, down.to) }));
  return [...before, down, ...after];
}

function look({ reportedState, goalState }: RecordedAnnouncement): Pick<Segment, 'kind' | 'label'> {
  if (reportedState !== goalState) return { kind: 'changing', label: `→ ${goalState}` };
  if (['primary', 'wait_primary', 'single'].includes(reportedState))
    return { kind: 'primary', label: reportedState };
  if (reportedState === 'secondary') return { kind: 'standby', label: reportedState };
  return { kind: 'changing', label: reportedState };
}

function drawSegment({ from, to, kind, label }: Segment, x: (seconds: number) => number, y: number): string {
  const left = x(from);
  const size = Math.max(1, x(to) - left);
  const text =
    size > label.length * 7.2 + 8
      ? `<text class="state" x="${left + 7}" y="${y + laneHeight / 2 + 4}">${escapeXml(label)}</text>`
      : '';
  const tip = `${label}, ${from.toFixed(3)} s to ${to.toFixed(3)} s`;
  return `<rect class="${kind}" x="${left.toFixed(1)}" y="${y}" width="${size.toFixed(1)}" height="${laneHeight}"><title>${escapeXml(tip)}</title></rect>${text}`;
}

function drawOutage(
  x: (seconds: number) => number,
  rto: number,
  target: number,
  end: number,
  bottom: number,
): string {
  const label = `RTO ${rto.toFixed(3)} s`;
  const mark =
    target <= end
      ? `<line class="target" x1="${x(target)}" x2="${x(target)}" y1="${top - 12}" y2="${bottom}"/><text class="note" x="${x(target) + 4}" y="${top - 4}">target ${target} s</text>`
      : '';
  return `<rect class="outage" x="${x(0)}" y="${top - 24}" width="${x(rto) - x(0)}" height="${bottom - top + 24}"/><text class="rto" x="${(x(0) + x(rto)) / 2}" y="${top - 8}" text-anchor="middle">${label}</text>${mark}`;
}

function drawMoment(at: number, bottom: number, label: string): string {
  const inRightHalf = at > (gutter + width) / 2;
  const [anchor, shift] = inRightHalf ? ['end', -4] : ['start', 4];
  return `<line class="moment" x1="${at}" x2="${at}" y1="${top - 24}" y2="${bottom + 6}"/><text class="moment-label" x="${at + shift}" y="${bottom + 6}" text-anchor="${anchor}">${label}</text>`;
}

/** Ticks at round seconds, at most a dozen. */
function drawAxis(x: (seconds: number) => number, start: number, end: number, bottom: number): string {
  const step =
    [0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800].find(
      (candidate) => (end - start) / candidate <= 12,
    ) ?? 3600;
  const ticks: string[] = [];
  for (let at = Math.ceil(start / step) * step; at <= end; at += step) {
    ticks.push(
      `<text class="tick" x="${x(at)}" y="${bottom + 34}" text-anchor="middle">${Number(at.toFixed(1))}</text>`,
    );
    ticks.push(`<line class="tick" x1="${x(at)}" x2="${x(at)}" y1="${bottom + 14}" y2="${bottom + 20}"/>`);
  }
  const line = `<line class="tick" x1="${gutter}" x2="${width - right}" y1="${bottom + 14}" y2="${bottom + 14}"/>`;
  return `${line}${ticks.join('')}<text class="note" x="${width - right}" y="${bottom + 54}" text-anchor="end">seconds since the fault</text>`;
}

const style = `<style>
.paper{fill:#fff}.heading{font-size:16px;font-weight:600;fill:#1f2328}.note,.tick,.moment-label{font-size:12px;fill:#59636e}
.node{font-size:14px;fill:#1f2328}.state{font-size:12px;fill:#fff;pointer-events:none}.rto{font-size:13px;font-weight:600;fill:#b3261e}
.primary{fill:#1a7f37}.standby{fill:#0969da}.changing{fill:#9a6700}.down{fill:#57606a}.outage{fill:#b3261e;opacity:.12}
line.tick{stroke:#59636e}.moment{stroke:#1f2328;stroke-dasharray:3 3}.target{stroke:#b3261e;stroke-width:2}
@media (prefers-color-scheme:dark){.paper{fill:#0d1117}.heading,.node{fill:#e6edf3}.note,.tick,.moment-label{fill:#9198a1}
.rto{fill:#ff7b72}.primary{fill:#238636}.standby{fill:#1f6feb}.changing{fill:#9e6a03}.down{fill:#6e7681}.outage{fill:#ff7b72;opacity:.18}
line.tick{stroke:#9198a1}.moment{stroke:#e6edf3}.target{stroke:#ff7b72}}
</style>`;

function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
