import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseFormation } from '../../src/formation/file/load.ts';
import { type Member, membersOf } from '../../src/formation/formation.ts';
import { stateFileOf } from '../../src/member/keeper-state.ts';
import { isPromoted, readNodes } from '../../src/monitor/nodes.ts';
import { openMemberSession } from '../../src/postgres/member-session.ts';
import { autoctl } from './breakage.ts';
import { lab, rolesIn } from './clients.ts';
import { some } from './extent.ts';
import { containersOf, labFormation } from './formations.ts';
import { becomesHealthy, eventually, figure, incus, inside, runAction, startAction } from './harness.ts';
import { tolerable } from './meter.ts';
import { incusShim } from './shim.ts';
import { staysHealthy } from './stays-healthy.ts';

const pgdata = '/var/lib/postgresql/pgaf/node';

async function deleteContainers(names: string[]): Promise<void> {
  for (const name of names) await incus('delete', '--force', name).catch(() => {});
}

describe.each([12, 13] as const)('provision-pgaf on Debian %i', (debian) => {
  const formation = labFormation(debian);
  const provision = () => runAction('provision-pgaf', { formation: formation.yaml });

  beforeAll(() => deleteContainers(containersOf(formation)));

  it('makes a converged formation from nothing', async () => {
    const { code, outputs, summary, log, tookMs } = await provision();
    expect(code, log).toBe(0);
    expect(outputs).toMatchObject({
      outcome: 'pass',
      changed: 'true',
      primary: formation.nodes[0],
      standbys: formation.nodes[1],
    });
    expect(outputs['formation-uri']).toBe(
      `postgres://veza@${formation.nodes[0]}.incus:5432,${formation.nodes[1]}.incus:5432/veza?target_session_attrs=read-write&sslmode=require`,
    );
    expect(summary).toContain('launch from');
    figure(`provision from nothing, Debian ${debian}`, tookMs / 1000);
  });

  it('changes nothing the second time, and says so', async () => {
    const times: number[] = [];
    for (let run = 0; run < 3; run++) {
      const { code, outputs, log, tookMs } = await provision();
      expect(code, log).toBe(0);
      expect(outputs['changed']).toBe('false');
      expect(outputs['message']).toContain('nothing to change');
      times.push(tookMs);
    }
    times.sort((a, b) => a - b);
    figure(
      `provision again, Debian ${debian}, quickest and median of 3`,
      times
        .slice(0, 2)
        .map((ms) => (ms / 1000).toFixed(3))
        .join(' and '),
    );
    expect(times[0]).toBeLessThan(tolerable(1000));
  });

  it('replicates synchronously, as sync-standbys 1 asks for', async () => {
    const sql =
      "SELECT current_setting('synchronous_standby_names') || ' ' || string_agg(sync_state, ',') FROM pg_stat_replication";
    const answer = await inside(formation.nodes[0], 'runuser', '-u', 'postgres', '--', 'psql', '-Atc', sql);
    expect(answer).toMatch(/^ANY 1 \(pgautofailover_standby_\d+\) quorum$/m);
  });

  it('has no superuser of ours run an event trigger on login, be it enabled always', async () => {
    const psql = async (sql: string) =>
      await inside(formation.nodes[0], 'runuser', '-u', 'postgres', '--', 'psql', '-d', 'veza', '-Atc', sql);
    // They came with Postgres 17.
    if (debian === 12) return await expect(psql('SHOW event_triggers')).rejects.toThrow(/unrecognized/);
    const wanted = parseFormation(formation.yaml, 'formation.yml');
    const [, primary] = membersOf(wanted);
    await psql(`
      CREATE TABLE public.logins AS SELECT now() AS at, session_user AS who LIMIT 0;
      CREATE FUNCTION public.note() RETURNS event_trigger LANGUAGE plpgsql
        AS $$ begin insert into public.logins values (now(), session_user); end $$;
      CREATE EVENT TRIGGER note ON login EXECUTE FUNCTION public.note();
      ALTER EVENT TRIGGER note ENABLE ALWAYS`);
    try {
      const session = await openMemberSession(lab, wanted, primary as Member, { database: 'veza' });
      await session.query('SELECT 1');
      session.close();
      // The second one of psql's is there.
      expect(await psql('SELECT count(*) FROM public.logins')).toBe('1\n');
    } finally {
      await psql('DROP EVENT TRIGGER note; DROP FUNCTION public.note; DROP TABLE public.logins');
    }
  });

  it("leaves the distribution's own cluster neither running nor enabled", async () => {
    for (const name of containersOf(formation)) {
      expect(await inside(name, 'pg_lsclusters', '-h')).toBe('');
      const running = await inside(
        name,
        'sh',
        '-c',
        'systemctl list-units --plain --no-legend "postgresql@*"',
      );
      expect(running).toBe('');
    }
  });

  it('lets the application in over TLS with its password on every node, and not otherwise', async () => {
    for (const node of formation.nodes) {
      const login = (password: string, sslmode: string) =>
        inside(
          formation.monitor,
          'env',
          `PGPASSWORD=${password}`,
          'psql',
          `host=${node}.incus user=veza dbname=veza sslmode=${sslmode} connect_timeout=5`,
          '-Atc',
          'SELECT current_user',
        );
      expect(await login('changeme-DEV-ONLY', 'require')).toBe('veza\n');
      await expect(login('wrong', 'require')).rejects.toThrow(/password authentication failed/);
      await expect(login('changeme-DEV-ONLY', 'disable')).rejects.toThrow(
        /no pg_hba.conf entry|no encryption/,
      );
    }
  });
});

