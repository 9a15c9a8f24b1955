import { describe, expect, it } from 'vitest';
import { lockPlaces, MemberLocks } from '../../../src/faults/member-locks.ts';
import type { Instance } from '../../../src/incus/answers.ts';
import type { Incus } from '../../../src/incus/incus.ts';
import { drillMarkKey } from '../../../src/incus/labels.ts';
import type { ContainerRelay } from '../../../src/incus/relay/container-relay.ts';
import { builtInFormation, formationOf } from '../builders.ts';

const instance = (name: string, status = 'Running', config: Instance['config'] = {}): [string, Instance] => [
  name,
  { name, status, config, expandedConfig: config ?? {}, devices: {}, rootDisk: 'root', startedAt: '' },
];
const mark = (locks: unknown) => ({ [drillMarkKey]: JSON.stringify({ drill: 'a', fault: 'stop', locks }) });

describe("the places of a run's locks", () => {
  const all = ['pgaf-monitor', 'pgaf-primary', 'pgaf-replica'];

  it('are the containers that run, in the order of their names, whatever the order of the file', () => {
    const reversed = formationOf('nodes: [{ name: pgaf-replica }, { name: pgaf-primary }]');
    const instances = new Map(all.map((name) => instance(name)));
    expect(lockPlaces(builtInFormation(), instances)).toEqual(all);
    expect(lockPlaces(reversed, instances)).toEqual(all);
  });

  it('are none in what does not run, or is not there', () => {
    const instances = new Map([
      instance('pgaf-primary', 'Frozen'),
      instance('pgaf-replica'),
      instance('other'),
    ]);
    expect(lockPlaces(builtInFormation(), instances)).toEqual(['pgaf-replica']);
  });

  it('are also where a drill that has marked one of them says that it has locks', () => {
    const instances = new Map([
      instance('pgaf-monitor'),
      instance('pgaf-primary', 'Stopped', mark(['a-node', 'another', 'gone', 'pgaf-primary'])),
      instance('a-node'),
      instance('another', 'Stopped'),
    ]);
    expect(lockPlaces(builtInFormation(), instances)).toEqual(['a-node', 'pgaf-monitor']);
  });

  it.each([['../x'], 'text', [1], Array.from({ length: 65 }, (_, index) => `n${index}`), { 0: 'a-node' }])(
    'are not what nobody of ours writes: %j',
    (locks) => {
      const instances = new Map([
        instance('pgaf-primary', 'Stopped', mark(locks)),
        instance('n1'),
        instance('a-node'),
      ]);
      expect(lockPlaces(builtInFormation(), instances)).toEqual([]);
    },
  );

  it('are told by no configuration that Incus does not tell', () => {
    const instances = new Map([instance('pgaf-primary', 'Error', undefined), instance('pgaf-replica')]);
    expect(lockPlaces(builtInFormation(), instances)).toEqual(['pgaf-replica']);
  });
});

describe('a container that lets nobody in', () => {
  /** Incus says of it what `states` have, one after the other, and the last for good. */
  const lockIn = async (...states: Instance[]) => {
    const incus = {
      project: 'default',
      instance: () => Promise.resolve(states.length > 1 ? states.shift() : states[0]),
    } as unknown as Incus;
    const relay = {
      lock: () => Promise.reject(new Error('Failed to retrieve PID of executing child process')),
    } as unknown as ContainerRelay;
    return await MemberLocks.take(
      { formation: builtInFormation(), incus, relayOf: () => relay },
      new Map([instance('pgaf-primary')]),
    );
  };
  const [, running] = instance('pgaf-primary');
  const [, stopped] = instance('pgaf-primary', 'Stopped');
  const [, marked] = instance('pgaf-primary', 'Running', mark([]));

  it('has nothing to lock where it is being stopped, which Incus says a moment later', async () => {
    expect((await lockIn(running, running, stopped)).places).toEqual([]);
  });

  it('is to be restarted where it goes on like that, but for one that a drill has marked', async () => {
    const ended = await Promise.allSettled([lockIn(running), lockIn(marked)]);
    const [idle, drilled] = ended.map((each) => (each.status === 'rejected' ? String(each.reason) : 'taken'));
    expect(idle).toMatch(
      /the lock in pgaf-primary could not be taken: .* PID .*incus restart --force pgaf-primary/,
    );
    expect(drilled).toMatch(/a drill has marked the container: wait for that drill to end/);
    expect(drilled).not.toContain('incus restart');
  }, 15_000);
});
