import { type Formation, nodeNameOf, numberSyncStandbys } from '../../formation/formation.ts';
import { readNodes } from '../../monitor/nodes.ts';
import type { Session } from '../../postgres/session.ts';
import { serverSetting } from '../../postgres/startup.ts';
import type { Steps } from '../steps.ts';

/**
 * Creates the formation on the monitor where it is not there. `default` always is; nodes cannot register in
 * any other before it exists. The database named here is what `pg_autoctl show uri` prints.
 */
export async function ensureFormation(monitor: Session, formation: Formation, steps: Steps): Promise<void> {
  const [row] = await monitor.query('SELECT FROM pgautofailover.formation WHERE formationid = $1', [
    formation.name,
  ]);
  if (row) return;
  await steps.take(formation.monitor.name, `create formation ${formation.name}`, () =>
    monitor.query("SELECT pgautofailover.create_formation($1, 'pgsql', $2, true, 0)", [
      formation.name,
      formation.postgres.database,
    ]),
  );
}

/**
 * Sets the formation's replication policy on the monitor where it differs, by pg_auto_failover's own
 * functions, which pass it on to the nodes: quorum and candidate priority of each node, number_sync_standbys.
 * @param settled waits until the nodes have taken the last change: the monitor refuses the next one before
 */
export async function ensureReplicationPolicy(
  monitor: Session,
  formation: Formation,
  steps: Steps,
  settled: () => Promise<void>,
): Promise<void> {
  const { name } = formation;
  const take = async (container: string, what: string, sql: string, values: unknown[]) => {
    await steps.take(container, what, () => monitor.query(sql, values));
    if (!steps.planning) await settled();
  };
  const registered = await readNodes(monitor, formation);
  const differing = formation.nodes.flatMap((node) => {
    const found = registered.find((each) => each.name === node.name);
    return found ? [{ node, found }] : [];
  });
  for (const { node, found } of differing) {
    if (found.candidatePriority !== node.candidatePriority) {
      await take(
        node.name,
        `set candidate-priority ${node.candidatePriority}`,
        'SELECT pgautofailover.set_node_candidate_priority($1, $2, $3)',
        [name, nodeNameOf(formation, node.name), node.candidatePriority],
      );
    }
  }
  const wanted = numberSyncStandbys(formation);
  const [row] = await monitor.query(
    'SELECT number_sync_standbys AS number FROM pgautofailover.formation WHERE formationid = $1',
    [name],
  );
  const quorum = registered.filter((node) => node.replicationQuorum).length;
  const joining = formation.nodes.filter(
    (node) => node.quorum && !registered.some(({ name: known }) => known === node.name),
  ).length;
  // The monitor itself makes 0 a 1 when a second standby joins the quorum, which a plan has to foresee.
  const raised = steps.planning && joining > 0 && quorum + joining > 2;
  const found = Math.max(Number(row?.['number']), raised ? 1 : 0);
  const setNumber = () =>
    take(
      name,
      `set number_sync_standbys ${wanted}`,
      'SELECT pgautofailover.set_formation_number_sync_standbys($1, $2)',
      [name, wanted],
    );
  // Fewer before a node leaves the quorum, more after one has joined it.
  if (found > wanted) await setNumber();
  for (const { node, found: now } of differing) {
    if (now.replicationQuorum !== node.quorum) {
      await take(
        node.name,
        `set replication-quorum ${node.quorum}`,
        'SELECT pgautofailover.set_node_replication_quorum($1, $2, $3)',
        [name, nodeNameOf(formation, node.name), node.quorum],
      );
    }
  }
  if (found < wanted) await setNumber();
}

/**
 * A primary that pg_auto_failover left read-only takes writes again. It sets default_transaction_read_only
 * before a promotion and does not take it back when the old primary is dropped meanwhile (fsm.c,
 * stop_replication to single).
 */
export async function ensureWritable(primary: Session, container: string, steps: Steps): Promise<void> {
  const [row] = await primary.query(
    `SELECT ${serverSetting('default_transaction_read_only')}::boolean AND NOT pg_is_in_recovery() AS stuck`,
  );
  if (row?.['stuck'] !== true) return;
  await steps.take(container, 'let the primary take writes again, which was left read-only', async () => {
    await primary.query('ALTER SYSTEM SET default_transaction_read_only = off');
    await primary.query('SELECT pg_reload_conf()');
  });
}
