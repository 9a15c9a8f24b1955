import { X509Certificate } from 'node:crypto';
import type { ContainerRelay } from '../incus/relay/container-relay.ts';
import { configured } from '../member/keeper-config.ts';
import script from './scripts/look.pl';

/** What a container says of the pg_auto_failover members in it, as plain data. */
export interface Look {
  /** Distribution and release, as /etc/os-release has them: `debian 12`. */
  system: string;
  /** Versions of what is installed, by package. */
  packages: Record<string, string>;
  addresses: string[];
  /** Home of the user postgres, '' where there is none. */
  home: string;
  /** The pg_autoctl that run: their systemd service, '' for none, and data directory, '' where it does not show. */
  processes: { unit: string; pgdata: string }[];
  configurations: Configuration[];
  /** Folders of pg_autoctl's that postgres cannot read, and why. */
  unread: string[];
  /** Addresses of hosts, as this container resolves them. */
  hosts: Record<string, string[]>;
}

/** A pg_autoctl.cfg. */
export interface Configuration {
  path: string;
  text: string;
  /** Major version of the data directory, undefined where there is no data. */
  postgresVersion: number | undefined;
  /** The certificate that it names; undefined where it names none, or postgres cannot read it. */
  certificate: { isSelfSigned: boolean } | undefined;
}

const deadlineMs = 20_000;
const maxBytes = 16 * 1024 * 1024;

/** @param hosts whose addresses are wanted, too. Throws as ContainerRelay.read does */
export async function lookInto(
  relay: ContainerRelay,
  hosts: readonly string[],
  signal: AbortSignal,
): Promise<Look> {
  const command = ['perl', '-e', script, '--', ...hosts];
  return parseLook(await relay.read(command, { deadlineMs, maxBytes, signal }));
}

/** Pure. */
export function parseLook(output: string): Look {
  const told = output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' '))
    .map(([key = '', ...words]) => ({
      key,
      words: words.map((word) => Buffer.from(word, 'hex').toString('utf8')),
    }));
  const all = (key: string) => told.filter((each) => each.key === key).map(({ words }) => words);
  const one = (key: string) => all(key)[0]?.[0] ?? '';
  return {
    system: one('system'),
    packages: Object.fromEntries(
      one('packages')
        .split('\n')
        .flatMap((line) => {
          const [status, name, version] = line.split(' ');
          return status === 'installed' && name && version ? [[name, version]] : [];
        }),
    ),
    addresses: [...one('addresses').matchAll(/ inet6? ([0-9a-f.:]+)\//g)].map(([, address = '']) => address),
    home: one('home'),
    processes: all('process').map(([unit = '', pgdata = '']) => ({ unit, pgdata })),
    configurations: all('config').map(([path = '', text = '', version = '', pem = '']) => ({
      path,
      text,
      postgresVersion: version === '' ? undefined : Number(version),
      certificate: certificateOf(pem),
    })),
    unread: all('unread').map((words) => words.join(': ')),
    hosts: Object.fromEntries(
      all('host').map(([host = '', addresses = '']) => [
        host,
        [...new Set(addresses.split(',').filter((each) => each !== ''))],
      ]),
    ),
  };
}

/**
 * The service of the pg_autoctl that runs a data directory, '' where none shows. The only one there is taken for it where it
 * was told of the directory in other words (by a link, say), but not where these are another member's. Pure.
 */
export function runningUnitOf({ processes, configurations }: Look, pgdata: string): string {
  const own = processes.find((each) => each.pgdata === pgdata);
  const [only, ...more] = processes;
  const isAnothers = configurations.some(({ text }) => configured(text, 'pgdata') === only?.pgdata);
  const process = own ?? (more.length === 0 && !isAnothers ? only : undefined);
  return process?.unit ?? '';
}

function certificateOf(pem: string): Configuration['certificate'] {
  try {
    const certificate = new X509Certificate(pem);
    return {
      isSelfSigned: certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey),
    };
  } catch {
    return undefined;
  }
}
