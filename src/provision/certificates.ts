import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { InputError } from '../contract/errors.ts';
import { type Formation, type Member, membersOf } from '../formation/formation.ts';
import { readTextMap } from '../formation/yaml.ts';
import { isPem, pemBlocks } from './pem.ts';

/** What the inputs tls-ca, tls-certificate and tls-key hold, '' where they are not given. */
export interface GivenCertificates {
  /** PEM of one or more CA certificates, up to their root. */
  ca: string;
  /** PEM of a certificate and its intermediates for every member, or a YAML map of containers and such PEM. */
  certificate: string;
  /** PEM of a private key for every member, or a YAML map of containers and such PEM. */
  key: string;
}

/** What one member's Postgres reads: PEM, written anew, so that it is what has been checked. */
export interface MemberCertificate {
  ca: string;
  /** The member's own first, then its intermediates. */
  certificate: string;
  /** PKCS #8, not encrypted. */
  key: string;
}

export interface Certificates {
  /** By name of the member. */
  members: Map<string, MemberCertificate>;
  /** What to see to soon, one sentence each. */
  warnings: string[];
}

/**
 * The certificates of every member of a formation with `tls: verify-ca` or `verify-full`; undefined with
 * `self-signed`. What Postgres, or libpq on the other side, would refuse is refused here, before a container
 * is touched.
 * @throws InputError with every fault, none of which holds anything of a key
 */
export function certificatesOf(
  given: GivenCertificates,
  formation: Formation,
  nowMs: number,
): Certificates | undefined {
  const inputs = [
    ['tls-ca', given.ca],
    ['tls-certificate', given.certificate],
    ['tls-key', given.key],
  ] as const;
  const isGiven = (text: string) => text.trim() !== '';
  if (formation.tls === 'self-signed') {
    const faults = inputs
      .filter(([, text]) => isGiven(text))
      .map(
        ([name]) =>
          `input ${name}: means nothing with tls: self-signed; say tls: verify-ca or tls: verify-full in the formation, or leave it out`,
      );
    if (faults.length > 0) throw new InputError(faults);
    return undefined;
  }
  const reading = new Reading(formation, nowMs);
  for (const [name, text] of inputs)
    if (!isGiven(text))
      reading.faults.push(`input ${name}: is missing, and the formation says tls: ${formation.tls}`);
  const members = reading.members(given, isGiven);
  if (reading.faults.length > 0) throw new InputError(reading.faults);
  return { members, warnings: [...new Set(reading.warnings)] };
}

/** A PEM text and what to call it. One for all members is one object. */
interface Source {
  where: string;
  text: string;
}

/** A certificate and what to call it. */
interface Named {
  certificate: X509Certificate;
  /** `input tls-ca: certificate 2 (CN=root)`. */
  name: string;
}

const dayMs = 86_400_000;
const serverAuth = '1.3.6.1.5.5.7.3.1';

class Reading {
  readonly faults: string[] = [];
  readonly warnings: string[] = [];
  private readonly formation: Formation;
  private readonly nowMs: number;

  constructor(formation: Formation, nowMs: number) {
    this.formation = formation;
    this.nowMs = nowMs;
  }

  members(given: GivenCertificates, isGiven: (text: string) => boolean): Map<string, MemberCertificate> {
    const ca = isGiven(given.ca) ? this.authorities({ where: 'input tls-ca', text: given.ca }) : undefined;
    const chains = once((source: Source) => this.chain(source));
    const keys = once((source: Source) => this.key(source));
    const chainSources = this.sources('input tls-certificate', given.certificate, isGiven);
    const keySources = this.sources('input tls-key', given.key, isGiven);
    const members = new Map<string, MemberCertificate>();
    for (const member of membersOf(this.formation)) {
      const chainSource = chainSources.get(member.name);
      const keySource = keySources.get(member.name);
      const chain = chainSource && chains(chainSource);
      const key = keySource && keys(keySource);
      if (chain && key) this.checkKey(chain, key, keySource.where);
      if (chain && this.formation.tls === 'verify-full') this.checkHost(chain, member, chainSource.where);
      if (chain && ca) this.checkPath(chain, ca);
      if (chain && key && ca)
        members.set(member.name, {
          ca: pemOf(ca),
          certificate: pemOf(chain),
          key: key.export({ type: 'pkcs8', format: 'pem' }) as string,
        });
    }
    return members;
  }

  /** Where each member's PEM stands. */
  private sources(where: string, text: string, isGiven: (text: string) => boolean): Map<string, Source> {
    const names = membersOf(this.formation).map(({ name }) => name);
    if (!isGiven(text)) return new Map();
    if (isPem(text)) {
      const source = { where, text };
      return new Map(names.map((name) => [name, source]));
    }
    const { entries, faults } = readTextMap(text);
    if (faults.length > 0 && !/^\s*\S+:/.test(text)) {
      this.faults.push(`${where}: must be PEM (-----BEGIN …), or a YAML map of containers and PEM`);
      return new Map();
    }
    this.faults.push(...faults.map((fault) => `${where}: ${fault}`));
    // It is told by its line: a map that is the wrong way round has keys for names.
    for (const [name, { line }] of entries)
      if (!names.includes(name))
        this.faults.push(
          `${where}: line ${line}: is none of the formation's containers: ${names.join(', ')}`,
        );
    const missing = names.filter((name) => !entries.has(name));
    if (faults.length === 0 && missing.length > 0)
      this.faults.push(`${where}: lacks ${missing.join(', ')}; a map has every container of the formation`);
    return new Map(
      names.flatMap((name) => {
        const entry = entries.get(name);
        return entry ? [[name, { where: `${where}: ${name}`, text: entry.text }] as const] : [];
      }),
    );
  }

