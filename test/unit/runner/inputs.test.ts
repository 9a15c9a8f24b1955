import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import {
  choice,
  connectionString,
  forgetSecrets,
  type InputSpec,
  inputSecrets,
  password,
  rawInput,
  readInputs,
  secondsInput,
  secretOrMap,
  textInput,
} from '../../../src/runner/inputs.ts';
import { errorsOf, expectSentences } from '../refusal.ts';

const specs = {
  formation: textInput,
  fault: choice(['stop', 'freeze']),
  'rto-target-seconds': secondsInput(1, 3600),
  'app-password': password,
};
const env = {
  INPUT_FORMATION: 'formation.yaml',
  INPUT_FAULT: 'stop',
  'INPUT_RTO-TARGET-SECONDS': '60',
  'INPUT_APP-PASSWORD': 'from-the-vault',
};

describe('inputs are read', () => {
  it('as a runner passes them, hyphens and all', () => {
    expect(readInputs(specs, env)).toEqual({
      formation: 'formation.yaml',
      fault: 'stop',
      'rto-target-seconds': 60,
      'app-password': 'from-the-vault',
    });
  });

  it('as a shell can pass them, without hyphens', () => {
    const { 'INPUT_RTO-TARGET-SECONDS': _, ...rest } = env;
    expect(readInputs(specs, { ...rest, INPUT_RTO_TARGET_SECONDS: '45.5' })['rto-target-seconds']).toBe(45.5);
  });

  it("the runner's own name before the shell's", () => {
    expect(rawInput('a-b', { 'INPUT_A-B': 'runner', INPUT_A_B: 'shell' })).toBe('runner');
    expect(rawInput('a-b', {})).toBe('');
  });

  it('without blanks around, but with every line of inline YAML as it was indented', () => {
    const yaml = '  postgres:\n    version: 15\n';
    expect(readInputs({ formation: textInput }, { INPUT_FORMATION: '  a.yaml\t' }).formation).toBe('a.yaml');
    expect(readInputs({ formation: textInput }, { INPUT_FORMATION: yaml }).formation).toBe(yaml);
  });

  it.each([
    [
      '\ufeffhunter2-of-an-editor',
      'begins with a byte order mark, as some editors write one; store it without',
    ],
    [Buffer.from('p\u00e4ssword', 'latin1').toString(), 'holds what is no UTF-8; store it in that encoding'],
  ])('not where a password was mangled on its way: nobody could log in with %j', (given, why) => {
    expect(errorsOf(() => readInputs({ password }, { INPUT_PASSWORD: given }))).toEqual([
      `input password: ${why}`,
    ]);
  });

  it('to the letter where they are secret: the log masks just what was given', () => {
    expect(readInputs({ password }, { INPUT_PASSWORD: ' with blanks ' }).password).toBe(' with blanks ');
  });

  it('as empty where they are not given', () => {
    expect(readInputs({ formation: textInput, password }, {})).toEqual({ formation: '', password: '' });
  });
});

describe('errors of inputs', () => {
  it('are told together, each with its name, what is allowed and what was found', () => {
    const errors = errorsOf(() =>
      readInputs(specs, { INPUT_FAULT: 'explode', 'INPUT_RTO-TARGET-SECONDS': 'soon' }),
    );
    expectSentences(errors);
    expect(errors).toEqual([
      'input fault: must be stop, freeze (found "explode")',
      'input rto-target-seconds: must be seconds from 1 to 3600, such as 60 (found "soon")',
    ]);
  });

  it('never hold a secret', () => {
    const picky = {
      secrets: (given: string) => [given],
      parse(): never {
        throw new Error('must be longer');
      },
    };
    expect(errorsOf(() => readInputs({ password: picky }, { INPUT_PASSWORD: 'hunter2' }))).toEqual([
      'input password: must be longer',
    ]);
  });
});

