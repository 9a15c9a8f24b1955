import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../lab/harness.ts';
import { runInTime } from '../lab/named-lab.ts';

/**
 * What docs/hosts.md says of networks for a formation on several hosts: a bridge that Incus manages is one network on each member,
 * whatever its one name says, so a member of a formation reaches and resolves those of its own host alone.
 */

const incus = async (...args: string[]) => (await runInTime('incus', args, { timeout: 60_000 })).stdout;
const inside = (container: string, ...command: string[]) => incus('exec', container, '-T', '--', ...command);
const succeeds = (work: Promise<unknown>) =>
  work.then(
    () => true,
    () => false,
  );
const network = 'managed';
const members = ['m1', 'm2'];
const containers = members.flatMap((member) => [`flat-${member}`, `managed-${member}`]);

/** The container's address on its eth0, once it has one. */
async function addressOf(container: string): Promise<string> {
  let address = '';
  await eventually(`${container} to have an address`, 30_000, async () => {
    const listed = await inside(container, 'ip', '-4', '-o', 'addr', 'show', 'dev', 'eth0');
    address = /inet ([\d.]+)/.exec(listed)?.[1] ?? '';
    return address !== '';
  });
  return address;
}

beforeAll(async () => {
  for (const member of (process.env['PGHA_LAB_MEMBERS'] ?? '').split(' '))
    await incus('network', 'create', network, '--target', member);
  const config = ['ipv4.address=10.78.8.1/24', 'ipv4.nat=false', 'ipv4.firewall=false', 'ipv6.address=none'];
  await incus('network', 'create', network, ...config, 'ipv6.firewall=false', 'dns.domain=incus');
  for (const member of members) {
    await incus('launch', 'debian/12', `flat-${member}`, '--target', member);
    await incus('launch', 'debian/12', `managed-${member}`, '--target', member, '--network', network);
    // The image asks the lab's own name server; in a managed network that is the bridge.
    await inside(`managed-${member}`, 'sh', '-c', 'echo nameserver 10.78.8.1 >/etc/resolv.conf');
  }
});

afterAll(async () => {
  for (const container of containers) await succeeds(incus('delete', '--force', container));
  await succeeds(incus('network', 'delete', network));
});

describe('containers on two hosts', () => {
  it('reach and resolve each other over a flat layer 2', async () => {
    const addresses = await Promise.all(members.map((member) => addressOf(`flat-${member}`)));
    expect(addresses[0]).not.toBe(addresses[1]);
    await inside('flat-m1', 'ping', '-c', '1', '-W', '5', addresses[1] ?? '');
    await inside('flat-m1', 'ping', '-c', '1', '-W', '5', 'flat-m2.incus');
    expect(await inside('flat-m1', 'getent', 'hosts', addresses[1] ?? '')).toContain('flat-m2.incus');
  });

  it('neither reach nor resolve each other over a bridge that Incus manages', async () => {
    const addresses = await Promise.all(members.map((member) => addressOf(`managed-${member}`)));
    for (const address of addresses) expect(address).toMatch(/^10\.78\.8\./);
    // Each resolves itself, so there is a name server; it knows nothing of the other's host.
    expect(await succeeds(inside('managed-m1', 'getent', 'hosts', 'managed-m1.incus'))).toBe(true);
    expect(await succeeds(inside('managed-m1', 'getent', 'hosts', 'managed-m2.incus'))).toBe(false);
    // Two DHCP servers that know nothing of each other may give one address twice: then it answers to itself.
    if (addresses[0] !== addresses[1])
      expect(await succeeds(inside('managed-m1', 'ping', '-c', '1', '-W', '2', addresses[1] ?? ''))).toBe(
        false,
      );
  });
});
