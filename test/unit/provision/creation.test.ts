import { describe, expect, it } from 'vitest';
import { Growth, parseLook } from '../../../src/provision/creation.ts';

describe('parseLook', () => {
  it('reads size and processes', () => {
    expect(parseLook('bytes 4096\npid 157\npid 201\n')).toEqual({ bytes: 4096, pids: [157, 201] });
  });

  it('takes a size that is missing for none', () => {
    expect(parseLook('bytes \n')).toEqual({ bytes: 0, pids: [] });
    expect(parseLook('')).toEqual({ bytes: 0, pids: [] });
  });

  it('never names what is no process of its own', () => {
    expect(parseLook('bytes 1\npid \npid 0\npid 1\npid -1\npid x\n').pids).toEqual([]);
  });
});

describe('Growth', () => {
  it('counts from the last change of size', () => {
    const growth = new Growth(0);
    expect(growth.stillMs(10, 1_000)).toBe(0);
    expect(growth.stillMs(10, 5_000)).toBe(4_000);
    expect(growth.stillMs(20, 6_000)).toBe(0);
    // A folder that shrinks is at work too: the old one is removed before the copy.
    expect(growth.stillMs(5, 7_000)).toBe(0);
    expect(growth.stillMs(5, 8_000)).toBe(1_000);
  });

  it('takes data that cannot be looked at for data that does not grow', () => {
    const growth = new Growth(0);
    expect(growth.stillMs(-1, 9_000)).toBe(9_000);
  });
});
