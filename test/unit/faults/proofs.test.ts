import { describe, expect, it } from 'vitest';
import { tooDangerous } from '../../../src/faults/catalogue/disk-full.ts';
import { lossProof } from '../../../src/faults/catalogue/packet-loss.ts';
import { attemptCommand, parseAttempts } from '../../../src/faults/connection-attempts.ts';
import { cutProof } from '../../../src/faults/links.ts';
import { filterCommand } from '../../../src/faults/packet-filter.ts';

const tried = (answered: number, failed = 0, times = 1) => ({
  address: '10.0.0.2',
  times,
  answered,
  failed,
  refused: 0,
});

describe('the packet filter is told by its arguments alone', () => {
  const told = (filter: Parameters<typeof filterCommand>[0]) => {
    const [perl, flag, script, ...rest] = filterCommand(filter);
    expect([perl, flag]).toEqual(['perl', '-e']);
    expect(script).toContain('pgha_drill');
    return rest;
  };

  it('what to block, by address of either family', () => {
    expect(told({ block: ['10.0.0.2', 'fd42::2'] })).toEqual(['block', '10.0.0.2', 'fd42::2']);
  });

  it('to isolate the container, or to lose one packet in so many', () => {
    expect(told('isolate')).toEqual(['isolate']);
    expect(told({ loseOneIn: 10 })).toEqual(['lose', '10']);
  });
});

describe('attempts to connect', () => {
  it('are asked for by port, number, seconds and addresses', () => {
    const [, , , ...rest] = attemptCommand(['10.0.0.2'], { port: 5432, times: 3, waitMs: 1500 });
    expect(rest).toEqual(['5432', '3', '1.5', '10.0.0.2']);
  });

  it('are read back', () => {
    expect(parseAttempts('10.0.0.2 1 0 1\nfd42::2 0 3 0\n', 3)).toEqual([
      { address: '10.0.0.2', times: 3, answered: 1, failed: 0, refused: 1 },
      { address: 'fd42::2', times: 3, answered: 0, failed: 3, refused: 0 },
    ]);
  });

  it.each(['', 'socket: Operation not permitted', '10.0.0.2 1 0', '10.0.0.2 1 0 0\n\n10.0.0.3 1 0 0'])(
    'are not made up from %j',
    (text) => {
      expect(parseAttempts(text, 1)).toBeUndefined();
    },
  );
});

describe('a cut is proven', () => {
  const proof = (...found: ReturnType<typeof tried>[]) => cutProof('a', ['m', 'b'], found);

  it('by silence in every direction', () => {
    expect(proof(tried(0), tried(0))).toBe(
      '2 TCP connections between a and m, b, tried both ways, met silence for 1.5 s',
    );
  });

  it('neither by an answer in one of them, nor by an error at once, nor by nothing tried', () => {
    expect(proof(tried(0), tried(1))).toBeUndefined();
    expect(proof(tried(0), tried(0, 1))).toBeUndefined();
    expect(proof()).toBeUndefined();
  });
});

describe('packet loss is proven', () => {
  it('by some attempts without an answer', () => {
    expect(lossProof([tried(81, 0, 100)])).toBe(
      '19 of 100 attempts to connect were not answered within 0.5 s',
    );
  });

  it('neither by too few, nor by all, which is a cut', () => {
    expect(lossProof([tried(98, 0, 100)])).toBeUndefined();
    expect(lossProof([tried(0, 0, 100)])).toBeUndefined();
  });
});

describe('a disk is filled', () => {
  const gib = 1024 ** 3;
  const pool = (total: number, used: number) => ({ total: total * gib, used: used * gib });

  it('where Incus limits it and its pool has room for all of it', () => {
    expect(tooDangerous('a', 10 * gib, pool(100, 50))).toBeUndefined();
  });

  it('not where the container has none of its own', () => {
    expect(tooDangerous('a', 0, pool(100, 0))).toMatch(
      /^the container a has no disk of its own.*set limits\.disk/,
    );
  });

  it('not where its limit promises more than its pool can spare', () => {
    expect(tooDangerous('a', 45 * gib, pool(100, 50))).toMatch(
      /has 50\.0 GiB left, too little for a disk of 45\.0 GiB/,
    );
    expect(tooDangerous('a', gib, pool(1.2, 0))).toMatch(/too little/);
  });
});
