import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/check/verdict.ts';
import type { Moment } from '../../../src/clock/clock.ts';
import { findingsInWords } from '../../../src/provision/in-vain.ts';
import { Orders } from '../../../src/provision/nodes/settle.ts';
import { builtInFormation, healthyObservation, monitorNode, nodeOf, rowOf } from '../builders.ts';

const formation = builtInFormation();
const at = (ms: number) => ms as Moment;

describe('an order that no keeper can follow', () => {
  const node = (given: object) =>
    monitorNode({
      nodeId: 2,
      name: 'pgaf-replica',
      reportedState: 'secondary',
      goalState: 'primary',
      secondsSinceReport: 0.5,
      secondsSinceStateChange: 1000,
      ...given,
    });

  it('is taken back once, after it was seen for some seconds', () => {
    const orders = new Orders(formation);
    expect(orders.hopeless([node({})], at(0))).toEqual([]);
    expect(orders.hopeless([node({})], at(4000))).toEqual([]);
    expect(orders.hopeless([node({})], at(5100))).toHaveLength(1);
    expect(orders.hopeless([node({})], at(5200))).toEqual([]);
    expect(orders.hopeless([node({})], at(60_000))).toEqual([]);
  });

  it.each<[string, object]>([
    ['that a keeper knows a way to', { goalState: 'catchingup' }],
    ['that is young', { secondsSinceStateChange: 3 }],
    ['of a node that is silent, and of which nobody knows where it is', { secondsSinceReport: 9 }],
  ])('is none %s', (_, given) => {
    const orders = new Orders(formation);
    orders.hopeless([node(given)], at(0));
    expect(orders.hopeless([node(given)], at(600_000))).toEqual([]);
  });

  it('counts from when it is there', () => {
    const orders = new Orders(formation);
    orders.hopeless([node({})], at(0));
    orders.hopeless([node({ goalState: 'secondary' })], at(1000));
    expect(orders.hopeless([node({})], at(6000))).toEqual([]);
  });
});

describe('what provisioning waited for in vain', () => {
  it('is told with the causes that check-formation finds, and what ends them', () => {
    const observation = healthyObservation();
    Object.assign(rowOf(observation, 'pgaf-replica'), {
      reportedState: 'secondary',
      goalState: 'primary',
      secondsSinceStateChange: 1000,
    });
    const [first] = findingsInWords(judge(observation, formation));
    expect(first).toMatch(
      /^no-stuck-transition: pgaf-replica: reported secondary, goal primary for 1000 s.* \(no keeper can go from .*UPDATE pgautofailover\.node/,
    );
  });

  it('never sends one back to provisioning', () => {
    const observation = healthyObservation();
    nodeOf(observation, 'pgaf-replica').roles = [];
    expect(findingsInWords(judge(observation, formation))).toEqual([
      'application-login: pgaf-replica: no role veza that may log in',
    ]);
  });

  it('is told in three at most', () => {
    const observation = healthyObservation();
    for (const name of ['pgaf-primary', 'pgaf-replica'])
      Object.assign(nodeOf(observation, name), {
        roles: [],
        replayPaused: true,
        walBytes: 1e12,
        timeline: 1,
      });
    for (const name of ['pgaf-primary', 'pgaf-replica'])
      Object.assign(rowOf(observation, name), { health: 0 });
    const words = findingsInWords(judge(observation, formation));
    expect(words).toHaveLength(4);
    expect(words[3]).toMatch(/^and \d+ more$/);
  });
});
