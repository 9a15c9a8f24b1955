import { describe, expect, it } from 'vitest';
import type { Observation } from '../../../src/check/observation.ts';
import { casualtiesOf } from '../../../src/drill/casualties.ts';
import type { DrillRecord } from '../../../src/drill/record.ts';
import { judgeDrill } from '../../../src/drill/verdict/verdict.ts';
import { silenceProof } from '../../../src/faults/catalogue/host-loss.ts';
import { faultCatalogue } from '../../../src/faults/catalogue.ts';
import type { Scene } from '../../../src/faults/fault.ts';
import { membersOf } from '../../../src/formation/formation.ts';
import { lanesOf } from '../../../src/report/pictures/lanes.ts';
import { formationOf, healthyObservation, healthyVerdict, passingDrill } from '../builders.ts';

const yaml = (nodes: string) => `environment: lab\nmonitor: { name: mon }\nnodes: [${nodes}]`;
const two = yaml('{ name: a }, { name: b }');
const three = yaml('{ name: a }, { name: b }, { name: c }');

function lost(text: string, locations: Record<string, string>, host = 'primary') {
  const formation = formationOf(text);
  const observation: Observation = healthyObservation(formation);
  const online = { status: 'Online', message: '' };
  observation.hosts = { ok: true, value: { m1: online, m2: online, m3: online } };
  const [monitor, primary, ...standbys] = membersOf(formation);
  const scene = { formation, monitor, primary, standbys, locations } as Scene;
  const found = casualtiesOf(faultCatalogue['host-loss'], scene, observation, host);
  return [found.expected, ...found.targets.map(({ name }) => name)].join(' ');
}

describe('what the loss of a host takes, and what is to be expected of it', () => {
  it.each<[string, string, Record<string, string>, string, string]>([
    ['the primary alone', two, { mon: 'm1', a: 'm2', b: 'm3' }, 'primary', 'failover a'],
    ['the primary and the monitor', two, { mon: 'm2', a: 'm2', b: 'm3' }, 'primary', 'outage a mon'],
    ['every data node', two, { mon: 'm1', a: 'm2', b: 'm2' }, 'm2', 'outage a b'],
    ['a standby', two, { mon: 'm1', a: 'm2', b: 'm3' }, 'standby', 'none b'],
    ['the monitor', two, { mon: 'm1', a: 'm2', b: 'm3' }, 'monitor', 'none mon'],
    ['the monitor and every standby', two, { mon: 'm3', a: 'm2', b: 'm3' }, 'm3', 'outage mon b'],
    ['the primary of three', three, { mon: 'm1', a: 'm2', b: 'm3', c: 'm1' }, 'm2', 'failover a'],
  ])('%s', (_, text, locations, host, expected) => {
    expect(lost(text, locations, host)).toBe(expected);
  });

  it.each<[string, Record<string, string>, string, RegExp]>([
    ['a host that has all', { mon: 'm1', a: 'm1', b: 'm1' }, 'primary', /nobody would be left to watch/],
    ['one server', {}, 'primary', /Incus is no cluster/],
    ['a container that is nowhere', { mon: 'm1', a: 'm2' }, 'primary', /on which host b is/],
    ['a host that is none', { mon: 'm1', a: 'm2', b: 'm2' }, 'm9', /m9 is no host of the cluster/],
    ['a host without any of it', { mon: 'm1', a: 'm2', b: 'm2' }, 'm3', /no container of .* is on m3/],
  ])('%s is refused', (_, locations, host, says) => {
    expect(() => lost(two, locations, host)).toThrow(says);
  });
});

describe('a host that took the monitor and the primary', () => {
  const taken = (given: Partial<DrillRecord> = {}) =>
    passingDrill({
      fault: 'host-loss',
      expected: 'outage',
      because: 'm1 takes the primary, pgaf-primary, and the monitor with it: no failover',
      targets: [
        { container: 'pgaf-primary', role: 'primary', fellSeconds: 0.1 },
        { container: 'pgaf-monitor', role: 'monitor', fellSeconds: 0.1 },
      ],
      watchSeconds: 10.4,
      promotion: undefined,
      announcements: [],
      final: healthyVerdict(),
      ...given,
    });

  it('passes where nobody took over and all were healthy again', () => {
    const { outcome, message } = judgeDrill(taken());
    expect(outcome, message).toBe('pass');
    expect(message).toMatch(
      /^nobody took over in the 10\.4 s after the host of pgaf-primary and pgaf-monitor was lost, as was/,
    );
  });

  it('passes too where somebody took over once the host was back', () => {
    const { promotion, final } = passingDrill({});
    const { outcome, message } = judgeDrill(taken({ promotion, final, undoSeconds: 5 }));
    expect(outcome, message).toBe('pass');
    expect(message).toContain('until the undo, when pgaf-replica took over');
  });

  it('does not where somebody took over before, or all were not', () => {
    const { promotion } = passingDrill({});
    expect(judgeDrill(taken({ promotion, undoSeconds: 20 })).outcome).toBe('missed');
    expect(judgeDrill(taken({ final: undefined, settledSeconds: undefined })).outcome).toBe('missed');
  });

  it('has a lane for each, first those that were lost', () => {
    const lanes = lanesOf(taken(), { start: -1, end: 20 });
    expect(lanes.map(({ node }) => node).slice(0, 2)).toEqual(['pgaf-primary', 'pgaf-monitor']);
    for (const { segments } of lanes.slice(0, 2))
      expect(segments.map(({ label }) => label)).toContain('host lost');
  });
});

it('any answer disproves a loss', () => {
  expect(silenceProof(['a', 'mon'], ['b'], 1)).toBeUndefined();
  expect(silenceProof(['a', 'mon'], ['b'], 0)).toBe(
    'no TCP connection from b to a, mon was answered within 1.5 s',
  );
});
