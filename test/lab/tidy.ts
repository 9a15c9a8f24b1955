import { beforeAll } from 'vitest';
import { allContainers, containersOf, labFormation, removeContainers } from './formations.ts';
import { runAction } from './harness.ts';

/**
 * Before each file of lab tests: what an earlier one left running is removed, apart from the one formation that nearly
 * every file begins with. Three idle formations take half of two processors, which every figure would have in it.
 */
const common = containersOf(labFormation(12));

beforeAll(async () => {
  await removeContainers(common);
  // What the file before did to it, a moment ago, may not be over yet. Whether it is healthy is for the file's own tests.
  if ((await allContainers()).length === common.length)
    await runAction('check-formation', { formation: labFormation(12).yaml, 'wait-seconds': '15' });
});
