import { describe, expect, it } from 'vitest';
import type { Instance } from '../../../src/incus/answers.ts';
import {
  type KeeperFound,
  otherMonitorOf,
  strangeMonitorOf,
  verdictOn,
  whyNotOurs,
} from '../../../src/provision/containers/kinship.ts';
import { builtInFormation, formationOf } from '../builders.ts';

const formation = builtInFormation();
const keeperOf = (monitor: string): KeeperFound => ({
  config: `[pg_autoctl]\nmonitor = postgres://autoctl_node@${monitor}:5432/pg_auto_failover?sslmode=require\n`,
});

describe('a container that bears the label and is not in the file', () => {
  it('is ours where its node is of our monitor, registered there or not', () => {
    for (const isRegistered of [true, false])
      expect(verdictOn(formation, keeperOf('pgaf-monitor.incus'), isRegistered)).toBeUndefined();
  });

  it('is another’s where its node is of another monitor, though ours knows a node of that name', () => {
    for (const isRegistered of [true, false])
      expect(verdictOn(formation, keeperOf('theirs.incus'), isRegistered)).toBe(
        'it belongs to the monitor theirs.incus',
      );
  });

  it('is ours where nothing was made in it, and nobody’s to delete where it does not say', () => {
    expect(verdictOn(formation, 'blank', false)).toBeUndefined();
    for (const isRegistered of [true, false])
      expect(verdictOn(formation, { config: '' }, isRegistered)).toMatch(/does not say which monitor/);
  });

  it('is ours where it was told to forget the monitor that knows it', () => {
    const forgotten = { config: '[pg_autoctl]\nmonitor = PG_AUTOCTL_DISABLED\n' };
    expect(verdictOn(formation, forgotten, true)).toBeUndefined();
    expect(verdictOn(formation, forgotten, false)).toMatch(/does not say which monitor/);
  });

  it('is nobody’s to delete where it does not run, and so cannot say', async () => {
    const config = { 'user.pgha.formation': 'default' };
    const stopped = { name: 'pgaf-third', status: 'Stopped', config } as unknown as Instance;
    const locked = async () => expect.unreachable('it does not run');
    expect(await whyNotOurs({ formation, locked }, stopped, true)).toMatch(
      /^it is Stopped and cannot say .*\(incus delete --force pgaf-third\b/,
    );
  });
});

describe('a node that the file names', () => {
  const registeredAt = (host: string) =>
    `[pg_autoctl]\nmonitor = postgres://autoctl_node@${host}:5432/pg_auto_failover?sslmode=require\n`;
  const containers = new Set(['pgaf-monitor', 'theirs']);

  it.each([
    ['at the monitor of the file', registeredAt('pgaf-monitor.incus'), undefined],
    ['at another one that is there', registeredAt('theirs.incus'), 'theirs'],
    ['at one that is gone', registeredAt('gone.incus'), undefined],
    ['at none', '', undefined],
    ['at none any more', '[pg_autoctl]\nmonitor = PG_AUTOCTL_DISABLED\n', undefined],
  ])('is registered %s', (_, config, other) => {
    expect(otherMonitorOf(formation, config, containers)).toBe(other);
  });

  it.each([
    ['an address', '10.0.0.9', '10.0.0.9'],
    ['an IPv6 address', '[fd00::9]', 'fd00::9'],
    ['a name of another domain', 'watcher.example.org', 'watcher.example.org'],
    ['a bare name', 'watcher', 'watcher'],
    ["the file's own monitor", 'PGAF-monitor.incus', undefined],
    ["a container's name", 'gone.incus', undefined],
  ])('may be registered at %s, of which nobody can tell whether it is there', (_, host, strange) => {
    expect(strangeMonitorOf(formation, registeredAt(host))).toBe(strange);
  });

  it("is the file's own at the address that the file gives its monitor", () => {
    const byAddress = formationOf('monitor: { name: watcher, host: 10.0.0.9 }');
    expect(strangeMonitorOf(byAddress, registeredAt('10.0.0.9'))).toBeUndefined();
    expect(strangeMonitorOf(byAddress, registeredAt('10.0.0.8'))).toBe('10.0.0.8');
    for (const text of ['', '[pg_autoctl]\nmonitor = PG_AUTOCTL_DISABLED\n'])
      expect(strangeMonitorOf(byAddress, text)).toBeUndefined();
  });
});
