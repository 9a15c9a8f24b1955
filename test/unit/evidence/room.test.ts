import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { EnvironmentError, InputError } from '../../../src/contract/errors.ts';
import { requireConnections, requireJournalRoom } from '../../../src/evidence/room.ts';
import type { Session } from '../../../src/postgres/session.ts';

describe('room for what clients write', () => {
  it('is there on an ordinary disk, and not for more than any has', () => {
    expect(() => requireJournalRoom(tmpdir(), 80)).not.toThrow();
    expect(() => requireJournalRoom(tmpdir(), 1e12)).toThrow(/MiB left, and the clients' journal may take/);
  });

  it('is not on a disk that takes nothing more, which is told with what to do', () => {
    expect(() => requireJournalRoom('/proc/self', 80)).toThrow(EnvironmentError);
    expect(() => requireJournalRoom('/proc/self', 80)).toThrow(
      /^the disk of \/proc\/self has 0 MiB left, and the clients' journal may take 18 MiB; make room there/,
    );
    expect(() => requireJournalRoom('/proc/none', 80)).toThrow('cannot be written to /proc/none: ENOENT');
  });

  it.each([
    [205, undefined],
    [
      204,
      'input client-sessions: alpha has room for 204 more connections of veza, and 200 sessions with their witnesses need 205; ',
    ],
    [-3, 'alpha has room for 0 more connections'],
  ])('is there for clients where %i more connections are', async (left, why) => {
    const session = { query: () => Promise.resolve([{ left }]) } as unknown as Session;
    const asked = requireConnections(session, { user: 'veza', node: 'alpha', sessions: 200 }, undefined);
    if (why === undefined) return expect(await asked).toBeUndefined();
    await expect(asked).rejects.toThrow(why);
    await expect(asked).rejects.toThrow(InputError);
  });
});
