import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { onMonitor } from './breakage.ts';
import { some } from './extent.ts';
import { labFormation } from './formations.ts';
import { becomesHealthy, type Finished, figure, incus, inside, runAction, statusOf } from './harness.ts';
import { incusShim } from './shim.ts';

/** A formation over its life: grown, shrunk, repaired, reconfigured, planned before each of these, destroyed. */

const names = { monitor: 'l-monitor', nodes: ['l-alpha', 'l-beta', 'l-gamma'] as const };
const [alpha, beta, gamma] = names.nodes;

const formation = (changes: Record<string, unknown> = {}, nodes: readonly string[] = [alpha, beta]) =>
  labFormation(12, {
    monitor: { name: names.monitor },
    nodes: nodes.map((name) => ({ name })),
    ...changes,
  }).yaml;

const keptSettings = {
  postgres: {
    version: 15,
    packages: 'distribution',
    settings: { shared_buffers: '96MB', max_connections: 130 },
  },
};

const provision = (yaml: string, inputs: Record<string, string> = {}, env: Record<string, string> = {}) =>
  runAction('provision-pgaf', { formation: yaml, ...inputs }, { env });
const sql = (node: string, text: string) =>
  inside(node, 'runuser', '-u', 'postgres', '--', 'env', '-C', '/', 'psql', '-d', 'veza', '-Atqc', text);
const changesOf = ({ report }: Finished) =>
  ((report?.['changes'] ?? []) as { container: string; what: string }[])
    .map(({ container, what }) => `${container}: ${what}`)
    .sort();

/** Plans, applies, holds the plan against what was done, and sees that nothing is left to do. */
async function planAndApply(
  yaml: string,
  inputs: Record<string, string> = {},
  env: Record<string, string> = {},
): Promise<string[]> {
  const before = await incus('list', '-f', 'csv', '-c', 'nsl');
  const plan = await provision(yaml, { ...inputs, mode: 'plan' });
  expect(plan.code, plan.log).toBe(0);
  expect(plan.outputs['changed'], plan.log).toBe('true');
  expect(await incus('list', '-f', 'csv', '-c', 'nsl')).toBe(before);
  const applied = await provision(yaml, inputs, env);
  expect(applied.code, applied.log).toBe(0);
  expect(changesOf(applied)).toEqual(changesOf(plan));
  const again = await provision(yaml, { ...inputs, mode: 'plan' });
  expect(again.outputs, again.log).toMatchObject({ 'exit-code': '0', changed: 'false' });
  return changesOf(applied);
}

async function primaryOf(yaml: string): Promise<string> {
  const { outputs } = await runAction('check-formation', { formation: yaml });
  return outputs['primary'] ?? '';
}

async function rowsOn(node: string): Promise<string> {
  return (await sql(node, 'SELECT count(*) FROM kept')).trim();
}

async function removeAll(): Promise<void> {
  for (const name of [names.monitor, ...names.nodes, 'l-other'])
    await incus('delete', '--force', name).catch(() => {});
}

afterAll(removeAll);

/** Each test plans, applies and plans again; a launch takes its time on a disk that has just lost containers. */
const patience = 600_000;

