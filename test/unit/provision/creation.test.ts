import { describe, expect, it, vi } from 'vitest';
import { membersOf } from '../../../src/formation/formation.ts';
import type { MemberContainer } from '../../../src/provision/member-container.ts';
import { create, Growth, parseCreationLook } from '../../../src/provision/members/creation.ts';
import { builtInFormation } from '../builders.ts';

describe('parseLook', () => {
  it('reads size and processes', () => {
    expect(parseCreationLook('bytes 4096\npid 157\npid 201\n')).toEqual({ bytes: 4096, pids: [157, 201] });
  });

  it('takes a size that is missing for none', () => {
    expect(parseCreationLook('bytes \n')).toEqual({ bytes: 0, pids: [] });
    expect(parseCreationLook('')).toEqual({ bytes: 0, pids: [] });
  });

  it('never names what is no process of its own', () => {
    expect(parseCreationLook('bytes 1\npid \npid 0\npid 1\npid -1\npid x\n').pids).toEqual([]);
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

describe('a creation that an earlier run has left', () => {
  it('and that does not end, not even by SIGKILL, is told of', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    try {
      const formation = builtInFormation();
      const [member] = membersOf(formation);
      let ended = 0;
      const container = {
        ...{ formation, member, monitor: member, name: member.name },
        read: async () => 'bytes 4096\npid 157\n',
        exec: async () => void ended++,
      } as unknown as MemberContainer;
      const creating = create(container).catch((error: unknown) => String(error));
      await vi.advanceTimersByTimeAsync(600_000);
      expect(await Promise.race([creating, 'it still waits'])).toMatch(
        /left in pgaf-monitor does not end \(process 157\); restart the container \(incus restart --force pgaf-monitor --project default\)/,
      );
      expect(ended).toBeGreaterThan(1);
    } finally {
      vi.useRealTimers();
    }
  });
});