describe('provision-pgaf puts right what has drifted', () => {
  const formation = labFormation(12);
  const [alpha, beta] = formation.nodes;
  const provision = () => runAction('provision-pgaf', { formation: formation.yaml });

  beforeAll(async () => {
    const { code, log } = await provision();
    expect(code, log).toBe(0);
  });

  const drifts: [string, () => Promise<unknown>][] = [
    ['a stopped service', () => inside(beta, 'systemctl', 'stop', 'pg_autoctl')],
    ['a disabled service', () => inside(alpha, 'systemctl', 'disable', 'pg_autoctl')],
    ["a process that bears the id of a dead node's Postgres", () => mistakesForPostgres(beta)],
    ['a stopped container', () => incus('stop', '--force', beta)],
    ['a frozen container', () => incus('pause', beta)],
    [
      'a changed unit file',
      () => inside(beta, 'sed', '-i', 's/65536/1024/', '/etc/systemd/system/pg_autoctl.service'),
    ],
    ['lost HBA rules', () => inside(beta, 'sed', '-i', '/clients/,$d', `${pgdata}/pg_hba.conf`)],
    [
      'a changed clock of the monitor',
      () => psql(formation.monitor, 'ALTER SYSTEM SET pgautofailover.primary_demote_timeout = 1000'),
    ],
    ['a keeper that forgot its standby, and would not fence itself', () => forgetStandby(beta)],
    ['a lost database password', () => primarySql("ALTER ROLE veza PASSWORD 'somethingelse'")],
  ];
  it.each(some(drifts, 5))('%s', async (_, drift) => {
    await drift();
    const mended = await provision();
    expect(mended.code, mended.log).toBe(0);
    expect(mended.outputs['changed'], mended.log).toBe('true');
    const again = await provision();
    expect(again.code, again.log).toBe(0);
    expect(again.outputs['changed'], again.log).toBe('false');
  });

  it('a clock of a keeper whose configuration is being written', async () => {
    const config = `/var/lib/postgresql/.config/pg_autoctl${pgdata}/pg_autoctl.cfg`;
    await inside(
      beta,
      'sed',
      '-i',
      's/^network_partition_timeout = .*/network_partition_timeout = 99/',
      config,
    );
    // As pg_autoctl does it: emptied, then written, and the first who asks reads in between.
    const emptied = `cp -p ${config} /tmp/config; : > ${config}; sleep 0.8; cat /tmp/config > ${config}`;
    const { env } = incusShim(
      `case "$*" in *${beta}*pg_autoctl*config*set*)
         mkdir "$shim/once" && incus exec ${beta} -- sh -c '${emptied}' </dev/null & sleep 0.4 ;;
       esac`,
    );
    const mended = await runAction('provision-pgaf', { formation: formation.yaml }, { env });
    expect(mended.code, mended.log).toBe(0);
    expect(mended.log.match(/run: incus exec .* pg_autoctl config set$/gm)?.length).toBeGreaterThan(1);
    expect(await inside(beta, 'cat', config)).not.toContain('network_partition_timeout = 99');
    const again = await provision();
    expect(again.outputs['changed'], again.log).toBe('false');
  });

  it('a Postgres that could not start, without a signal to what else runs as postgres', async () => {
    await inside(beta, 'systemd-run', '--quiet', '--uid=postgres', '--unit=bystander', 'sleep', '300');
    const broken = `chmod 0770 ${pgdata}; sed -i '/clients/,$d' ${pgdata}/pg_hba.conf; kill -INT "$(head -n 1 ${pgdata}/postmaster.pid)"`;
    await inside(beta, 'sh', '-c', broken);
    const mended = await provision();
    expect(mended.code, mended.log).toBe(0);
    expect(mended.log).toContain('write pg_hba.conf');
    expect((await inside(beta, 'systemctl', 'is-active', 'bystander')).trim()).toBe('active');
    await inside(beta, 'systemctl', 'stop', 'bystander');
    const again = await provision();
    expect(again.outputs['changed'], again.log).toBe('false');
  });

  it('a stopped monitor, which knows its nodes, and keepers that were told to forget it', async () => {
    await incus('stop', '--force', formation.monitor);
    const started = await provision();
    expect(started.code, started.log).toBe(0);
    expect(started.log).not.toContain('forget the monitor');
    for (const node of formation.nodes) await autoctl(node, 'disable', 'monitor', '--force');
    const mended = await provision();
    expect(mended.code, mended.log).toBe(0);
    expect(mended.log).toContain("set the monitor's connection string");
    const again = await provision();
    expect(again.outputs['changed'], again.log).toBe('false');
  });

  it('a power loss after which another process has the id of the old Postgres', async () => {
    await inside(beta, 'systemctl', 'stop', 'pg_autoctl');
    await inside(beta, 'sh', '-c', impostor);
    await inside(beta, 'systemctl', 'start', 'pg_autoctl');
    await becomesHealthy(formation.yaml, 30_000);
    const again = await provision();
    expect(again.outputs['changed'], again.log).toBe('false');
  });

  /** As a power loss leaves it: postmaster.pid, with the id of what pg_autoctl could signal. */
  const impostor = `
    cd /; runuser -u postgres -- sh -c 'trap "" INT QUIT; exec sleep 300' </dev/null >/dev/null 2>&1 &
    until pid=$(pgrep -u postgres -x sleep); do sleep 0.1; done
    printf '%s\\n%s\\n1795818634\\n5432\\n/var/run/postgresql\\n*\\n  1007751 0\\nready\\n' "$pid" ${pgdata} > ${pgdata}/postmaster.pid
    chown postgres: ${pgdata}/postmaster.pid; chmod 600 ${pgdata}/postmaster.pid`;

  /** What a unit that does not look leaves: a pg_autoctl that waits for Postgres and starts none. */
  async function mistakesForPostgres(container: string): Promise<void> {
    await inside(container, 'sed', '-i', '/^ExecStartPre=/d', '/etc/systemd/system/pg_autoctl.service');
    await inside(container, 'systemctl', 'daemon-reload');
    await inside(container, 'systemctl', 'stop', 'pg_autoctl');
    await inside(container, 'sh', '-c', impostor);
    await inside(container, 'systemctl', 'start', 'pg_autoctl');
    await delay(3000);
    await expect(inside(container, 'test', '-S', '/var/run/postgresql/.s.PGSQL.5432')).rejects.toThrow();
  }

  /** The keeper writes its state once a second: until it has kept the zero. */
  async function forgetStandby(container: string): Promise<void> {
    const script = `
      my ($file, $held) = (@ARGV, 0);
      for (1 .. 30) {
        open(my $state, "+<", $file) or die; sysseek($state, 64, 0); sysread($state, my $bytes, 8);
        exit 0 if unpack("q", $bytes) == 0 && ++$held > 1;
        sysseek($state, 64, 0); syswrite($state, pack("q", 0)); close($state); select(undef, undef, undef, 1.3);
      }
      die "it does not forget";`;
    await inside(container, 'perl', '-e', script, stateFileOf(pgdata));
  }

  async function psql(container: string, sql: string): Promise<string> {
    return await inside(container, 'runuser', '-u', 'postgres', '--', 'psql', '-Atc', sql);
  }

  async function primarySql(sql: string): Promise<string> {
    const { outputs } = await runAction('check-formation', { formation: formation.yaml });
    return await psql(outputs['primary'] ?? '', sql);
  }
});

