import { describe, expect, it } from 'vitest';
import type { Observation } from '../../../src/check/observation.ts';
import { judge } from '../../../src/check/verdict.ts';
import { judgedLines, nodesOutput } from '../../../src/report/check-report.ts';
import { formationOf, healthyObservation, observedContainer, rowOf } from '../builders.ts';

/** What the checks make of the hosts that a formation's containers are on. */

const online = { status: 'Online', message: 'Fully operational' };
const hosts = (...names: string[]): Observation['hosts'] => ({
  ok: true,
  value: Object.fromEntries(names.map((name) => [name, online])),
});
const yaml = (nodes: string) => `environment: lab\nmonitor: { name: mon }\nnodes: [${nodes}]`;
const two = yaml('{ name: a }, { name: b }');
const three = yaml('{ name: a }, { name: b }, { name: c }');

function observed(text: string, locations: Record<string, string>) {
  const formation = formationOf(text);
  const observation = healthyObservation(formation);
  observation.hosts = hosts('m1', 'm2', 'm3');
  for (const [name, location] of Object.entries(locations))
    Object.assign(observation.instances[name] ?? {}, { location });
  return { formation, observation };
}

/** Whose host does not answer. */
function lose(observation: Observation, ...names: string[]): void {
  for (const name of names) {
    const instance = observation.instances[name];
    const failed = `its host ${instance?.location} does not answer`;
    Object.assign(instance ?? {}, { status: 'Unknown', unheard: failed });
    observation.containers[name] = { ok: false, failed };
    if (name === 'mon') observation.monitor = { ok: false, failed };
    else observation.nodes[name] = { ok: false, failed };
  }
}

const domains = ({ formation, observation }: ReturnType<typeof observed>) => {
  const found = judge(observation, formation).findings.find(({ check }) => check === 'failure-domains');
  return found?.unasked ?? found?.faults.map(({ evidence }) => evidence).join('; ');
};

describe('what the loss of one host takes away', () => {
  it.each<[string, string, Record<string, string>, string]>([
    ['nothing that matters where each is on its own', two, { mon: 'm1', a: 'm2', b: 'm3' }, ''],
    [
      'failover',
      two,
      { mon: 'm2', a: 'm2', b: 'm3' },
      'm2 takes the primary, a, and the monitor with it: no failover',
    ],
    [
      'the writes, where the primary is left alone',
      two,
      { mon: 'm3', a: 'm2', b: 'm3' },
      'm3 takes the monitor and every standby with it: a, cut off from them all, stops taking writes',
    ],
    [
      'every data node',
      two,
      { mon: 'm1', a: 'm2', b: 'm2' },
      'm2 takes every data node with it: nobody takes writes, and nobody takes over',
    ],
    [
      'everything',
      two,
      { mon: 'm1', a: 'm1', b: 'm1' },
      'm1 takes the monitor and every data node with it: nobody takes writes, and nobody takes over',
    ],
    [
      'all that may take over',
      yaml('{ name: a }, { name: b }, { name: c, candidate-priority: 0 }'),
      { mon: 'm1', a: 'm2', b: 'm2', c: 'm3' },
      'm2 takes the primary, a, and every node that may take over with it: no failover',
    ],
    [
      'more standbys than commits can do without',
      three,
      { mon: 'm1', a: 'm2', b: 'm3', c: 'm3' },
      'm3 takes more standbys with it than commits can do without (number_sync_standbys 1): they wait',
    ],
    ['nothing, with a standby on each', three, { mon: 'm3', a: 'm1', b: 'm2', c: 'm3' }, ''],
  ])('is %s', (_, text, locations, expected) => {
    const found = observed(text, locations);
    for (const { name, candidatePriority } of found.formation.nodes)
      rowOf(found.observation, name).candidatePriority = candidatePriority;
    expect(domains(found)).toBe(expected);
  });

  it('is a warning', () => {
    const { formation, observation } = observed(two, { mon: 'm2', a: 'm2', b: 'm3' });
    const { outcome, message } = judge(observation, formation);
    expect([outcome, message]).toEqual(['pass', expect.stringMatching(/; warnings: failure-domains$/)]);
  });

  it('is not asked where there is one host, or no cluster', () => {
    const one = observed(two, { mon: 'm1', a: 'm1', b: 'm1' });
    one.observation.hosts = hosts('m1');
    expect(domains(one)).toBe('the cluster has one host');
    expect(domains(observed(two, {}))).toBe('Incus is no cluster');
  });

  it('is not known where not every host is', () => {
    const { formation, observation } = observed(two, { mon: 'm1', a: 'm2' });
    const { findings } = judge(observation, formation);
    expect(findings.find(({ check }) => check === 'failure-domains')?.status).toBe('unknown');
  });
});