describe('what the log masks', () => {
  const masked = (spec: InputSpec<unknown>, given: string) =>
    inputSecrets({ given: spec }, { INPUT_GIVEN: given });

  it('is every secret input, however it was passed, and no other', () => {
    const all = { formation: textInput, 'app-password': password, 'other-password': password };
    expect(
      inputSecrets(all, {
        INPUT_FORMATION: 'f.yaml',
        'INPUT_APP-PASSWORD': 'hunter2',
        INPUT_OTHER_PASSWORD: ' with blanks ',
      }),
    ).toEqual(['hunter2', ' with blanks ', 'with blanks']);
    expect(inputSecrets(all, { 'INPUT_APP-PASSWORD': ' ' })).toEqual([]);
  });

  it('is each line of a secret, since runners mask line by line', () => {
    expect(masked(password, 'first line\r\n second\n\nx\n')).toEqual([
      'first line\r\n second\n\nx\n',
      'first line\r\n second\n\nx',
      'first line',
      'second',
    ]);
  });

  it("is each line of a key, but not PEM's own words", () => {
    const pem = '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG\nByqGSM49==\n-----END PRIVATE KEY-----\n';
    expect(masked(secretOrMap, pem)).toEqual([pem, 'MIGHAgEAMBMG', 'ByqGSM49==']);
    const map = `a: |\n  ${pem.trim().replaceAll('\n', '\n  ')}\nb: ${JSON.stringify('one\nlines')}\n`;
    expect(masked(secretOrMap, map)).toEqual([pem, 'one\nlines', 'MIGHAgEAMBMG', 'ByqGSM49==', 'lines']);
  });

  it('is each value of a map, as YAML has it', () => {
    const map = `reporter: 00123456\netl: 'it''s'\n"x": "tab\\there"\nempty:\n{}: y\n`;
    expect(masked(secretOrMap, map)).toEqual(expect.arrayContaining(['00123456', "it's", 'tab\there']));
    expect(masked(secretOrMap, '{a: first-one, b: "second, one"}')).toEqual(['first-one', 'second, one']);
  });

  it.each([
    ['a value that YAML refuses', 'reporter: @hunter2\netl: other\n', '@hunter2'],
    ['a value that is an alias', 'reporter: *hunter2', '*hunter2'],
    ['a value in quotes that do not end', 'reporter: "hunter2', 'hunter2'],
    ['a value with a comment', 'reporter: hunter2 #more', 'hunter2 #more'],
    ['a map in a map', 'reporter:\n  password: hunter2', 'hunter2'],
    ['one password', 'hunter2', 'hunter2'],
    ['a deep nest', `hunter2: ${'['.repeat(100)}`, 'hunter2:'],
  ])('is all of what is no such map: %s', (_, given, expected) => {
    const all = masked(secretOrMap, given);
    expect(all.some((each) => each.startsWith(expected))).toBe(true);
    for (const line of given
      .split('\n')
      .map((each) => each.trim())
      .filter(Boolean))
      expect(all).toContain(line);
  });

  it('covers every value of every map, in any style of YAML', () => {
    const value = fc.string({ unit: 'grapheme', minLength: 1 });
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), value),
        fc.constantFrom('PLAIN', 'QUOTE_SINGLE', 'QUOTE_DOUBLE', 'BLOCK_LITERAL', 'BLOCK_FOLDED'),
        (map, defaultStringType) => {
          // YAML turns line breaks of any kind into line feeds.
          const given = stringify(map, {
            schema: 'failsafe',
            defaultStringType: defaultStringType as 'PLAIN',
          });
          const all = masked(secretOrMap, given);
          for (const each of Object.values(map))
            if (each.trim() !== '' && !/[\r\u0085\u2028\u2029]/.test(each)) expect(all).toContain(each);
        },
      ),
    );
  });

  it('can be told of any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), (given) => {
        for (const each of masked(secretOrMap, given)) expect(each.trim()).not.toBe('');
      }),
    );
  });
});

describe('seconds', () => {
  const seconds = secondsInput(0.5, 86_400);

  it.each([
    ['0.5', 0.5],
    ['60', 60],
    ['59.999', 59.999],
    ['86400', 86_400],
    ['007', 7],
  ])('%s is taken', (given, value) => {
    expect(seconds.parse(given)).toBe(value);
  });

  it.each([
    ...['', ' ', '0', '0.4', '86401', '-1', '+1', '1e3', '0x10', '60s', '1,5', '.5', '5.', 'NaN', 'Infinity'],
    ...['1 2', '٦٠', '6\n0', '9'.repeat(400)],
  ])('%j is refused', (given) => {
    expect(() => seconds.parse(given)).toThrow(/^must be seconds from 0\.5 to 86400, such as 60$/);
  });

  it('every number that is taken is within its bounds', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.double().map(String)), (given) => {
        let value: number | undefined;
        try {
          value = seconds.parse(given);
        } catch {
          return;
        }
        expect(value).toBeGreaterThanOrEqual(0.5);
        expect(value).toBeLessThanOrEqual(86_400);
      }),
    );
  });

  it('name an example that is itself allowed', () => {
    expect(() => secondsInput(0.001, 5).parse('x')).toThrow(/such as 5$/);
    expect(() => secondsInput(120, 300).parse('x')).toThrow(/such as 120$/);
  });
});

describe('a choice', () => {
  it.each(['Stop', 'STOP', 'stop ', '', 'sto', 'toString', '__proto__'])('%j is not stop', (given) => {
    expect(() => choice(['stop']).parse(given)).toThrow(/^must be stop$/);
  });
});

describe('secrets that were read', () => {
  it('are gone from the environment by either name, and what is no secret stays', () => {
    const given: NodeJS.ProcessEnv = { ...env, INPUT_APP_PASSWORD: 'by a shell', PATH: '/bin' };
    forgetSecrets(specs, given);
    const { 'INPUT_APP-PASSWORD': _, ...rest } = env;
    expect(given).toEqual({ ...rest, PATH: '/bin' });
  });
});

