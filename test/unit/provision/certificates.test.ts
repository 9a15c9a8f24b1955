import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import {
  type Certificates,
  certificatesOf,
  type GivenCertificates,
} from '../../../src/provision/certificates/certificates.ts';
import { isPem, pemBlocks } from '../../../src/provision/certificates/pem.ts';
import { formationOf } from '../builders.ts';
import { errorsOf, expectSentences } from '../refusal.ts';
import { type MadeCertificate, Openssl } from './authority.ts';

const openssl = new Openssl();
afterAll(() => openssl.close());

const containers = ['pgaf-monitor', 'pgaf-primary', 'pgaf-replica'];
const hosts = containers.map((name) => `DNS:${name}.incus`).join(',');
const selfSigned = formationOf('tls: self-signed');
const verifyCa = formationOf('tls: verify-ca');
const verifyFull = formationOf('tls: verify-full');

const root = openssl.authority('Veza root');
const server = openssl.server(root, hosts);
const good: GivenCertificates = { ca: root.pem, certificate: server.pem, key: server.key };

const dayMs = 86_400_000;
/** Later than what is made here, however long that takes. */
const now = Date.now() + 3_600_000;
const given = (made: MadeCertificate, ca = root.pem): GivenCertificates => ({
  ca,
  certificate: made.pem,
  key: made.key,
});
const read = (inputs: GivenCertificates, formation = verifyFull, nowMs = now): Certificates => {
  const certificates = certificatesOf(inputs, formation, nowMs);
  if (!certificates) throw new Error('no certificates');
  return certificates;
};
const certificateOf = (inputs: GivenCertificates, name = 'pgaf-monitor') => {
  const member = read(inputs).members.get(name);
  if (!member) throw new Error(`no certificate for ${name}`);
  return member;
};

/** Refused for these reasons, in sentences, none of which holds a line of a key. */
function refused(inputs: GivenCertificates, formation = verifyFull, nowMs = now): readonly string[] {
  const errors = errorsOf(() => certificatesOf(inputs, formation, nowMs));
  expectSentences(errors);
  const keyLines = inputs.key.split('\n').map((line) => line.trim());
  for (const line of keyLines.filter((each) => each.length > 20 && !each.includes('-----')))
    expect(errors.join('\n')).not.toContain(line);
  return errors;
}

describe('self-signed', () => {
  it('takes no certificates', () => {
    expect(certificatesOf({ ca: '', certificate: ' \n', key: '' }, selfSigned, now)).toBeUndefined();
  });

  it('refuses each that is given', () => {
    expect(refused({ ...good, certificate: '' }, selfSigned)).toEqual([
      expect.stringMatching(/^input tls-ca: has no meaning with tls: self-signed; .*verify-ca/),
      expect.stringMatching(/^input tls-key: has no meaning/),
    ]);
  });
});

