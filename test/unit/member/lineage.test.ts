import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasCheckpoint, parseCheckpoint, positionOf } from '../../../src/member/lineage.ts';

/** As pg_controldata and pg_waldump of 15 printed them. */
const control = `pg_control version number:            1300
Database cluster state:               in archive recovery
Latest checkpoint location:           0/3422838
Latest checkpoint's REDO location:    0/3422800
Latest checkpoint's TimeLineID:       1
Latest checkpoint's PrevTimeLineID:   1
Minimum recovery ending location:     0/34228B0
`;
const checkpoint = { location: '0/3422838', timeline: 1 };
const record = (manager: string, lsn: string, description: string) =>
  `rmgr: ${manager.padEnd(11)} len (rec/tot):    114/   114, tx:          0, lsn: ${lsn}, prev 0/03422800, desc: ${description} redo 0/3422838; tli 1; prev tli 1; fpw true; xid 0:744; online\n`;

describe('the last checkpoint of a data directory', () => {
  it('is read off pg_controldata', () => {
    expect(parseCheckpoint(control)).toEqual(checkpoint);
  });

  it.each(['', control.replace(/^Latest checkpoint location.*\n/m, ''), control.replace('0/3422838', 'x')])(
    'is not known where it does not say',
    (output) => {
      expect(() => parseCheckpoint(output)).toThrow(/does not tell the last checkpoint/);
    },
  );
});

describe("a standby's last checkpoint in the WAL of its primary", () => {
  const has = (output: string, keptFrom = 0x3000060) => hasCheckpoint(output, checkpoint, keptFrom);

  it.each(['CHECKPOINT_ONLINE', 'CHECKPOINT_SHUTDOWN'])('is there, as a record %s', (description) => {
    expect(has(record('XLOG', '0/03422838', description))).toBe(true);
  });

  it.each([
    ['where another record is', record('Standby', '0/03422838', 'RUNNING_XACTS')],
    ['where another record of the same manager is', record('XLOG', '0/03422838', 'END_OF_RECOVERY')],
    [
      'where no record begins',
      `first record is after 0/3422838, at 0/3422888, skipping over 80 bytes\n${record('XLOG', '0/03422888', 'CHECKPOINT_ONLINE')}`,
    ],
    ['where the WAL has ended', 'pg_waldump: error: could not find a valid record after 0/3422838\n'],
    ['after all that was written', 'pg_waldump: error: could not find file "000000010000000000000003"\n'],
  ])('is not there %s', (_, output) => {
    expect(has(output)).toBe(false);
  });

  it.each([
    ['the WAL is gone', 'pg_waldump: error: could not find file "000000010000000000000003"\n', 0x5000000],
    ['nothing is said', '', 0],
    ['there is no program', 'sh: 1: /usr/lib/postgresql/15/bin/pg_waldump: not found\n', 0],
  ])('is unknown where %s', (_, output, keptFrom) => {
    expect(() => has(output, keptFrom)).toThrow();
  });

  it('is one place, however it is written', () => {
    const part = fc.integer({ min: 0, max: 0xffffffff });
    const padded = (each: number) => each.toString(16).toUpperCase().padStart(8, '0');
    fc.assert(
      fc.property(part, part, (high, low) => {
        const plain = `${high.toString(16).toUpperCase()}/${low.toString(16).toUpperCase()}`;
        expect(positionOf(plain)).toBe(positionOf(`${padded(high)}/${padded(low)}`));
        expect(positionOf(plain)).toBe(BigInt(high) * 2n ** 32n + BigInt(low));
      }),
    );
  });
});
