import type { CampaignRecord, JudgedDrill } from '../../campaign/campaign-record.ts';
import { entryWith } from '../../campaign/history-entry.ts';
import { quantilesOf } from '../../campaign/statistics.ts';
import { axis, type Scale, scaleOf, type TimeRange } from './axis.ts';
import { flagsAbove, heightOf, placed } from './flags.ts';
import { legend } from './legend.ts';
import { shortenedInside, shortenedToRoom, wrapped } from './lettering.ts';
import { disc, type Ink, lettered, line, type Point, path, picture, rectangle } from './svg.ts';

const width = 960;
const edge = 20;
const left = 240;
const right = width - 36;
const groupGap = 14;
const leastGroup = 58;

interface Round extends JudgedDrill {
  number: number;
}

interface Group {
  fault: string;
  rounds: Round[];
  top: number;
  height: number;
}

/**
 * Several drills as a picture: a line for each round with its RTO and client RTO as dots against the target, by
 * fault; rounds that failed are marked. Pure.
 *
 * @returns a self-contained SVG that follows the reader's light or dark scheme
 */
export function stripChart(campaign: CampaignRecord, message: string): string {
  const range = rangeOf(campaign.drills);
  const x = scaleOf(range, left, right);
  const targets = [...new Set(campaign.drills.map(({ record }) => record.rtoTargetSeconds))];
  const flags = placed(
    targets.map((target) => ({ x: x(target), label: `target ${target} s`, ink: 'bad', pole: 'solid' })),
  );
  const title = `${campaign.drills.length} of ${campaign.rounds} drills of formation ${campaign.formation}`;
  const messages = wrapped(message, { room: width - 2 * edge, size: 12 }, 4);
  const top = 50 + messages.length * 16 + heightOf(flags) + 8;
  const groups = groupsOf(campaign.drills, top);
  const bottom = Math.max(top, ...groups.map((group) => group.top + group.height));
  const explained = legend(signs, edge, bottom + 64, width - 2 * edge);
  return picture(width, bottom + 64 + explained.height, `${title}. ${message}`, [
    lettered('text', [edge, 30], shortenedToRoom(title, width - 2 * edge, 16, true), {
      size: 16,
      bold: true,
    }),
    ...messages.map((text, index) => lettered('faint', [edge, 50 + index * 16], text, { size: 12 })),
    ...groups.map((group) => ground(group)),
    ...flagsAbove(flags, top, bottom),
    ...groups.flatMap((group) => drawGroup(group, x)),
    ...axis(x, range, bottom + 8, 'seconds since the fault'),
    ...explained.parts,
  ]);
}

function rangeOf(drills: readonly JudgedDrill[]): TimeRange {
  const last = drills.reduce(
    (most, { record, verdict }) =>
      Math.max(
        most,
        record.rtoTargetSeconds,
        verdict.rtoSeconds ?? 0,
        verdict.clientRtoSeconds ?? 0,
        pauseOf(record) ?? 0,
      ),
    1,
  );
  return { start: -last * 0.01, end: last * 1.04 };
}

/** Of clients, where nobody was promoted. */
const pauseOf = ({ promotion, clients }: JudgedDrill['record']) =>
  promotion === undefined ? clients?.ledger.longestPauseSeconds : undefined;

/** By fault, in the order in which they first came. */
function groupsOf(drills: readonly JudgedDrill[], top: number): Group[] {
  const rounds = drills.map((drill, index) => ({ ...drill, number: index + 1 }));
  const pitch = Math.min(14, Math.max(3, 600 / Math.max(1, rounds.length)));
  const faults = [...new Set(rounds.map(({ record }) => record.fault))];
  let y = top;
  return faults.map((fault) => {
    const own = rounds.filter(({ record }) => record.fault === fault);
    const group = { fault, rounds: own, top: y, height: Math.max(leastGroup, own.length * pitch + 8) };
    y += group.height + groupGap;
    return group;
  });
}

/** Not of a fault that was not proven, or that did not last: as the tables have it. */
const measuredRto = (round: Round) => entryWith(round, '').rtoSeconds;

