import { describe, expect, it } from 'vitest';
import { holdingOf, readHolds } from '../../../src/check/holds.ts';
import type { Observation } from '../../../src/check/observation.ts';
import { EnvironmentError } from '../../../src/contract/errors.ts';
import { HeldError, requireLeave } from '../../../src/drill/held.ts';
import type { Instance } from '../../../src/incus/answers.ts';
import { builtInFormation } from '../builders.ts';

/** Whether a drill may begin, by what is read of holds. */

const formation = builtInFormation();
const never = { ...formation, allowedHours: { timeZone: 'UTC', windows: [] } };
const obeying = { overrideHold: false };
const byHand = { overrideHold: true };
type Holds = Pick<Observation, 'holds'>;
const none: Holds = { holds: { ok: true, value: [] } };
const unread: Holds = { holds: { ok: false, failed: 'Incus does not answer' } };
const frozen: Holds = {
  holds: { ok: true, value: [{ on: 'project', name: 'default', reason: 'release freeze' }] },
};

describe('a drill', () => {
  it('begins where nothing holds it', () => {
    expect(requireLeave(formation, none, obeying)).toBe('');
  });

  it('does not where the project is held, and says what ends that', () => {
    expect(() => requireLeave(formation, frozen, obeying)).toThrow(HeldError);
    expect(() => requireLeave(formation, frozen, obeying)).toThrow(
      /^release freeze \(user\.pgha\.hold of the project default; `incus project unset default user\.pgha\.hold` ends it\); /,
    );
  });

  it('does not outside of the hours', () => {
    expect(() => requireLeave(never, none, obeying)).toThrow(
      /^it is \w{3} \d\d:\d\d in UTC, and allowed-hours/,
    );
  });

  it('does not where nobody knows', () => {
    expect(() => requireLeave(formation, unread, obeying)).toThrow(EnvironmentError);
    expect(() => requireLeave(formation, unread, obeying)).toThrow(
      /cannot be read: Incus does not answer; nothing/,
    );
  });

  it('is told what else holds it where something cannot be read', () => {
    expect(() => requireLeave(never, unread, obeying)).toThrow(HeldError);
  });

  it('goes on by the word of a person, and that is told', () => {
    expect(requireLeave(formation, none, byHand)).toBe('');
    expect(requireLeave(formation, frozen, byHand)).toMatch(/^release freeze \(/);
    expect(requireLeave(never, unread, byHand)).toMatch(
      /allowed-hours .*; whether drills are held .* cannot be read/,
    );
  });
});

describe('what is read of holds', () => {
  const instances = (instance: Partial<Instance> | undefined) =>
    new Map(instance ? [[formation.monitor.name, instance as Instance]] : []);
  const read = async (config: Record<string, string>, instance?: Partial<Instance>) =>
    await readHolds(formation, instances(instance), Promise.resolve(config));

  it('are those of project and monitor, as one line each', async () => {
    const config = { 'user.pgha.hold': 'one\ntwo\u001b[31m' };
    expect(await read(config, { config: { 'user.pgha.hold': 'audit' } })).toEqual({
      ok: true,
      value: [
        { on: 'project', name: 'default', reason: expect.stringMatching(/^one \| two\\u001b/) },
        { on: 'monitor', name: formation.monitor.name, reason: 'audit' },
      ],
    });
  });

  it('are none of a monitor that is not there', async () => {
    expect(await read({})).toEqual({ ok: true, value: [] });
  });

  it('are not known where the project or the host of the monitor does not answer', async () => {
    const silent = readHolds(formation, instances(undefined), Promise.reject(new Error('no answer')));
    expect(await silent).toEqual({ ok: false, failed: 'no answer' });
    expect(await read({}, { unheard: 'its host m2 does not answer' })).toEqual({
      ok: false,
      failed: 'its host m2 does not answer',
    });
  });

  it('name the remote in the command line that ends them', () => {
    const away = { ...formation, incus: { ...formation.incus, remote: 'prod', project: 'pg' } };
    const on = (each: 'project' | 'monitor', name: string) =>
      holdingOf(away, { holds: { ok: true, value: [{ on: each, name, reason: 'x' }] } }, new Date())
        .reasons[0];
    expect(on('project', 'pg')).toContain('`incus project unset prod:pg user.pgha.hold`');
    expect(on('monitor', 'm')).toContain('`incus config unset prod:m --project pg user.pgha.hold`');
  });
});
