import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { type PlaceHost, place } from '../../../src/provision/placement/place.ts';
import { formationOf } from '../builders.ts';

const host = (name: string, other: Partial<PlaceHost> = {}): PlaceHost => ({
  ...{ name, status: 'Online', message: 'Fully operational', groups: ['default'] },
  ...{ failureDomain: 'default', isScheduled: true },
  ...other,
});
const hosts = (count: number) => Array.from({ length: count }, (_, index) => host(`m${index + 1}`));

const formation = (keys: Record<string, unknown> = {}, nodes = 2) =>
  formationOf(
    stringify({
      environment: 'lab',
      monitor: { name: 'mon' },
      nodes: Array.from({ length: nodes }, (_, index) => ({ name: `n${index + 1}` })),
      ...keys,
    }),
  );

const nobody = new Map<string, string>();

describe('where new containers go', () => {
  it('each to a host of its own, where there are as many', () => {
    const { launches, moves, errors } = place(formation(), hosts(3), nobody);
    expect(errors).toEqual([]);
    expect(moves).toEqual([]);
    expect(new Set(launches.values()).size).toBe(3);
    expect([...launches.keys()].sort()).toEqual(['mon', 'n1', 'n2']);
  });

  it('data nodes apart before all, where there are two', () => {
    const { launches } = place(formation(), hosts(2), nobody);
    expect(launches.get('n1')).not.toBe(launches.get('n2'));
  });

  it('all to one, where there is one', () => {
    expect([...place(formation(), hosts(1), nobody).launches.values()]).toEqual(['m1', 'm1', 'm1']);
  });

  it('away from what is there', () => {
    const there = new Map([
      ['mon', 'm2'],
      ['n1', 'm1'],
    ]);
    expect(place(formation(), hosts(3), there).launches).toEqual(new Map([['n2', 'm3']]));
  });

  it('in failure domains apart, where the hosts have some', () => {
    const racks = [
      host('m1', { failureDomain: 'rack-1' }),
      host('m2', { failureDomain: 'rack-1' }),
      host('m3', { failureDomain: 'rack-2' }),
    ];
    const { launches } = place(formation(), racks, nobody);
    expect([launches.get('n1'), launches.get('n2')]).toEqual(['m1', 'm3']);
    expect(launches.get('mon')).toBe('m2');
  });

  it('not to one that is offline, evacuated, or that Incus may not choose by itself', () => {
    const some = [
      host('m1', { status: 'Offline', message: 'No heartbeat for 30 s' }),
      host('m2', { status: 'Evacuated' }),
      host('m3', { isScheduled: false }),
      host('m4'),
    ];
    expect(new Set(place(formation(), some, nobody).launches.values())).toEqual(new Set(['m4']));
  });

  it('to the group that the file names, and to the member that a node names, which stands over it', () => {
    const some = [
      host('m1', { groups: ['data'] }),
      host('m2', { groups: ['data'] }),
      host('m3', { isScheduled: false }),
    ];
    const file = formation({ hosts: ['@data'], monitor: { name: 'mon', target: 'm3' } });
    const { launches, errors } = place(file, some, nobody);
    expect(errors).toEqual([]);
    expect(launches.get('mon')).toBe('m3');
    expect([launches.get('n1'), launches.get('n2')].sort()).toEqual(['m1', 'm2']);
  });

  it('the one with the least choice first', () => {
    const file = formation({
      nodes: [{ name: 'n1' }, { name: 'n2', target: 'm1' }],
      hosts: ['m1', 'm2'],
    });
    const { launches } = place(file, hosts(2), nobody);
    expect(launches.get('n2')).toBe('m1');
    expect(launches.get('n1')).toBe('m2');
  });
});

