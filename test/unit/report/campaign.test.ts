import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { describe, expect, it } from 'vitest';
import type { CampaignRecord, CampaignVerdict } from '../../../src/campaign/campaign-record.ts';
import { readDrillReport } from '../../../src/campaign/json-report.ts';
import type { LedgerVerdict, WrongRows } from '../../../src/evidence/record.ts';
import {
  campaignHtml,
  campaignJunit,
  campaignLines,
  campaignMarkdown,
  campaignPicture,
} from '../../../src/report/campaign-report.ts';
import { drillTimeline } from '../../../src/report/pictures/timeline.ts';
import {
  builtInFormation,
  campaignOf,
  clientsRecord,
  healthyVerdict,
  judgedDrill,
  passingDrill,
  unhealthyVerdict,
  watchedDrill,
} from '../builders.ts';

const passes: CampaignVerdict = { outcome: 'pass', message: 'all went well' };
const misses: CampaignVerdict = { outcome: 'missed', message: 'one drill of three missed its objective' };

const quiet = () =>
  judgedDrill(
    watchedDrill({
      fault: 'monitor-stop',
      expected: 'none',
      target: 'pgaf-monitor',
      promotion: undefined,
      announcements: [],
      watchSeconds: 30,
      serving: true,
      undoSeconds: 30,
      settledSeconds: 34,
      final: healthyVerdict(),
      clients: clientsRecord({ lastBefore: 2, firstAfter: 2.05, until: 36, newPrimary: null }),
    }),
  );

const late = () =>
  judgedDrill(
    watchedDrill({
      promotion: { node: 'pgaf-replica', seconds: 64, at: '', heardBy: 'table' },
      clients: clientsRecord({ lastBefore: -0.1, firstAfter: 64.5, until: 70 }),
      undoSeconds: 64.1,
      settledSeconds: 69,
    }),
  );

const losing = () =>
  judgedDrill(
    watchedDrill({
      clients: clientsRecord(
        { lastBefore: -0.1, firstAfter: 9.9, until: 15 },
        { lost: { count: 2, rows: { 'app1.1': [[3, 4]] } }, inconclusive: ['the journal has a hole'] },
      ),
    }),
    { outcome: 'missed', message: '2 acknowledged writes were lost' },
  );

const several = (given: Partial<CampaignRecord> = {}) =>
  campaignOf([judgedDrill(watchedDrill()), quiet(), late()], given);

const hostile =
  '</details></text></style></title><script>alert(1)</script> "\'&**x**|`y`\r\n::error::z\u0000]]>';
const hostileCampaign = () => {
  const bad = watchedDrill({
    formation: hostile,
    target: hostile,
    primary: hostile,
    proof: hostile,
    clientsMissing: hostile,
    handedBack: { seconds: 12, because: hostile },
    promotion: { node: hostile, seconds: 9.8, at: hostile, heardBy: 'table' },
    announcements: [{ seconds: 1, node: hostile, reportedState: hostile, goalState: hostile, health: 1 }],
    clients: clientsRecord(
      { lastBefore: -0.1, firstAfter: 9.9, until: 15, oldPrimary: hostile, newPrimary: hostile },
      {
        lost: { count: 1, rows: { [hostile]: [[1, 1]] } },
        inconclusive: [hostile],
        refusals: [{ node: hostile, why: hostile, seconds: 1 }],
      },
    ),
  });
  const drill = judgedDrill(bad, { outcome: 'missed', message: hostile });
  return (count: number) => campaignOf(Array(count).fill(drill), { formation: hostile, endedEarly: hostile });
};
const hostileVerdict: CampaignVerdict = { outcome: 'missed', message: hostile };

