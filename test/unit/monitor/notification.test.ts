import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseStateNotification } from '../../../src/monitor/notification.ts';

/** As pg_auto_failover's notifications.c writes it. */
const payload = {
  type: 'state',
  formation: 'default',
  groupId: 0,
  nodeId: 2,
  name: 'pgaf-replica',
  host: 'pgaf-replica.incus',
  port: 5432,
  reportedState: 'wait_primary',
  goalState: 'wait_primary',
  health: 'good',
};
const parse = (given: object) => parseStateNotification(JSON.stringify({ ...payload, ...given }));

describe("a notification on the monitor's channel state", () => {
  it('tells the formation, the node, both states and the health', () => {
    const text =
      '{"type": "state", "formation": "default", "groupId": 0, "nodeId": 1, "name": "pgaf-primary", ' +
      '"host": "pgaf-primary.incus", "port": 5432, "reportedState": "primary", "goalState": "draining", "health": "bad"}';
    expect(parseStateNotification(text)).toEqual({
      formation: 'default',
      groupId: 0,
      nodeId: 1,
      name: 'pgaf-primary',
      reportedState: 'primary',
      goalState: 'draining',
      health: 0,
    });
  });

  it.each([
    ['good', 1],
    ['bad', 0],
    ['unknown', -1],
    [1, 1],
    [0, 0],
    [-1, -1],
    ['1', 1],
    [null, -1],
    [7, -1],
    [{}, -1],
  ])('health %j is %i', (health, number) => {
    expect(parse({ health })?.health).toBe(number);
  });

  it('without health has a health that is not known', () => {
    expect(parse({ health: undefined })?.health).toBe(-1);
  });

  it('may spell its numbers as text', () => {
    expect(parse({ groupId: '0', nodeId: '12' })).toMatchObject({ groupId: 0, nodeId: 12 });
  });

  it('may have keys that a later release adds', () => {
    expect(parse({ region: 'eu' })?.name).toBe('pgaf-replica');
  });
});

describe('a payload that tells no state is none', () => {
  it.each([
    ['of another type', { type: 'log' }],
    ['without a type', { type: undefined }],
    ['without a node', { nodeId: undefined }],
    ['with a node that is nothing', { nodeId: null }],
    ['with a node of half a number', { nodeId: 1.5 }],
    ['with a node in words', { nodeId: 'two' }],
    ['without a name', { name: undefined }],
    ['with a name that is a number', { name: 2 }],
    ['without a goal', { goalState: undefined }],
    ['with a reported state that is nothing', { reportedState: null }],
    ['without a formation', { formation: undefined }],
  ])('%s', (_, given) => {
    expect(parse(given)).toBeUndefined();
  });

  it.each(['', 'null', '[]', '42', '"state"', '{', 'state', '[{"type":"state"}]'])('%j', (text) => {
    expect(parseStateNotification(text)).toBeUndefined();
  });
});

describe('no payload whatsoever makes the parser throw', () => {
  it('not any text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parseStateNotification(text)));
  });

  it('not any value under the keys it reads', () => {
    const hostile = fc.oneof(fc.jsonValue(), fc.constantFrom({ toString: 1, valueOf: 1 }, { valueOf: null }));
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(payload)), hostile, (key, value) => {
        const heard = parse({ [key]: value });
        if (heard) expect([1, 0, -1]).toContain(heard.health);
      }),
      { numRuns: 300 },
    );
  });
});
