import fc from 'fast-check';
import { XMLValidator } from 'fast-xml-parser';
import { describe, expect, it } from 'vitest';
import type { DrillRecord } from '../../../src/drill/record.ts';
import type { DrillVerdict } from '../../../src/drill/verdict/verdict.ts';
import type { LedgerVerdict, WrongRows } from '../../../src/evidence/record.ts';
import { flagHeight, placed } from '../../../src/report/pictures/flags.ts';
import {
  shortenedInside,
  shortenedToRoom,
  widthOf,
  wrapped,
} from '../../../src/report/pictures/lettering.ts';
import { drillTimeline } from '../../../src/report/pictures/timeline.ts';
import { clientsRecord, judgedDrill, passingDrill, watchedDrill } from '../builders.ts';

const drawn = (given: Partial<DrillRecord> = {}, verdict: Partial<DrillVerdict> = {}) => {
  const drill = judgedDrill(watchedDrill(given), verdict);
  const picture = drillTimeline(drill.record, drill.verdict);
  expect(XMLValidator.validate(picture)).toBe(true);
  return picture;
};

interface Text {
  x: number;
  y: number;
  size: number;
  anchor: string;
  bold: boolean;
  content: string;
}

function textsOf(picture: string): Text[] {
  const texts = picture.matchAll(/<text ([^>]*)>(?:<title>[^<]*<\/title>)?([^<]*)<\/text>/g);
  return [...texts].map(([, attributes = '', content = '']) => {
    const of = (name: string) => new RegExp(`${name}="([^"]*)"`).exec(attributes)?.[1];
    return {
      x: Number(of('x')),
      y: Number(of('y')),
      size: Number(of('font-size')),
      anchor: of('text-anchor') ?? 'start',
      bold: of('font-weight') !== undefined,
      content,
    };
  });
}

/** Where a text stands, by the widest font. */
function boxOf({ x, y, size, anchor, bold, content }: Text) {
  const width = widthOf(content, size, bold);
  const left = anchor === 'end' ? x - width : anchor === 'middle' ? x - width / 2 : x;
  return { left, right: left + width, top: y - size * 0.75, bottom: y + size * 0.2, content };
}

function expectTidy(picture: string) {
  const [, width = 0, height = 0] = (/viewBox="0 0 (\S+) (\S+)"/.exec(picture) ?? []).map(Number);
  const boxes = textsOf(picture).map(boxOf);
  expect(boxes.length).toBeGreaterThan(5);
  for (const box of boxes)
    expect(box.left >= 0 && box.right <= width && box.bottom <= height, JSON.stringify(box)).toBe(true);
  for (const [index, one] of boxes.entries())
    for (const other of boxes.slice(index + 1)) {
      const apart =
        one.right <= other.left ||
        other.right <= one.left ||
        one.bottom <= other.top ||
        other.bottom <= one.top;
      expect(apart, `${JSON.stringify(one)} lies on ${JSON.stringify(other)}`).toBe(true);
    }
}

const longName = (index: number) => `${'name-of-a-node-that-is-long-'.repeat(3).slice(0, 61)}-${index}`;