describe('a formation over its life', { timeout: patience }, () => {
  it('is made as planned', async () => {
    const changes = await planAndApply(formation());
    expect(changes).toEqual(
      expect.arrayContaining([
        'default: create database veza',
        'default: create role veza',
        'l-alpha: create the node',
        expect.stringMatching(/^l-beta: launch from debian\/12/),
        'l-monitor: create the monitor',
      ]),
    );
    await sql(
      await primaryOf(formation()),
      'CREATE TABLE kept (id int); INSERT INTO kept SELECT generate_series(1, 1000)',
    );
  });

  it('gains a node, whose Postgres ends our session while it is set up', async () => {
    const three = formation({}, names.nodes);
    // As where its keeper restarts it: once, when its settings are about to be set.
    const end =
      'SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $$pgha$$';
    const { env, folder } = incusShim(
      `case "$*" in *${gamma}*' sh /etc/pgha/settings 0644 '*)
         mkdir "$shim/once" && incus exec ${gamma} -- runuser -u postgres -- psql -Atqc '${end}' </dev/null >"$shim/ended" ;;
       esac`,
    );
    const changes = await planAndApply(three, {}, env);
    expect(changes).toEqual(expect.arrayContaining(['l-gamma: create the node']));
    expect(readFileSync(join(folder, 'ended'), 'utf8').trim()).toBe('1');
    expect(await rowsOn(gamma)).toBe('1000');
    const number = await inside(
      names.monitor,
      ...['runuser', '-u', 'postgres', '--', 'env', '-C', '/', 'psql', '-d', 'pg_auto_failover', '-Atc'],
      'SELECT number_sync_standbys FROM pgautofailover.formation',
    );
    expect(number.trim()).toBe('1');
  });

  it('takes a change of candidate priority and of the quorum', async () => {
    const changed = formation({
      nodes: [{ name: alpha }, { name: beta }, { name: gamma, 'candidate-priority': 0, quorum: false }],
    });
    expect(await planAndApply(changed)).toEqual([
      'default: set number_sync_standbys 0',
      'l-gamma: set candidate-priority 0',
      'l-gamma: set replication-quorum false',
    ]);
  });

  it('keeps a node that the file no longer names, says so, and drops it with prune', async () => {
    const kept = await provision(formation());
    expect(kept.code, kept.log).toBe(1);
    expect(kept.outputs['failed-checks'] ?? kept.outputs['message']).toContain('l-gamma');
    expect(kept.log).toContain('l-gamma is registered but not in the file; it is left alone');
    expect(await statusOf(gamma)).toBe('Running');

    const changes = await planAndApply(formation(), { prune: 'true' });
    expect(changes).toContain('l-gamma: drop the node, and delete its container');
    await expect(statusOf(gamma)).rejects.toThrow(/not found/i);
    await becomesHealthy(formation(), 10_000);
  });

  it('takes settings, by a restart of one node after the other where they need one', async () => {
    const primary = await primaryOf(formation());
    const changed = formation({
      postgres: {
        version: 15,
        packages: 'distribution',
        settings: {
          shared_buffers: '96MB',
          max_connections: 130,
          work_mem: '5MB',
          shared_preload_libraries: 'pg_stat_statements,auto_explain',
        },
      },
    });
    const changes = await planAndApply(changed);
    expect(changes).toContain(`default: switch over from ${primary} (writes pause for seconds)`);
    for (const node of [alpha, beta]) {
      expect(await sql(node, "SELECT current_setting('shared_buffers') || current_setting('work_mem')")).toBe(
        '96MB5MB\n',
      );
    }
    expect(await sql(alpha, 'SHOW shared_preload_libraries')).toBe('pg_stat_statements, auto_explain\n');
    const fewer = await provision(formation());
    expect(fewer.code, fewer.log).toBe(3);
    expect(fewer.outputs['message']).toMatch(
      /max_connections from 130 to 100: a running formation cannot take less/,
    );
    expect(await sql(alpha, 'SHOW max_connections')).toBe('130\n');
    // What is no longer in the file goes back to what pg_auto_failover sets.
    const reset = formation({
      postgres: {
        version: 15,
        packages: 'distribution',
        settings: { shared_buffers: '96MB', max_connections: 130 },
      },
    });
    const undone = await planAndApply(reset);
    for (const node of [alpha, beta]) {
      expect(undone).toContain(`${node}: reset work_mem`);
      expect(undone).toContain(`${node}: restart Postgres for shared_preload_libraries`);
    }
  });

  it('takes a new node together with a setting that needs a restart', async () => {
    const set = { ...keptSettings.postgres.settings, track_activity_query_size: 2048 };
    const grown = formation({ postgres: { ...keptSettings.postgres, settings: set } }, [alpha, beta, gamma]);
    expect(await planAndApply(grown)).toEqual(
      expect.arrayContaining([`${beta}: restart Postgres for track_activity_query_size`]),
    );
    for (const node of [alpha, beta, gamma])
      expect(await sql(node, 'SHOW track_activity_query_size')).toBe('2kB\n');
    await planAndApply(formation(keptSettings), { prune: 'true' });
    await becomesHealthy(formation(keptSettings), 10_000);
  });

  it('takes limits', async () => {
    const limited = formation({
      ...keptSettings,
      limits: { cpu: 1, memory: '2GiB' },
    });
    expect(await planAndApply(limited)).toContain('l-beta: set limits.memory to 2GiB');
    expect((await incus('config', 'get', beta, 'limits.memory')).trim()).toBe('2GiB');
  });
});

