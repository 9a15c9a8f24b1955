import type { KeyObject, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { Member } from '../../formation/formation.ts';
import { type Named, nameOf, printable, type Remarks } from './reading.ts';

/** What Postgres, or libpq on the other side, would refuse of a certificate. */

const dayMs = 86_400_000;
const serverAuth = '1.3.6.1.5.5.7.3.1';

export function checkKey(chain: readonly Named[], key: KeyObject, where: string, remarks: Remarks): void {
  const index = chain.findIndex(({ certificate }) => certificate.checkPrivateKey(key));
  const first = chain[0]?.name;
  if (index === -1) remarks.errors.push(`${where}: does not belong to ${first}`);
  if (index > 0)
    remarks.errors.push(`${where}: belongs to ${chain[index]?.name}; the member's own must be the first`);
}

export function checkHost([own]: readonly Named[], { host }: Member, where: string, remarks: Remarks): void {
  if (!own) return;
  const { certificate } = own;
  const named =
    isIP(host) === 0
      ? certificate.checkHost(host, { subject: 'never', partialWildcards: false })
      : certificate.checkIP(host);
  if (named !== undefined) return;
  const names = (certificate.subjectAltName ?? '').split(', ');
  const wildcard = `*.${host.slice(host.indexOf('.') + 1)}`;
  if (names.some((name) => name.toLowerCase() === `dns:${wildcard.toLowerCase()}`)) {
    remarks.warnings.push(
      `${where}: ${host} is covered by ${wildcard} alone, which libpq and so the nodes take, and many other clients do not: they want two labels after the asterisk`,
    );
    return;
  }
  const found = certificate.subjectAltName ? printable(certificate.subjectAltName, 200) : 'none';
  remarks.errors.push(
    `${where}: certificate 1 does not cover ${host}, as tls: verify-full requires; its subject alternative names: ${found}`,
  );
}

/** From the member's own certificate up to a root, as OpenSSL would go. */
export function checkPath(
  chain: readonly Named[],
  ca: readonly Named[],
  nowMs: number,
  remarks: Remarks,
): void {
  const own = chain[0] as Named;
  const known = [...chain.slice(1), ...ca];
  const roots = ca.filter(({ certificate }) => isIssuedBy(certificate, certificate));
  const inTime = known.filter(({ certificate }) => untimely(certificate, nowMs) === undefined);
  const found = pathBetween(own, inTime, roots);
  const { path, reached } = found.path ? found : pathBetween(own, known, roots);
  if (path === undefined) {
    remarks.errors.push(brokenPath(own, reached, known));
    // Its own errors are worth telling all the same.
    checkEach([own], nowMs, remarks);
  } else checkEach(path, nowMs, remarks);
}

function checkEach(path: readonly Named[], nowMs: number, remarks: Remarks): void {
  for (const { certificate, name } of path) {
    const invalid = untimely(certificate, nowMs);
    const left = Date.parse(certificate.validTo) - nowMs;
    if (invalid !== undefined) remarks.errors.push(`${name} ${invalid}`);
    else if (left < 30 * dayMs)
      remarks.warnings.push(
        `${name} expires in ${Math.floor(left / dayMs)} days, on ${dateOf(certificate.validTo)}; renew it and run this again`,
      );
    // A purpose that a CA states holds for all that it issues (OpenSSL's check_purpose_ssl_server).
    if (certificate.keyUsage && !certificate.keyUsage.includes(serverAuth))
      remarks.errors.push(`${name} is not for servers: its extended key usage lacks serverAuth`);
    const bits = certificate.publicKey.asymmetricKeyDetails?.modulusLength;
    if (bits !== undefined && bits < 2048)
      remarks.errors.push(`${name} has an RSA key of ${bits} bits; OpenSSL requires at least 2048`);
  }
}

function untimely({ validFrom, validTo }: X509Certificate, nowMs: number): string | undefined {
  if (Date.parse(validTo) <= nowMs) return `expired on ${dateOf(validTo)}`;
  if (Date.parse(validFrom) > nowMs) return `is not valid before ${dateOf(validFrom)}`;
  if (Date.parse(validTo) - nowMs < dayMs) return `expires within a day, on ${dateOf(validTo)}`;
  return undefined;
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

const dateOf = (text: string) => new Date(text).toISOString().replace(/\.000Z$/, 'Z');
