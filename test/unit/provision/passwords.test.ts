import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Log } from '../../../src/contract/log.ts';
import type { Formation } from '../../../src/formation/formation.ts';
import { placeholderPassword } from '../../../src/postgres/placeholder.ts';
import { accountPasswordsOf, passwordsOf } from '../../../src/provision/passwords/passwords.ts';
import { builtInFormation, formationOf, keptLog } from '../builders.ts';
import { errorsOf, expectSentences } from '../refusal.ts';

const lab = builtInFormation();
const production = formationOf('environment: production');

/** Of a formation whose only user is the application's own. */
function applicationPassword(application: string, formation: Formation, log: Log): string | undefined {
  const passwords = passwordsOf({ application, users: '' }, formation, log);
  expect([...passwords.keys()]).toEqual(['veza']);
  return passwords.get('veza');
}

describe('the placeholder password', () => {
  it.each([
    ['when none is given', ''],
    ['when it is given', placeholderPassword],
  ])('opens a lab, with a warning, %s', (_, given) => {
    const log = keptLog();
    expect(applicationPassword(given, lab, log)).toBe(placeholderPassword);
    expect(log.lines).toEqual([expect.stringMatching(/^warn .*placeholder.*environment: lab/)]);
  });

  it.each(['production', 'staging', 'Lab', 'LAB', 'lab2', 'laboratory'])(
    'opens nothing in an environment called %s',
    (environment) => {
      const formation = formationOf(`environment: ${environment}`);
      for (const given of ['', placeholderPassword]) {
        const errors = errorsOf(() => applicationPassword(given, formation, keptLog()));
        expectSentences(errors);
        expect(errors).toEqual([
          expect.stringMatching(
            new RegExp(
              `^input app-password: is .*environment is ${environment}; pass the password from your vault`,
            ),
          ),
        ]);
      }
    },
  );

  it('opens nothing where the file says nothing of an environment', () => {
    expect(() => applicationPassword('', formationOf(''), keptLog())).toThrow(/app-password: is missing/);
  });
});

describe('a password from the vault', () => {
  it.each([lab, production])('is taken as it is, without a word in the log', (formation) => {
    const log = keptLog();
    const password = `O'Brien "x" \\ $1 100%`;
    expect(applicationPassword(password, formation, log)).toBe(password);
    expect(log.lines).toEqual([]);
  });

  it.each([
    ['is too short', 'short77', /at least 8 characters/],
    ['holds a line break', 'two\nlines-long', /line breaks/],
    ['ends with a line break, as a file does', 'from-a-file\n', /line breaks/],
    ['holds a carriage return', 'from-windows\r', /line breaks/],
    ['holds NUL', 'some\0where-long', /NUL/],
  ])('that %s is refused', (_, given, expected) => {
    const errors = errorsOf(() => applicationPassword(given, production, keptLog()));
    expectSentences(errors);
    expect(errors[0]).toMatch(expected);
  });

  it('never shows in a message or in the log', () => {
    const secret = fc
      .array(fc.constantFrom('#', '%', '"', '\n', '\0', '7', 'Q'), { minLength: 4, maxLength: 12 })
      .map((pieces) => `Q#${pieces.join('')}`);
    fc.assert(
      fc.property(secret, fc.constantFrom(lab, production), (given, formation) => {
        const log = keptLog();
        let message = '';
        try {
          applicationPassword(given, formation, log);
        } catch (error) {
          message = String(error);
        }
        expect(message).not.toContain(given);
        expect(message).not.toContain(JSON.stringify(given).slice(1, -1));
        expect(log.lines.join('\n')).not.toContain(given);
      }),
    );
  });
});

