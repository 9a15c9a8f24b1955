import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { standbyMemory, stateBytes, stateFileOf } from '../../../src/member/keeper-state.ts';

/** The head of a pg_autoctl.state as KeeperStateData lays it out (read off a node of 2.0 and one of 2.2). */
function state({ version = 1, monitor = 1_795_559_707n, standby = 0n, length = 1024 } = {}): Buffer {
  const bytes = Buffer.alloc(1024);
  bytes.writeInt32LE(version, 0);
  bytes.writeBigInt64LE(monitor, 48);
  bytes.writeBigInt64LE(standby, 64);
  return bytes.subarray(0, length);
}

describe("a keeper's memory of a standby", () => {
  it('is there once it has seen one without the monitor, or was given it', () => {
    expect(standbyMemory(state({ standby: 1_795_559_000n }))).toBe('yes');
    expect(standbyMemory(state({ standby: 1n }))).toBe('yes');
  });

  it('is not there in a keeper that never did, nor in one that was just made', () => {
    expect(standbyMemory(state())).toBe('no');
    expect(standbyMemory(state({ monitor: 0n }))).toBe('no');
  });

  it('is not known where the file is missing, short, of another version or laid out otherwise', () => {
    expect(standbyMemory(Buffer.alloc(0))).toBe('unknown');
    expect(standbyMemory(state({ length: stateBytes - 1 }))).toBe('unknown');
    expect(standbyMemory(state({ version: 2 }))).toBe('unknown');
    expect(standbyMemory(state({ monitor: 7n }))).toBe('unknown');
    expect(standbyMemory(state({ standby: -5n }))).toBe('unknown');
  });

  it('takes any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(['yes', 'no', 'unknown']).toContain(standbyMemory(Buffer.from(bytes)));
      }),
    );
  });

  it('stands in the folder that pg_autoctl names after the data directory', () => {
    expect(stateFileOf('/var/lib/postgresql/pgaf/node')).toBe(
      '/var/lib/postgresql/.local/share/pg_autoctl/var/lib/postgresql/pgaf/node/pg_autoctl.state',
    );
  });
});
