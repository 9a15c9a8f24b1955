import { afterEach, expect, it, vi } from 'vitest';
import type { WayIn } from '../../../src/application/way-in.ts';
import { DeadlineError, EnvironmentError } from '../../../src/contract/errors.ts';
import type { Journal } from '../../../src/evidence/journal.ts';
import { probeRow } from '../../../src/evidence/table/drill-table.ts';
import { prepareTable } from '../../../src/evidence/table/prepare.ts';
import { Witness } from '../../../src/evidence/witness.ts';
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
      onBroken() {},
      close() {},
    },
    connectDeadlineMs: 1000,
  };
  const log = { info() {}, warn() {}, debug() {} };
  const openSuperuser = () => Promise.reject(new Error('nobody gets so far'));
  await expect(
    prepareTable(way, node, { published: false, openSuperuser, log: log as never, signal }),
  ).rejects.toThrow('pgaf-primary: try 2');
});