describe('the passwords of further users', () => {
  const users =
    'postgres: { users: [{ name: reporter, databases: [veza] }, { name: etl, databases: [veza] }] }';
  const inProduction = formationOf(`environment: production\n${users}`);
  const inLab = formationOf(`environment: lab\n${users}`);
  const application = 'from-the-vault';
  const errors = (given: string, formation = inProduction) =>
    errorsOf(() => passwordsOf({ application, users: given }, formation, keptLog()));

  it("come by name, after the application's own", () => {
    const log = keptLog();
    const given = "etl: 'it''s: #secret'\nreporter: 00123456\n";
    expect([...passwordsOf({ application, users: given }, inProduction, log)]).toEqual([
      ['veza', application],
      ['reporter', '00123456'],
      ['etl', "it's: #secret"],
    ]);
    expect(log.lines).toEqual([]);
  });

  it('are the placeholder in a lab where they are not given, with one warning that names the users', () => {
    const log = keptLog();
    const given = `reporter:\netl: ${placeholderPassword}\n`;
    expect([...passwordsOf({ application, users: given }, inLab, log)]).toEqual([
      ['veza', application],
      ['reporter', placeholderPassword],
      ['etl', placeholderPassword],
    ]);
    expect(log.lines).toEqual([
      'warn reporter, etl get the placeholder password, as the formation says environment: lab',
    ]);
  });

  it('are asked for everywhere else, all together', () => {
    const all = errorsOf(() =>
      passwordsOf({ application: '', users: `etl: ${placeholderPassword}` }, inProduction, keptLog()),
    );
    expectSentences(all);
    expect(all).toEqual([
      expect.stringMatching(/^input app-password: is missing, .*environment is production/),
      expect.stringMatching(/^input user-passwords: reporter: is missing, .*environment is production/),
      expect.stringMatching(/^input user-passwords: etl: is the placeholder, .*environment is production/),
    ]);
  });

  it('keep to the same rules, in a lab as well', () => {
    const all = errors('reporter: short\netl: "two\\nlines-long"\n', inLab);
    expectSentences(all);
    expect(all).toEqual([
      'input user-passwords: reporter: must have at least 8 characters',
      'input user-passwords: etl: must not hold line breaks or NUL',
    ]);
  });

  it('are of users that the formation has, and an unknown name is not repeated: it may be a password', () => {
    const all = errors('reporter: long-enough\nhunter2: etl\netl: long-enough\n');
    expectSentences(all);
    expect(all).toEqual([
      "input user-passwords: line 2: is not one of the formation's further users (postgres.users), which are reporter, etl",
    ]);
    expect(errors('reporter: long-enough', formationOf('environment: lab'))).toEqual([
      expect.stringMatching(/line 1: .* which are none$/),
    ]);
  });

  it("do not hold the application's own", () => {
    expect(errors('veza: long-enough\nreporter: long-enough\netl: long-enough')).toEqual([
      expect.stringMatching(/^input user-passwords: line 1: veza is .* the input app-password$/),
    ]);
  });

  it('are told of by what is wrong with the map alone where it cannot be read', () => {
    const all = errors('reporter: @hunter2\n etl: x');
    expectSentences(all);
    for (const error of all)
      expect(error).toMatch(/^input user-passwords: line \d: (?:not valid YAML|must be)/);
    expect(errors('just-a-password')).toEqual(['input user-passwords: must be a map of names']);
  });

  it('never show in a message or in the log', () => {
    const secret = fc
      .array(fc.constantFrom('#', ' #', ': ', '"', '\n', '\0', '7', 'Q', '*', '&', '{'), { maxLength: 12 })
      .map((pieces) => `Q#7${pieces.join('')}Q#7`);
    fc.assert(
      fc.property(secret, fc.constantFrom(inLab, inProduction), fc.boolean(), (given, formation, quoted) => {
        const log = keptLog();
        let message = '';
        try {
          const text = quoted ? JSON.stringify(given) : given;
          passwordsOf({ application: given, users: `reporter: ${text}\n${text}: etl` }, formation, log);
        } catch (error) {
          message = String(error);
        }
        expect(message).not.toContain('Q#7');
        expect(log.lines.join('\n')).not.toContain('Q#7');
      }),
    );
  });
});

describe("the passwords of pg_auto_failover's accounts", () => {
  const given = (autoctl: string, replication: string, formation = production) =>
    accountPasswordsOf({ autoctl, replication }, formation);

  it('may be given, each by itself', () => {
    expect(given('', '')).toEqual({ autoctl: undefined, replication: undefined });
    expect(given('Az09._~-', '')).toEqual({ autoctl: 'Az09._~-', replication: undefined });
    expect(given(placeholderPassword, 'x'.repeat(128), lab)).toEqual({
      autoctl: placeholderPassword,
      replication: 'x'.repeat(128),
    });
  });

  it.each([
    'short77',
    'with blank',
    "it's-quoted",
    'back\\slash',
    'per%20cent',
    'a@b:c/d?e',
    'long#enough',
    'Übermäßig',
    'x'.repeat(129),
    'line\nbreak',
    'from-a-file\n',
  ])('are refused where pg_auto_failover would have to quote them: %j', (password) => {
    const all = errorsOf(() => given(password, password));
    expectSentences(all);
    expect(all).toEqual([
      expect.stringMatching(/^input autoctl-password: must be 8 to 128 letters, digits, /),
      expect.stringMatching(/^input replication-password: must be 8 to 128 letters, digits, /),
    ]);
    expect(all.join()).not.toContain(password);
  });

  it('are not the placeholder outside a lab', () => {
    expect(errorsOf(() => given(placeholderPassword, ''))).toEqual([
      expect.stringMatching(/^input autoctl-password: is the placeholder, .*environment is production/),
    ]);
  });
});

it('a password of a further user that was mangled on its way is refused', () => {
  const formation = formationOf(
    'environment: production\npostgres: { users: [{ name: reporter, databases: [veza] }] }',
  );
  const users = Buffer.from('reporter: "p\u00e4ssword"', 'latin1').toString();
  expect(
    errorsOf(() => passwordsOf({ application: 'hunter2-hunter2', users }, formation, keptLog())),
  ).toEqual(['input user-passwords: reporter: holds what is no UTF-8; store it in that encoding']);
});
