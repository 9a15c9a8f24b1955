import { describe, expect, it } from 'vitest';
import { applicationAccess, tlsOf } from '../../../src/application/access.ts';
import { builtInFormation } from '../builders.ts';

describe("the application's way in", () => {
  it('is its user, its database, and the nodes in the order of its connection string', () => {
    const found = applicationAccess(builtInFormation(), { password: 'secret' });
    if (!('access' in found)) throw new Error(found.missing);
    const { access } = found;
    expect(access.nodes.map(({ name }) => name)).toEqual(['pgaf-primary', 'pgaf-replica']);
    expect(access).toMatchObject({ database: 'veza', user: 'veza' });
    expect(access.nodes.map((node) => access.loginTo(node))).toMatchObject([
      { user: 'veza', password: 'secret', host: 'pgaf-primary.incus', port: 5432 },
      { host: 'pgaf-replica.incus' },
    ]);
    expect(JSON.stringify(access)).not.toContain('secret');
  });

  it('is missing without the password, or without the CA that the formation has clients verify by', () => {
    const formation = builtInFormation();
    expect(applicationAccess(formation, { password: '' })).toEqual({
      missing:
        "the figures of clients are missing: the password of the application's user veza was not given",
    });
    for (const tls of ['verify-ca', 'verify-full'] as const)
      for (const ca of [undefined, ' \n'])
        expect(applicationAccess({ ...formation, tls }, { password: 'secret', ca })).toEqual({
          missing: `the figures of clients are missing: the formation says tls: ${tls}, and no CA was given to verify its servers by`,
        });
  });
});

describe("a client's TLS is that of libpq's sslmode", () => {
  it.each([
    ['require', false, true],
    ['verify-ca', true, true],
    ['verify-full', true, false],
  ] as const)('%s', (mode, verifies, anyName) => {
    const tls = tlsOf(mode, 'a CA');
    expect(tls.rejectUnauthorized).toBe(verifies);
    expect(tls.ca).toBe(verifies ? 'a CA' : undefined);
    expect(tls.checkServerIdentity !== undefined).toBe(anyName);
  });
});