const ground = ({ top, height }: Group) =>
  rectangle('track', { x: left, y: top, width: right - left, height });

function drawGroup({ fault, rounds, top, height }: Group, x: Scale): string[] {
  const median = quantilesOf(rounds.flatMap((round) => measuredRto(round) ?? []))?.median;
  const failed = rounds.filter(({ verdict }) => verdict.outcome !== 'pass');
  const count = `${rounds.length} drill${rounds.length === 1 ? '' : 's'}`;
  const told = median === undefined ? count : `${count}, median RTO ${median.toFixed(3)} s`;
  const numbers = `not passed: ${failed.map(({ number }) => `#${number}`).join(', ')}`;
  const room = left - edge - 12;
  const pitch = height / rounds.length;
  return [
    lettered('text', [edge, top + 16], shortenedInside(fault, room, 13), { size: 13, bold: true }),
    lettered('faint', [edge, top + 34], shortenedToRoom(told, room, 12), { size: 12 }),
    failed.length === 0
      ? ''
      : lettered('bad', [edge, top + 51], shortenedToRoom(numbers, room, 12), { size: 12, title: numbers }),
    ...rounds.map((round, index) => drawRound(round, x, top + (index + 0.5) * pitch, Math.min(4, pitch / 2))),
  ];
}

function drawRound({ record, verdict, number }: Round, x: Scale, y: number, radius: number): string {
  const { rtoSeconds: rto, clientRtoSeconds: clientRto, outcome, message } = verdict;
  const pause = pauseOf(record);
  const about = (what: string, value: number) => `#${number} ${record.fault}: ${what} ${value.toFixed(3)} s`;
  const shown = [rto, clientRto, pause].filter((value) => value !== undefined);
  const furthest = Math.max(0, ...shown.map(x));
  return [
    rto !== undefined && clientRto !== undefined ? line('faint', [x(rto), y], [x(clientRto), y]) : '',
    rto === undefined ? '' : disc('standby', [x(rto), y], radius, about('RTO', rto)),
    clientRto === undefined
      ? ''
      : diamond('successor', [x(clientRto), y], radius, about('client RTO', clientRto)),
    pause === undefined ? '' : square('changing', [x(pause), y], radius, about('longest pause', pause)),
    outcome === 'pass'
      ? ''
      : cross('bad', [Math.max(left, furthest) + 12, y], radius, `#${number}: ${message}`),
  ].join('');
}

const diamond = (ink: Ink, [x, y]: Point, radius: number, title = '') => {
  const r = round(radius * 1.3);
  return path(ink, `M${round(x - r)} ${round(y)}l${r} ${-r}l${r} ${r}l${-r} ${r}z`, { title });
};

const square = (ink: Ink, [x, y]: Point, radius: number, title = '') => {
  const side = round(radius * 1.8);
  return path(ink, `M${round(x - side / 2)} ${round(y - side / 2)}h${side}v${side}h${-side}z`, { title });
};

const cross = (ink: Ink, [x, y]: Point, radius: number, title = '') => {
  const r = round(Math.max(2.5, radius));
  const [from, high] = [round(x - r), round(y - r)];
  return path(ink, `M${from} ${high}l${2 * r} ${2 * r}m0 ${-2 * r}l${-2 * r} ${2 * r}`, {
    outline: 2,
    title,
  });
};

const round = (value: number) => Math.round(value * 10) / 10;

const signs = [
  { ink: 'standby', label: 'RTO', sign: (x: number, y: number) => disc('standby', [x, y], 4, '') },
  { ink: 'successor', label: 'client RTO', sign: (x: number, y: number) => diamond('successor', [x, y], 4) },
  {
    ink: 'changing',
    label: 'longest pause of clients, where nobody was promoted',
    sign: (x: number, y: number) => square('changing', [x, y], 4),
  },
  { ink: 'bad', label: 'not passed', sign: (x: number, y: number) => cross('bad', [x, y], 4) },
] as const;