describe('a host that does not answer', () => {
  const own = { mon: 'm1', a: 'm2', b: 'm3' };

  it('is the cause of all that follows from it', () => {
    const { formation, observation } = observed(two, own);
    lose(observation, 'a');
    Object.assign(rowOf(observation, 'a'), { health: 0, secondsSinceReport: 40 });
    const { outcome, message, findings } = judge(observation, formation);
    expect([outcome, message]).toEqual([
      'unhealthy',
      expect.stringMatching(/: a: its host m2 does not answer(?: |$)/),
    ]);
    expect(findings.find(({ check }) => check === 'nodes-reachable')).toMatchObject({
      status: 'follows',
      because: ['hosts-online'],
    });
  });

  it('and took monitor and primary with it is told with what follows: no failover', () => {
    const { formation, observation } = observed(two, { mon: 'm2', a: 'm2', b: 'm3' });
    lose(observation, 'mon', 'a');
    observedContainer(observation, 'b').monitorContact = { secondsAgo: 40 };
    const { outcome, message, findings } = judge(observation, formation);
    expect([outcome, message]).toEqual([
      'unhealthy',
      expect.stringContaining(
        'mon: its host m2 does not answer; m2 takes the primary, a, and the monitor with it: no failover',
      ),
    ]);
    expect(findings.find(({ check }) => check === 'one-writable-primary')).toMatchObject({
      status: 'follows',
      because: expect.arrayContaining(['hosts-online']),
      faults: [{ evidence: 'no node that can be asked takes writes, and a cannot be asked' }],
    });
  });

  it('and has monitor and primary on it is not told as lost while a node hears from the monitor there', () => {
    const { formation, observation } = observed(two, { mon: 'm2', a: 'm2', b: 'm3' });
    lose(observation, 'mon', 'a');
    observedContainer(observation, 'b').monitorContact = { secondsAgo: 2 };
    const { outcome, findings } = judge(observation, formation);
    expect(outcome).toBe('error');
    expect(findings.filter(({ status }) => status !== 'pass' && status !== 'unknown')).toMatchObject([
      {
        check: 'hosts-online',
        severity: 'warning',
        faults: [
          {
            evidence:
              'its host m2 does not answer; b has heard from it 2 s ago; if m2 is lost, it takes the primary, a, and the monitor with it: no failover',
          },
          {
            evidence: 'its host m2 does not answer; b has heard from mon, which is on the same host, 2 s ago',
          },
        ],
      },
    ]);
  });

  it('whose Incus is starting is the cause of what cannot be asked there', () => {
    const { formation, observation } = observed(two, own);
    const failed = "Error: Server isn't ready yet";
    observation.nodes['a'] = { ok: false, failed };
    observation.containers['a'] = { ok: false, failed };
    const { message, findings } = judge(observation, formation);
    expect(message).toContain('a: Incus on its host m2 is starting, and is not ready yet');
    expect(findings.find(({ check }) => check === 'nodes-reachable')).toMatchObject({
      status: 'follows',
      because: ['hosts-online'],
    });
  });

  it('with a node that the monitor hears from is no proof that the node is lost: it is unknown', () => {
    const { formation, observation } = observed(two, own);
    lose(observation, 'a');
    rowOf(observation, 'a').secondsSinceReport = 0.7;
    const { outcome, findings } = judge(observation, formation);
    expect(outcome).toBe('error');
    expect(findings.filter(({ status }) => status === 'fail').map(({ check }) => check)).toEqual([
      'hosts-online',
    ]);
    expect(findings.find(({ check }) => check === 'hosts-online')).toMatchObject({
      severity: 'warning',
      faults: [{ evidence: 'its host m2 does not answer; the monitor has heard from it 0.7 s ago' }],
    });
    expect(findings.find(({ check }) => check === 'one-writable-primary')?.status).toBe('unknown');
  });

  it('lets nobody log in there, which is no refusal', () => {
    const { formation, observation } = observed(two, own);
    lose(observation, 'a');
    Object.assign(rowOf(observation, 'a'), { health: 0, secondsSinceReport: 40 });
    const value = { user: 'veza', database: 'veza', via: 'vantage' } as const;
    observation.logins = { a: { ok: false, failed: 'its host m2 does not answer' }, b: { ok: true, value } };
    const sessionOf = () =>
      judge(observation, formation).findings.find(({ check }) => check === 'application-session');
    expect(sessionOf()).toMatchObject({ status: 'unknown', faults: [] });
    observation.logins['b'] = { ok: false, failed: 'no pg_hba.conf entry' };
    expect(sessionOf()?.faults.map(({ subject }) => subject)).toEqual(['b']);
  });

  it('with a monitor that the nodes hear from is unknown as well', () => {
    const { formation, observation } = observed(two, own);
    lose(observation, 'mon');
    for (const name of ['a', 'b']) observedContainer(observation, name).monitorContact = { secondsAgo: 1.2 };
    const { outcome, findings } = judge(observation, formation);
    expect(outcome).toBe('error');
    expect(findings.find(({ check }) => check === 'hosts-online')?.faults).toMatchObject([
      {
        subject: 'mon',
        evidence: 'its host m1 does not answer; a has heard from it 1 s ago',
        severity: 'warning',
      },
    ]);
    expect(findings.find(({ check }) => check === 'monitor-reachable')?.status).toBe('unknown');
  });
});

