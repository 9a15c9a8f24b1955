import { describe, expect, it } from 'vitest';
import { badNames, badPolicies, badReferences } from '../../corpus/combinations.ts';
import { badTopologies } from '../../corpus/topologies.ts';
import { formationOf } from '../builders.ts';
import { expectOneError } from '../refusal.ts';

const nodes = (count: number) =>
  `nodes: [${Array.from({ length: count }, (_, index) => `{ name: pg${index + 1} }`).join(', ')}]\n`;

describe('a formation has as many nodes as can fail over, named as Incus and DNS can name them', () => {
  it.each(badTopologies)('%s', (...bad) => expectOneError(bad));

  it.each(['a', 'A1', 'a'.repeat(58), 'pg-ha-1'])('a name such as %s is taken', (name) => {
    expect(formationOf(`nodes: [{ name: ${name} }, { name: other }]`).nodes[0]?.name).toBe(name);
  });

  it('twelve nodes are taken', () => {
    expect(formationOf(nodes(12)).nodes).toHaveLength(12);
  });
});

describe('every container has a name of its own, which a certificate can hold', () => {
  it.each(badNames)('%s', (...bad) => expectOneError(bad));
});

describe('a policy that pg_auto_failover cannot keep is refused', () => {
  it.each(badPolicies)('%s', (...bad) => expectOneError(bad));

  it.each([
    [`replication: { sync-standbys: 1 }\n${nodes(2)}`, { syncStandbys: 1, quorum: true }],
    [`replication: { sync-standbys: 1 }\n${nodes(3)}`, { syncStandbys: 1, quorum: true }],
    [`replication: { sync-standbys: 2 }\n${nodes(4)}`, { syncStandbys: 2, quorum: true }],
    [`replication: { sync-standbys: 10 }\n${nodes(12)}`, { syncStandbys: 10, quorum: true }],
    ['replication: { sync-standbys: 0, quorum: false }', { syncStandbys: 0, quorum: false }],
  ])('%j is kept', (text, policy) => {
    expect(formationOf(text).replication).toEqual(policy);
  });
});

describe('what refers to something finds it in the file', () => {
  it.each(badReferences)('%s', (...bad) => expectOneError(bad));
});