describe('one certificate for all', () => {
  it.each([
    ['verify-ca', verifyCa],
    ['verify-full', verifyFull],
  ])('is given to every member with tls: %s', (_, formation) => {
    const { members, warnings } = read(good, formation);
    expect([...members.keys()]).toEqual(containers);
    for (const { ca, certificate, key } of members.values()) {
      expect(new X509Certificate(ca).subject).toContain('Veza root');
      expect(new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))).toBe(true);
      expect(key).toMatch(/^-----BEGIN PRIVATE KEY-----\n[\s\S]*\n-----END PRIVATE KEY-----\n$/);
    }
    expect(warnings).toEqual([]);
  });

  it('is the same text however it was laid out', () => {
    const plain = certificateOf(good);
    const pretty = (text: string) =>
      `Bag Attributes\n  friendlyName: x\n${text.replaceAll('\n', '\r\n  ')}\n\n`;
    expect(
      certificateOf({ ca: pretty(root.pem), certificate: pretty(server.pem), key: pretty(server.key) }),
    ).toEqual(plain);
  });

  it.each(['rsa', 'ed25519'] as const)('may have a key of the kind %s', (kind) => {
    expect(read(given(openssl.server(root, hosts, { kind }))).members.size).toBe(3);
  });

  it('may have its key in an older form', () => {
    const file = openssl.path();
    openssl.run('ecparam', '-name', 'prime256v1', '-genkey', '-out', file);
    const key = readFileSync(file, 'utf8');
    expect(pemBlocks(key)?.map(({ label }) => label)).toEqual(['EC PARAMETERS', 'EC PRIVATE KEY']);
    expect(refused({ ...good, key })).toEqual([
      expect.stringMatching(
        /^input tls-key: does not belong to input tls-certificate: certificate 1 \(CN=pgaf\)$/,
      ),
    ]);
    const out = openssl.path();
    openssl.run('ec', '-in', server.files.key, '-out', out);
    expect(certificateOf({ ...good, key: readFileSync(out, 'utf8') })).toEqual(certificateOf(good));
  });

  it('may come through intermediates, in the chain or among the CAs', () => {
    const intermediate = openssl.authority('Veza issuing', openssl.authority('Veza middle', root));
    const middle = openssl.authority('Veza middle 2', root);
    const issuing = openssl.authority('Veza issuing 2', middle);
    const own = openssl.server(issuing, hosts);
    const chain = own.pem + issuing.pem + middle.pem;
    const { certificate } = certificateOf({ ...given(own), certificate: chain });
    expect(
      pemBlocks(certificate)?.map(({ text }) => new X509Certificate(text).subject.split('\n').at(-1)),
    ).toEqual(['CN=pgaf', 'CN=Veza issuing 2', 'CN=Veza middle 2']);
    // Unordered, after the first; and among CAs that have nothing to do with it.
    read({ ...given(own), certificate: own.pem + middle.pem + issuing.pem });
    read(given(own, intermediate.pem + middle.pem + root.pem + issuing.pem));
  });

  it('may be issued by one of several CAs, also of the same name', () => {
    const other = openssl.authority('Veza root');
    read({ ...good, ca: other.pem + root.pem });
  });

  it('may do without extended key usage, which allows everything', () => {
    read(given(openssl.server(root, hosts, { more: [] })));
  });

  it('may be its own CA', () => {
    const own = openssl.make('/CN=pgaf', ['basicConstraints=CA:TRUE', `subjectAltName=${hosts}`]);
    read(given(own, own.pem));
  });
});

describe('a map of certificates', () => {
  const each = containers.map((name) => openssl.server(root, `DNS:${name}.incus`));
  const mapOf = (part: 'pem' | 'key') =>
    Object.fromEntries(containers.map((name, index) => [name, each[index]?.[part] ?? '']));
  const map: GivenCertificates = {
    ca: root.pem,
    certificate: stringify(mapOf('pem')),
    key: stringify(mapOf('key')),
  };

  it('gives every member its own', () => {
    const { members } = read(map);
    for (const [name, { certificate, key }] of members) {
      expect(new X509Certificate(certificate).subjectAltName).toBe(`DNS:${name}.incus`);
      expect(new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))).toBe(true);
    }
  });

  it('may be JSON, as vaults have it', () => {
    expect(
      read({ ...map, certificate: JSON.stringify(mapOf('pem')), key: JSON.stringify(mapOf('key')) }),
    ).toEqual(read(map));
  });

  it('is not mixed up', () => {
    const [monitor = '', primary = '', replica = ''] = each.map(({ pem }) => pem);
    const swapped = { 'pgaf-monitor': monitor, 'pgaf-primary': replica, 'pgaf-replica': primary };
    expect(refused({ ...map, certificate: stringify(swapped) })).toEqual([
      expect.stringMatching(
        /^input tls-key: pgaf-primary: does not belong to input tls-certificate: pgaf-primary: /,
      ),
      expect.stringMatching(
        /^input tls-certificate: pgaf-primary: certificate 1 does not cover pgaf-primary\.incus/,
      ),
      expect.stringMatching(/^input tls-key: pgaf-replica: does not belong/),
      expect.stringMatching(
        /^input tls-certificate: pgaf-replica: certificate 1 does not cover pgaf-replica\.incus/,
      ),
    ]);
  });

  it('has every container of the formation and no other; names are told by their line', () => {
    const { 'pgaf-replica': _, ...rest } = mapOf('key');
    const errors = refused({
      ...map,
      certificate: stringify({ 'not-there': each[0]?.pem ?? '', ...mapOf('pem') }),
      key: stringify(rest),
    });
    expect(errors).toEqual([
      "input tls-certificate: line 1: is not one of the formation's containers: pgaf-monitor, pgaf-primary, pgaf-replica",
      'input tls-key: lacks pgaf-replica; a map has every container of the formation',
    ]);
  });

  it('is not repeated where its parts are the wrong way round', () => {
    const key = each[0]?.key ?? '';
    refused({ ...map, key: JSON.stringify({ [key]: 'pgaf-monitor' }) });
    refused({ ...map, key: `? |\n  ${key.trim().replaceAll('\n', '\n  ')}\n: pgaf-monitor\n` });
  });

  it('tells the member of each error', () => {
    const broken = { ...mapOf('key'), 'pgaf-replica': 'nothing', 'pgaf-primary': 'tls-key-from-the-vault' };
    expect(refused({ ...map, key: stringify(broken) })).toEqual([
      expect.stringMatching(/^input tls-key: pgaf-primary: must hold one private key in PEM/),
      expect.stringMatching(/^input tls-key: pgaf-replica: must hold one private key in PEM/),
    ]);
    expect(refused({ ...map, key: 'pgaf-monitor: @\npgaf-primary: x' })).toContainEqual(
      expect.stringMatching(/^input tls-key: line 1: not valid YAML/),
    );
  });
});

