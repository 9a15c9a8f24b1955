import { expect, it } from 'vitest';
import { bounded } from '../../../src/drill/course.ts';

it('no noise of the monitor hides a failover that began', () => {
  const heard = (seconds: number, goalState: string) => ({
    seconds,
    node: 'a',
    reportedState: 'primary',
    goalState,
    health: 1,
  });
  const noise = Array.from({ length: 20 }, (_, index) => heard(index, 'primary'));
  const sign = heard(30, 'draining');
  expect(bounded([...noise, sign, heard(31, 'primary')], 'a', 10)).toEqual([...noise.slice(0, 10), sign]);
  expect(bounded(noise, 'a')).toEqual(noise);
});
