import { type Formation, type Member, membersOf } from '../../src/formation/formation.ts';
import { Incus } from '../../src/incus/incus.ts';
import { readNodes } from '../../src/monitor/nodes.ts';
import { openMemberSession } from '../../src/postgres/member-session.ts';
import type { LiveNode, LiveSettings } from '../../src/prediction/settings.ts';
import { partitionTimeoutOf } from '../../src/provision/autoctl.ts';
import { inside } from './harness.ts';

/** What a prediction needs, read from the formation that runs and from nothing that was written down of it. */
export async function readLiveSettings(formation: Formation): Promise<LiveSettings> {
  const [monitor] = membersOf(formation);
  const settings = await settingsOf(formation, monitor, 'pgautofailover.%');
  const lab = new Incus({ remote: 'local', project: 'default' });
  const session = await openMemberSession(lab, formation, monitor);
  const registered = await readNodes(session, formation.name);
  const [row] = await session.query(
    'SELECT number_sync_standbys AS number FROM pgautofailover.formation WHERE formationid = $1',
    [formation.name],
  );
  session.close();
  const clock = (name: string) => settings(`pgautofailover.${name}`);
  return {
    monitor: {
      healthCheckPeriodMs: clock('health_check_period'),
      healthCheckTimeoutMs: clock('health_check_timeout'),
      healthCheckRetryDelayMs: clock('health_check_retry_delay'),
      healthCheckMaxRetries: clock('health_check_max_retries'),
      nodeConsideredUnhealthyTimeoutMs: clock('node_considered_unhealthy_timeout'),
      primaryDemoteTimeoutMs: clock('primary_demote_timeout'),
    },
    numberSyncStandbys: Number(row?.['number']),
    nodes: await Promise.all(registered.map((node) => readLiveNode(formation, node))),
    primary: registered.find(({ goalState }) => goalState === 'primary')?.name ?? '',
  };
}

async function readLiveNode(
  formation: Formation,
  {
    name,
    candidatePriority,
    replicationQuorum,
  }: Pick<LiveNode, 'name' | 'candidatePriority' | 'replicationQuorum'>,
): Promise<LiveNode> {
  const member = membersOf(formation).find((one) => one.name === name) as Member;
  const settings = await settingsOf(formation, member, 'wal_%');
  const home = '/var/lib/postgresql';
  const config = await inside(name, 'cat', `${home}/.config/pg_autoctl${member.pgdata}/pg_autoctl.cfg`);
  const state = `${home}/.local/share/pg_autoctl${member.pgdata}/pg_autoctl.state`;
  // last_secondary_contact (state.h).
  const seen = await inside(name, 'od', '-A', 'n', '-j', '64', '-N', '8', '-t', 'd8', state);
  const unit = await inside(name, 'systemctl', 'show', '--property=Environment', 'pg_autoctl.service');
  return {
    name,
    candidatePriority,
    replicationQuorum,
    networkPartitionTimeoutSeconds: partitionTimeoutOf(config),
    walSenderTimeoutMs: settings('wal_sender_timeout'),
    walReceiverStatusIntervalMs: settings('wal_receiver_status_interval'),
    walRetrieveRetryIntervalMs: settings('wal_retrieve_retry_interval'),
    helpers: {
      quickNameLookups: unit.includes('RES_OPTIONS=timeout:1 attempts:1'),
      monitorKeepalives:
        /^monitor *=.*keepalives_idle=.*/m.test(config) && config.includes('tcp_user_timeout='),
      remembersStandby: Number(seen.trim()) > 0,
    },
  };
}

/** A member's settings by name: times in milliseconds, the rest as they are. */
async function settingsOf(
  formation: Formation,
  member: Member,
  pattern: string,
): Promise<(name: string) => number> {
  const lab = new Incus({ remote: 'local', project: 'default' });
  const session = await openMemberSession(lab, formation, member);
  const rows = await session.query(
    `SELECT name, setting::float8 * CASE unit WHEN 's' THEN 1000 WHEN 'min' THEN 60000 ELSE 1 END AS value
       FROM pg_settings WHERE name LIKE $1 AND vartype IN ('integer', 'real')`,
    [pattern],
  );
  session.close();
  const values = new Map(rows.map((row) => [String(row['name']), Number(row['value'])]));
  return (name) => {
    const value = values.get(name);
    if (value === undefined) throw new Error(`${member.name} has no setting ${name}`);
    return value;
  };
}