it('hosts that nobody tells of leave it unknown whether containers can be started', () => {
  const { formation, observation } = observed(two, { mon: 'm1', a: 'm2', b: 'm3' });
  observation.hosts = { ok: false, failed: 'not allowed' };
  const { findings } = judge(observation, formation);
  expect(findings.find(({ check }) => check === 'hosts-online')?.status).toBe('unknown');
});

it('the host of every member is shown, and nothing of it where Incus is no cluster', () => {
  const { formation, observation } = observed(two, { mon: 'm1', a: 'm2', b: 'm3' });
  const verdict = judge(observation, formation);
  const text = judgedLines({ observation, verdict }).join('\n');
  expect(text).toMatch(/^node +host +container/m);
  expect(text).toMatch(/^mon +m1 +Running +monitor +answers$/m);
  expect(text).toMatch(/^b +m3 +Running +secondary/m);
  expect(nodesOutput({ formation, observation, verdict })).toMatchObject([
    { name: 'a', location: 'm2' },
    { name: 'b', location: 'm3' },
  ]);
  const alone = healthyObservation(formation);
  const lines = judgedLines({ observation: alone, verdict: judge(alone, formation) }).join('\n');
  expect(lines).toMatch(/^node +container/m);
  expect(nodesOutput({ formation, observation: alone, verdict })).toMatchObject([{ location: null }, {}]);
});

