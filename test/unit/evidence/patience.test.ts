import { afterEach, expect, it, vi } from 'vitest';
import type { WayIn } from '../../../src/application/way-in.ts';
import { DeadlineError, EnvironmentError } from '../../../src/contract/errors.ts';
import type { Journal } from '../../../src/evidence/journal.ts';
import { Sightings } from '../../../src/evidence/sightings.ts';
import { probeRow } from '../../../src/evidence/table/drill-table.ts';
import { prepareTable } from '../../../src/evidence/table/prepare.ts';
import { Witness } from '../../../src/evidence/witness.ts';
import type { HistoryEvent } from '../../../src/evidence/write-history.ts';
import type { Member } from '../../../src/formation/formation.ts';

/** Nothing is at stake before the fault: that this process did not get to run is not the server's silence. */

afterEach(() => vi.restoreAllMocks());

const node = { name: 'pgaf-primary', host: 'pgaf-primary.incus', role: 'data' } as Member;
const { signal } = new AbortController();

/** Stops this process for 25 s, as far as it can tell by its clock. */
function stall(): void {
  const at = performance.now() + 25_000;
  vi.spyOn(performance, 'now').mockReturnValue(at);
}

it('a witness tries once more after a try in which this process did not run, and has more time than an application', async () => {
  const given: (number | undefined)[] = [];
  const open = (_: AbortSignal, deadlineMs?: number) => {
    given.push(deadlineMs);
    if (given.length === 1) {
      stall();
      throw new DeadlineError('Postgres to accept a session on veza', 5000);
    }
    throw new EnvironmentError('the second try');
  };
  const journal = { full: signal, record() {} } as unknown as Journal;
  const options = { node, actor: 'witness', name: 'writer', probe: probeRow, open, journal } as const;
  const does = { write: true, read: false };
  await expect(
    Witness.start({ ...options, does, reconnectEveryMs: 250, writesPerSecond: 20 }, signal),
  ).rejects.toThrow('the second try');
  expect(given).toEqual([5000, 5000]);
});

it('a witness in reserve steps in when the one of the other way has not looked for a while', async () => {
  const sightings = new Sightings();
  const journal = { full: signal, sightings, record: (event: HistoryEvent) => sightings.take(event) };
  const opened: number[] = [];
  const open = () => {
    opened.push(performance.now());
    if (opened.length > 1) throw new EnvironmentError('nobody at home');
    const session = { query: () => Promise.reject(new Error('gone')), close() {}, onWarning() {} };
    return { session, node, server: '', backend: 1, readOnly: false } as never;
  };
  const options = { node, actor: 'local-witness', name: 'local', way: 2, probe: probeRow, open } as const;
  const look = () => sightings.take({ kind: 'looked', at: performance.now(), witness: 'local', way: 1 });
  look();
  const looking = setInterval(look, 100);
  const witness = await Witness.start(
    {
      ...{ ...options, does: { write: false, read: true }, inReserve: true, reconnectEveryMs: 50 },
      ...{ journal: journal as unknown as Journal, writesPerSecond: 20 },
    },
    signal,
  );
  await new Promise((done) => setTimeout(done, 1000));
  expect(opened).toHaveLength(1);
  clearInterval(looking);
  await vi.waitFor(() => expect(opened.length).toBeGreaterThan(1), { timeout: 5000 });
  await witness.stop();
});

it('so does what prepares the table', async () => {
  const deadlines: number[] = [];
  const way: WayIn = {
    access: {
      database: 'veza',
      user: 'veza',
      version: 15,
      nodes: [node],
      loginTo: () => ({ user: 'veza', password: '', host: '', port: 5432, tls: {} }),
    },
    route: {
      via: 'direct',
      addedMs: 0,
      async socketTo() {
        deadlines.push(way.connectDeadlineMs);
        if (deadlines.length === 1) stall();
        throw new EnvironmentError(`try ${deadlines.length}`);
      },
      socketToAddress: () => Promise.reject(new Error('nobody asks for one')),
      addressesOf: () => Promise.resolve([]),
      watch() {},
      close() {},
    },
    connectDeadlineMs: 1000,
  };
  const log = { info() {}, warn() {}, debug() {} };
  const openSuperuser = () => Promise.reject(new Error('nobody gets so far'));
  await expect(
    prepareTable(way, node, { published: false, sessions: 4, openSuperuser, log: log as never, signal }),
  ).rejects.toThrow('pgaf-primary: try 2');
});
