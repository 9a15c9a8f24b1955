import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { pemBlocks } from './pem.ts';

/** Reads what the inputs hold: certificates and keys. */

/** What is wrong with them, and what to see to soon, one sentence each. None holds anything of a key. */
export interface Remarks {
  errors: string[];
  warnings: string[];
}

/** A PEM text and what to call it. One for all members is one object. */
export interface Source {
  where: string;
  text: string;
}

/** A certificate and what to call it. */
export interface Named {
  certificate: X509Certificate;
  /** `input tls-ca: certificate 2 (CN=root)`. */
  name: string;
}

export function readAuthorities(source: Source, remarks: Remarks): Named[] | undefined {
  const read = readCertificates(source, remarks);
  for (const { certificate, name } of read ?? [])
    if (!certificate.ca) remarks.errors.push(`${name} is not a CA: its basic constraints do not say CA:TRUE`);
  return read?.every(({ certificate }) => certificate.ca) ? read : undefined;
}

export function readCertificates({ where, text }: Source, remarks: Remarks): Named[] | undefined {
  const blocks = pemBlocks(text);
  const before = remarks.errors.length;
  if (blocks === undefined) {
    remarks.errors.push(`${where}: is cut short: a PEM block does not end`);
    return undefined;
  }
  const certificates: Named[] = [];
  for (const { label, text: pem } of blocks) {
    if (label.includes('PRIVATE KEY'))
      remarks.errors.push(
        `${where}: holds a private key; it belongs in tls-key, the only one of these inputs that the log masks`,
      );
    else if (label !== 'CERTIFICATE')
      remarks.errors.push(`${where}: holds a ${label}, which is not a certificate`);
    else {
      const number = certificates.length + 1;
      try {
        const certificate = new X509Certificate(pem);
        certificates.push({
          certificate,
          name: `${where}: certificate ${number} (${nameOf(certificate.subject)})`,
        });
      } catch {
        remarks.errors.push(`${where}: certificate ${number} cannot be read; it is damaged`);
      }
    }
  }
  if (blocks.length === 0)
    remarks.errors.push(`${where}: holds no certificate; it must be PEM (-----BEGIN CERTIFICATE-----)`);
  return remarks.errors.length === before ? certificates : undefined;
}

export function readKey({ where, text }: Source, remarks: Remarks): KeyObject | undefined {
  const wrong = (what: string): undefined => {
    remarks.errors.push(`${where}: ${what}`);
  };
  const blocks = pemBlocks(text);
  if (blocks === undefined) return wrong('is cut short: a PEM block does not end');
  // `openssl ecparam -genkey` writes the curve beside the key, which names it itself.
  const found = blocks.filter(({ label }) => label !== 'EC PARAMETERS');
  const [block] = found;
  if (!block?.label.endsWith('PRIVATE KEY') || found.length > 1)
    return wrong('must hold one private key in PEM (-----BEGIN PRIVATE KEY-----), and nothing else');
  if (block.label.startsWith('ENCRYPTED') || /^Proc-Type:.*ENCRYPTED/m.test(block.text))
    return wrong(
      'is encrypted, and a Postgres that starts by itself has nobody to ask; give it decrypted (openssl pkey -in KEY)',
    );
  let key: KeyObject;
  try {
    key = createPrivateKey(block.text);
  } catch {
    // What the library says is not passed on, whatever it may hold.
    return wrong('cannot be read; it is damaged, or not a private key');
  }
  if (!['rsa', 'rsa-pss', 'ec', 'ed25519', 'ed448'].includes(key.asymmetricKeyType ?? ''))
    return wrong('is of a kind that TLS cannot use; it must be RSA, EC or Ed25519');
  return key;
}

/** The common name of a subject or issuer, or all of it where it has none. */
export function nameOf(subject: string | undefined): string {
  const text = subject ?? '';
  return printable(/^CN=.*$/m.exec(text)?.[0] ?? text.replaceAll('\n', ', '), 80) || 'without a subject';
}

export function printable(text: string, length: number): string {
  const clean = text.replace(/\p{C}/gu, '?');
  return clean.length > length ? `${clean.slice(0, length)}…` : clean;
}
