import {
  type Formation,
  inUri,
  keeps,
  keepsMonitorUri,
  type Member,
  monitorDatabase,
  sslMode,
} from '../formation/formation.ts';
import { autoctlRole } from './roles.ts';
import { caPem, ownTlsFiles, type TlsFiles, tlsParameters } from './tls.ts';

/** A member's pg_autoctl.cfg: what it should say, and what one says. */

/** Where pg_autoctl keeps it, by the data directory. */
export const keeperConfigPath = ({ pgdata }: Pick<Member, 'pgdata'>): string =>
  `/var/lib/postgresql/.config/pg_autoctl${pgdata}/pg_autoctl.cfg`;

/** libpq waits for an answer without end: a cut in the midst of one would keep a primary from fencing itself. */
const impatience = 'keepalives_idle=1&keepalives_interval=1&keepalives_count=2&tcp_user_timeout=3000';

/**
 * The monitor's connection string for keepers; the password is in the password file.
 * @param keeperConfig of the keeper, which names its CA where certificates stay; '' for a keeper that is yet to be made
 */
export function monitorUri(formation: Formation, monitor: Member, keeperConfig: string): string {
  const kept = keeps(formation, 'certificates') ? tlsFilesIn(keeperConfig).authority : '';
  const tls = tlsParameters(formation, kept || caPem);
  return `postgres://${autoctlRole}@${inUri(monitor.host)}:${formation.postgres.port}/${monitorDatabase}?${tls}&${impatience}`;
}

/** Whether a keeper's configuration has that connection string; pg_autoctl writes its parameters in an order of its own. */
export function hasMonitorUri(formation: Formation, monitor: Member, keeperConfig: string): boolean {
  const parts = (uri: string) => {
    const [base = '', parameters = ''] = uri.split('?');
    return [base.replace(/^postgresql:/, 'postgres:'), ...parameters.split('&').sort()].join('&');
  };
  const found = configured(keeperConfig, 'monitor');
  if (keepsMonitorUri(formation)) return holdsPassword(found) || isImpatient(keeperConfig);
  return parts(configured(keeperConfig, 'monitor')) === parts(monitorUri(formation, monitor, keeperConfig));
}

/**
 * The string that a keeper's configuration is to have. One that stays is made impatient, and nothing else of it is changed.
 * It may not hold a password: it becomes an argument of a command.
 */
export function wantedMonitorUri(formation: Formation, monitor: Member, keeperConfig: string): string {
  const found = configured(keeperConfig, 'monitor');
  if (!keepsMonitorUri(formation)) return monitorUri(formation, monitor, keeperConfig);
  const [base = '', parameters = ''] = found.split('?');
  const names = impatience.split('&').map((each) => each.replace(/=.*/, ''));
  const others = parameters
    .split('&')
    .filter((each) => each !== '' && !names.includes(each.replace(/=.*/, '')));
  return `${base}?${[...others, impatience].join('&')}`;
}

/** libpq reads the names of parameters decoded, and has a password for the key of a certificate as well (sslpassword). */
const holdsPassword = (uri: string) =>
  /^[^:]+:\/\/[^@/]*:[^@/]*@/.test(uri) || /[?&](?:ssl)?(?:p|%70)[^=&]*(?:d|%64)=/i.test(uri);

/** Whether a keeper does not wait long for an answer of the monitor's; the order of the parameters is pg_autoctl's own. */
export function isImpatient(keeperConfig: string): boolean {
  const parameters = configured(keeperConfig, 'monitor').split('?')[1]?.split('&') ?? [];
  return impatience.split('&').every((each) => parameters.includes(each));
}

/** The host of the monitor that a member's configuration names, undefined where it names none. */
export function hostOfMonitor(keeperConfig: string): string | undefined {
  const [, host] = /@(\[[^\]]*\]|[^:/]+)/.exec(configured(keeperConfig, 'monitor')) ?? [];
  return host?.replace(/^\[|\]$/g, '');
}

/** What a pg_autoctl.cfg says, '' for a key that is not there. In time linear to its length, whatever it holds. */
export function configured(keeperConfig: string, key: string): string {
  return (new RegExp(`^[ \\t]*${key}[ \\t]*=(.*)$`, 'm').exec(keeperConfig)?.[1] ?? '').trim();
}

/** The keeper's network_partition_timeout as its configuration file has it (upstream's default is 20 s). */
export function partitionTimeoutOf(keeperConfig: string): number {
  return Number(configured(keeperConfig, 'network_partition_timeout') || 20);
}

/** Whether a member's configuration has the formation's TLS mode and files. */
export function hasTls(formation: Formation, keeperConfig: string): boolean {
  const files = ownTlsFiles(formation);
  const wanted: [string, string][] = [
    ['sslmode', sslMode(formation)],
    ...(keeps(formation, 'certificates')
      ? []
      : ([
          ['cert_file', files.certificate],
          ['key_file', files.key],
          ['ca_file', files.authority],
        ] as [string, string][])),
  ];
  return wanted.every(([key, value]) => configured(keeperConfig, key) === value);
}

/** The files of TLS that a member's configuration names. */
export function tlsFilesIn(keeperConfig: string): TlsFiles {
  return {
    certificate: configured(keeperConfig, 'cert_file'),
    key: configured(keeperConfig, 'key_file'),
    authority: configured(keeperConfig, 'ca_file'),
  };
}

/** Whether pg_autoctl writes rules of its own into pg_hba.conf, at each start and when nodes come and go. */
export function writesHba(keeperConfig: string): boolean {
  return keeperConfig !== '' && configured(keeperConfig, 'hba_level') !== 'skip';
}

/** Whether a node was told to forget its monitor. */
export function isMonitorDisabled(keeperConfig: string): boolean {
  return configured(keeperConfig, 'monitor') === 'PG_AUTOCTL_DISABLED';
}
