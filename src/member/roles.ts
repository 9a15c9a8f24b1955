/** pg_auto_failover's own accounts: the keepers' at the monitor, and the standbys' at the primary, a superuser. */
export const autoctlRole = 'autoctl_node';
export const replicationRole = 'pgautofailover_replicator';

/**
 * libpq's password file of the user postgres. pg_autoctl and Postgres find both passwords there by
 * themselves, so neither stands in a command line, in pg_autoctl.cfg (which everybody in the container may
 * read), in primary_conninfo or in the monitor's URI.
 */
export const passwordFile = '/var/lib/postgresql/.pgpass';
