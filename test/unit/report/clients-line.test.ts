import { expect, it } from 'vitest';
import { clientsLine } from '../../../src/report/drill-figures.ts';
import { clientsRecord } from '../builders.ts';

it('says at what pace clients wrote, and for how long faster', () => {
  const clients = clientsRecord({ lastBefore: -0.02, firstAfter: 9.88, until: 15.4 });
  expect(clientsLine(clients)).toContain('4 sessions of up to 20 writes a second each, from pgaf-monitor');
  const burst = { writesPerSecond: 200, from: -1, to: -0.75 };
  expect(clientsLine({ ...clients, burst })).toContain(
    '20 writes a second each (of up to 200 for 0.250 s when they began), from pgaf-monitor',
  );
});