  private authorities(source: Source): Named[] | undefined {
    const read = this.certificates(source);
    for (const { certificate, name } of read ?? [])
      if (!certificate.ca) this.faults.push(`${name} is no CA: its basic constraints do not say CA:TRUE`);
    return read?.every(({ certificate }) => certificate.ca) ? read : undefined;
  }

  private chain(source: Source): Named[] | undefined {
    return this.certificates(source);
  }

  private certificates({ where, text }: Source): Named[] | undefined {
    const blocks = pemBlocks(text);
    const before = this.faults.length;
    if (blocks === undefined) {
      this.faults.push(`${where}: is cut short: a PEM block does not end`);
      return undefined;
    }
    const certificates: Named[] = [];
    for (const { label, text: pem } of blocks) {
      if (label.includes('PRIVATE KEY'))
        this.faults.push(
          `${where}: holds a private key; it belongs into tls-key, the only one of these inputs that the log masks`,
        );
      else if (label !== 'CERTIFICATE')
        this.faults.push(`${where}: holds a ${label}, which is no certificate`);
      else {
        const number = certificates.length + 1;
        try {
          const certificate = new X509Certificate(pem);
          certificates.push({
            certificate,
            name: `${where}: certificate ${number} (${nameOf(certificate.subject)})`,
          });
        } catch {
          this.faults.push(`${where}: certificate ${number} cannot be read; it is damaged`);
        }
      }
    }
    if (blocks.length === 0)
      this.faults.push(`${where}: holds no certificate; it must be PEM (-----BEGIN CERTIFICATE-----)`);
    return this.faults.length === before ? certificates : undefined;
  }

  private key({ where, text }: Source): KeyObject | undefined {
    const fault = (what: string): undefined => {
      this.faults.push(`${where}: ${what}`);
    };
    const blocks = pemBlocks(text);
    if (blocks === undefined) return fault('is cut short: a PEM block does not end');
    // `openssl ecparam -genkey` writes the curve beside the key, which names it itself.
    const found = blocks.filter(({ label }) => label !== 'EC PARAMETERS');
    const [block] = found;
    if (!block?.label.endsWith('PRIVATE KEY') || found.length > 1)
      return fault('must hold one private key in PEM (-----BEGIN PRIVATE KEY-----), and nothing else');
    if (block.label.startsWith('ENCRYPTED') || /^Proc-Type:.*ENCRYPTED/m.test(block.text))
      return fault(
        'is encrypted, and a Postgres that starts by itself has nobody to ask; give it decrypted (openssl pkey -in KEY)',
      );
    let key: KeyObject;
    try {
      key = createPrivateKey(block.text);
    } catch {
      // What the library says is not passed on, whatever it may hold.
      return fault('cannot be read; it is damaged, or no private key');
    }
    if (!['rsa', 'rsa-pss', 'ec', 'ed25519', 'ed448'].includes(key.asymmetricKeyType ?? ''))
      return fault('is of a kind that TLS has no use for; it must be RSA, EC or Ed25519');
    return key;
  }

  private checkKey(chain: readonly Named[], key: KeyObject, where: string): void {
    const index = chain.findIndex(({ certificate }) => certificate.checkPrivateKey(key));
    const first = chain[0]?.name;
    if (index === -1) this.faults.push(`${where}: does not belong to ${first}`);
    if (index > 0)
      this.faults.push(`${where}: belongs to ${chain[index]?.name}; the member's own must be the first`);
  }

  private checkHost([own]: readonly Named[], { host }: Member, where: string): void {
    if (!own) return;
    const { certificate } = own;
    const named = certificate.checkHost(host, { subject: 'never', partialWildcards: false });
    if (named !== undefined) return;
    const names = (certificate.subjectAltName ?? '').split(', ');
    const wildcard = `*.${host.slice(host.indexOf('.') + 1)}`;
    if (names.some((name) => name.toLowerCase() === `dns:${wildcard.toLowerCase()}`)) {
      this.warnings.push(
        `${where}: ${host} is covered by ${wildcard} alone, which libpq and so the nodes take, and many other clients do not: they want two labels after the asterisk`,
      );
      return;
    }
    const found = certificate.subjectAltName ? printable(certificate.subjectAltName, 200) : 'none';
    this.faults.push(
      `${where}: certificate 1 does not cover ${host}, as tls: verify-full asks; its subject alternative names: ${found}`,
    );
  }

