/** pg_auto_failover's own accounts: the keepers' at the monitor, and the standbys' at the primary, a superuser. */
export const autoctlRole = 'autoctl_node';
export const replicationRole = 'pgautofailover_replicator';