describe('where the file wants them', () => {
  const at = { mon: 'm1', a: 'm2', b: 'm3' };
  const grouped = (...names: string[]): Observation['hosts'] => ({
    ok: true,
    value: Object.fromEntries(
      names.map((name) => [name, { ...online, groups: name === 'm1' ? [] : ['data'] }]),
    ),
  });
  const found = (text: string, change: (observation: Observation) => void = () => {}) => {
    const { formation, observation } = observed(text, at);
    observation.hosts = grouped('m1', 'm2', 'm3');
    change(observation);
    return judge(observation, formation).findings.find(({ check }) => check === 'placement-matches-file');
  };
  const evidence = (...args: Parameters<typeof found>) =>
    found(...args)?.faults.map(({ subject, evidence: said }) => `${subject}: ${said}`);

  it('is anywhere while it says nothing', () => {
    expect(found(two)?.status).toBe('pass');
  });

  it('is told of those that are elsewhere, and of no others', () => {
    expect(evidence(`${two}\nhosts: ["@data"]`)).toEqual([
      'mon: it is on m1, and the file wants it on m2, m3',
    ]);
    expect(evidence(yaml('{ name: a, target: m3 }, { name: b, target: "@data" }'))).toEqual([
      'a: it is on m2, and the file wants it on m3',
    ]);
    expect(evidence(yaml('{ name: a, target: m2 }, { name: b, target: m9 }'))).toEqual([
      'b: it is on m3, and the file wants it on one that the cluster does not have',
    ]);
  });

  it('is not asked of a monitor that is left to others', () => {
    expect(found(`${two}\nhosts: ["@data"]\nkeep: [monitor]`)?.status).toBe('pass');
  });

  it('is unknown where nobody tells of the hosts', () => {
    const unread = (observation: Observation) => {
      observation.hosts = { ok: false, failed: 'no answer' };
    };
    expect(found(`${two}\nhosts: ["@data"]`, unread)?.status).toBe('unknown');
    expect(found(two, unread)?.status).toBe('pass');
  });
});

describe("what the cluster's settings would do", () => {
  const found = (change: (observation: Observation) => void) => {
    const { formation, observation } = observed(two, { mon: 'm1', a: 'm2', b: 'm3' });
    change(observation);
    const verdict = judge(observation, formation);
    return { verdict, settings: verdict.findings.find(({ check }) => check === 'cluster-settings') };
  };
  const healing = (value: number | undefined) => (observation: Observation) => {
    observation.healing = { ok: true, value };
  };

  it('is nothing by default', () => {
    const { settings } = found(healing(0));
    expect([settings?.status, settings?.unasked]).toEqual(['pass', undefined]);
  });

  it('is a warning where Incus evacuates hosts by itself', () => {
    const { verdict, settings } = found(healing(25));
    expect(verdict.message).toMatch(/; warnings: cluster-settings$/);
    expect(settings?.faults).toMatchObject([
      {
        evidence: expect.stringMatching(/^cluster\.healing_threshold is 25: /),
        remedy: { run: 'incus config set local: cluster.healing_threshold=0' },
      },
    ]);
  });

  it.each(['live-migrate', 'stateful-stop'])('is a warning where a container is to %s', (evacuation) => {
    const { settings } = found((observation) => {
      healing(0)(observation);
      Object.assign(observation.instances['b'] ?? {}, { evacuation });
    });
    expect(settings?.faults).toMatchObject([
      {
        subject: 'b',
        evidence: expect.stringContaining(`its cluster.evacuate is ${evacuation}`),
        remedy: { run: 'incus config set b --project default cluster.evacuate=stop' },
      },
    ]);
  });

  it.each(['auto', 'migrate', 'stop', 'force-stop'])('is none where it is to %s', (evacuation) => {
    const { settings } = found((observation) => {
      healing(0)(observation);
      Object.assign(observation.instances['b'] ?? {}, { evacuation });
    });
    expect(settings?.status).toBe('pass');
  });

  it('is not judged, and hides nothing else, where this user may not read them, or nobody answers', () => {
    const unread = found((observation) => {
      observation.healing = { ok: false, failed: 'no answer' };
    });
    for (const { verdict, settings } of [found(healing(undefined)), unread])
      expect([verdict.outcome, settings?.status, settings?.unasked]).toEqual([
        'pass',
        'pass',
        expect.stringMatching(/may not read|could not be read/),
      ]);
  });
});
