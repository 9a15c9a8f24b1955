import { expect, it } from 'vitest';
import { readOnlyAnswer } from '../../../src/application/way-in.ts';
import type { Moment } from '../../../src/clock/clock.ts';
import { Sightings } from '../../../src/evidence/sightings.ts';
import type { HistoryEvent } from '../../../src/evidence/write-history.ts';

const at = (moment: number) => moment as Moment;
const refused = (moment: number, node: string, why: string): HistoryEvent => ({
  kind: 'refused',
  at: at(moment),
  actor: 'application',
  node,
  why,
});

/** A journal hears them as they come. */
function lastAnswers(events: readonly HistoryEvent[], since: Moment): string[] {
  const sightings = new Sightings();
  for (const event of events) sightings.take(event);
  return sightings.answers.since(since);
}

it('quotes what each node said last since then, and no standby that only stands by', () => {
  const limit = 'too many connections for role "veza"';
  const events: HistoryEvent[] = [
    refused(1, 'alpha', 'long ago'),
    {
      kind: 'connected',
      at: at(2),
      connection: 'app1.1',
      actor: 'application',
      node: 'gamma',
      server: '',
      backend: 1,
    },
    refused(10, 'alpha', 'the database system is starting up'),
    refused(11, 'beta', readOnlyAnswer),
    { kind: 'failed', at: at(12), connection: 'app1.1', seq: 1, why: 'permission denied for table drill' },
    refused(13, 'alpha', limit),
  ];
  expect(lastAnswers(events, at(10))).toEqual([
    'gamma said last: permission denied for table drill',
    `alpha said last: ${limit}`,
  ]);
  expect(lastAnswers([refused(11, 'beta', readOnlyAnswer)], at(10))).toEqual([
    `beta said last: ${readOnlyAnswer}`,
  ]);
  expect(lastAnswers(events, at(20))).toEqual([]);
});