describe('provision-pgaf that would harm what is there', () => {
  const formation = labFormation(12);

  it('refuses another major version of Postgres, and touches nothing', async () => {
    const first = await runAction('provision-pgaf', { formation: formation.yaml });
    expect(first.code, first.log).toBe(0);
    const other = labFormation(12, { postgres: { version: 16, packages: 'distribution' } });
    const { code, outputs, log } = await runAction('provision-pgaf', { formation: other.yaml });
    expect(code, log).toBe(3);
    expect(outputs['message']).toContain(
      `postgres.version: 16 asked for, and ${formation.monitor} holds data of 15`,
    );
    await staysHealthy(formation.yaml);
  });

  it('leaves pg_hba.conf whole when it is killed while it writes it', async () => {
    const [alpha] = formation.nodes;
    const hba = '/var/lib/postgresql/pgaf/node/pg_hba.conf';
    const before = await inside(alpha, 'cat', hba);
    // The client that carries the new file is held back, and killed with the rest.
    const { env } = incusShim('case "$*" in *pg_hba.conf*) sleep 2 | incus "$@"; exit ;; esac');
    const changed = labFormation(12, {
      postgres: { version: 15, packages: 'distribution', clients: ['10.0.0.0/8', '172.16.0.0/12'] },
    });
    const run = startAction('provision-pgaf', { formation: changed.yaml }, { env });
    await run.says(/run: incus exec .*pg_hba\.conf/);
    process.kill(-(run.child.pid ?? 0), 'SIGKILL');
    await run.finished;
    await new Promise((next) => setTimeout(next, 3000));
    expect(await inside(alpha, 'cat', hba)).toBe(before);
  });

  it('starts a frozen primary anew once another node has taken over, and does not let it go on', async () => {
    const { primary, standby } = await rolesIn(formation.yaml);
    const wanted = parseFormation(formation.yaml, 'formation.yml');
    await incus('pause', primary.name);
    await eventually(`${standby.name} to take over`, 60_000, async () => {
      const session = await openMemberSession(lab, wanted, membersOf(wanted)[0]);
      const nodes = await readNodes(session, wanted);
      session.close();
      return nodes.some((node) => node.name === standby.name && isPromoted(node));
    });
    const { code, log } = await runAction('provision-pgaf', { formation: formation.yaml });
    expect(code, log).toBe(0);
    expect(log).toMatch(
      new RegExp(`${primary.name} +start anew \\(it is frozen, and another node has taken over\\)`),
    );
  });
});
