import type { NetworkInterfaceInfo } from 'node:os';
import { describe, expect, it } from 'vitest';
import { isOnOwnNetwork } from '../../../src/application/route.ts';

const nic = (cidr: string, internal = false) =>
  ({ cidr, internal, family: cidr.includes(':') ? 'IPv6' : 'IPv4' }) as NetworkInterfaceInfo;

describe("a node's address", () => {
  const interfaces = {
    lo: [nic('127.0.0.1/8', true)],
    eth0: [nic('192.168.1.20/24'), nic('fd42::20/64')],
    incusbr0: [nic('10.77.7.1/24')],
  };

  it.each(['10.77.7.15', '192.168.1.99', 'fd42::1'])(
    '%s is near where an interface is on its network',
    (address) => {
      expect(isOnOwnNetwork(address, interfaces)).toBe(true);
    },
  );

  it.each(['10.77.8.15', '127.0.0.1', 'fd43::1', '8.8.8.8'])('%s is not', (address) => {
    expect(isOnOwnNetwork(address, interfaces)).toBe(false);
  });

  it('is never near on a machine that has no network', () => {
    expect(isOnOwnNetwork('10.77.7.15', { lo: interfaces.lo })).toBe(false);
  });
});
