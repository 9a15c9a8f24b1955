import { InputError } from '../../contract/errors.ts';
import { readTextMap } from '../../formation/file/yaml.ts';
import { type Formation, keeps, membersOf } from '../../formation/formation.ts';
import { isPem } from './pem.ts';
import {
  type Named,
  type Remarks,
  readAuthorities,
  readCertificates,
  readKey,
  type Source,
} from './reading.ts';
import { checkHost, checkKey, checkPath } from './verification.ts';

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
 * @throws InputError with every error, none of which holds anything of a key
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
    const errors = inputs
      .filter(([, text]) => isGiven(text))
      .map(
        ([name]) =>
          `input ${name}: has no meaning with tls: self-signed; say tls: verify-ca or tls: verify-full in the formation, or leave it out`,
      );
    if (errors.length > 0) throw new InputError(errors);
    return undefined;
  }
  if (keeps(formation, 'certificates')) {
    // The CA is what a drill's clients verify by; who provisions and drills in one step gives it.
    const errors = inputs
      .filter(([name, text]) => name !== 'tls-ca' && isGiven(text))
      .map(
        ([name]) =>
          `input ${name}: has no meaning with keep: certificates; take that out of the formation file, or leave the input out`,
      );
    if (errors.length > 0) throw new InputError(errors);
    return undefined;
  }
  const reading = new Reading(formation, nowMs);
  for (const [name, text] of inputs)
    if (!isGiven(text))
      reading.errors.push(`input ${name}: is missing, and the formation says tls: ${formation.tls}`);
  const members = reading.members(given, isGiven);
  if (reading.errors.length > 0) throw new InputError(reading.errors);
  return { members, warnings: [...new Set(reading.warnings)] };
}

class Reading implements Remarks {
  readonly errors: string[] = [];
  readonly warnings: string[] = [];
  private readonly formation: Formation;
  private readonly nowMs: number;

  constructor(formation: Formation, nowMs: number) {
    this.formation = formation;
    this.nowMs = nowMs;
  }

  members(given: GivenCertificates, isGiven: (text: string) => boolean): Map<string, MemberCertificate> {
    const ca = isGiven(given.ca)
      ? readAuthorities({ where: 'input tls-ca', text: given.ca }, this)
      : undefined;
    const chains = once((source: Source) => readCertificates(source, this));
    const keys = once((source: Source) => readKey(source, this));
    const chainSources = this.sources('input tls-certificate', given.certificate, isGiven);
    const keySources = this.sources('input tls-key', given.key, isGiven);
    const members = new Map<string, MemberCertificate>();
    for (const member of membersOf(this.formation)) {
      const chainSource = chainSources.get(member.name);
      const keySource = keySources.get(member.name);
      const chain = chainSource && chains(chainSource);
      const key = keySource && keys(keySource);
      if (chain && key) checkKey(chain, key, keySource.where, this);
      if (chain && this.formation.tls === 'verify-full') checkHost(chain, member, chainSource.where, this);
      if (chain && ca) checkPath(chain, ca, this.nowMs, this);
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
    const { entries, errors } = readTextMap(text);
    if (errors.length > 0 && !/^\s*\S+:/.test(text)) {
      this.errors.push(`${where}: must be PEM (-----BEGIN …), or a YAML map of containers and PEM`);
      return new Map();
    }
    this.errors.push(...errors.map((error) => `${where}: ${error}`));
    // It is told by its line: a map that is the wrong way round has keys for names.
    for (const [name, { line }] of entries)
      if (!names.includes(name))
        this.errors.push(
          `${where}: line ${line}: is not one of the formation's containers: ${names.join(', ')}`,
        );
    const missing = names.filter((name) => !entries.has(name));
    if (errors.length === 0 && missing.length > 0)
      this.errors.push(`${where}: lacks ${missing.join(', ')}; a map has every container of the formation`);
    return new Map(
      names.flatMap((name) => {
        const entry = entries.get(name);
        return entry ? [[name, { where: `${where}: ${name}`, text: entry.text }] as const] : [];
      }),
    );
  }
}

const pemOf = (certificates: readonly Named[]) =>
  certificates
    .map(({ certificate }) => certificate.toString().trim())
    .join('\n')
    .concat('\n');

/** So that what all members share is read, and its errors are told, once. */
function once<K extends object, V>(work: (key: K) => V): (key: K) => V {
  const known = new Map<K, V>();
  return (key) => {
    if (!known.has(key)) known.set(key, work(key));
    return known.get(key) as V;
  };
}