describe('what is there', () => {
  const together = new Map([
    ['mon', 'm1'],
    ['n1', 'm1'],
    ['n2', 'm1'],
  ]);

  it('is moved by nothing but the file', () => {
    expect(place(formation(), hosts(3), together).moves).toEqual([]);
    expect(place(formation({ hosts: ['m1', 'm2'] }), hosts(3), together).moves).toEqual([]);
  });

  it('is moved off a host that the file does not name, away from the others', () => {
    const { moves, errors } = place(formation({ hosts: ['m2', 'm3'] }), hosts(3), together);
    expect(errors).toEqual([]);
    expect(moves.map(({ name, from }) => [name, from])).toEqual([
      ['n1', 'm1'],
      ['n2', 'm1'],
      ['mon', 'm1'],
    ]);
    const [n1, n2] = moves;
    expect(n1?.to).not.toBe(n2?.to);
  });

  it('is not moved where it is a monitor that is left to others', () => {
    const file = formation({ hosts: ['m2', 'm3'], keep: ['monitor'] });
    expect(place(file, hosts(3), together).moves.map(({ name }) => name)).toEqual(['n1', 'n2']);
    const aimed = formation({ monitor: { name: 'mon', target: 'm3' }, keep: ['monitor'] });
    expect(place(aimed, hosts(3), together).moves).toEqual([]);
  });

  it('stays on a host that is offline, where the file wants it there: nothing can be moved off it', () => {
    const some = [host('m1', { status: 'Offline', message: 'No heartbeat for 30 s' }), host('m2')];
    const { moves, errors } = place(formation({ hosts: ['m1', 'm2'] }), some, together);
    expect([moves, errors]).toEqual([[], []]);
  });
});

describe('a file that cannot be', () => {
  it('names a member, or a group, that is not there: all of them are told, with their keys', () => {
    const file = formation({
      hosts: ['m1', '@gone'],
      monitor: { name: 'mon', target: 'm9' },
    });
    expect(place(file, hosts(2), nobody).errors).toEqual([
      'hosts[1]: no host is in a group gone; there are the groups default',
      'monitor.target: the cluster has no member m9; it has m1, m2',
    ]);
  });

  it('names one that takes no containers, with why', () => {
    const some = [host('m1'), host('m2', { status: 'Offline', message: 'No heartbeat for 30 s' })];
    const file = formation({ nodes: [{ name: 'n1' }, { name: 'n2', target: 'm2' }] });
    const { errors, launches } = place(file, some, nobody);
    expect(errors).toEqual([
      'nodes[1].target: no host that n2 may be on takes containers: m2 is offline (No heartbeat for 30 s); bring one back, or name others',
    ]);
    expect(launches.has('n2')).toBe(false);
  });
});

describe('whatever there is', () => {
  it('data nodes share a host only where there are fewer hosts than data nodes, and nothing that may stay is moved', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 6 }),
        fc.integer({ min: 1, max: 7 }),
        fc.array(fc.nat(6), { minLength: 7, maxLength: 7 }),
        (nodes, count, at) => {
          const file = formation({}, nodes);
          const names = ['mon', ...file.nodes.map(({ name }) => name)];
          // Some are there, each on a host; a number past the hosts stands for one that is not.
          const there = new Map(
            names.flatMap((name, index) => {
              const where = at[index] ?? 0;
              return where < count && index % 2 === 1 ? [[name, `m${where + 1}`] as const] : [];
            }),
          );
          const { launches, moves, errors } = place(file, hosts(count), there);
          expect(errors).toEqual([]);
          expect(moves).toEqual([]);
          expect([...launches.keys(), ...there.keys()].sort()).toEqual([...names].sort());
          const taken = (name: string) => launches.get(name) ?? there.get(name) ?? '';
          const alone = (name: string) =>
            file.nodes.every((other) => other.name === name || taken(other.name) !== taken(name));
          const used = new Set(file.nodes.map(({ name }) => taken(name))).size;
          for (const { name } of file.nodes) if (launches.has(name) && !alone(name)) expect(used).toBe(count);
        },
      ),
    );
  });
});
