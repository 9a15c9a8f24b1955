import { X509Certificate } from 'node:crypto';
import { withoutPasswords } from '../contract/secrecy.ts';
import { type Formation, type Member, membersOf } from '../formation/formation.ts';
import clock from '../incus/scripts/monotonic-clock.pl';
import {
  lastMonitorContact,
  type StandbyMemory,
  standbyMemory,
  stateBytes,
  stateFileOf,
} from '../member/keeper-state.ts';
import { serverPem } from '../member/tls.ts';
import { unitOf, unitPathOf } from '../member/unit.ts';
import probe from './scripts/container-probe.pl';

/** What a container itself says of a member: its service, disk, certificate, names and packages. Plain data. */
export interface ObservedContainer {
  service: {
    /** systemd's words: `active`, `inactive`, `failed`, … and `enabled`, `disabled`, '' for no unit. */
    active: string;
    enabled: string;
    /** Text of the unit file, '' where there is none; without what may be secret. */
    unit: string;
    restarts: number;
  };
  /**
   * RLIMIT_NOFILE of the running postmaster, and what the container could give at most (the hard limit of its
   * first process); undefined where no Postgres runs.
   */
  openFiles: { limit: number; possible: number } | undefined;
  /** The file system of the data directory; undefined where the directory is not there. */
  disk: { sizeBytes: number; availableBytes: number; inodes: number; inodesAvailable: number } | undefined;
  /** The certificate that Postgres serves; undefined where there is none. */
  certificate: ObservedCertificate | undefined;
  /** pg_autoctl.cfg, without the passwords that others' may hold; undefined where it is there and postgres cannot read it. */
  keeperConfig: string | undefined;
  standbyMemory: StandbyMemory;
  /** When its keeper heard from the monitor last, by the container's own clock; undefined where no keeper tells. */
  monitorContact?: { secondsAgo: number } | undefined;
  /** A round trip to the monitor's host and back; undefined for the monitor, and where nothing was heard within a second. */
  monitorRoundTripMs?: number | undefined;
  /** Versions of what is installed, by package. */
  packages: Record<string, string>;
  /** Its own addresses, loopback and link-local left out. */
  addresses: string[];
  /** How each member's host resolves in here, and the name that each address leads back to. */
  names: Record<string, { addresses: string[]; reverse: string[] }>;
  /**
   * Its wall clock less ours, in seconds, and how far that may be off: half of the time that reading it took.
   * For telling clocks apart, never for a duration.
   */
  clock: { aheadSeconds: number; uncertainSeconds: number };
}

export interface ObservedCertificate {
  subject: string;
  /** ISO 8601. */
  notAfter: string;
  /** By the container's own clock. */
  secondsLeft: number;
  selfSigned: boolean;
}

/** argv of the probe in a member's container. */
export function containerProbe(member: Member, formation: Formation): string[] {
  const members = membersOf(formation);
  const keeper = [
    stateFileOf(member.pgdata),
    String(stateBytes),
    unitOf(member),
    unitPathOf(member),
    serverPem,
  ];
  const way = member.role === 'data' ? [members[0].host, String(formation.postgres.port)] : ['', ''];
  return [
    'perl',
    '-e',
    `${probe}\n${clock}`,
    member.pgdata,
    ...keeper,
    ...way,
    ...members.map(({ host }) => host),
  ];
}

/**
 * @param output what the probe printed
 * @param asked when it was asked and had answered, on our wall clock in milliseconds since 1970
 */
export function parseContainer(output: string, asked: { fromMs: number; toMs: number }): ObservedContainer {
  const told = new Map<string, string[]>();
  for (const line of output.split('\n')) {
    const [key = '', hex = ''] = line.split(' ');
    told.set(key, [...(told.get(key) ?? []), hex]);
  }
  const bytes = (key: string) => Buffer.from(told.get(key)?.[0] ?? '', 'hex');
  const text = (key: string) => bytes(key).toString('utf8');
  const service = Object.fromEntries(
    text('service')
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  ) as Partial<Record<string, string>>;
  const clockMs = Number(text('clock')) * 1000;
  return {
    service: {
      active: service['ActiveState'] ?? '',
      enabled: service['UnitFileState'] ?? '',
      unit: withoutPasswords(text('unit')),
      restarts: Number(service['NRestarts'] ?? 0),
    },
    openFiles: openFilesOf(text('nofile')),
    disk: diskOf(text('disk')),
    certificate: certificateOf(text('certificate'), clockMs),
    keeperConfig: told.has('unread') ? undefined : withoutPasswords(text('keeper')),
    standbyMemory: standbyMemory(bytes('state')),
    ...contactOf(bytes('state'), clockMs),
    ...(told.has('way') && { monitorRoundTripMs: Math.round(Number(text('way')) * 1000) / 1000 }),
    packages: packagesOf(text('packages')),
    addresses: [...text('addresses').matchAll(/ inet6? ([0-9a-f.:]+)\//g)].map(([, address = '']) => address),
    names: Object.fromEntries(
      (told.get('name') ?? []).map((hex) => {
        const [host = '', addresses = '', reverse = ''] = Buffer.from(hex, 'hex').toString('utf8').split(' ');
        return [host, { addresses: listed(addresses), reverse: listed(reverse) }];
      }),
    ),
    clock: {
      aheadSeconds: (clockMs - (asked.fromMs + asked.toMs) / 2) / 1000,
      uncertainSeconds: (asked.toMs - asked.fromMs) / 2000,
    },
  };
}

function contactOf(state: Buffer, clockMs: number): Pick<ObservedContainer, 'monitorContact'> {
  const atSeconds = lastMonitorContact(state);
  return atSeconds === undefined
    ? {}
    : { monitorContact: { secondsAgo: Math.max(0, clockMs / 1000 - atSeconds) } };
}

const listed = (text: string) => [...new Set(text.split(',').filter((each) => each !== ''))];

function openFilesOf(text: string): ObservedContainer['openFiles'] {
  const [limit, possible] = text
    .split(' ')
    .map((each) => (each === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number.parseInt(each, 10)));
  return limit === undefined || possible === undefined ? undefined : { limit, possible };
}

function diskOf(text: string): ObservedContainer['disk'] {
  const [block, blocks, available, inodes, inodesAvailable] = text.trim().split(' ').map(Number);
  if (block === undefined || inodesAvailable === undefined || Number.isNaN(block)) return undefined;
  return {
    sizeBytes: block * (blocks ?? 0),
    availableBytes: block * (available ?? 0),
    inodes: inodes ?? 0,
    inodesAvailable,
  };
}

function certificateOf(pem: string, clockMs: number): ObservedCertificate | undefined {
  try {
    const certificate = new X509Certificate(pem);
    const notAfter = new Date(certificate.validTo);
    return {
      subject: certificate.subject.replaceAll('\n', ', '),
      notAfter: notAfter.toISOString(),
      secondsLeft: Math.round((notAfter.getTime() - clockMs) / 1000),
      selfSigned: certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey),
    };
  } catch {
    return undefined;
  }
}

function packagesOf(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const [status, name, version] = line.split(' ');
      return status === 'installed' && name && version ? [[name, version]] : [];
    }),
  );
}
