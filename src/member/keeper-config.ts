import { type Formation, type Member, monitorDatabase } from '../formation/formation.ts';
import { autoctlRole } from './roles.ts';
import { authorityFile, tlsOptions, tlsParameters } from './tls.ts';

/** A member's pg_autoctl.cfg: what it should say, and what one says. */

/** libpq waits for an answer without end: a cut in the midst of one would keep a primary from fencing itself. */
const impatience = 'keepalives_idle=1&keepalives_interval=1&keepalives_count=2&tcp_user_timeout=3000';

/** The monitor's connection string for keepers; the password is in the password file. */
export function monitorUri(formation: Formation, monitor: Member): string {
  return `postgres://${autoctlRole}@${monitor.host}:${formation.postgres.port}/${monitorDatabase}?${tlsParameters(formation)}&${impatience}`;
}

/** Whether a keeper's configuration has that connection string; pg_autoctl writes its parameters in an order of its own. */
export function hasMonitorUri(formation: Formation, monitor: Member, keeperConfig: string): boolean {
  const parts = (uri: string) => {
    const [base = '', parameters = ''] = uri.split('?');
    return [base.replace(/^postgresql:/, 'postgres:'), ...parameters.split('&').sort()].join('&');
  };
  return parts(configured(keeperConfig, 'monitor')) === parts(monitorUri(formation, monitor));
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
  const options = tlsOptions(formation);
  const option = (name: string) => options[options.indexOf(name) + 1] ?? '';
  const wanted: [string, string][] = [
    ['sslmode', option('--ssl-mode')],
    ['cert_file', option('--server-cert')],
    ['key_file', option('--server-key')],
    ['ca_file', authorityFile(formation)],
  ];
  return wanted.every(([key, value]) => configured(keeperConfig, key) === value);
}

/** Whether a node was told to forget its monitor. */
export function isMonitorDisabled(keeperConfig: string): boolean {
  return configured(keeperConfig, 'monitor') === 'PG_AUTOCTL_DISABLED';
}
