import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isAllowed, isTimeZone, shownTime } from '../../../src/formation/allowed-hours.ts';

const at = (iso: string) => new Date(iso);
const paris = (...windows: string[]) => ({ timeZone: 'Europe/Paris', windows });

describe('the hours in which drills may begin', () => {
  it.each([
    ['in a window', 'Mon-Fri 09:00-17:00', '2026-12-01T08:00:00Z', true],
    ['at its end', 'Mon-Fri 09:00-17:00', '2026-12-01T16:00:00Z', false],
    ['a minute before', 'Mon-Fri 09:00-17:00', '2026-12-01T07:59:59Z', false],
    ['on another day', 'Mon-Fri 09:00-17:00', '2026-12-05T12:00:00Z', false],
    ['on the only day', 'Sat 10:00-12:00', '2026-12-05T10:30:00Z', true],
    ['over midnight, before it', 'Fri 22:00-04:00', '2026-12-04T22:30:00Z', true],
    ['over midnight, after it', 'Fri 22:00-04:00', '2026-12-05T02:59:00Z', true],
    ['over midnight, on the day before', 'Fri 22:00-04:00', '2026-12-04T02:00:00Z', false],
    ['over the end of the week', 'Sat-Mon 12:00-13:00', '2026-12-06T11:30:00Z', true],
    ['every day', 'daily 00:00-24:00', '2026-12-06T22:59:59Z', true],
    ['from a time to the same: a whole day', 'Sun 10:00-10:00', '2026-12-07T08:59:00Z', true],
    ['in summer', 'daily 09:00-17:00', '2026-07-01T07:00:00Z', true],
    ['in summer, an hour too early for winter', 'daily 09:00-17:00', '2026-12-01T07:30:00Z', false],
    ['in the hour that is there twice, the second time', 'Sun 02:00-03:00', '2026-10-25T01:30:00Z', true],
    ['in the hour that is there twice, the first time', 'Sun 02:00-03:00', '2026-10-25T00:30:00Z', true],
    ['by the clock of its zone at midnight', 'Wed 00:00-00:30', '2026-12-01T23:10:00Z', true],
  ])('%s', (_, window, moment, allowed) => {
    expect(isAllowed(paris(window), at(moment))).toBe(allowed);
  });

  it('are those of all windows', () => {
    const hours = paris('Mon 09:00-10:00', 'Tue 09:00-10:00');
    expect(isAllowed(hours, at('2026-12-01T08:30:00Z'))).toBe(true);
    expect(isAllowed(hours, at('2026-12-02T08:30:00Z'))).toBe(false);
  });

  it('are either those of a window or those of its opposite', () => {
    const time = fc
      .tuple(fc.nat(23), fc.nat(59))
      .map((parts) => parts.map((part) => String(part).padStart(2, '0')).join(':'));
    const moment = fc.date({
      min: at('2020-01-01T00:00:00Z'),
      max: at('2030-01-01T00:00:00Z'),
      noInvalidDate: true,
    });
    const zone = fc.constantFrom('UTC', 'Europe/Paris', 'America/St_Johns', 'Asia/Kathmandu', 'Pacific/Apia');
    fc.assert(
      fc.property(time, time, moment, zone, (from, to, when, timeZone) => {
        fc.pre(from !== to);
        const within = isAllowed({ timeZone, windows: [`daily ${from}-${to}`] }, when);
        const without = isAllowed({ timeZone, windows: [`daily ${to}-${from}`] }, when);
        expect(within).toBe(!without);
      }),
    );
  });

  it('are told by the clock of their zone', () => {
    expect(shownTime('Asia/Kathmandu', at('2026-12-01T18:20:00Z'))).toBe('Wed 00:05');
  });

  it('have a zone that is known', () => {
    expect(['UTC', 'Europe/Paris', 'Mars/Olympus'].map(isTimeZone)).toEqual([true, true, false]);
  });
});
