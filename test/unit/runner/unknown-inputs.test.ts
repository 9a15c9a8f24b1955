import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { declaredDefaults, nightlyInputs } from '../../../src/runner/defaults.ts';
import { unknownInputsIn } from '../../../src/runner/unknown-inputs.ts';

const known = ['formation', 'rto-target-seconds', 'app-password'];
const given = { INPUT_FORMATION: 'f.yml', 'INPUT_RTO-TARGET-SECONDS': '60', 'INPUT_APP-PASSWORD': '' };
const unknownOf = (more: Record<string, string>) =>
  unknownInputsIn({ ...given, ...more }, known, { secretInputs: ['app-password'] });
const none = { errors: [], warnings: [], secrets: [] };

describe('an input that there is not', () => {
  it('is refused with the one that may be meant, and its value is not repeated', () => {
    expect(unknownOf({ 'INPUT_RTO-TARGET': '30' }).errors).toEqual([
      'input rto-target: there is no such input; is rto-target-seconds meant?',
    ]);
    expect(unknownOf({ 'INPUT_WHO-TO-GREET': 'hunter2' }).errors).toEqual([
      'input who-to-greet: there is no such input; there are formation, rto-target-seconds, app-password',
    ]);
  });

  it('is masked where a secret was meant', () => {
    expect(unknownOf({ 'INPUT_APP-PASWORD': 'hunter2' }).secrets).toEqual(['hunter2']);
    expect(unknownOf({ INPUT_APP_PASSWORD: 'hunter2' }).secrets).toEqual(['hunter2']);
    expect(unknownOf({ 'INPUT_RTO-TARGET': '30' }).secrets).toEqual([]);
  });

  it('may be one that is written with other signs, which the runner passes beside its default', () => {
    expect(unknownOf({ INPUT_RTO_TARGET_SECONDS: '30' }).errors).toEqual([
      'input rto_target_seconds: is written rto-target-seconds',
    ]);
    expect(unknownOf({ INPUT_RTO_TARGET_SECONDS: '60' })).toEqual(none);
    expect(unknownInputsIn({ INPUT_RTO_TARGET_SECONDS: '30' }, known)).toEqual(none);
  });

  it('is none where it is not an input at all', () => {
    expect(unknownOf({ INPUT_METHOD: 'ibus', INPUTRC: '/etc/inputrc', MY_INPUT_X: 'y' })).toEqual(none);
  });
});

describe.each(['ACT', 'GITEA_ACTIONS', 'FORGEJO_ACTIONS'])(
  'in a composite action on a runner with %s',
  (runner) => {
    const inside = (more: Record<string, string>) => unknownOf({ [runner]: 'true', ...more });

    it("the outer action's inputs are there as well: what is not ours is told and taken for theirs", () => {
      const { errors, warnings } = inside({ 'INPUT_WHO-TO-GREET': 'you' });
      expect(errors).toEqual([]);
      expect(warnings).toEqual([expect.stringMatching(/^input who-to-greet: there is no such input/)]);
    });

    it('one that resembles ours is theirs if its value was passed on, and a slip if not', () => {
      expect(inside({ 'INPUT_RTO-TARGET': '60' })).toEqual(none);
      expect(inside({ 'INPUT_RTO-TARGET': '' })).toEqual(none);
      expect(inside({ 'INPUT_RTO-TARGET': '30' }).errors).toEqual([
        expect.stringMatching(/^input rto-target: .* something else than rto-target-seconds/),
      ]);
    });

    it('one that resembles ours is theirs where the step gives ours a value of its own', () => {
      const defaultOf = (name: string) => (name === 'rto-target-seconds' ? '60' : '');
      const env = { ...given, [runner]: 'true', 'INPUT_RTO-TARGET': '30' };
      const judged = (seconds: string) =>
        unknownInputsIn({ ...env, 'INPUT_RTO-TARGET-SECONDS': seconds }, known, { defaultOf });
      expect(judged('45')).toEqual({
        errors: [],
        warnings: [expect.stringMatching(/^input rto-target: .* rto-target-seconds, which counts$/)],
        secrets: [],
      });
      for (const seconds of ['60', '']) expect(judged(seconds).errors).toHaveLength(1);
      // Of a default that is not known, the value may be it.
      const unknown = { defaultOf: () => undefined };
      expect(
        unknownInputsIn({ ...env, 'INPUT_RTO-TARGET-SECONDS': '45' }, known, unknown).errors,
      ).toHaveLength(1);
    });
  },
);

describe("inside our own composite action, whose inputs are its siblings'", () => {
  const nightly = [...known, 'webhook', 'webhook-format', 'rto-seconds'];
  const passed = { ...given, INPUT_WEBHOOK: 'https://x', 'INPUT_WEBHOOK-FORMAT': 'text' };
  const inside = (env: Record<string, string>) =>
    unknownInputsIn(env, ['webhook', 'rto-target-seconds'], {
      secretInputs: ['webhook'],
      nightly: () => nightly,
    });

  it('what it passes on to all of them is not told, and not taken for a secret', () => {
    expect(inside({ ...passed, ACT: 'true', 'INPUT_RTO-SECONDS': '5' })).toEqual(none);
  });

  it('what it has not passed on is told, and so is all of it where another calls', () => {
    const { warnings } = inside({ ...passed, ACT: 'true', 'INPUT_RTO-SECONDS': '5', INPUT_GREETING: 'hi' });
    expect(warnings).toEqual([expect.stringMatching(/^input greeting: there is no such input/)]);
    const { errors, secrets } = inside({ ...passed, ACT: 'true' });
    expect(errors).toEqual([expect.stringMatching(/^input webhook-format: .* something else than webhook/)]);
    expect(secrets).toEqual(['text']);
  });

  it('is read only where there is something that no action of ours has', () => {
    const unasked = () => {
      throw new Error('it was read');
    };
    const env = { ACT: 'true', 'INPUT_RTO-TARGET-SECONDS': '45' };
    expect(unknownInputsIn(env, known, { nightly: unasked })).toEqual(none);
    expect(() => unknownInputsIn({ ...env, INPUT_GREETING: 'hi' }, known, { nightly: unasked })).toThrow();
  });

  it('a runner that passes nothing on has nothing to be silent about', () => {
    expect(inside({ ...passed, 'INPUT_RTO-SECONDS': '5' }).errors).not.toEqual([]);
  });
});

it('defaults are those of the action.yml that belongs to the program', () => {
  const root = resolve(import.meta.dirname, '..', '..', '..');
  const defaultOf = declaredDefaults(resolve(root, 'dist', 'failover-drill', 'main.js'));
  expect(defaultOf('rto-target-seconds')).toBe('60');
  expect(defaultOf('app-password')).toBe('');
  expect(defaultOf('constructor')).toBeUndefined();
  expect(declaredDefaults('/nowhere/dist/x/main.js')('rto-target-seconds')).toBeUndefined();
  expect(nightlyInputs(resolve(root, 'dist', 'failover-drill', 'main.js'))()).toContain('webhook-format');
  expect(nightlyInputs('/nowhere/dist/x/main.js')()).toEqual([]);
});
