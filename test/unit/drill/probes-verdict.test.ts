import { XMLValidator } from 'fast-xml-parser';
import { describe, expect, it } from 'vitest';
import { entryOf } from '../../../src/campaign/history-entry.ts';
import type { DrillRecord } from '../../../src/drill/record.ts';
import { judgeDrill } from '../../../src/drill/verdict/verdict.ts';
import type { ProbeRecord, Stretch } from '../../../src/probes/record.ts';
import { drillCases } from '../../../src/report/junit/drill-cases.ts';
import { drillTimeline } from '../../../src/report/pictures/timeline.ts';
import { probesOutput, probesTable } from '../../../src/report/probes-report.ts';
import { builtInFormation, passingDrill, watchedDrill } from '../builders.ts';

/** What a drill makes of the probes that it recorded. */

const stretch = (state: Stretch['state'], from: number, to: number, why?: string): Stretch => ({
  state,
  askedSeconds: from,
  toldSeconds: from + 0.01,
  lastAskedSeconds: to - 0.01,
  lastToldSeconds: to,
  looks: 10,
  ...(why !== undefined && { why }),
});
const probe = (stretches: Stretch[], given: Partial<ProbeRecord> = {}): ProbeRecord => ({
  name: 'api',
  asks: 'GET https://api.example/',
  intervalSeconds: 0.5,
  timeoutSeconds: 2,
  stretches,
  ...given,
});
const out = probe([
  stretch('good', -4, 0.2),
  stretch('broken', 0.7, 10.6, 'it answered 503'),
  stretch('good', 11.1, 18),
]);
const held = probe([stretch('good', -4, 18)], { name: 'pooler' });
const judged = (given: Partial<DrillRecord>) => judgeDrill(passingDrill(given));
const untouched = { faultAt: undefined, proof: undefined, promotion: undefined, undoSeconds: undefined };
const tripped = { probe: 'api', seconds: 5, brokenSeconds: 4.5, allowedSeconds: 4, why: 'it answered 503' };
const undone = {
  probes: [out, held],
  tripped,
  promotion: undefined,
  undoSeconds: 5.1,
  settledSeconds: 9,
  final: passingDrill().baseline,
};

describe('a drill with probes', () => {
  it('passes where they hold again, and tells the longest outage between good answers', () => {
    const { outcome, message } = judged({ probes: [out, held] });
    expect(outcome).toBe('pass');
    expect(message).toContain('1 of 2 probes broke, api longest, for 10.910 s (broken for at least 9.880 s)');
    expect(judged({ probes: [held] }).message).toContain('the probe held throughout');
  });

  it('misses its objective where one does not hold again, and cannot tell where nothing is known of it', () => {
    const broken = probe([stretch('good', -4, 0.2), stretch('broken', 0.7, 200, 'it answered 503')]);
    expect(judged({ probes: [broken, held] })).toMatchObject({
      outcome: 'missed',
      message: 'the probe api did not hold again in the 180 s after the fault was undone: it answered 503',
    });
    const unknown = probe([
      stretch('good', -4, 0.2),
      stretch('unknown', 0.7, 200, 'this runner did not run'),
    ]);
    expect(judged({ probes: [unknown] }).outcome).toBe('error');
  });

  it('ends with code 1 where one does not hold before', () => {
    expect(judged({ ...untouched, probesBroken: ['api: it answered 503'] })).toMatchObject({
      outcome: 'unhealthy',
      message: 'no drill while a probe does not hold, nothing was stopped: api: it answered 503',
    });
  });

  it('misses its objective where the fault was undone for one, and claims nothing of what was not waited for', () => {
    const { outcome, message } = judged(undone);
    expect(outcome).toBe('missed');
    expect(message).toBe(
      'the probe api had no good answer for 4.500 s, and may be without for 4 s (abort-when), so the fault was undone at once: it answered 503',
    );
    const none = judged({
      ...undone,
      fault: 'standby-stop',
      expected: 'none',
      watchSeconds: 9,
      announcements: [],
    });
    expect(none.message).not.toContain('nobody looked');
    const record = passingDrill(undone);
    const entry = entryOf({ record, verdict: judgeDrill(record) }, builtInFormation());
    expect(entry).toMatchObject({ outcome: 'missed', rtoSeconds: null, unpromotedSeconds: null });
  });
});

describe('what is told of probes', () => {
  it('is one case each in JUnit', () => {
    const cases = (given: Partial<DrillRecord>) => {
      const record = passingDrill(given);
      return drillCases({ record, verdict: judgeDrill(record) })
        .filter(({ name }) => name.startsWith('the probe '))
        .map(({ result, seconds }) => [result.kind, seconds]);
    };
    expect(cases({ probes: [out, held] })).toEqual([
      ['passed', 10.91],
      ['passed', undefined],
    ]);
    expect(cases(undone)[0]).toEqual(['failed', 10.91]);
    expect(cases({ ...untouched, probes: [out, held], probesBroken: ['api: it answered 503'] })).toEqual([
      ['failed', undefined],
      ['skipped', undefined],
    ]);
  });

  it('is an output and a table', () => {
    expect(probesOutput([passingDrill({ probes: [out, held] })])).toMatchObject([
      {
        probe: 'api',
        outages: 1,
        outageSeconds: 10.91,
        brokenAtLeastSeconds: 9.88,
        holds: true,
        aborted: false,
      },
      { probe: 'pooler', outages: 0, outageSeconds: 0, holds: true },
    ]);
    expect(probesTable(passingDrill({ probes: [out, held] }))?.rows.map((row) => row.length)).toEqual([6, 6]);
    expect(probesTable(passingDrill())).toBeUndefined();
  });

  it('is a lane each in the picture, with the gaps in which nothing is known', () => {
    const record = watchedDrill({
      probes: [out, held, probe([stretch('unknown', 1, 3)], { name: 'third' })],
    });
    const picture = drillTimeline(record, judgeDrill(record));
    expect(XMLValidator.validate(picture)).toBe(true);
    for (const name of ['api', 'pooler', 'third']) expect(picture).toContain(`>${name}<`);
    expect(picture).toContain('broken, 0.700 s to 10.600 s: it answered 503');
    expect(picture).toContain('>10.910 s<');
    expect(picture).toContain('probe: unknown');
    expect(drillTimeline(watchedDrill(), judgeDrill(watchedDrill()))).not.toContain('probe');
  });
});