  /** From the member's own certificate up to a root, as OpenSSL would go. */
  private checkPath(chain: readonly Named[], ca: readonly Named[]): void {
    const own = chain[0] as Named;
    const known = [...chain.slice(1), ...ca];
    const roots = ca.filter(({ certificate }) => isIssuedBy(certificate, certificate));
    const inTime = known.filter(({ certificate }) => this.untimely(certificate) === undefined);
    const found = pathBetween(own, inTime, roots);
    const { path, reached } = found.path ? found : pathBetween(own, known, roots);
    if (path === undefined) {
      this.faults.push(brokenPath(own, reached, known));
      // Its own faults are worth telling all the same.
      this.checkEach([own]);
    } else this.checkEach(path);
  }

  private checkEach(path: readonly Named[]): void {
    for (const { certificate, name } of path) {
      const untimely = this.untimely(certificate);
      const left = Date.parse(certificate.validTo) - this.nowMs;
      if (untimely !== undefined) this.faults.push(`${name} ${untimely}`);
      else if (left < 30 * dayMs)
        this.warnings.push(
          `${name} expires in ${Math.floor(left / dayMs)} days, on ${dateOf(certificate.validTo)}; renew it and run this again`,
        );
      // A purpose that a CA states holds for all that it issues (OpenSSL's check_purpose_ssl_server).
      if (certificate.keyUsage && !certificate.keyUsage.includes(serverAuth))
        this.faults.push(`${name} is not for servers: its extended key usage lacks serverAuth`);
      const bits = certificate.publicKey.asymmetricKeyDetails?.modulusLength;
      if (bits !== undefined && bits < 2048)
        this.faults.push(`${name} has an RSA key of ${bits} bits; OpenSSL takes 2048 and more`);
    }
  }

  private untimely({ validFrom, validTo }: X509Certificate): string | undefined {
    if (Date.parse(validTo) <= this.nowMs) return `expired on ${dateOf(validTo)}`;
    if (Date.parse(validFrom) > this.nowMs) return `is not valid before ${dateOf(validFrom)}`;
    if (Date.parse(validTo) - this.nowMs < dayMs) return `expires within a day, on ${dateOf(validTo)}`;
    return undefined;
  }
}

/** Where the way up ends, in a sentence. */
function brokenPath(own: Named, reached: readonly Named[], known: readonly Named[]): string {
  const { certificate, name } = reached.at(-1) as Named;
  const issuer = nameOf(certificate.issuer);
  const isThere = known.some((each) => each.certificate.subject === certificate.issuer);
  const why = isThere
    ? `${issuer} is there, but has not signed it`
    : `${issuer} is neither in tls-ca nor after it in tls-certificate`;
  if (reached.length === 1) return `${name} is not issued by a CA of tls-ca: ${why}`;
  return `${own.name} does not lead to a root in tls-ca: it leads to ${name}, and ${why}`;
}

/**
 * A way from `own` to one of the roots, each issued by the next; or no path, and the certificates that were
 * reached, the last of them furthest up.
 */
function pathBetween(
  own: Named,
  known: readonly Named[],
  roots: readonly Named[],
): { path: Named[] | undefined; reached: Named[] } {
  const isRoot = ({ certificate }: Named) =>
    roots.some((root) => root.certificate.fingerprint256 === certificate.fingerprint256);
  const cameFrom = new Map<Named, Named | undefined>([[own, undefined]]);
  // A map keeps the order of what is added to it, also while it is gone through.
  for (const last of cameFrom.keys()) {
    if (isRoot(last)) {
      const path: Named[] = [];
      for (let step: Named | undefined = last; step; step = cameFrom.get(step)) path.unshift(step);
      return { path, reached: path };
    }
    for (const issuer of known)
      if (!cameFrom.has(issuer) && issuer.certificate.ca && isIssuedBy(last.certificate, issuer.certificate))
        cameFrom.set(issuer, last);
  }
  return { path: undefined, reached: [...cameFrom.keys()] };
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  } catch {
    return false; // A key of a kind that Node does not know.
  }
}

/** The common name of a subject or issuer, or all of it where it has none. */
function nameOf(subject: string | undefined): string {
  const text = subject ?? '';
  return printable(/^CN=.*$/m.exec(text)?.[0] ?? text.replaceAll('\n', ', '), 80) || 'without a subject';
}

function printable(text: string, length: number): string {
  const clean = text.replace(/\p{C}/gu, '?');
  return clean.length > length ? `${clean.slice(0, length)}…` : clean;
}

const dateOf = (text: string) => new Date(text).toISOString().replace(/\.000Z$/, 'Z');

const pemOf = (certificates: readonly Named[]) =>
  certificates
    .map(({ certificate }) => certificate.toString().trim())
    .join('\n')
    .concat('\n');

/** So that what all members share is read, and its faults are told, once. */
function once<K extends object, V>(work: (key: K) => V): (key: K) => V {
  const known = new Map<K, V>();
  return (key) => {
    if (!known.has(key)) known.set(key, work(key));
    return known.get(key) as V;
  };
}