describe("a campaign's Markdown", () => {
  it('of one drill is that drill, and what it proves', () => {
    const text = campaignMarkdown(campaignOf(), passes);
    expect(text).toMatch(/^### ✅ Failover drill: all went well\n/);
    expect(text).toContain('| client RTO: fault to the first write on the new primary | 9.880 s |');
    expect(text).toMatch(
      /\| writes at risk: acknowledged by the old primary before the new one took its first \| \d+ \|.* 100 or more \|/,
    );
    expect(text).toContain('- stop: still needed to prove the target: 58 more');
    expect(text).not.toContain('| round |');
  });

  it('of several is a table of the rounds, the figures by fault, and each drill folded', () => {
    const text = campaignMarkdown(several(), misses);
    expect(text).toMatch(/^### ❌ Failover campaign, 3 of 3 drills: one drill/);
    expect(text).toMatch(/\| 1 \| stop \| pass \| 9\.800 s \| 9\.880 s \|/);
    expect(text).toMatch(/\| 3 \| stop \| missed \| 64\.000 s \|.*took over 64\.000 s.* \|/);
    expect(text).toMatch(/\| stop \| RTO \| this run \| 2 \| 9\.800 s \| 9\.800 s \| 64\.000 s \|/);
    expect(text).toContain('<details><summary>✅ 2: monitor-stop: pgaf-primary stayed primary');
    expect(text.match(/<details>/g)).toHaveLength(6);
    expect(text.match(/<\/details>/g)).toHaveLength(6);
  });

  it('has no row for what a drill did not look for', () => {
    const text = campaignMarkdown(campaignOf([quiet()]), passes);
    expect(text).not.toMatch(/RTO:|dual-primary/);
    expect(text).toContain('| watched, without a failover to be seen | 30.000 s |');
    expect(text).toContain('| longest pause between acknowledged writes | 0.050 s |');
    expect(campaignMarkdown(campaignOf([judgedDrill(passingDrill())]), passes)).not.toMatch(
      /client RTO|writes at risk/,
    );
  });

  it('says plainly why there are no figures of clients', () => {
    const drill = judgedDrill(passingDrill({ clientsMissing: 'no password was given' }));
    expect(campaignMarkdown(campaignOf([drill]), passes)).toContain(
      '- no figures of clients: no password was given',
    );
  });

  it('tells what clients were told, where they could not write, and which writes were lost', () => {
    expect(campaignMarkdown(campaignOf([losing()]), misses)).toMatch(
      /What clients were told last[\s\S]*timeout[\s\S]*- lost: 2 \(app1\.1: 3–4\)\n- inconclusive: the journal/,
    );
    expect(campaignMarkdown(campaignOf(), passes)).not.toContain('What clients were told last');
  });

  it('tells why a campaign was shorter than planned, also where not a drill was run', () => {
    const ended = campaignOf([], { rounds: 5, endedEarly: 'no <incus>' });
    expect(campaignMarkdown(ended, misses)).toContain('ended early, after 0 of 5 drills: no &lt;incus>');
    expect(campaignPicture(ended)).toBe('');
    expect(campaignLines(ended, misses)).toEqual(['ended early, after 0 of 5 drills: no <incus>']);
  });

  it('stays below what runners take', () => {
    const drill = judgedDrill(watchedDrill());
    const text = campaignMarkdown(campaignOf(Array(600).fill(drill)), passes);
    expect(text.length).toBeLessThan(900_000);
    expect(text).toMatch(/The other \d+ drills are in the report/);
  });

  it('lets nothing that was read become markup', () => {
    for (const count of [1, 2]) {
      const text = campaignMarkdown(hostileCampaign()(count), hostileVerdict);
      expect(text).not.toMatch(/<script|<\/style/);
      // In a summary, which is HTML, stars are stars.
      expect(text.replaceAll(/<summary>.*<\/summary>/g, '')).not.toContain('**x**');
      expect(text.match(/<\/details>/g)).toHaveLength(count === 1 ? 1 : 4);
    }
  });
});

describe("a campaign's lines", () => {
  it('are the table of the rounds and what they prove', () => {
    const lines = campaignLines(several(), misses);
    expect(lines[0]).toMatch(/^round {2}fault +outcome +RTO +client RTO/);
    expect(lines).toContain('the same faults at the same moments again: seed 7');
  });

  it('are one line each, none of which is a command of the runner', () => {
    for (const count of [1, 2])
      for (const line of campaignLines(hostileCampaign()(count), hostileVerdict))
        expect(line).not.toMatch(/[\r\n]|^::/);
  });
});

describe("a campaign's JUnit", () => {
  const parser = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '' });
  type Case = {
    name: string;
    failure?: { message: string };
    error?: { message: string };
    skipped?: { message: string };
  };
  type Suite = { name: string; failures: string; errors: string; skipped: string; testcase: Case[] };
  const suitesOf = (campaign: CampaignRecord, verdict: CampaignVerdict) => {
    const xml = campaignJunit(campaign, verdict);
    expect(XMLValidator.validate(xml)).toBe(true);
    return parser.parse(xml).testsuites as { failures: string; errors: string; testsuite: Suite[] };
  };
  const caseOf = (suite: Suite | undefined, name: string) =>
    suite?.testcase.find((each) => each.name === name);
  const bad = ({ testsuite }: { testsuite: Suite[] }) =>
    testsuite.flatMap(({ testcase }) =>
      testcase.flatMap(({ name, failure, error }) => ((failure ?? error) ? [name] : [])),
    );

  it('has a suite a drill, each with the same cases, and none that failed where all passed', () => {
    const all = suitesOf(campaignOf([judgedDrill(watchedDrill()), quiet()]), passes);
    expect(bad(all)).toEqual([]);
    const [first, second] = all.testsuite;
    expect(first?.testcase.map(({ name }) => name)).toEqual(second?.testcase.map(({ name }) => name));
    // Nobody went by a connection string of the application's own.
    expect(first?.skipped).toBe('1');
    expect(JSON.stringify(caseOf(second, 'clients write again within the target'))).toContain(
      'the longest pause was 0.050 s; the target is 60 s',
    );
  });

  it("has what clients saw by the application's own connection string", () => {
    const byUri = {
      ...{ clientRtoSeconds: 26.1, writeOutageSeconds: 26.2, longestPauseSeconds: 26.2 },
      ...{ acknowledgedWrites: 100, failedWrites: 0, unknownWrites: 3 },
      refusals: [{ node: 'pooler:6432', why: 'no server', seconds: 20 }],
      activity: { acknowledged: [26.1], unknown: [], failed: [] },
    };
    const drillOf = (rtoTargetSeconds: number) => {
      const clients = clientsRecord({ lastBefore: -0.1, firstAfter: 9.9, until: 30 }, { byUri });
      return judgedDrill(watchedDrill({ clients, rtoTargetSeconds }));
    };
    const name = 'clients by client-uri write again within the target';
    const [held] = suitesOf(campaignOf([drillOf(60)]), passes).testsuite;
    expect(held?.skipped).toBe('0');
    const missed = suitesOf(campaignOf([drillOf(20)]), misses);
    expect(bad(missed)).toEqual([name]);
    expect(caseOf(missed.testsuite[0], name)?.failure?.message).toMatch(
      /could write on .* after 26\.100 s; the target is 20 s: pooler:6432 said "no server"/,
    );
    const { verdict, record } = drillOf(60);
    expect(verdict).toMatchObject({ outcome: 'pass', uriRtoSeconds: 26.1, uriAddsSeconds: 16.2 });
    expect(verdict.message).toContain('(26.100 s by client-uri)');
    expect(drillTimeline(record, verdict)).toContain('by client-uri 26.100 s');
  });

  it('fails what was missed, and tells by how much', () => {
    const all = suitesOf(campaignOf([late()]), misses);
    expect(bad(all)).toEqual([
      'a standby is promoted within the target, or none where none is due',
      'clients write again within the target',
    ]);
    expect(all.testsuite[0]?.testcase[2]?.failure?.message).toContain('64.000 s');
  });

  it('fails lost writes, and is in error where the evidence is not the whole truth', () => {
    expect(bad(suitesOf(campaignOf([losing()]), misses))).toEqual([
      'no acknowledged write was lost',
      'the evidence is conclusive',
    ]);
  });

  it('passes nothing that clients might have missed where the evidence is not the whole truth', () => {
    const clients = clientsRecord(
      { lastBefore: -0.1, firstAfter: 9.9, until: 15 },
      { inconclusive: ['the drill itself did not run for 25.0 s'] },
    );
    const all = suitesOf(campaignOf([judgedDrill(watchedDrill({ clients }))]), misses);
    expect(bad(all)).toEqual(['the evidence is conclusive']);
    for (const name of [
      'no acknowledged write was lost',
      'no row that nobody can have written',
      'one primary at a time',
    ])
      expect(caseOf(all.testsuite[0], name)?.skipped?.message, name).toContain('did not run for 25.0 s');
  });

  it('counts the writes at risk, and is in error where they were too few', () => {
    const of = (writesAtRisk: number) =>
      judgedDrill(
        watchedDrill({
          clients: clientsRecord({ lastBefore: -0.1, firstAfter: 9.9, until: 15 }, { writesAtRisk }),
        }),
      );
    expect(bad(suitesOf(campaignOf([of(100)]), passes))).toEqual([]);
    expect(bad(suitesOf(campaignOf([of(9)]), misses))).toEqual(['no acknowledged write was lost']);
  });

  it('fails two primaries', () => {
    const both = { dualPrimarySeconds: 0.3, overlapSeconds: 0.2 };
    const overlap = { count: 1, rows: { 'app1.1': [[7, 7]] } } satisfies WrongRows;
    const of = (given: Partial<LedgerVerdict>) =>
      judgedDrill(
        watchedDrill({ clients: clientsRecord({ lastBefore: -0.1, firstAfter: 9.9, until: 15 }, given) }),
      );
    expect(bad(suitesOf(campaignOf([of({ ...both, overlap })]), misses))).toEqual(['one primary at a time']);
    // What only a witness could write nobody relied upon.
    expect(bad(suitesOf(campaignOf([of({ ...both, overlapSeconds: 0 })]), passes))).toEqual([]);
  });

  it('skips what was not measured', () => {
    const [suite] = suitesOf(
      campaignOf([judgedDrill(passingDrill({ clientsMissing: 'no way in' }))]),
      passes,
    ).testsuite;
    expect(suite?.skipped).toBe('6');
    expect(caseOf(suite, 'no acknowledged write was lost')?.skipped?.message).toBe(
      'no clients were watched to the end: no way in',
    );
  });

  it('is about the baseline where nothing was touched', () => {
    const untouched = judgedDrill(
      passingDrill({ faultAt: undefined, promotion: undefined, baseline: unhealthyVerdict() }),
    );
    expect(bad(suitesOf(campaignOf([untouched]), misses))).toEqual(['the formation was healthy before']);
  });

  it('fails a role that could not be handed back, and another primary than there should be', () => {
    const name = 'every node is healthy again';
    const stuck = judgedDrill(watchedDrill({ handBackFailed: 'the monitor refused' }));
    expect(bad(suitesOf(campaignOf([stuck]), misses))).toEqual([name]);
    const wrong = judgedDrill(watchedDrill({ final: healthyVerdict() }));
    expect(bad(suitesOf(campaignOf([wrong]), misses))).toEqual([name]);
  });

  it('never looks well where the verdict is not', () => {
    const odd = judgedDrill(watchedDrill(), { outcome: 'error', message: 'for a reason of its own' });
    expect(bad(suitesOf(campaignOf([odd]), misses))).toEqual(['the verdict']);
    expect(bad(suitesOf(campaignOf(), misses))).toEqual(['the verdict']);
  });

  it('takes what a self-test lost for what it was meant to', () => {
    const campaign = campaignOf([losing()], { selfTest: true, proofs: [] });
    expect(bad(suitesOf(campaign, passes))).toEqual([]);
    expect(bad(suitesOf(campaign, misses))).toEqual(['the verdict']);
  });

  it('has the gate against regressions as a case', () => {
    const campaign = several();
    const name = 'stop: the median RTO is not slower than before';
    expect(caseOf(suitesOf(campaign, misses).testsuite.at(-1), name)?.skipped).toBeDefined();
    const [proof] = campaign.proofs;
    if (proof) proof.regression = { nowSeconds: 12, beforeSeconds: 9, allowedPercent: 20, failed: true };
    expect(caseOf(suitesOf(campaign, misses).testsuite.at(-1), name)?.failure?.message).toBe(
      'median RTO 12.000 s against 9.000 s before (allowed: 20 % more)',
    );
  });

  it('is well-formed, whatever was read', () => {
    suitesOf(hostileCampaign()(2), hostileVerdict);
  });
});