describe("a drill's picture", () => {
  it('has the clients’ writes as ticks, by the node that acknowledged them, and those that none did', () => {
    const picture = drawn();
    expect(picture).toContain('class="pgha-primary" fill="#1a7f37" d="M');
    expect(picture).toContain('class="pgha-successor" fill="#0a7ea4" d="M');
    expect(picture).toMatch(/>outcome unknown<[\s\S]*class="pgha-doubt"[^>]* d="M/);
    expect(picture).toMatch(/>not committed<[\s\S]*class="pgha-bad"[^>]* d="M/);
  });

  it('shades the outage of the clients, and marks both RTOs and the target', () => {
    const picture = drawn();
    expect(picture).toMatch(/class="pgha-outage"[^>]*><title>no write acknowledged for 9\.900 s</);
    for (const label of ['RTO 9.800 s', 'client RTO 9.880 s', 'target 60 s →', 'power back', 'all healthy'])
      expect(picture).toContain(`>${label}</text>`);
  });

  it('shows when the role was handed back', () => {
    expect(drawn({ handedBack: { seconds: 15, because: '' } })).toContain(
      '>role back at pgaf-primary</text>',
    );
  });

  it('alarms of two primaries, and only of those', () => {
    const both = { dualPrimarySeconds: 1.5, overlapSeconds: 1.5 };
    const of = (given: Partial<LedgerVerdict>) =>
      drawn({ clients: clientsRecord({ lastBefore: -0.02, firstAfter: 9.88, until: 15 }, given) });
    expect(of({})).not.toContain('pgha-alarm"');
    const overlap = { count: 1, rows: { 'app1.1': [[7, 7]] } } satisfies WrongRows;
    expect(of({ ...both, overlap })).toMatch(/pgha-alarm"[\s\S]*>two primaries for 1\.500 s<\/text>/);
    const onlyWitness = of({ ...both, overlapSeconds: 0 });
    expect(onlyWitness).toContain('>old primary writable for 1.500 s</text>');
    expect(onlyWitness).not.toContain('pgha-alarm"');
  });

  it('shows the time watched where no failover was due', () => {
    const picture = drawn({
      fault: 'monitor-stop',
      expected: 'none',
      target: 'pgaf-monitor',
      promotion: undefined,
      announcements: [],
      watchSeconds: 30,
      clients: clientsRecord({ lastBefore: 3, firstAfter: 3.4, until: 32, newPrimary: null }),
    });
    expect(picture).toContain('>no promotion in the 30 s watched</text>');
    expect(picture).toContain('>longest pause between acknowledged writes: 0.400 s</text>');
    expect(picture).not.toMatch(/>target|RTO/);
    expectTidy(picture);
  });

  it('shows clients that never wrote again', () => {
    const drill = watchedDrill();
    const [old] = drill.clients?.activity ?? [];
    if (!drill.clients || !old) throw new Error('the drill has clients');
    drill.clients.activity = [{ ...old, unknown: [5] }];
    expect(drawn(drill, { clientRtoSeconds: undefined, writeOutageSeconds: undefined })).toContain(
      '>no write acknowledged any more</text>',
    );
  });

  it('stays small, however many writes there were', () => {
    const clients = clientsRecord({ lastBefore: -0.02, firstAfter: 10.58, until: 600 });
    for (const each of clients.activity) each.failed = clients.activity.flatMap((all) => all.acknowledged);
    const picture = drawn({ clients, settledSeconds: 600 });
    expect(clients.activity[1]?.acknowledged.length).toBeGreaterThan(40_000);
    expect(picture.length).toBeLessThan(100_000);
  });

  it('draws lone ticks in no more than a few thousand places', () => {
    const clients = clientsRecord({ lastBefore: -0.02, firstAfter: 9.88, until: 15 });
    const lone = Array.from({ length: 2000 }, (_, index) => index * 0.0437);
    for (const each of clients.activity)
      Object.assign(each, { acknowledged: lone, unknown: lone, failed: lone });
    expect(drawn({ clients, settledSeconds: 90 }).length).toBeLessThan(100_000);
  });

  it('follows the dark scheme, and has its colours without a style sheet as well', () => {
    const picture = drawn();
    expect(picture).toContain('@media (prefers-color-scheme:dark)');
    expect(picture).not.toMatch(/<(?:rect|text|path)(?![^>]* fill=)/);
  });

  it('of a drill without clients has its states alone', () => {
    const { record, verdict } = judgedDrill(passingDrill());
    const picture = drillTimeline(record, verdict);
    expect(picture).not.toContain('client writes');
    expectTidy(picture);
  });

  it('has no label upon another or cut off, however soon the promotion came', () => {
    expectTidy(
      drawn(
        {
          fault: 'switchover',
          promotion: { node: 'pgaf-replica', seconds: 0.6, at: '', heardBy: 'table' },
          undoSeconds: 0.65,
          settledSeconds: 20,
          handedBack: { seconds: 20.01, because: '' },
          clients: clientsRecord({ lastBefore: 0.1, firstAfter: 0.7, until: 20 }),
        },
        { dualPrimarySeconds: 0.1 },
      ),
    );
  });

  it('has none with the longest names, five nodes, and a message without end', () => {
    const nodes = [1, 2, 3, 4, 5].map(longName);
    expectTidy(
      drawn(
        {
          formation: longName(9),
          target: longName(1),
          primary: longName(1),
          promotion: { node: longName(2), seconds: 9.8, at: '', heardBy: 'table' },
          announcements: nodes.map((node, index) => ({
            seconds: index,
            node,
            reportedState: 'secondary',
            goalState: 'report_lsn',
            health: 1,
          })),
          clients: clientsRecord({
            lastBefore: -0.1,
            firstAfter: 9.9,
            until: 15,
            oldPrimary: longName(1),
            newPrimary: longName(2),
          }),
          handedBack: { seconds: 15.2, because: '' },
        },
        { message: 'something went wrong and '.repeat(60) },
      ),
    );
  });

  it('has none whenever things happen', () => {
    const moment = fc.double({ min: 0.001, max: 300, noNaN: true });
    fc.assert(
      fc.property(
        fc.record({
          rto: moment,
          client: moment,
          undo: moment,
          settled: moment,
          back: moment,
          target: moment,
        }),
        ({ rto, client, undo, settled, back, target }) => {
          const drill = judgedDrill(
            passingDrill({
              promotion: { node: 'pgaf-replica', seconds: rto, at: '', heardBy: 'table' },
              undoSeconds: undo,
              settledSeconds: settled,
              handedBack: { seconds: back, because: '' },
              rtoTargetSeconds: Math.ceil(target),
            }),
            { clientRtoSeconds: client, dualPrimarySeconds: 0.2 },
          );
          expectTidy(drillTimeline(drill.record, drill.verdict));
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('flags', () => {
  it('never have a name upon a pole or another name', () => {
    const anyFlag = fc.record({
      x: fc.integer({ min: 150, max: 940 }),
      label: fc.constantFrom('fault', 'RTO 9.800 s', 'client RTO 10.580 s', 'all healthy'),
      ink: fc.constant('text' as const),
      pole: fc.constant('solid' as const),
    });
    fc.assert(
      fc.property(fc.array(anyFlag, { maxLength: 12 }), (flags) => {
        const done = placed(flags);
        for (const one of done)
          for (const other of done) {
            if (one === other) continue;
            const left = one.x - 6 - widthOf(one.label, 12, true);
            // A pole stands in every row up to its name's.
            const crossed = other.x > left && other.x < one.x - 6 && other.row >= one.row;
            const covered =
              one.row === other.row &&
              left < other.x - 6 &&
              other.x - 6 - widthOf(other.label, 12, true) < one.x - 6;
            expect(crossed || covered).toBe(false);
          }
        expect(flagHeight).toBeGreaterThan(12);
      }),
    );
  });
});

describe('lettering', () => {
  const anyText = fc.string({ unit: 'grapheme', maxLength: 80 });

  it('shortens to what fits', () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 30, max: 400 }), (text, room) => {
        expect(widthOf(shortenedToRoom(text, room, 12), 12)).toBeLessThanOrEqual(room);
        expect(widthOf(shortenedInside(text, room, 12), 12)).toBeLessThanOrEqual(room);
      }),
    );
  });

  it('takes what fills its room to the last hair', () => {
    const text = 'ɐ'.repeat(10);
    expect(widthOf(text, 12)).toBe(126);
    expect(shortenedToRoom(text, 126, 12)).toBe(text);
    // With the mark of what is left out, nine and it are as wide.
    expect(widthOf(shortenedToRoom(`${text}ɐ`, 126, 12), 12)).toBe(126);
  });

  it('keeps both ends of a name', () => {
    expect(shortenedInside('formation-eu-west-database-replica-2', 150, 12)).toMatch(
      /^formati.*…\S*replica-2$/,
    );
  });

  it('wraps at words, and a word that is too long anywhere', () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 30, max: 400 }), (text, room) => {
        const lines = wrapped(text, { room, size: 12 }, 3);
        expect(lines.length).toBeLessThanOrEqual(3);
        for (const line of lines) expect(widthOf(line, 12)).toBeLessThanOrEqual(room);
      }),
    );
    expect(wrapped('one two three', { room: widthOf('one two', 12) + 1, size: 12 }, 3)).toEqual([
      'one two',
      'three',
    ]);
  });
});
