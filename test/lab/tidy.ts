import { beforeAll } from 'vitest';
import { containersOf, labFormation } from './formations.ts';
import { incus } from './harness.ts';

/**
 * Before each file of lab tests: what an earlier one left running is removed, apart from the one formation that nearly
 * every file begins with. Three idle formations take half of two processors, which every figure would have in it.
 */
const common = containersOf(labFormation(12));

beforeAll(async () => {
  const listed = await incus('list', '--format', 'csv', '--columns', 'n');
  const left = listed.split('\n').filter((name) => name !== '' && !common.includes(name));
  if (left.length > 0) await incus('delete', '--force', ...left);
});
