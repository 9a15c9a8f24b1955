import type { Log } from '../contract/log.ts';
import type { MemberCertificate } from './certificates/certificates.ts';
import type { AccountPasswords } from './passwords/passwords.ts';
import type { Mode } from './steps.ts';

export interface ProvisionOptions {
  mode: Mode;
  /** Nodes that the monitor knows and the file does not name are dropped, and their containers deleted. */
  prune: boolean;
  /** The users' passwords, by name. Never logged. */
  passwords: ReadonlyMap<string, string>;
  /** The caller's own passwords for pg_auto_failover's accounts. Never logged. */
  secrets: AccountPasswords;
  /** The caller's own certificates, by member. Keys are never logged. */
  certificates: ReadonlyMap<string, MemberCertificate>;
  /** How long the nodes may take to converge once all of them run. */
  convergeDeadlineMs: number;
  /** How long it waits for another run on the formation to end; 0: it does not. */
  lockWaitMs: number;
  log: Log;
  signal: AbortSignal;
}
