import { createHash } from 'node:crypto';
import type { Member } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { caPem, renewBeforeSeconds, serverPem } from '../member/tls.ts';
import type { Facts } from './facts.ts';
import { writeFile } from './files.ts';
import type { Steps } from './steps.ts';

/** A member's own certificate chain and key, and the CA that its peers verify it by: PEM, given by the user. */
export interface MemberCertificate {
  ca: string;
  certificate: string;
  key: string;
}

/**
 * Prints what is wrong with the pair in a file: nothing, `missing`, `expiring`, `mismatch` or `other host`.
 * Runs in the container, so that the certificate's dates are held against the clock it serves by.
 */
export const certificateProbe = `
certificate_state() {
  [ -s "$1" ] || { echo missing; return; }
  told=$(openssl x509 -in "$1" -noout -pubkey -checkhost "$2" 2>/dev/null)
  case $told in *'BEGIN PUBLIC KEY'*) ;; *) echo missing; return ;; esac
  key=$(openssl pkey -in "$1" -pubout 2>/dev/null) || { echo mismatch; return; }
  case $told in *"$key"*) ;; *) echo mismatch; return ;; esac
  openssl x509 -in "$1" -noout -checkend ${renewBeforeSeconds} >/dev/null 2>&1 || { echo expiring; return; }
  case $told in *'does match'*) echo good ;; *) echo otherhost ;; esac
}
`;

/** A certificate for a year, signed by its own key, which never leaves the container. $1 file, $2 name, $3 host. */
const selfSign = `
set -e; umask 077; mkdir -p -m 755 /etc/pgha; d=$(mktemp -d); trap 'rm -rf "$d"' EXIT
openssl req -new -x509 -days 365 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
  -subj "/CN=$2" -addext "subjectAltName=DNS:$3" -keyout "$d/key" -out "$d/crt" 2>"$d/log" || { cat "$d/log" >&2; exit 1; }
cat "$d/key" "$d/crt" > "$1.pgha"; chown postgres: "$1.pgha"; chmod 600 "$1.pgha"; mv "$1.pgha" "$1"
`;

const whyRenew: Record<string, string> = {
  missing: 'make a self-signed certificate',
  expiring: 'renew the self-signed certificate, which ends within 30 days',
  mismatch: 'make a new self-signed certificate: the key did not belong to the old one',
  otherhost: 'make a new self-signed certificate: the old one was for another host',
};

/**
 * Puts a member's certificate and CA in place where they differ.
 * @returns whether Postgres must read them again
 */
export async function ensureCertificate(
  incus: Incus,
  member: Member,
  given: MemberCertificate | undefined,
  facts: Facts,
  steps: Steps,
  signal?: AbortSignal,
): Promise<boolean> {
  const { name, host } = member;
  if (given === undefined) {
    if (facts.certificate === 'good') return false;
    await steps.take(name, whyRenew[facts.certificate] ?? 'make a self-signed certificate', () =>
      incus.exec(name, ['sh', '-c', selfSign, 'sh', serverPem, name, host], { deadlineMs: 60_000, signal }),
    );
    return true;
  }
  const pem = `${given.key.trim()}\n${given.certificate.trim()}\n`;
  const ca = `${given.ca.trim()}\n`;
  const pemDiffers = facts.serverPemHash !== sha256(pem);
  if (pemDiffers) {
    await steps.take(name, 'write its certificate and key', () =>
      writeFile(incus, name, serverPem, pem, { owner: 'postgres', mode: '0600' }, signal),
    );
  }
  const caDiffers = facts.ca !== ca;
  if (caDiffers) await steps.take(name, 'write the CA', () => writeFile(incus, name, caPem, ca, {}, signal));
  return pemDiffers || caDiffers;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
