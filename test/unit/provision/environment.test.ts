import { describe, expect, it } from 'vitest';
import type { Instance } from '../../../src/incus/answers.ts';
import { environmentErrors, rememberedEnvironment } from '../../../src/incus/environment.ts';
import { environmentKey, formationKey } from '../../../src/incus/labels.ts';
import { placeholderPassword } from '../../../src/postgres/placeholder.ts';
import { scramVerifier } from '../../../src/postgres/scram.ts';
import { rememberEnvironment } from '../../../src/provision/containers/environment.ts';
import { placeholderErrors } from '../../../src/provision/passwords/placeholder.ts';
import { Steps } from '../../../src/provision/steps.ts';
import { builtInFormation, formationOf, keptLog } from '../builders.ts';
import { expectSentences } from '../refusal.ts';

const lab = builtInFormation();
const production = formationOf('environment: production');

/** Containers, by what each says of its environment; of the formation `default`, or another. */
function containers(said: Record<string, string | undefined>, owner = 'default') {
  return new Map(
    Object.entries(said).map(([name, environment]): [string, Instance] => [
      name,
      {
        name,
        status: 'Stopped',
        config: { [formationKey]: owner, ...(environment && { [environmentKey]: environment }) },
        devices: {},
        rootDisk: 'root',
        expandedConfig: {},
        startedAt: '',
      },
    ]),
  );
}

describe('what a formation is', () => {
  it.each<[string, Record<string, string | undefined>, string]>([
    ['is new without containers', {}, 'new'],
    ['is a lab where all of them say so', { a: 'lab', b: 'lab' }, 'lab'],
    [
      'is production where one of them says anything else',
      { a: 'lab', b: undefined, c: 'staging' },
      'production',
    ],
    ['is not known where one of them says nothing', { a: 'lab', b: undefined }, 'unknown'],
  ])('%s', (_, said, expected) => {
    expect(rememberedEnvironment(lab, containers(said))).toBe(expected);
  });

  it("is not told by another formation's monitor", () => {
    expect(rememberedEnvironment(lab, containers({ monitor: 'production' }, 'other'))).toBe('new');
    expect(environmentErrors(lab, containers({ monitor: 'production' }, 'other'))).toEqual([]);
  });

  it('is never made a lab by a file, or by the lack of one', () => {
    const errors = environmentErrors(
      lab,
      containers({ 'pgaf-monitor': 'production', 'pgaf-primary': 'lab' }),
    );
    expectSentences(errors);
    expect(errors).toEqual([
      expect.stringMatching(
        /^environment: lab .*pgaf-monitor says production.*incus config set pgaf-monitor --project default user\.pgha\.environment=lab$/,
      ),
    ]);
    expect(environmentErrors(production, containers({ a: 'production' }))).toEqual([]);
    expect(environmentErrors(production, containers({ a: 'lab' }))).toEqual([]);
  });

  it('is noted on each of its containers that says otherwise, and the plan shows it', async () => {
    const steps = new Steps(keptLog(), 'plan');
    const found = new Map([
      ...containers({ a: 'production', b: 'lab', c: undefined }),
      ...containers({ d: 'lab' }, 'other'),
    ]);
    const { signal } = new AbortController();
    await rememberEnvironment({ formation: production, incus: undefined as never, steps, signal }, found);
    expect(steps.changes.map(({ container, what }) => `${container}: ${what}`)).toEqual([
      'b: note on it that its environment is production',
      'c: note on it that its environment is production',
    ]);
  });
});

describe('the placeholder', () => {
  const of = (passwords: Record<string, string>) => new Map(Object.entries(passwords));
  const accounts = { autoctl: undefined, replication: undefined };
  const found = of({ veza: scramVerifier('of the vault'), reporter: scramVerifier(placeholderPassword) });
  const assumed = of({ veza: placeholderPassword, reporter: placeholderPassword });

  it('takes no other password where nothing says that the formation is a lab', () => {
    const errors = placeholderErrors(
      found,
      assumed,
      { ...accounts, autoctl: placeholderPassword },
      'unknown',
    );
    expectSentences(errors);
    expect(errors).toEqual([
      expect.stringMatching(/^input app-password: would be the placeholder; veza has a password other than/),
      expect.stringMatching(/^input user-passwords: reporter: /),
      expect.stringMatching(/^input autoctl-password: is the placeholder/),
    ]);
    expect(errors.join()).not.toContain('SCRAM');
  });

  it('nor opens a further user there, whatever the application has', () => {
    const given = of({ veza: 'of the vault', reporter: placeholderPassword });
    expect(placeholderErrors(found, given, accounts, 'unknown')).toEqual([
      expect.stringMatching(/^input user-passwords: reporter: /),
    ]);
    expect(placeholderErrors(of({ veza: '' }), assumed, accounts, 'unknown')).not.toEqual([]);
  });

  it('opens a lab, and a formation whose roles have it already or are not there yet', () => {
    expect(placeholderErrors(found, assumed, accounts, 'lab')).toEqual([]);
    const all = of({ veza: scramVerifier(placeholderPassword) });
    expect(placeholderErrors(all, assumed, accounts, 'unknown')).toEqual([]);
    const md5 = 'md54c4fd8ed56f14e833ec8bc96406eee7f';
    expect(placeholderErrors(of({ veza: md5 }), assumed, accounts, 'unknown')).toEqual([]);
    expect(placeholderErrors(of({}), assumed, accounts, 'unknown')).toEqual([]);
  });
});
