import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decidingRule, type HbaRule } from '../../../src/postgres/hba-rules.ts';
import { hbaRule } from '../builders.ts';

const client = (network: string) => ({ user: 'veza', database: 'veza', network });
const decides = (rule: Partial<HbaRule>, network = '10.1.0.0/16') =>
  decidingRule([hbaRule(rule)], client(network)) !== undefined;

describe('a rule lets in', () => {
  it.each<[string, Partial<HbaRule>, string]>([
    ['its own network', { address: '10.0.0.0', netmask: '255.0.0.0' }, '10.0.0.0/8'],
    ['a part of its network', { address: '10.0.0.0', netmask: '255.0.0.0' }, '10.200.7.0/24'],
    ['a single address of it', { address: '10.0.0.0', netmask: '255.0.0.0' }, '10.255.255.255/32'],
    ['everybody on IPv4', { address: '0.0.0.0', netmask: '0.0.0.0' }, '192.0.2.0/24'],
    ['everybody on IPv6', { address: '::', netmask: '::' }, 'fd00::/8'],
    ['a part of its IPv6 network', { address: 'fd00::', netmask: 'ff00::' }, 'fd12:3456::/32'],
    ['an IPv6 network whose mask ends within a group', { address: 'fd00::', netmask: 'fe00::' }, 'fd00::/8'],
    ['everybody everywhere', { address: 'all', netmask: null }, 'fd00::/8'],
    ['its user on all databases', { databases: ['all'] }, '10.0.0.0/8'],
    ['all users on its database', { users: ['all'] }, '10.0.0.0/8'],
    ['one database among several', { databases: ['other', 'veza'] }, '10.0.0.0/8'],
    ['the database that is named as its user', { databases: ['sameuser'] }, '10.0.0.0/8'],
    ['clients with and without TLS', { type: 'host' }, '10.0.0.0/8'],
    ['whatever has no GSS encryption, TLS included', { type: 'hostnogssenc' }, '10.0.0.0/8'],
  ])('%s', (_, rule, network) => {
    expect(decides(rule, network)).toBe(true);
  });
});

describe('a rule does not decide for', () => {
  it.each<[string, Partial<HbaRule>, string?]>([
    ['a network wider than its own', { netmask: '255.255.0.0' }, '10.0.0.0/8'],
    ['another network', { address: '192.168.0.0', netmask: '255.255.0.0' }],
    ['a neighbour', { address: '10.2.0.0', netmask: '255.255.0.0' }],
    ['IPv6 when it is for IPv4', {}, 'fd00::/8'],
    ['IPv4 when it is for IPv6', { address: '::', netmask: '::' }],
    ['everybody when it is for IPv4 alone', { address: '0.0.0.0', netmask: '0.0.0.0' }, '::/0'],
    ['another user', { users: ['other'] }],
    ['another database', { databases: ['other'] }],
    ['replication, which is no database', { databases: ['replication'] }],
    ['a host by its name', { address: 'app.example.com', netmask: null }],
    ['a domain', { address: '.example.com', netmask: null }],
    ['the server itself', { address: 'samehost', netmask: null }],
    ['a Unix socket', { type: 'local', address: null, netmask: null }],
    ['clients that do without TLS', { type: 'hostnossl' }],
    ['clients with GSS encryption', { type: 'hostgssenc' }],
    ['anybody when Postgres could not parse it', { error: 'invalid authentication method' }],
    ['a network that its mask has holes in', { address: '10.1.0.0', netmask: '255.0.255.0' }],
  ])('%s', (_, rule, network) => {
    expect(decides(rule, network)).toBe(false);
  });

  it('anybody where there is none', () => {
    expect(decidingRule([], client('10.0.0.0/8'))).toBeUndefined();
  });
});

describe('the first rule that matches decides, as in Postgres', () => {
  const reject = hbaRule({ method: 'reject' });
  const trust = hbaRule({ method: 'trust' });

  it('be it a rejection', () => {
    expect(decidingRule([reject, trust], client('10.0.0.0/8'))).toBe(reject);
    expect(decidingRule([trust, reject], client('10.0.0.0/8'))).toBe(trust);
  });

  it('past those that concern somebody else', () => {
    const others = [
      hbaRule({ method: 'reject', type: 'hostnossl' }),
      hbaRule({ method: 'reject', users: ['other'] }),
      hbaRule({ method: 'reject', address: '192.168.0.0', netmask: '255.255.0.0' }),
    ];
    expect(decidingRule([...others, trust, reject], client('10.0.0.0/8'))).toBe(trust);
  });
});

describe('whether a rule covers a network agrees with arithmetic on the bits', () => {
  const bits = (parts: number[], width: number) =>
    parts.map((part) => part.toString(2).padStart(width, '0')).join('');
  const ipv4 = fc.array(fc.nat(255), { minLength: 4, maxLength: 4 });
  const ipv6 = fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 });
  const maskOf = (prefix: number, groups: number, width: number) =>
    Array.from({ length: groups }, (_, index) => {
      const ones = Math.min(Math.max(prefix - index * width, 0), width);
      return 2 ** width - 2 ** (width - ones);
    });

  it.each([
    ['IPv4', ipv4, 4, 8, (parts: number[]) => parts.join('.')],
    ['IPv6', ipv6, 8, 16, (parts: number[]) => parts.map((part) => part.toString(16)).join(':')],
  ] as const)('%s', (_, address, groups, width, write) => {
    const size = groups * width;
    const nearby = fc
      .tuple(address, fc.nat(size), fc.nat(size), fc.nat(size))
      .map(([parts, a, b, flipped]) => {
        const other = [...parts];
        const group = Math.floor(flipped / width);
        if (group < groups) other[group] = (other[group] ?? 0) ^ (1 << (width - 1 - (flipped % width)));
        return { rule: parts, other, rulePrefix: a, prefix: b };
      });
    fc.assert(
      fc.property(nearby, ({ rule, other, rulePrefix, prefix }) => {
        const covered =
          rulePrefix <= prefix &&
          bits(rule, width).slice(0, rulePrefix) === bits(other, width).slice(0, rulePrefix);
        const netmask = write(maskOf(rulePrefix, groups, width));
        expect(decides({ address: write(rule), netmask }, `${write(other)}/${prefix}`)).toBe(covered);
      }),
      { numRuns: 300 },
    );
  });
});
