import { createHash, createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { matchesVerifier, scramVerifier } from '../../../src/postgres/scram.ts';

/** Made by `CREATE ROLE … PASSWORD` of Postgres 15.18 and read from pg_authid: the password holds what is named. */
const madeByPostgres: [string, string, string][] = [
  [
    'plain words',
    'correct horse battery staple',
    'SCRAM-SHA-256$4096:LQlgsoSJkrupiTGXlBvGew==$TQRKeNG7/ZxGvr2mmnPuj7jmQFpDj3qI6LQOWqJZR9A=:4aRLNYFeCSUNgChA66m8Ov6KOohDVatBktleh3mFH6A=',
  ],
  [
    'quotes, a backslash and a percent sign',
    'O\'Brien "x" \\ $tag$ 100%',
    'SCRAM-SHA-256$4096:YMR/smIM+/PZWASuFV++WA==$w1kmzCiDyc1zVsARzfSxVIQX1ItjDYY7vqJCzAT4gkk=:TWxSIUmOQ1RQmur6tuV+mlCKiB+9yfPJYJOJLQuLkoo=',
  ],
  [
    'an accent in two code points',
    'passe\u0301word',
    'SCRAM-SHA-256$4096:maIArRDJ7YogU+jlGcC90g==$WgrwP2NduT5ulyJdOH29KKmhtzKt4adaxYCIESkc8Fw=:9xBAkm1vIZfnr8G/PTK5GAhn3KDOTaFALTaGUOnvgE8=',
  ],
  [
    'a Roman numeral in one code point',
    'Henry \u2168',
    'SCRAM-SHA-256$4096:QLn7cNRIgNz/buUyQDyQ4Q==$9wCZ5rHFEfM4tH8MG3gVYE50hztyqdQOf8fVW2XevgM=:BREL39/JPPfM4zTxM/+f3OZ8ENLW2MzeR5aamn7uaGU=',
  ],
  [
    'a no-break space',
    'a\u00a0b12345',
    'SCRAM-SHA-256$4096:2Niifs4D3Tt+3zR/161Wrg==$T4s4roKEfMKf4wMFPU9zqEzQ3Y7cTk3d86A6+i8/nY8=:jcpaaVq4BInclNcMNf7iUKsaKn3+Bs45fOABol+hhgE=',
  ],
  [
    'an emoji',
    '\u{1F600}password',
    'SCRAM-SHA-256$4096:2k4SRNXSuodBWW5g5cgPkg==$4Zol2SX3dEKhnWbKms1wHTh4DyvYWZuUEjryA+dpbuo=:Hfk0y3ypJwOSjRfmsbuy9khwg7MfbYNTSdbKmZiGEg8=',
  ],
  [
    'a soft hyphen, which is mapped to nothing',
    'I\u00adXpassword',
    'SCRAM-SHA-256$4096:6KSE6ceTpsLxNvXJPrFJnw==$dJaApK7oxQFvgisAfM2ab3LTajfLWQtY/T8VEEo7mqU=:N+t90v7wAO/sFecpPOGvFppkBs9XottEyRNBTJx/QBY=',
  ],
  [
    'an emoji, for which the accent stays as it is',
    '\u{1F600}e\u0301password',
    'SCRAM-SHA-256$4096:0SA7F/gHD0WfYHvWkmVn+w==$0w2Owr692Uz7+23D0xVxPwQlgdDSGbowyHZGwQNjkZU=:sAN217g5Q2ORsFGqJTs5pRHSotam7F8i4d46npodPSU=',
  ],
  [
    'a control character, for which the accent stays as it is',
    '\u0007e\u0301password',
    'SCRAM-SHA-256$4096:tiDaMn81FUf0OF3urSHwGA==$6aCvDLsktoiTyPdVw8heXpJcW2xB39iOcMzDZ+mXwxI=:wo61DuVX3TD52fOdJL31C5PJzyOU+s2mJweEYWzzsFo=',
  ],
];

/** RFC 5802's Hi(), written out: PBKDF2 with HMAC-SHA-256 and one block. */
function hi(password: string, salt: Buffer, iterations: number): Buffer {
  const hmac = (data: Buffer) => createHmac('sha256', password).update(data).digest();
  let u = hmac(Buffer.concat([salt, Buffer.from([0, 0, 0, 1])]));
  const sum = Buffer.from(u);
  for (let round = 1; round < iterations; round++) {
    u = hmac(u);
    for (const [index, byte] of u.entries()) sum[index] = (sum[index] ?? 0) ^ byte;
  }
  return sum;
}

describe('a stored verifier', () => {
  it.each(madeByPostgres)('of Postgres matches its password: %s', (_, password, stored) => {
    expect(matchesVerifier(password, stored)).toBe(true);
  });

  it.each(madeByPostgres)('of Postgres matches no other password: %s', (_, password, stored) => {
    expect(matchesVerifier(`${password}x`, stored)).toBe(false);
    expect(matchesVerifier('', stored)).toBe(false);
  });

  const [, password = '', stored = ''] = madeByPostgres[0] ?? [];
  it.each([
    ['with another server key', stored.replace(/.$/, 'A')],
    ['with another salt', stored.replace(':LQ', ':AA')],
    ['with another count of iterations', stored.replace('$4096:', '$4095:')],
    ['with something behind it', `${stored} `],
    ['cut short', stored.slice(0, -4)],
    ['of nothing', ''],
    ['in MD5', 'md5a3f7f6a2c6e0e5f8b5b0b2a6f7d4c1e9'],
    ['in plain text', password],
    ['of another mechanism', stored.replace('256', '512')],
    ['without iterations', 'SCRAM-SHA-256$0:AAAA$AAAA:AAAA'],
    ['with iterations beyond measure', 'SCRAM-SHA-256$99999999999:AAAA$AAAA:AAAA'],
  ])('%s matches nothing', (_, other) => {
    expect(matchesVerifier(password, other)).toBe(false);
  });
});

describe('a verifier of ours', () => {
  it('has the form and the iterations of Postgres', () => {
    expect(scramVerifier('secret-1')).toMatch(
      /^SCRAM-SHA-256\$4096:[A-Za-z0-9+/]{22}==\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$/,
    );
  });

  it('holds the keys of RFC 5802', () => {
    const parts = /\$(\d+):([^$]+)\$([^:]+):(.+)$/.exec(scramVerifier('secret-1'));
    const salted = hi('secret-1', Buffer.from(parts?.[2] ?? '', 'base64'), Number(parts?.[1]));
    const key = (text: string) => createHmac('sha256', salted).update(text).digest();
    expect(parts?.[3]).toBe(createHash('sha256').update(key('Client Key')).digest('base64'));
    expect(parts?.[4]).toBe(key('Server Key').toString('base64'));
  });

  it('matches its password, has a salt of its own, and does not hold the password', () => {
    const [one, two] = [scramVerifier('secret-1'), scramVerifier('secret-1')];
    expect(one).not.toBe(two);
    expect(matchesVerifier('secret-1', one)).toBe(true);
    expect(matchesVerifier('secret-2', one)).toBe(false);
    expect(one).not.toContain('secret-1');
  });
});