describe('what is missing or is no PEM', () => {
  it('is told, all at once', () => {
    expect(refused({ ca: '', certificate: '\n', key: '' })).toEqual([
      'input tls-ca: is missing, and the formation says tls: verify-full',
      'input tls-certificate: is missing, and the formation says tls: verify-full',
      'input tls-key: is missing, and the formation says tls: verify-full',
    ]);
  });

  it.each([
    ['a path', '/etc/ssl/veza.pem', /must be PEM \(/, /must be PEM \(.*, or a YAML map/],
    ['cut short', '-----BEGIN CERTIFICATE-----\nMIIB', /is cut short/, /is cut short/],
    [
      'damaged',
      '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
      /certificate 1 cannot be read; it is damaged/,
      /must hold one private key/,
    ],
    [
      'a damaged key',
      '-----BEGIN PRIVATE KEY-----\nMIIBc2VjcmV0\n-----END PRIVATE KEY-----',
      /holds a private key; it belongs in tls-key/,
      /cannot be read; it is damaged/,
    ],
    ['two keys', server.key + server.key, /holds a private key/, /must hold one private key/],
    [
      'a certificate with its key',
      server.pem + server.key,
      /holds a private key/,
      /must hold one private key/,
    ],
    [
      'a request',
      '-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----',
      /holds a CERTIFICATE REQUEST, which is not a certificate/,
      /must hold one private key/,
    ],
  ])('is told for each input: %s', (_, text, ofCertificates, ofKey) => {
    const errors = refused({ ca: text, certificate: text, key: text });
    for (const [input, expected] of [
      ['tls-ca', ofCertificates],
      ['tls-certificate', ofCertificates],
      ['tls-key', ofKey],
    ] as const)
      expect(
        errors.filter((error) => error.startsWith(`input ${input}: `) && expected.test(error)),
      ).toHaveLength(1);
  });
});

describe('a key', () => {
  it.each([
    ['PKCS #8', ['pkcs8', '-topk8', '-v2', 'aes256']],
    ['the older form', ['rsa', '-aes256', '-traditional']],
  ])('that is encrypted is refused: %s', (_, command) => {
    const [key, out] = [openssl.newKey('rsa'), openssl.path()];
    openssl.run(...command, '-passout', 'pass:hunter2', '-in', key.file, '-out', out);
    expect(refused({ ...good, key: readFileSync(out, 'utf8') })).toEqual([
      expect.stringMatching(/^input tls-key: is encrypted, .* \(openssl pkey -in KEY\)$/),
    ]);
  });

  it('of another certificate is refused', () => {
    expect(refused({ ...good, key: openssl.newKey('rsa').text })).toEqual([
      'input tls-key: does not belong to input tls-certificate: certificate 1 (CN=pgaf)',
    ]);
  });

  it('that belongs to a later certificate of the chain shows that the order is wrong', () => {
    expect(refused({ ...good, certificate: root.pem + server.pem }, verifyCa)).toEqual([
      "input tls-key: belongs to input tls-certificate: certificate 2 (CN=pgaf); the member's own must be the first",
    ]);
  });

  it('that TLS has no use for is refused', () => {
    const file = openssl.path();
    openssl.run('genpkey', '-algorithm', 'X25519', '-out', file);
    expect(refused({ ...good, key: readFileSync(file, 'utf8') })).toEqual([
      expect.stringMatching(/^input tls-key: is of a kind that TLS cannot use/),
    ]);
  });

  it('that is too short for OpenSSL is refused', () => {
    expect(refused(given(openssl.server(root, hosts, { kind: 'rsa-1024' })))).toEqual([
      'input tls-certificate: certificate 1 (CN=pgaf) has an RSA key of 1024 bits; OpenSSL requires at least 2048',
    ]);
  });
});

describe('the chain', () => {
  it('must end at a CA that is given', () => {
    const other = openssl.authority('Somebody else');
    expect(refused({ ...good, ca: other.pem })).toEqual([
      'input tls-certificate: certificate 1 (CN=pgaf) is not issued by a CA of tls-ca: CN=Veza root is neither in tls-ca nor after it in tls-certificate',
    ]);
  });

  it('is not fooled by a CA of the same name', () => {
    expect(refused({ ...good, ca: openssl.authority('Veza root').pem })).toEqual([
      expect.stringMatching(/is not issued by a CA of tls-ca: CN=Veza root is there, but has not signed it$/),
    ]);
  });

  it('lacks nothing between', () => {
    const middle = openssl.authority('Veza middle', root);
    const issuing = openssl.authority('Veza issuing', middle);
    const own = openssl.server(issuing, hosts);
    expect(refused(given(own))).toEqual([
      expect.stringMatching(/is not issued by a CA of tls-ca: CN=Veza issuing is neither in tls-ca nor/),
    ]);
    expect(refused({ ...given(own), certificate: own.pem + issuing.pem })).toEqual([
      expect.stringMatching(
        /^input tls-certificate: certificate 1 \(CN=pgaf\) does not lead to a root in tls-ca: it leads to input tls-certificate: certificate 2 \(CN=Veza issuing\), and CN=Veza middle is neither/,
      ),
    ]);
  });

  it('reaches a root: OpenSSL trusts no intermediate by itself', () => {
    const issuing = openssl.authority('Veza issuing', root);
    expect(refused(given(openssl.server(issuing, hosts), issuing.pem))).toEqual([
      expect.stringMatching(
        /does not lead to a root in tls-ca: it leads to input tls-ca: certificate 1 \(CN=Veza issuing\), and CN=Veza root is neither/,
      ),
    ]);
  });

  it('goes through CAs alone', () => {
    const own = openssl.server(server, hosts);
    expect(refused({ ...given(own), certificate: own.pem + server.pem })).toHaveLength(1);
    expect(refused({ ...good, ca: root.pem + server.pem })).toEqual([
      'input tls-ca: certificate 2 (CN=pgaf) is not a CA: its basic constraints do not say CA:TRUE',
    ]);
  });
});

describe('time', () => {
  const short = openssl.server(root, hosts, { days: 100 });
  const inDays = (days: number) => now + days * dayMs;

  it('passes without a word while it is long', () => {
    expect(read(given(short), verifyFull, inDays(69)).warnings).toEqual([]);
  });

  it('is warned of once from thirty days on', () => {
    expect(read(given(short), verifyFull, inDays(75)).warnings).toEqual([
      expect.stringMatching(
        /^input tls-certificate: certificate 1 \(CN=pgaf\) expires in 24 days, on \d{4}-\d\d-\d\dT[\d:]+Z; renew it and run this again$/,
      ),
    ]);
  });

  it('is up a day early', () => {
    expect(refused(given(short), verifyFull, inDays(99.5))).toEqual([
      expect.stringMatching(/certificate 1 \(CN=pgaf\) expires within a day, on \d{4}-/),
    ]);
    expect(refused(given(short), verifyFull, inDays(101))).toEqual([
      expect.stringMatching(/certificate 1 \(CN=pgaf\) expired on \d{4}-/),
    ]);
  });

  it('has not come yet', () => {
    expect(refused(given(short), verifyFull, inDays(-2))).toEqual([
      expect.stringMatching(/certificate 1 \(CN=pgaf\) is not valid before \d{4}-/),
      expect.stringMatching(/^input tls-ca: certificate 1 \(CN=Veza root\) is not valid before \d{4}-/),
    ]);
  });

  it('passes for CAs and intermediates as well', () => {
    const oldRoot = openssl.authority('Old root', undefined, 50);
    const own = openssl.server(oldRoot, hosts);
    expect(refused(given(own, oldRoot.pem), verifyFull, inDays(60))).toEqual([
      expect.stringMatching(/^input tls-ca: certificate 1 \(CN=Old root\) expired on/),
    ]);
    expect(read(given(own, oldRoot.pem), verifyFull, inDays(40)).warnings).toEqual([
      expect.stringMatching(/^input tls-ca: certificate 1 \(CN=Old root\) expires in 9 days/),
    ]);
    // Nothing here needs it.
    expect(read({ ...good, ca: oldRoot.pem + root.pem }, verifyFull, inDays(60)).warnings).toEqual([]);
  });

  it('leaves a way round a CA that expired', () => {
    const oldIssuing = openssl.authority('Issuing', root, 50);
    const own = openssl.server(oldIssuing, hosts);
    const renewed = openssl.authority('Issuing', root, 300, {
      text: oldIssuing.key,
      file: oldIssuing.files.key,
    });
    const chain = own.pem + oldIssuing.pem + renewed.pem;
    expect(read({ ...given(own), certificate: chain }, verifyFull, inDays(60)).warnings).toEqual([]);
  });
});

describe('the host name', () => {
  it.each([
    ['another host', 'DNS:pgaf-monitor.incus,DNS:pgaf-primary.incus,DNS:other.incus', ['pgaf-replica.incus']],
    ['another domain', 'DNS:*.example.org', containers.map((name) => `${name}.incus`)],
    ['addresses alone', 'IP:10.0.0.1', containers.map((name) => `${name}.incus`)],
    ['no names but its common name', '', containers.map((name) => `${name}.incus`)],
    ['part of a name', 'DNS:pgaf-*.incus', containers.map((name) => `${name}.incus`)],
  ])('is covered with verify-full: not by a certificate of %s', (_, names, missing) => {
    const own = given(openssl.server(root, names));
    expect(refused(own)).toEqual(
      missing.map((host) =>
        expect.stringMatching(
          new RegExp(`^input tls-certificate: certificate 1 does not cover ${host}, .*names: \\S`),
        ),
      ),
    );
    // It is not asked for with verify-ca.
    expect(read(own, verifyCa).members.size).toBe(3);
  });

  it('may be covered by an asterisk', () => {
    const deep = formationOf('tls: verify-full\nincus: { domain: pg.example.org }');
    expect(read(given(openssl.server(root, 'DNS:*.pg.example.org')), deep).warnings).toEqual([]);
    expect(refused(given(openssl.server(root, 'DNS:*.example.org')), deep)).toHaveLength(3);
  });

  it('is covered by an asterisk before a single label for the nodes, with a warning for the others', () => {
    const { warnings } = read(given(openssl.server(root, 'DNS:*.INCUS')));
    expectSentences(warnings);
    expect(warnings).toHaveLength(3);
    expect(warnings[0]).toMatch(/^input tls-certificate: pgaf-monitor\.incus is covered by \*\.incus alone/);
  });
});

describe('the purpose', () => {
  it('is to be a server', () => {
    const own = given(openssl.server(root, hosts, { more: ['extendedKeyUsage=clientAuth'] }));
    expect(refused(own, verifyCa)).toEqual([
      'input tls-certificate: certificate 1 (CN=pgaf) is not for servers: its extended key usage lacks serverAuth',
    ]);
    read(given(openssl.server(root, hosts, { more: ['extendedKeyUsage=serverAuth'] })));
  });

  it('of a CA is one of what it issues', () => {
    const mail = openssl.make(
      '/CN=Mail',
      ['basicConstraints=critical,CA:TRUE', 'extendedKeyUsage=emailProtection'],
      { by: root },
    );
    const own = openssl.server(mail, hosts);
    expect(refused({ ...given(own), certificate: own.pem + mail.pem })).toEqual([
      expect.stringMatching(/certificate 2 \(CN=Mail\) is not for servers/),
    ]);
  });
});

describe('openssl verify', () => {
  const accepts = ({ ca, certificate }: GivenCertificates): boolean => {
    const [caFile, chainFile] = [ca, certificate].map((text) => {
      const file = openssl.path();
      writeFileSync(file, text);
      return file;
    }) as [string, string];
    const how = ['-purpose', 'sslserver', '-auth_level', '2', '-no-CApath', '-no-CAstore'];
    try {
      openssl.run('verify', ...how, '-CAfile', caFile, '-untrusted', chainFile, chainFile);
      return true;
    } catch {
      return false;
    }
  };
  const middle = openssl.authority('Middle', root);
  const issuing = openssl.authority('Issuing', middle);
  const own = openssl.server(issuing, hosts);
  const mail = openssl.make('/CN=Mail', ['basicConstraints=CA:TRUE', 'extendedKeyUsage=emailProtection'], {
    by: root,
  });
  const mailed = openssl.server(mail, hosts);
  const noSigner = openssl.make('/CN=X', ['basicConstraints=CA:TRUE', 'keyUsage=cRLSign'], { by: root });
  const unsigned = openssl.server(noSigner, hosts);
  const alone = openssl.make('/CN=alone', ['basicConstraints=CA:TRUE', `subjectAltName=${hosts}`]);

  it.each<[string, GivenCertificates]>([
    ['a certificate of the root', good],
    ['another root', { ...good, ca: alone.pem }],
    ['another root of the same name', { ...good, ca: openssl.authority('Veza root').pem }],
    ['two roots of one name', { ...good, ca: openssl.authority('Veza root').pem + root.pem }],
    ['a full chain', { ...given(own), certificate: own.pem + issuing.pem + middle.pem }],
    ['a chain out of order', { ...given(own), certificate: own.pem + middle.pem + issuing.pem }],
    ['a chain in two parts', { ...given(own, root.pem + middle.pem), certificate: own.pem + issuing.pem }],
    ['a chain with a hole', { ...given(own), certificate: own.pem + issuing.pem }],
    ['a chain without its root', { ...given(own, middle.pem), certificate: own.pem + issuing.pem }],
    ['no chain', given(own)],
    ['a certificate that is its own root', given(alone, alone.pem)],
    ['one for clients', given(openssl.server(root, hosts, { more: ['extendedKeyUsage=clientAuth'] }))],
    ['one for anything', given(openssl.server(root, hosts, { more: [] }))],
    [
      'one by name for anything',
      given(openssl.server(root, hosts, { more: ['extendedKeyUsage=2.5.29.37.0'] })),
    ],
    ['a CA for mail', { ...given(mailed), certificate: mailed.pem + mail.pem }],
    ['a CA that may not sign', { ...given(unsigned), certificate: unsigned.pem + noSigner.pem }],
    ['a server as CA', given(openssl.server(server, hosts), root.pem)],
    ['a short key', given(openssl.server(root, hosts, { kind: 'rsa-1024' }))],
    ['an Ed25519 key', given(openssl.server(root, hosts, { kind: 'ed25519' }))],
  ])('is of the same mind: %s', (_, inputs) => {
    let refusal: unknown;
    try {
      certificatesOf(inputs, verifyCa, now);
    } catch (error) {
      refusal = error;
    }
    expect(refusal === undefined, String(refusal)).toBe(accepts(inputs));
  });
});

describe('everything that is wrong', () => {
  it('is told at once', () => {
    const own = openssl.server(openssl.authority('Somebody else'), 'DNS:other.incus', {
      days: 5,
      more: ['extendedKeyUsage=clientAuth'],
    });
    const errors = refused(
      { ca: root.pem, certificate: own.pem, key: server.key },
      verifyFull,
      now + 6 * dayMs,
    );
    for (const expected of [
      /does not belong to/,
      /does not cover pgaf-monitor\.incus/,
      /does not cover pgaf-replica\.incus/,
      /is not issued by a CA of tls-ca/,
      /expired on/,
      /is not for servers/,
    ])
      expect(errors.filter((error) => expected.test(error))).toHaveLength(1);
    expect(errors).toHaveLength(7);
  });

  it('is told of any text, without anything of the key', () => {
    const piece = fc.oneof(
      fc.constantFrom('\n', '\r\n', ' ', ': ', '|', '>', '"', 'pgaf-monitor', '-----BEGIN PRIVATE KEY-----'),
      fc.constantFrom(
        '-----END PRIVATE KEY-----',
        '-----BEGIN CERTIFICATE-----',
        '-----END CERTIFICATE-----',
      ),
      fc.constantFrom(...server.key.split('\n'), ...server.pem.split('\n')),
    );
    const anyText = fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(anyText, anyText, anyText, (ca, certificate, key) => {
        refused({ ca, certificate, key: `${key} Qx7#secret` });
        const errors = errorsOf(() =>
          certificatesOf({ ca, certificate, key: `${key} Qx7#secret` }, verifyCa, now),
        );
        expect(errors.join('\n')).not.toContain('Qx7');
      }),
    );
  });

  it('holds no control characters of a subject', () => {
    const own = openssl.make(
      '/CN=bell\u0007 and \u001b[31mred',
      ['basicConstraints=CA:FALSE', `subjectAltName=${hosts}`],
      {
        by: openssl.authority('Somebody else'),
      },
    );
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    for (const error of refused(given(own))) expect(error).not.toMatch(/[\u0000-\u001f]/);
  });
});

describe('PEM', () => {
  it('is told from a map that holds some', () => {
    expect(isPem(server.key)).toBe(true);
    expect(isPem(`  ${server.key}`)).toBe(true);
    expect(isPem(`subject=CN: x\n${server.key}`)).toBe(true);
    expect(isPem(stringify({ 'pgaf-monitor': server.key }))).toBe(false);
    expect(isPem(JSON.stringify({ 'pgaf-monitor': server.key }))).toBe(false);
  });

  it('is read block by block, whatever stands around', () => {
    const label = fc.constantFrom('CERTIFICATE', 'PRIVATE KEY', 'X');
    const around = fc.constantFrom('', 'text\n', '\r\n', '  \n-----\n');
    fc.assert(
      fc.property(fc.array(fc.tuple(label, fc.base64String(), around)), (blocks) => {
        const text = blocks.map(
          ([name, body, rest]) =>
            `${rest}-----BEGIN ${name}-----\r\n  ${body}\n-----END ${name}-----\n${rest}`,
        );
        expect(pemBlocks(text.join(''))).toEqual(
          blocks.map(([name, body]) => ({
            label: name,
            text: `-----BEGIN ${name}-----\n${body}\n-----END ${name}-----\n`,
          })),
        );
      }),
    );
  });

  it.each([
    '-----BEGIN A-----\n',
    '-----BEGIN A-----\n-----END B-----\n',
    '-----BEGIN A-----\n-----BEGIN A-----\n-----END A-----\n',
  ])('that does not end is none: %j', (text) => {
    expect(pemBlocks(text)).toBeUndefined();
  });
});
