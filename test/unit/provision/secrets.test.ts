import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { placeholderPassword } from '../../../src/postgres/placeholder.ts';
import { type Facts, noFacts } from '../../../src/provision/facts.ts';
import { passwordFileText, secretsOf, withReplication } from '../../../src/provision/passwords/secrets.ts';

const production = { environment: 'production' };
const none = { autoctl: undefined, replication: undefined };
const holding = (passwordFile: string): Facts => ({ ...noFacts, passwordFile });
const keeping = (keeperConfig: string): Facts => ({ ...noFacts, keeperConfig });

describe("the passwords of pg_auto_failover's accounts", () => {
  it('are made where there are none: 256 bits each, in letters that no connection string minds', () => {
    const first = secretsOf(none, [noFacts], production);
    const second = secretsOf(none, [noFacts], production);
    for (const password of [first.autoctl, first.replication]) expect(password).toMatch(/^[\w-]{43}$/);
    expect(new Set([first.autoctl, first.replication, second.autoctl, second.replication]).size).toBe(4);
  });

  it("are those that a container has, the monitor's first", () => {
    const monitor = holding(passwordFileText({ autoctl: 'one', replication: 'two' }));
    const node = holding(passwordFileText({ autoctl: 'three', replication: 'four' }));
    expect(secretsOf(none, [monitor, node], production)).toEqual({ autoctl: 'one', replication: 'two' });
    expect(secretsOf(none, [noFacts, node], production)).toEqual({ autoctl: 'three', replication: 'four' });
  });

  it('are those of a formation that others made, wherever pg_auto_failover finds them', () => {
    const lines = 'db.example:5432:pg_auto_failover:autoctl_node:o\\:ne\n*:*:*:monitoring:no\n';
    expect(secretsOf(none, [holding(lines), keeping('password = two')], production)).toEqual({
      autoctl: 'o:ne',
      replication: 'two',
    });
    const inUri = keeping('monitor = postgres://autoctl_node:three@m:5432/pg_auto_failover\npassword = four');
    expect(secretsOf(none, [inUri], production)).toEqual({ autoctl: 'three', replication: 'four' });
    // As libpq reads it: taken as it stands, it would be set anew, and who has the right one shut out.
    const encoded = keeping(
      'monitor = postgres://autoctl_node:th%40ree%2F@m:5432/pg_auto_failover\npassword = x',
    );
    expect(secretsOf(none, [encoded], production).autoctl).toBe('th@ree/');
    expect(
      secretsOf(none, [keeping('monitor = postgres://a:%zz@m/b\npassword = x')], production).autoctl,
    ).toBe('%zz');
  });

  it('of the standbys alone are written where the monitor is left to others', () => {
    const theirs =
      '# ours\nm:5432:*:autoctl_node:one\n*:*:*:pgautofailover_replicator:old\n*:*:*:monitoring:x\n';
    expect(withReplication(theirs, 'n:ew')).toBe(
      '# ours\nm:5432:*:autoctl_node:one\n*:*:*:monitoring:x\n*:*:*:pgautofailover_replicator:n\\:ew\n',
    );
    expect(withReplication('', 'new')).toBe('*:*:*:pgautofailover_replicator:new\n');
  });

  it('are not made anew where they may stand in a file that cannot be read', () => {
    const unread: Facts = { ...noFacts, passwordFile: undefined };
    const node = holding(passwordFileText({ autoctl: 'three', replication: 'four' }));
    expect(secretsOf(none, [unread, node], production)).toEqual({ autoctl: 'three', replication: 'four' });
    expect(() => secretsOf(none, [unread, noFacts], production)).toThrow(
      /cannot read it, and stand nowhere else/,
    );
    const given = { autoctl: 'one', replication: 'two' };
    expect(secretsOf(given, [unread], production)).toEqual(given);
  });

  it('are no placeholder once the formation is no lab', () => {
    const monitor = holding(passwordFileText({ autoctl: placeholderPassword, replication: 'two' }));
    const lab = secretsOf(none, [monitor], { environment: 'lab' });
    expect(lab).toEqual({ autoctl: placeholderPassword, replication: 'two' });
    const raised = secretsOf(none, [monitor], production);
    expect(raised.autoctl).toMatch(/^[\w-]{43}$/);
    expect(raised.replication).toBe('two');
  });

  it('are those that the caller gives, whatever the containers have', () => {
    const monitor = holding(passwordFileText({ autoctl: 'one', replication: 'two' }));
    expect(secretsOf({ autoctl: 'mine', replication: undefined }, [monitor], production)).toEqual({
      autoctl: 'mine',
      replication: 'two',
    });
  });

  it('survive the way into the password file and back, whatever they hold', () => {
    const password = fc.string({ minLength: 1 }).filter((text) => !/[\n\r]/.test(text));
    fc.assert(
      fc.property(password, password, (autoctl, replication) => {
        const secrets = { autoctl, replication };
        expect(secretsOf(none, [holding(passwordFileText(secrets))], production)).toEqual(secrets);
      }),
    );
  });
});