describe('a container that was deleted is replaced, and no data is lost', { timeout: patience }, () => {
  const yaml = formation(keptSettings);

  const gone: [string, () => Promise<string>][] = [
    ['a standby', async () => ((await primaryOf(yaml)) === alpha ? beta : alpha)],
    ['the primary', () => primaryOf(yaml)],
    ['the monitor', () => Promise.resolve(names.monitor)],
  ];
  it.each(some(gone, 1))('%s', async (what, pick) => {
    const name = await pick();
    await incus('delete', '--force', name);
    const started = performance.now();
    await planAndApply(yaml);
    figure(`${what} replaced, planned before and after`, (performance.now() - started) / 1000);
    for (const node of [alpha, beta]) expect(await rowsOn(node)).toBe('1000');
    await becomesHealthy(yaml, 10_000);
  });

  it('the monitor, while no node runs', async () => {
    await incus('stop', '--force', alpha, beta);
    await incus('delete', '--force', names.monitor);
    const { code, log } = await provision(yaml);
    expect(code, log).toBe(0);
    for (const node of [alpha, beta]) expect(await rowsOn(node)).toBe('1000');
    await becomesHealthy(yaml, 10_000);
  });
});

describe('a primary that pg_auto_failover left read-only', () => {
  it('is told by check-formation, and takes writes again after the next run', async () => {
    const yaml = formation(keptSettings);
    const primary = await primaryOf(yaml);
    await sql(primary, 'ALTER SYSTEM SET default_transaction_read_only = on');
    await sql(primary, 'SELECT pg_reload_conf()');
    const checked = await runAction('check-formation', { formation: yaml });
    expect(checked.outputs['failed-checks'], checked.log).toBe('one-writable-primary');
    expect(await planAndApply(yaml)).toEqual([
      `${primary}: let the primary take writes again, which was left read-only`,
    ]);
  });
});

describe('what would lose data, or touch what is another’s, is refused', () => {
  const refused = async (yaml: string, message: RegExp) => {
    const { code, outputs, log } = await provision(yaml);
    expect(code, log).toBe(3);
    expect(outputs['message']).toMatch(message);
    await becomesHealthy(formation(keptSettings), 10_000);
  };

  it('a renamed primary', async () => {
    const primary = await primaryOf(formation(keptSettings));
    const other = primary === alpha ? beta : alpha;
    await refused(
      formation(keptSettings, ['l-new', other]),
      new RegExp(`the primary is ${primary}, which the file does not name`),
    );
  });

  it('another data directory, another port, another version: all at once', () =>
    refused(
      formation({
        postgres: { version: 16, packages: 'distribution', 'data-directory': '/srv/pgdata/pgaf', port: 5433 },
      }),
      /postgres\.version: 16.*postgres\.data-directory: .*postgres\.port: 5433/,
    ));

  it('a container that pgha did not make', async () => {
    await incus('launch', 'debian/12', 'l-stranger');
    try {
      await refused(
        formation(keptSettings, [alpha, beta, 'l-stranger']),
        /the container l-stranger exists and was not made by pgha/,
      );
    } finally {
      await incus('delete', '--force', 'l-stranger');
    }
  });
});