describe('a connection string', () => {
  it.each([
    ['postgres://veza:p%40ss@a,b/veza', ['postgres://veza:p%40ss@a,b/veza', 'p%40ss', 'p@ss']],
    ['postgres://veza:%zz@a/veza', ['postgres://veza:%zz@a/veza', '%zz']],
    ['postgres://veza@a/veza', ['postgres://veza@a/veza']],
    ['postgres://veza@a,b:5432/veza?x=y', ['postgres://veza@a,b:5432/veza?x=y']],
    ['', []],
  ])('%j is masked whole, and so is its password', (given, secrets) => {
    expect(connectionString.secrets?.(given)).toEqual(secrets);
  });
});

/** Whether a text can be shown without anything of a secret: each of its pieces is masked. */
const maskedPieces = (given: string) => {
  const masks = inputSecrets({ uri: connectionString }, { INPUT_URI: given });
  return (piece: string) =>
    masks.some((mask) => mask !== given.trim() && mask.includes(piece) && mask.length < given.length);
};

describe('a connection string that is wrong', () => {
  it.each([
    ['an @ in the password', 'postgres://veza:hunter2@S3cretTail@pgaf-primary.incus,b/veza', 'S3cretTail'],
    ['a / in the password', 'postgres://veza:hunter2/S3cretTail@pgaf-primary.incus/veza', 'S3cretTail'],
    ['a ? in the password', 'postgres://veza:hunter2?S3cretTail@a/veza', 'S3cretTail'],
    ['a # in the password', 'postgres://veza:hunter2#S3cretTail@a/veza', 'S3cretTail'],
    ['a : in the password', 'postgres://veza:hunter2:S3cretTail@a/veza', 'S3cretTail'],
    ['no scheme', 'veza:S3cretTail@a/veza', 'S3cretTail'],
    ['another scheme', 'jdbc:postgresql://veza:S3cretTail@a/veza', 'S3cretTail'],
    ['a password for each host', 'postgres://veza:hunter2@a,veza:S3cretTail@b/veza', 'S3cretTail'],
    ['no @', 'postgres://veza:S3cretTail/veza', 'S3cretTail'],
    ['a password in its parameters', 'postgres://a/veza?user=veza&password=S3cretTail', 'S3cretTail'],
    ['an encoded name of a parameter', 'postgres://a/veza?pass%77ord=S3cretTail', 'S3cretTail'],
    ['key=value', "host=a user=veza password = 'S3cret Tail' x=y", 'S3cret Tail'],
    ['a broken quote', "host=a password='S3cretTail", 'S3cretTail'],
    ['a password in place of the user', 'postgres://S3cretTail@x@a/veza', 'S3cretTail'],
  ])('has every part masked that may be its password: %s', (_, given, piece) => {
    expect(maskedPieces(given)(piece)).toBe(true);
  });
});

describe('a password', () => {
  it.each([
    ['hunter2\n', /^ends in a line break, .*store it in the vault without one$/],
    ['hunter2\r\n', /^ends in a line break/],
    ['\n', /^ends in a line break/],
    ['two\nlines', /^must be one line/],
    ['two\nlines\n', /^must be one line/],
    ['a\0b', /^must be one line/],
  ])('%j is refused by every action alike', (given, says) => {
    expect(() => password.parse(given)).toThrow(says);
    const errors = errorsOf(() => readInputs({ 'app-password': password }, { 'INPUT_APP-PASSWORD': given }));
    for (const word of given.split(/\W/).filter((each) => each.length > 2))
      expect(errors.join()).not.toContain(word);
  });

  it('is masked without its line break too', () => {
    expect(inputSecrets({ p: password }, { INPUT_P: 'hunter2\n' })).toEqual(['hunter2\n', 'hunter2']);
  });
});

describe('what was found', () => {
  it('is told to have been nothing, with the likely cause', () => {
    const errors = errorsOf(() => readInputs(specs, { ...env, 'INPUT_RTO-TARGET-SECONDS': '' }));
    expectSentences(errors);
    expect(errors).toEqual([
      expect.stringMatching(
        /^input rto-target-seconds: must be seconds from 1 to 3600, such as 60 \(found nothing: .*`schedule`; leave the input out for its default/,
      ),
    ]);
  });

  it('is told in a few words, however long it was', () => {
    const errors = errorsOf(() => readInputs(specs, { ...env, INPUT_FAULT: 'x'.repeat(1_000_000) }));
    expectSentences(errors);
  });

  it('is masked where it is a private key, whatever the input', () => {
    const key = '-----BEGIN EC PRIVATE KEY-----\nMIGHAgEAMBMG\n-----END EC PRIVATE KEY-----';
    expect(inputSecrets({ 'tls-ca': textInput }, { 'INPUT_TLS-CA': `x\n${key}\ny` })).toEqual([
      key,
      'MIGHAgEAMBMG',
    ]);
    expect(inputSecrets({ 'tls-ca': textInput }, { 'INPUT_TLS-CA': key.slice(0, -20) })).toContain(
      'MIGHAgEAMBMG',
    );
  });
});
