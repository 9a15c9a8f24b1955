import { describe, expect, it } from 'vitest';
import { judgeCampaign } from '../../../src/campaign/verdict.ts';
import type { DrillRecord } from '../../../src/drill/record.ts';
import { judgeDrill } from '../../../src/drill/verdict/verdict.ts';
import { eventsTable } from '../../../src/report/drill-events.ts';
import { drillCases } from '../../../src/report/junit/drill-cases.ts';
import {
  campaignOf,
  clientsRecord,
  healthyVerdict,
  judgedDrill,
  passingDrill,
  watchedDrill,
} from '../builders.ts';

const spot = { from: 13, to: 33, why: 'Incus does not answer' };
/** A drill whose watch was blind when the standby was promoted. */
const unseen = (least: number, most: number, given: Partial<DrillRecord> = {}) =>
  passingDrill({
    rtoTargetSeconds: 30,
    promotion: {
      node: 'pgaf-replica',
      seconds: 25.3,
      between: { least, most },
      at: '2025-01-01T00:00:26.300Z',
      heardBy: 'event',
    },
    undoSeconds: 33.2,
    settledSeconds: 40,
    blind: [spot],
    ...given,
  });
const promotionCase = (record: DrillRecord) =>
  drillCases(judgedDrill(record)).find(({ name }) => name.startsWith('a standby is promoted'))?.result;

describe('a promotion that nobody heard of as it came', () => {
  it('is held against the target by the time that the monitor wrote down, and its doubt is told', () => {
    const record = unseen(25.298, 25.802);
    const { outcome, message, rtoSeconds } = judgeDrill(record);
    expect([outcome, rtoSeconds], message).toEqual(['pass', 25.3]);
    expect(message).toContain(
      'in 25.300 s (between 25.298 and 25.802 s) (target 30 s; the watch on the monitor was blind from +13.0 s to +33.0 s (Incus does not answer))',
    );
    expect(promotionCase(record)?.kind).toBe('passed');
    expect(eventsTable(record).rows.flat().join()).toMatch(
      /blind from here on.*Incus does not answer.*seen again/,
    );
  });

  it('is late where it is so for certain', () => {
    const record = unseen(31, 33);
    expect(judgeDrill(record).outcome).toBe('missed');
    expect(promotionCase(record)?.kind).toBe('failed');
  });

  it('cannot be told where the target lies within the doubt', () => {
    const record = unseen(13, 33);
    const { outcome, message } = judgeDrill(record);
    expect(outcome).toBe('error');
    expect(message).toMatch(
      /^whether the target of 30 s was met cannot be told: .*between 13\.000 and 33\.000 s/,
    );
    expect(message).toContain('blind from +13.0 s to +33.0 s');
    expect(promotionCase(record)?.kind).toBe('error');
    expect(judgeCampaign(campaignOf([judgedDrill(record)])).outcome).toBe('error');
  });

  it('cannot be told where it may have come before the fault', () => {
    expect(judgeDrill(unseen(-1, 2)).message).toMatch(
      /took over before the fault or after it cannot be told/,
    );
  });
});

describe('a monitor that was not seen again', () => {
  const open = { blind: [{ from: 13, why: 'Incus does not answer' }] };

  it.each<[string, Partial<DrillRecord>]>([
    ['no standby was promoted', { promotion: undefined }],
    ['no failover came', { fault: 'standby-stop', expected: 'none', promotion: undefined, serving: true }],
    ['none was finished', { fault: 'reboot', expected: 'either', promotion: undefined }],
  ])('does not tell that %s', (_, given) => {
    const record = passingDrill({ ...open, final: healthyVerdict(), announcements: [], ...given });
    const { outcome, message } = judgeDrill(record);
    expect(outcome, message).toBe('error');
    expect(message).toContain('cannot be told: the watch on the monitor was blind from +13.0 s on');
    expect(message).not.toMatch(/no standby was promoted/);
    expect(promotionCase(record)?.kind).toBe('error');
  });

  it('that was blind for a while and seen again tells all that it wrote down', () => {
    const record = passingDrill({ blind: [spot], promotion: undefined, final: healthyVerdict() });
    expect(judgeDrill(record)).toMatchObject({ outcome: 'missed' });
  });

  it('leaves open whether the formation converged in time', () => {
    const untold = { settledSeconds: undefined, settledUntold: 'the monitor was not seen since 12:00' };
    const record = passingDrill({ ...untold, final: undefined });
    const { outcome, message } = judgeDrill(record);
    expect(outcome).toBe('error');
    expect(message).toContain('whether the formation converged in time cannot be told');
    expect(drillCases(judgedDrill(record)).at(-1)?.result.kind).toBe('error');
  });

  it.each([
    { rejoinDeadlineSeconds: 2, kind: 'failed' },
    { rejoinDeadlineSeconds: 4, kind: 'error' },
    { rejoinDeadlineSeconds: 6, kind: 'passed' },
  ])('between two moments, is held against a deadline of $rejoinDeadlineSeconds s: $kind', (given) => {
    const undoSeconds = passingDrill().undoSeconds ?? 0;
    const settledBetween = { least: undoSeconds + 3, most: undoSeconds + 5 };
    const record = passingDrill({ settledBetween, rejoinDeadlineSeconds: given.rejoinDeadlineSeconds });
    expect(drillCases(judgedDrill(record)).at(-1)?.result.kind).toBe(given.kind);
  });
});

it('a rejoin that was not seen as it came is told with its doubt', () => {
  const record = passingDrill({ settledBetween: { least: 12.1, most: 14.1 } });
  expect(judgeDrill(record).message).toMatch(
    /healthy 4\.250 s \(between 2\.250 and 4\.250 s\) after its return$/,
  );
});

describe('clients of a process that did not get to run', () => {
  const late = (given: object) => {
    const clients = clientsRecord(
      { lastBefore: -0.02, firstAfter: 9.88, until: 15.4 },
      { lateBySeconds: 25, ...given },
    );
    return watchedDrill({ clients });
  };

  it.each([
    ['first write', { clientRtoSeconds: 80, longestPauseSeconds: 20 }],
    ['longest pause', { longestPauseSeconds: 80 }],
  ])('may have been served in time: their %s does not tell', (_, given) => {
    const record = late(given);
    const { outcome, message } = judgeDrill(record);
    expect(outcome, message).toBe('error');
    expect(message).toMatch(/target of 60 s was met cannot be told: .*80\.000 s.*late by up to 25\.000 s/);
  });

  it.each([
    ['a little less than the target', 36],
    ['the target itself', 60],
  ])('may have been out for longer than was seen: a pause of %s does not tell', (_, longestPauseSeconds) => {
    const record = late({ longestPauseSeconds });
    const { outcome, message } = judgeDrill(record);
    expect(outcome, message).toBe('error');
    expect(message).toContain(`clients could not write for ${longestPauseSeconds}.000 s`);
    expect(judgeDrill(late({ longestPauseSeconds: 35 })).outcome).toBe('pass');
  });

  it('that wrote again in time since the fault did so, however late that was seen', () => {
    expect(judgeDrill(late({ clientRtoSeconds: 60, longestPauseSeconds: 20 })).outcome).toBe('pass');
  });

  it('were not where even that explains too little', () => {
    expect(judgeDrill(late({ clientRtoSeconds: 90, longestPauseSeconds: 20 })).outcome).toBe('missed');
  });
});