describe('a monitor that was stopped when the containers were listed, and runs a moment later', () => {
  const yaml = formation(keptSettings);
  const hba = () => inside(names.monitor, 'cat', '/var/lib/postgresql/pgaf/monitor/pg_hba.conf');
  const askMonitor = (text: string) => onMonitor(names.monitor, text);

  // It serves another formation as well.
  beforeAll(async () => {
    await askMonitor("SELECT pgautofailover.create_formation('billing', 'pgsql', 'billing', true, 0)");
    await askMonitor(
      `INSERT INTO pgautofailover.node (formationid, groupid, nodename, nodehost, nodeport, reportedstate)
       VALUES ('billing', 0, 'billing-1', 'billing-1.incus', 5432, 'init')`,
    );
    const { code, log } = await provision(yaml);
    expect(code, log).toBe(0);
    expect(await hba()).toContain(' billing-1.incus ');
  });
  afterAll(async () => {
    await askMonitor("DELETE FROM pgautofailover.node WHERE formationid = 'billing'");
    await askMonitor("SELECT pgautofailover.drop_formation('billing')");
  });

  it.each([1, 2])('is no new one, whichever listing it was (%i)', { timeout: patience }, async (which) => {
    await incus('stop', '--force', names.monitor);
    const { env } = incusShim(
      `case "$*" in *'/1.0/instances?recursion=1'*)
         echo >> "$shim/listings"
         if [ "$(wc -l < "$shim/listings")" = ${which} ]; then
           incus "$@"; code=$?; incus start ${names.monitor} </dev/null >/dev/null; exit $code
         fi ;;
       esac`,
    );
    const { code, log } = await provision(yaml, {}, env);
    expect(code, log).toBe(0);
    expect(log).not.toContain('forget the monitor');
    expect(log).not.toContain('create the monitor');
    expect(await hba()).toContain(' billing-1.incus ');
    await becomesHealthy(yaml, 30_000);
  });
});

describe('destroy', () => {
  const yaml = formation(keptSettings);
  const destroy = (env: Record<string, string> = {}) =>
    provision(yaml, { mode: 'destroy', confirm: 'default' }, env);

  /** Refused whole: every container as it was. */
  async function refused(message: RegExp): Promise<void> {
    const before = await incus('list', '-f', 'csv', '-c', 'nsl');
    const { code, outputs, log } = await destroy();
    expect(code, log).toBe(3);
    expect(outputs['message']).toMatch(message);
    expect(await incus('list', '-f', 'csv', '-c', 'nsl')).toBe(before);
  }

  it('is refused where the monitor cannot say which formations it serves', async () => {
    await inside(names.monitor, 'systemctl', 'stop', 'pg_autoctl');
    await refused(
      /which formations are registered on l-monitor cannot be told .*systemctl restart pg_autoctl/,
    );
    await incus('stop', '--force', names.monitor);
    await refused(
      /cannot be told \(the container is Stopped\).*incus start --project default local:l-monitor/,
    );
    await incus('start', names.monitor);
    await becomesHealthy(yaml, 60_000);
  });

  it('is refused whole where one container is protected', async () => {
    await incus('config', 'set', beta, 'security.protection.delete=true');
    await refused(/^l-beta is protected from deletion/);
    await incus('config', 'unset', beta, 'security.protection.delete');
  });

  it("asks for the formation's name", async () => {
    const { code, outputs, log } = await provision(yaml, { mode: 'destroy' });
    expect(code, log).toBe(3);
    expect(outputs['message']).toMatch(/^input confirm: .*type the formation's name, default,/);
    expect(await statusOf(alpha)).toBe('Running');
  });

  it('that was interrupted is finished by the next, and there is nothing to do the third time', async () => {
    // The client has stopped the monitor when it is killed; one node is deleted by somebody else at the same time.
    const { env } = incusShim(
      `case "$*" in
         delete*${names.monitor}*) incus stop --force ${names.monitor} </dev/null; exit 137 ;;
         delete*${beta}*) incus delete --force ${beta} </dev/null >/dev/null 2>&1 & ;;
       esac`,
    );
    // As one of another formation of the same name: nothing says that it is of this one.
    await incus('init', 'debian/12', 'l-other', '--config', 'user.pgha.formation=default');
    const interrupted = await destroy(env);
    expect(interrupted.code, interrupted.log).toBe(3);
    expect(interrupted.outputs['message']).toContain('run this again for what is left');
    expect(await statusOf(names.monitor)).toBe('Stopped');
    for (const name of [alpha, beta]) await expect(statusOf(name)).rejects.toThrow(/not found/i);
    const { code, outputs, log } = await destroy();
    expect(code, log).toBe(0);
    expect(outputs['changed']).toBe('true');
    const left = await incus('list', '-f', 'csv', '-c', 'n');
    for (const name of [names.monitor, alpha, beta]) expect(left).not.toContain(name);
    expect(interrupted.log).toContain('l-other bears the label of formation default');
    expect(await statusOf('l-other')).toBe('Stopped');
    await incus('delete', 'l-other');
    const again = await destroy();
    expect(again.outputs).toMatchObject({ 'exit-code': '0', changed: 'false' });
  });
});
