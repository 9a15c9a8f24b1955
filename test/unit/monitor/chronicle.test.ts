import { describe, expect, it } from 'vitest';
import { AnotherMonitorError, Chronicle } from '../../../src/monitor/chronicle.ts';
import type { MonitorEvent } from '../../../src/monitor/events.ts';
import type { MonitorNode } from '../../../src/monitor/nodes.ts';

const ahead = 1_000_000;
const node = (name: string, reportedState: string, goalState = reportedState, health = 1): MonitorNode => ({
  nodeId: name === 'a' ? 1 : 2,
  name,
  host: name,
  port: 5432,
  reportedState,
  goalState,
  health,
  postgresRuns: true,
  candidatePriority: 50,
  replicationQuorum: true,
  reportedTimeline: 1,
  reportedLsn: '0/0',
  reportedReplicationState: '',
  secondsSinceReport: 0.5,
  secondsSinceHealthCheck: 0.2,
  secondsSinceStateChange: 9,
});
const event = (
  id: number,
  at: number,
  name: string,
  reportedState: string,
  goalState = reportedState,
): MonitorEvent => ({
  id,
  time: at + ahead,
  name,
  reportedState,
  goalState,
});

/** A chronicle that began at 0 with a as primary and b as secondary, and event 7 as the last. */
function begun() {
  const chronicle = new Chronicle();
  const nodes = { a: node('a', 'primary'), b: node('b', 'secondary') };
  const read = (
    at: number,
    events: MonitorEvent[] = [],
    { listened = true, newest = events.at(-1)?.id ?? 7, server = 'one' } = {},
  ) =>
    chronicle.read(
      [nodes.a, nodes.b],
      { clock: at + 1 + ahead, newest, server, events },
      { asked: at, answered: at + 2 },
      listened,
    );
  read(0, [event(6, -90, 'b', 'secondary'), event(7, -80, 'a', 'primary')], { listened: false });
  const told = () =>
    chronicle.announcements
      .slice(2)
      .map(({ at, heardBy, name, goalState }) => [Math.round(at), heardBy, name, goalState]);
  return { chronicle, nodes, read, told };
}