describe("a campaign's page", () => {
  it('holds the picture and the tables of one drill', () => {
    const page = campaignHtml(campaignOf(), passes);
    expect(page.match(/<svg/g)).toHaveLength(1);
    for (const heading of ['Figures', 'Where the time went', 'Events', 'What the drills prove'])
      expect(page).toContain(`<h2>${heading}</h2>`);
  });

  it('holds a picture of all drills and of each', () => {
    expect(campaignHtml(several(), misses).match(/<svg/g)).toHaveLength(4);
  });

  it('needs nothing else, and lets nothing run', () => {
    for (const page of [
      campaignHtml(several(), misses),
      campaignHtml(hostileCampaign()(1), hostileVerdict),
      campaignHtml(hostileCampaign()(2), hostileVerdict),
    ]) {
      expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
      expect(page).not.toMatch(/<script|<\/text><\/style>|<link|<img|src=| on\w+=|href=|url\(/i);
      expect(page.match(/<\/details>/g)?.length).toBe(page.match(/<details>/g)?.length);
    }
  });
});

describe("a campaign's picture", () => {
  it('of one drill is its timeline', () => {
    expect(campaignPicture(campaignOf())).toContain('stop on pgaf-primary, formation default');
  });

  it('of several has a mark for every figure, the target, and a cross for each round that failed', () => {
    const picture = campaignPicture(several());
    expect(XMLValidator.validate(picture)).toBe(true);
    expect(picture).toContain('<title>#1 stop: RTO 9.800 s</title>');
    expect(picture).toContain('<title>#3 stop: client RTO 64.500 s</title>');
    expect(picture).toContain('<title>#2 monitor-stop: longest pause 0.050 s</title>');
    expect(picture).toContain('target 60 s');
    expect(picture).toContain('not passed: #3');
    expect(picture.match(/<title>#3: /g)).toHaveLength(1);
  });

  it('is well-formed and holds no markup of what was read', () => {
    const picture = campaignPicture(hostileCampaign()(2));
    expect(XMLValidator.validate(picture)).toBe(true);
    expect(picture).not.toContain('<script');
  });

  it('stays small with hundreds of drills', () => {
    const drill = judgedDrill(watchedDrill());
    expect(campaignPicture(campaignOf(Array(200).fill(drill))).length).toBeLessThan(150_000);
  });
});

describe('the report of a drill', () => {
  const published = readFileSync(
    join(import.meta.dirname, '..', '..', '..', 'schemas', 'drill-report.schema.json'),
    'utf8',
  );
  const ajv = new Ajv({ allErrors: true });
  const validate = ajv.compile(JSON.parse(published) as object);
  const reportOf = (campaign: CampaignRecord) =>
    JSON.parse(
      JSON.stringify({
        ...{ action: 'failover-drill', outcome: 'pass', exitCode: 0, message: 'm' },
        formation: builtInFormation(),
        campaign,
      }),
    ) as { campaign: { drills: { record: Record<string, unknown> }[] } };

  it.each([
    ['one drill', campaignOf()],
    ['one without clients', campaignOf([judgedDrill(passingDrill())])],
    [
      'one that touched nothing',
      campaignOf([judgedDrill(passingDrill({ faultAt: undefined, baseline: undefined }))]),
    ],
    ['several', several({ endedEarly: 'why' })],
    ['one with lost writes', campaignOf([losing()], { selfTest: true, proofs: [] })],
  ])('of %s is as its published schema says, and comes back as it was', (_, campaign) => {
    const report = reportOf(campaign);
    expect(validate(report), ajv.errorsText(validate.errors)).toBe(true);
    const read = readDrillReport(report);
    expect(read).toEqual({ formation: builtInFormation(), campaign });
    if (!('campaign' in read)) return;
    for (const write of [campaignLines, campaignMarkdown, campaignJunit, campaignHtml])
      expect(write(read.campaign, passes)).toEqual(write(campaign, passes));
    expect(campaignPicture(read.campaign)).toBe(campaignPicture(campaign));
  });

  it('has null for more drills than anybody runs, which is infinite again when read', () => {
    const campaign = campaignOf();
    for (const proof of campaign.proofs) proof.pooled.stillNeeded.p99 = Number.POSITIVE_INFINITY;
    const report = reportOf(campaign);
    expect(validate(report)).toBe(true);
    expect(readDrillReport(report)).toEqual({ formation: builtInFormation(), campaign });
  });

  it('is refused with every error and its path', () => {
    const report = reportOf(campaignOf());
    const [drill] = report.campaign.drills;
    Object.assign(drill?.record ?? {}, { fault: 'meteor', tookSeconds: 'long' });
    expect(validate(report)).toBe(false);
    const read = readDrillReport(report);
    expect('errors' in read && read.errors).toEqual([
      expect.stringMatching(/^campaign\.drills\.0\.record\.fault: .*"meteor"/),
      expect.stringMatching(/^campaign\.drills\.0\.record\.tookSeconds: .*number/),
    ]);
  });

  it.each([null, 7, 'x', [], {}])('is refused where it is %j', (given) => {
    expect(readDrillReport(given)).toHaveProperty('errors');
  });

  it('without a drill, as of bad input, tells so', () => {
    const report = { action: 'failover-drill', outcome: 'error', exitCode: 3, message: 'm', faults: ['f'] };
    expect(validate(report)).toBe(true);
    expect(readDrillReport(report)).toEqual({ errors: ['campaign: the report holds no drill'] });
  });
});
