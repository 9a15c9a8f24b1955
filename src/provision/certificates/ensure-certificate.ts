import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { keeps } from '../../formation/formation.ts';
import { caPem, serverPem } from '../../member/tls.ts';
import type { Facts } from '../facts.ts';
import type { MemberContainer } from '../member-container.ts';
import type { MemberCertificate } from './certificates.ts';
import selfSign from './scripts/self-sign.sh';

const whyRenew: Record<string, string> = {
  missing: 'make a self-signed certificate',
  expiring: 'renew the self-signed certificate, which ends within 30 days',
  mismatch: 'make a new self-signed certificate: the key did not belong to the old one',
  otherhost: 'make a new self-signed certificate: the old one was for another host',
};

/** A host as certificates name it. */
const alternativeName = (host: string) => `${isIP(host) === 0 ? 'DNS' : 'IP'}:${host}`;

/**
 * Puts a member's certificate and CA in place where they differ.
 * @returns whether Postgres must read them again
 */
export async function ensureCertificate(
  container: MemberContainer,
  given: MemberCertificate | undefined,
  facts: Facts,
): Promise<boolean> {
  if (keeps(container.formation, 'certificates')) return false;
  const { name, host } = container.member;
  if (given === undefined) {
    if (facts.certificate === 'good') return false;
    await container.take(whyRenew[facts.certificate] ?? 'make a self-signed certificate', () =>
      container.exec(['sh', '-c', selfSign, 'sh', serverPem, name, alternativeName(host)], {
        deadlineMs: 60_000,
      }),
    );
    return true;
  }
  const pem = `${given.key.trim()}\n${given.certificate.trim()}\n`;
  const ca = `${given.ca.trim()}\n`;
  const pemDiffers = facts.serverPemHash !== sha256(pem);
  if (pemDiffers) {
    await container.take('write its certificate and key', () =>
      container.write(serverPem, pem, { owner: 'postgres', mode: '0600' }),
    );
  }
  const caDiffers = facts.ca !== ca;
  if (caDiffers) await container.take('write the CA', () => container.write(caPem, ca));
  return pemDiffers || caDiffers;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