describe('what the monitor did', () => {
  it('before the watch began is no news', () => {
    const { chronicle, read, told } = begun();
    expect(chronicle.announcements.map(({ heardBy }) => heardBy)).toEqual(['table', 'table']);
    read(500, [event(6, -90, 'b', 'secondary'), event(7, -80, 'a', 'primary')]);
    expect(told()).toEqual([]);
  });

  it('before the watch began is no news either where the last numbers were given to others', () => {
    // Of another formation on the monitor, or lost in a crash: this formation's last event is 250, the last of all 300.
    const chronicle = new Chronicle();
    const nodes = [node('a', 'primary'), node('b', 'secondary')];
    const look = (at: number) => ({ asked: at, answered: at + 2 });
    const old = [160, 190, 201, 250].map((id) =>
      event(id, -90, 'b', id === 160 ? 'wait_primary' : 'secondary'),
    );
    const reading = (events: MonitorEvent[], at: number) => ({
      clock: at + 1 + ahead,
      newest: 300,
      server: 'one',
      events,
    });
    chronicle.read(nodes, reading(old.slice(2), 0), look(0), false);
    for (const at of [500, 1000, 1500]) chronicle.read(nodes, reading(old, at), look(at), true);
    expect(chronicle.announcements.map(({ heardBy }) => heardBy)).toEqual(['table', 'table']);
  });

  it('is told once, when it is heard of, and its event does not tell it again', () => {
    const { chronicle, nodes, read, told } = begun();
    nodes.b = node('b', 'wait_primary');
    chronicle.notified(nodes.b, 306);
    read(500, [event(8, 300, 'b', 'wait_primary')]);
    read(1000, [event(8, 300, 'b', 'wait_primary')]);
    expect(told()).toEqual([[306, 'notification', 'b', 'wait_primary']]);
    expect(chronicle.announcements.at(-1)?.between.least).toBeCloseTo(299, 0);
  });

  it('is told once as well where the table shows it before the notification comes', () => {
    const { chronicle, nodes, read, told } = begun();
    nodes.b = node('b', 'wait_primary');
    read(500, [event(8, 499, 'b', 'wait_primary')]);
    expect(told()).toEqual([]);
    chronicle.notified(nodes.b, 503);
    read(1000, [event(8, 499, 'b', 'wait_primary')]);
    expect(told()).toEqual([[502, 'notification', 'b', 'wait_primary']]);
  });

  it('is not what the last event of a node says where its row says otherwise: somebody else wrote that', () => {
    const { nodes, read, told } = begun();
    const forged = event(8, 3000, 'b', 'wait_primary');
    read(5000, [forged]);
    read(5500, [forged]);
    expect(told()).toEqual([]);
    nodes.b = node('b', 'wait_primary');
    const genuine = event(9, 13_000, 'b', 'wait_primary');
    read(13_500, [forged, genuine], { listened: false });
    read(14_000, [forged, genuine]);
    expect(told()).toEqual([[13_000, 'event', 'b', 'wait_primary']]);
  });

  it('while nobody listened is told as it was written down, all of it and in order', () => {
    const { chronicle, nodes, read, told } = begun();
    read(13_000);
    nodes.a = node('a', 'primary', 'demoted', 0);
    nodes.b = node('b', 'wait_primary');
    const events = [
      event(8, 20_000, 'a', 'primary', 'draining'),
      event(9, 20_000, 'b', 'secondary', 'prepare_promotion'),
      event(10, 25_200, 'a', 'primary', 'demoted'),
      event(11, 25_300, 'b', 'wait_primary'),
    ];
    read(33_000, events, { listened: false });
    read(33_500, events);
    expect(told()).toEqual([
      [20_000, 'event', 'a', 'draining'],
      [20_000, 'event', 'b', 'prepare_promotion'],
      [25_200, 'event', 'a', 'demoted'],
      [25_300, 'event', 'b', 'wait_primary'],
    ]);
    expect(chronicle.nodes).toMatchObject([
      { goalState: 'demoted', health: 0 },
      { goalState: 'wait_primary', health: 1 },
    ]);
  });

  it('and that came and went again is not overlooked', () => {
    const { nodes, read, told } = begun();
    nodes.b = node('b', 'secondary');
    const events = [event(8, 900, 'b', 'secondary', 'prepare_promotion'), event(9, 1100, 'b', 'secondary')];
    read(5000, events, { listened: false });
    expect(told()).toEqual([
      [900, 'event', 'b', 'prepare_promotion'],
      [1100, 'event', 'b', 'secondary'],
    ]);
  });

  it('in the order in which it was committed, though a lower number came later', () => {
    const { nodes, read, told } = begun();
    nodes.a = node('a', 'primary', 'draining');
    read(5000, [event(9, 4000, 'a', 'primary', 'draining')], { listened: false });
    nodes.b = node('b', 'catchingup');
    read(9000, [event(8, 3990, 'b', 'catchingup'), event(9, 4000, 'a', 'primary', 'draining')], {
      listened: false,
    });
    expect(told().map(([, , name]) => name)).toEqual(['a', 'b']);
  });

  it('and was heard of when this process came to run again has the time of its event', () => {
    const { chronicle, nodes, read, told } = begun();
    nodes.b = node('b', 'wait_primary');
    chronicle.notified(nodes.b, 38_000);
    read(38_010, [event(8, 25_300, 'b', 'wait_primary')]);
    expect(told()).toEqual([[25_300, 'event', 'b', 'wait_primary']]);
  });

  it('without writing it down is told between two readings', () => {
    const { chronicle, nodes, read, told } = begun();
    nodes.b = node('b', 'secondary', 'secondary', 0);
    read(500);
    expect(told()).toEqual([[502, 'table', 'b', 'secondary']]);
    expect(chronicle.announcements.at(-1)?.between).toEqual({ least: 0, most: 502 });
  });

  it('is told as well where somebody deleted its events, so that their numbers begin anew', () => {
    const { chronicle, nodes, read, told } = begun();
    expect(chronicle.beginsAnew({ newest: 7 })).toBe(false);
    expect(chronicle.beginsAnew({ newest: 1 })).toBe(true);
    nodes.b = node('b', 'secondary', 'prepare_promotion');
    chronicle.notified(nodes.b, 306);
    read(500, [], { newest: 1 });
    nodes.b = node('b', 'wait_primary');
    chronicle.notified(nodes.b, 703);
    // Their numbers were others' before.
    const events = [event(2, 699, 'b', 'wait_primary')];
    read(1000, events);
    nodes.a = node('a', 'primary', 'demoted', 0);
    read(5000, [...events, event(6, 3000, 'a', 'primary', 'demoted')], { listened: false });
    read(5500, [...events, event(6, 3000, 'a', 'primary', 'demoted')]);
    expect(told()).toEqual([
      [306, 'notification', 'b', 'prepare_promotion'],
      [703, 'notification', 'b', 'wait_primary'],
      [3000, 'event', 'a', 'demoted'],
    ]);
  });

  it('and wrote down in the place of what was deleted is told once, whether it was heard of or not', () => {
    const { chronicle, nodes, read, told } = begun();
    nodes.b = node('b', 'wait_primary');
    chronicle.notified(nodes.b, 306);
    nodes.a = node('a', 'primary', 'demoted', 0);
    const events = [event(1, 300, 'b', 'wait_primary'), event(2, 400, 'a', 'primary', 'demoted')];
    read(500, events);
    read(1000, events);
    expect(told()).toEqual([
      [306, 'notification', 'b', 'wait_primary'],
      [400, 'event', 'a', 'demoted'],
    ]);
  });

  it('cannot be told where the numbers begin anew on another server, or on one that was set back', () => {
    const { read } = begun();
    expect(() => read(500, [], { newest: 3, server: 'another' })).toThrow(AnotherMonitorError);
  });

  it('can be told over a restart of its Postgres', () => {
    const { nodes, read, told } = begun();
    nodes.b = node('b', 'wait_primary');
    read(500, [event(8, 300, 'b', 'wait_primary')], { listened: false, server: 'restarted' });
    expect(told()).toEqual([[300, 'event', 'b', 'wait_primary']]);
  });
});
