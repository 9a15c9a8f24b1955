import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Facts, noFacts } from '../../../src/provision/facts.ts';
import { passwordFileText, secretsOf } from '../../../src/provision/secrets.ts';

const none = { autoctl: undefined, replication: undefined };
const holding = (passwordFile: string): Facts => ({ ...noFacts, passwordFile });

describe("the passwords of pg_auto_failover's accounts", () => {
  it('are made where there are none: 256 bits each, in letters that no connection string minds', () => {
    const first = secretsOf(none, [noFacts]);
    const second = secretsOf(none, [noFacts]);
    for (const password of [first.autoctl, first.replication]) expect(password).toMatch(/^[\w-]{43}$/);
    expect(new Set([first.autoctl, first.replication, second.autoctl, second.replication]).size).toBe(4);
  });

  it("are those that a container has, the monitor's first", () => {
    const monitor = holding(passwordFileText({ autoctl: 'one', replication: 'two' }));
    const node = holding(passwordFileText({ autoctl: 'three', replication: 'four' }));
    expect(secretsOf(none, [monitor, node])).toEqual({ autoctl: 'one', replication: 'two' });
    expect(secretsOf(none, [noFacts, node])).toEqual({ autoctl: 'three', replication: 'four' });
  });

  it('are those that the caller gives, whatever the containers have', () => {
    const monitor = holding(passwordFileText({ autoctl: 'one', replication: 'two' }));
    expect(secretsOf({ autoctl: 'mine', replication: undefined }, [monitor])).toEqual({
      autoctl: 'mine',
      replication: 'two',
    });
  });

  it('survive the way into the password file and back, whatever they hold', () => {
    const password = fc.string({ minLength: 1 }).filter((text) => !/[\n\r]/.test(text));
    fc.assert(
      fc.property(password, password, (autoctl, replication) => {
        const secrets = { autoctl, replication };
        expect(secretsOf(none, [holding(passwordFileText(secrets))])).toEqual(secrets);
      }),
    );
  });
});
