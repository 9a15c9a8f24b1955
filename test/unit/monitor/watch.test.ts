import { expect, it } from 'vitest';
import type { Log } from '../../../src/contract/log.ts';
import { AnotherMonitorError } from '../../../src/monitor/chronicle.ts';
import { MonitorWatch } from '../../../src/monitor/watch.ts';
import type { Row, Session } from '../../../src/postgres/session.ts';

/** What the watch makes of what it reads; the lab has the monitor itself (test/lab/drill.test.ts). */

const log = { info() {}, warn() {}, debug() {} } as unknown as Log;
const row = { nodeid: 1, nodename: 'a', reportedstate: 'primary', goalstate: 'primary', health: 1 };

/** Sessions with a monitor that says this of its events. */
function monitorThatSays(events: { newest: number; server: string }) {
  const open = async () => {
    const session = {
      lost: undefined as string | undefined,
      listen: async () => {},
      async query(text: string): Promise<Row[]> {
        if (text.includes('pgautofailover.node')) return [row];
        return text.includes('event_eventid_seq') ? [{ clock: Date.now(), events: [], ...events }] : [];
      },
      close() {
        session.lost ??= 'closed';
      },
    };
    return session as unknown as Session;
  };
  return MonitorWatch.start({ name: 'default', nodes: [] }, open, log);
}

it('a watch ends every wait at once where another monitor stands in the place of the one it knew', async () => {
  const events = { newest: 500, server: 'one' };
  const watch = await monitorThatSays(events);
  const waiting = watch.until('a promotion', { deadlineMs: 20_000 }, () => undefined);
  Object.assign(events, { newest: 3, server: 'another' });
  await expect(waiting).rejects.toThrow(AnotherMonitorError);
  await expect(watch.until('health', { deadlineMs: 20_000 }, () => undefined)).rejects.toThrow(
    /^the monitor is not what it was, so that nobody can tell what it did: its last event is 3, and 500 was known/,
  );
  const [spot] = watch.blindSpots;
  expect(spot?.to).toBeUndefined();
  expect(spot?.why).toMatch(/^the monitor is not what it was/);
  await watch.stop();
});

it('a watch goes on where the numbers of events begin anew on the same server', async () => {
  const events = { newest: 500, server: 'one' };
  const watch = await monitorThatSays(events);
  Object.assign(events, { newest: 3 });
  expect(await watch.look()).toBe(true);
  expect(await watch.look()).toBe(true);
  expect(watch.blindSpots).toEqual([]);
  await watch.stop();
});
