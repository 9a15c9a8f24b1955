import { describe, expect, it } from 'vitest';
import { describeRemedy, type Finding } from '../../../src/check/check.ts';
import type { Observation } from '../../../src/check/observation.ts';
import { didNothing, parseTrouble } from '../../../src/check/trouble-probe.ts';
import { judge } from '../../../src/check/verdict.ts';
import {
  builtInFormation,
  formationOf,
  healthyObservation,
  monitorOf,
  nodeOf,
  observedContainer,
  rowOf,
  trouble,
} from '../builders.ts';

/** The cause comes first, what follows from it after it, and the remedy is safe where another cause holds. */

const noPostgres =
  'Postgres does not run (/var/run/postgresql/.s.PGSQL.5432.lock: No such file or directory)';

function judged(breakIt: (observation: Observation) => void): {
  message: string;
  failed: string[];
  follows: string[];
  remedy: string;
  findings: Finding[];
} {
  const observation = healthyObservation();
  breakIt(observation);
  // As the action asks, whose target has a default.
  const { findings, message } = judge(observation, builtInFormation(), { rtoTargetSeconds: 60 });
  const failed = findings.filter(({ status }) => status === 'fail');
  const problem = failed[0]?.faults[0];
  return {
    message,
    failed: failed.map(({ check }) => check),
    follows: findings.filter(({ status }) => status === 'follows').map(({ check }) => check),
    remedy: problem === undefined ? '' : describeRemedy(problem.remedy),
    findings,
  };
}

const ends = (observation: Observation, name: string, message: string) => {
  observation.nodes[name] = { ok: false, failed: noPostgres };
  observation.troubles[name] = {
    ok: true,
    value: trouble({ lastWords: { severity: 'PANIC', message, detail: '', hint: '', before: '' } }),
  };
};

describe('the cause comes first', () => {
  it('a monitor of another version: the keepers that it turns away follow from it, and none is to be ended', () => {
    const { message, failed, follows, remedy } = judged((observation) => {
      monitorOf(observation).extensionVersion = '1.6';
      monitorOf(observation).availableExtensionVersion = '2.0';
      for (const row of monitorOf(observation).nodes) {
        row.secondsSinceReport = 14.3;
        row.health = 0;
        observation.troubles[row.name] = { ok: true, value: trouble({ runs: true }) };
      }
    });
    expect(failed).toEqual(['versions-equal']);
    expect(follows).toEqual(expect.arrayContaining(['keepers-report', 'nodes-healthy']));
    expect(message).toContain('the monitor runs pgautofailover 1.6, and 2.0 is installed');
    expect(remedy).toContain('incus exec pgaf-monitor');
  });

  it('and so does a node whose Postgres went down with its keeper', () => {
    const { failed } = judged((observation) => {
      monitorOf(observation).extensionVersion = '1.6';
      monitorOf(observation).availableExtensionVersion = '2.0';
      rowOf(observation, 'pgaf-primary').secondsSinceReport = 14.3;
      observation.nodes['pgaf-primary'] = { ok: false, failed: noPostgres };
      observedContainer(observation, 'pgaf-primary').service.active = 'activating';
    });
    expect(failed).toEqual(['versions-equal']);
  });

  it('a Postgres that does not start: its service that gives up, and what the monitor makes of it', () => {
    const { failed, follows, message, remedy } = judged((observation) => {
      ends(observation, 'pgaf-replica', 'could not locate a valid checkpoint record');
      Object.assign(observedContainer(observation, 'pgaf-replica').service, {
        active: 'activating',
        restarts: 7,
      });
      Object.assign(rowOf(observation, 'pgaf-replica'), { health: 0, secondsSinceReport: 20 });
      Object.assign(nodeOf(observation, 'pgaf-primary'), { standbys: [] });
    });
    expect(failed).toEqual(['postgres-starts']);
    expect(follows).toEqual(expect.arrayContaining(['nodes-reachable', 'services-run', 'keepers-report']));
    expect(message).toContain(
      'pgaf-replica: Postgres does not start, or stopped by itself: PANIC: could not',
    );
    expect(remedy).toContain('incus delete --force pgaf-replica');
  });

  it('that of the primary itself may be the only copy: nothing is to be deleted', () => {
    const { failed, remedy } = judged((observation) =>
      ends(observation, 'pgaf-primary', 'could not locate a valid checkpoint record'),
    );
    expect(failed).toEqual(['postgres-starts']);
    expect(remedy).toMatch(/delete nothing, save it first.*show state/);
    expect(remedy).not.toContain('incus delete');
  });

  describe('a Postgres that does not start for a setting', () => {
    const remedyOf = (settings: string, altered: Record<string, string>, words: object) => {
      const observation = healthyObservation();
      const lastWords = {
        severity: 'FATAL' as const,
        message: '',
        detail: '',
        hint: '',
        before: '',
        ...words,
      };
      observation.nodes['pgaf-replica'] = { ok: false, failed: noPostgres };
      observation.troubles['pgaf-replica'] = {
        ok: true,
        value: trouble({ runs: false, lastWords, altered }),
      };
      const { findings } = judge(observation, formationOf(`environment: lab\npostgres: { ${settings} }\n`));
      const remedy = findings.find(({ check }) => check === 'postgres-starts')?.faults[0]?.remedy;
      return remedy === undefined ? '' : describeRemedy(remedy);
    };
    const memory = {
      message: 'could not map anonymous shared memory: Cannot allocate memory',
      hint: 'To reduce the request size, reduce shared memory usage, perhaps by reducing shared_buffers or max_connections.',
    };

    it('is that which is to blame, and not another that the hint names as well', () => {
      const remedy = remedyOf(
        "settings: { max_connections: '200' }",
        { max_connections: '200', shared_buffers: '64GB' },
        memory,
      );
      expect(remedy).toMatch(/somebody has set shared_buffers by ALTER SYSTEM.*sed -i .*shared_buffers/);
      expect(remedy).not.toContain('max_connections');
    });

    it("is the file's, where that is what Postgres has, and is not where somebody has overwritten it", () => {
      const file = "settings: { shared_buffers: '64GB' }";
      expect(remedyOf(file, { shared_buffers: '64GB' }, memory)).toMatch(
        /^mend postgres\.settings\.shared_buffers/,
      );
      expect(remedyOf("settings: { shared_buffers: '64MB' }", { shared_buffers: '64GB' }, memory)).toMatch(
        /^somebody has set shared_buffers by ALTER SYSTEM otherwise.*run provision-pgaf/,
      );
    });

    it('deletes no node for a file that is missing in a folder whose name says base', () => {
      const missing = (path: string) => ({
        message: 'could not load pg_hba.conf',
        before: `could not open file "${path}": No such file or directory`,
      });
      const own = 'data-directory: /srv/pg/base';
      for (const path of ['/srv/pg/base/node/pg_hba.conf', '/srv/database/extra.conf'])
        expect(remedyOf(own, {}, missing(path))).not.toContain('incus delete');
      expect(remedyOf(own, {}, missing('/srv/pg/base/node/global/pg_filenode.map'))).toContain(
        'incus delete',
      );
      expect(remedyOf(own, {}, missing('base/5/112'))).toContain('incus delete');
    });

    it('nor for anything else that is not there', () => {
      expect(remedyOf('', {}, { message: 'directory "/run/sockets" does not exist' })).not.toContain(
        'incus delete',
      );
    });
  });

  it('a monitor that does not start', () => {
    const { failed, remedy } = judged((observation) => {
      observation.monitor = { ok: false, failed: noPostgres };
      observation.troubles['pgaf-monitor'] = {
        ok: true,
        value: trouble({
          lastWords: { severity: 'FATAL', message: 'never seen before', detail: '', hint: '', before: '' },
        }),
      };
    });
    expect(failed).toEqual(['postgres-starts']);
    expect(remedy).toMatch(/fix what it names, and read more: .*journalctl/);
  });

  it('maintenance, where Postgres is down for it', () => {
    const { failed, follows, message } = judged((observation) => {
      Object.assign(rowOf(observation, 'pgaf-replica'), {
        goalState: 'maintenance',
        reportedState: 'maintenance',
        health: 0,
      });
      observation.nodes['pgaf-replica'] = { ok: false, failed: noPostgres };
    });
    expect(failed).toEqual(['no-maintenance']);
    expect(follows).toEqual(expect.arrayContaining(['nodes-reachable', 'failover-possible']));
    expect(message).toContain('in maintenance');
  });

  it('a node that was dropped: its service is not to be started', () => {
    const { failed, follows, remedy } = judged((observation) => {
      monitorOf(observation).nodes.pop();
      observation.nodes['pgaf-replica'] = { ok: false, failed: noPostgres };
      const { service } = observedContainer(observation, 'pgaf-replica');
      service.active = 'inactive';
      observedContainer(observation, 'pgaf-replica').keeperConfig = '';
    });
    expect(failed).toEqual(['nodes-registered']);
    expect(follows).toEqual(expect.arrayContaining(['services-run', 'nodes-reachable']));
    expect(remedy).toContain('provision-pgaf');
  });

  it('no standby at all is told as that', () => {
    const { findings } = judged((observation) => void monitorOf(observation).nodes.pop());
    const problem = findings.find(({ check }) => check === 'failover-possible')?.faults[0];
    expect(problem?.evidence).toBe('no standby can be promoted: there is none');
  });
});

describe('a remedy is safe where another cause holds', () => {
  it('a frozen primary that another node has taken over from is not let go on', () => {
    const { remedy } = judged((observation) => {
      Object.assign(observation.instances['pgaf-primary'] ?? {}, { status: 'Frozen' });
      observation.nodes['pgaf-primary'] = { ok: false, failed: 'the container is Frozen' };
      observation.containers['pgaf-primary'] = { ok: false, failed: 'the container is Frozen' };
      Object.assign(rowOf(observation, 'pgaf-primary'), { goalState: 'demote_timeout' });
      const promoted = { goalState: 'wait_primary', reportedState: 'wait_primary' };
      Object.assign(rowOf(observation, 'pgaf-replica'), promoted);
      Object.assign(nodeOf(observation, 'pgaf-replica'), { inRecovery: false, timeline: 2 });
    });
    expect(remedy).toMatch(/incus stop --force pgaf-primary .*&& incus start pgaf-primary/);
  });

  it.each([
    ['another node takes writes', false, /incus stop --force pgaf-primary .*&& incus start pgaf-primary/],
    ['nobody is known to take them', true, /^bring pgaf-monitor back first, and check again/],
  ])('a frozen node is not let go on where the monitor does not run, and %s', (_, inRecovery, remedy) => {
    const { findings } = judged((observation) => {
      for (const name of ['pgaf-primary', 'pgaf-monitor'])
        observation.containers[name] = { ok: false, failed: 'the container does not run' };
      Object.assign(observation.instances['pgaf-primary'] ?? {}, { status: 'Frozen' });
      observation.nodes['pgaf-primary'] = { ok: false, failed: 'the container is Frozen' };
      Object.assign(observation.instances['pgaf-monitor'] ?? {}, { status: 'Stopped' });
      observation.monitor = { ok: false, failed: 'the container is Stopped' };
      Object.assign(nodeOf(observation, 'pgaf-replica'), { inRecovery });
    });
    const problems = findings.find(({ check }) => check === 'nodes-reachable')?.faults ?? [];
    const told = problems.find(({ subject }) => subject === 'pgaf-primary')?.remedy;
    expect(told?.run ?? told?.say).toMatch(remedy);
  });

  it('a standby that somebody promoted makes no orphan of the primary', () => {
    const { findings } = judged((observation) => {
      Object.assign(nodeOf(observation, 'pgaf-replica'), { inRecovery: false, timeline: 2 });
    });
    const problems = findings.find(({ check }) => check === 'timelines-agree')?.faults ?? [];
    expect(problems.map(({ subject, remedy }) => [subject, remedy.run])).toEqual([
      ['pgaf-primary', undefined],
    ]);
  });

  it('which of two primaries is to stop is not told where the monitor names neither', () => {
    const { remedy } = judged((observation) => {
      Object.assign(nodeOf(observation, 'pgaf-replica'), { inRecovery: false });
      for (const row of monitorOf(observation).nodes)
        Object.assign(row, { goalState: 'report_lsn', reportedState: 'report_lsn' });
    });
    expect(remedy).not.toContain('systemctl stop');
  });

  it('a primary that waits for another node is not restarted', () => {
    const { findings } = judged((observation) => {
      const waits = { reportedState: 'wait_primary', goalState: 'primary', secondsSinceStateChange: 999 };
      Object.assign(rowOf(observation, 'pgaf-primary'), waits);
    });
    const problem = findings.find(({ check }) => check === 'no-stuck-transition')?.faults[0];
    expect(problem && describeRemedy(problem.remedy)).toMatch(
      /it takes writes, so leave it running.*journalctl/,
    );
  });

  const pending = (name: string, more: (observation: Observation) => void = () => {}) =>
    judged((observation) => {
      nodeOf(observation, name).pendingRestart = ['max_connections'];
      more(observation);
    }).findings.find(({ check }) => check === 'settings-in-force')?.faults[0];

  it('a setting that waits: a standby is restarted, a primary hands over, and just after it has reported', () => {
    const standby = pending('pgaf-replica');
    expect(standby?.remedy.run).toContain('incus exec pgaf-replica --project default --cwd / -- runuser');
    expect(standby?.remedy.run).toContain('pg_ctl stop');
    expect(standby?.remedy.say).toContain('no failover, but');
    const primary = pending('pgaf-primary');
    expect(primary?.remedy.run).toMatch(
      /incus exec pgaf-monitor .*goalstate = .*reporttime < interval .*perform_failover/,
    );
    expect(primary?.remedy.say).toContain(
      'may take a restart of the primary for its end and fail over, so switch over instead',
    );
  });

  it('a primary that may open too few files hands over as well, and is not restarted', () => {
    const { findings } = judged((observation) => {
      for (const name of ['pgaf-primary', 'pgaf-replica'])
        observedContainer(observation, name).openFiles = { limit: 1024, possible: 20_000 };
    });
    const problems = findings.find(({ check }) => check === 'open-files')?.faults ?? [];
    const [primary, standby] = ['pgaf-primary', 'pgaf-replica'].map(
      (name) => problems.find(({ subject }) => subject === name)?.remedy,
    );
    expect(standby?.run).toContain('pg_ctl stop');
    expect(primary?.run).toContain('perform_failover');
    expect(primary?.run).not.toContain('pg_ctl');
    expect(primary?.say).toContain('switch over instead, once the standbys have been restarted');
  });

  it('a setting that the primary alone has is not lost by a switchover: it is a matter of the file, or is taken back', () => {
    const alone = (observation: Observation) =>
      Object.assign(nodeOf(observation, 'pgaf-primary').filedSettings, { max_connections: '1f' });
    const problem = pending('pgaf-primary', alone);
    expect(problem?.remedy.run).toBeUndefined();
    expect(problem?.remedy.say).toMatch(
      /^max_connections is not the same in the files of every node.*put it into postgres\.settings .*run provision-pgaf.*ALTER SYSTEM RESET max_connections/,
    );
    expect(problem?.remedy.look).toContain('pg_file_settings');
    const same = pending('pgaf-primary', (observation) => {
      alone(observation);
      nodeOf(observation, 'pgaf-replica').filedSettings['max_connections'] = '1f';
    });
    expect(same?.remedy.run).toContain('perform_failover');
    const read = pending('pgaf-primary', (observation) => {
      alone(observation);
      nodeOf(observation, 'pgaf-replica').filedSettings['max_connections'] = '2e';
    });
    expect(read?.remedy.run).toBeUndefined();
  });

  it('nor is one of which a node that cannot be read may know otherwise', () => {
    const problem = pending('pgaf-primary', (observation) => {
      observation.nodes['pgaf-replica'] = { ok: false, failed: 'no answer within 5 s' };
    });
    expect(problem?.remedy.run).toBeUndefined();
    expect(problem?.remedy.say).toMatch(/^nobody knows whether pgaf-replica has the same max_connections/);
  });

  it("one of the file's is put in force by provisioning, on whichever nodes it waits", () => {
    const ofFile = (more: (observation: Observation) => void) =>
      pending('pgaf-primary', (observation) => {
        nodeOf(observation, 'pgaf-primary').pendingRestart = ['wal_sender_timeout'];
        more(observation);
      });
    for (const more of [
      () => {},
      (observation: Observation) => {
        nodeOf(observation, 'pgaf-primary').filedSettings['wal_sender_timeout'] = '1f';
      },
    ]) {
      expect(ofFile(more)?.remedy.say).toMatch(/^run provision-pgaf: it restarts the standbys first/);
      expect(ofFile(more)?.remedy.run ?? '').not.toContain('perform_failover');
    }
  });

  it('a primary hands over to no standby that waits as well', () => {
    const { findings } = judged((observation) => {
      for (const name of ['pgaf-primary', 'pgaf-replica'])
        nodeOf(observation, name).pendingRestart = ['max_connections'];
    });
    const problems = findings.find(({ check }) => check === 'settings-in-force')?.faults ?? [];
    expect(problems.map(({ subject }) => subject)).toEqual(['pgaf-replica', 'pgaf-primary']);
    expect(problems[0]?.remedy.run).toContain('pg_ctl stop');
    expect(describeRemedy(problems[1]?.remedy ?? { say: '' })).toMatch(
      /^put the standbys right first, and check again/,
    );
  });

  it('a setting that waits, and nobody could take over: nothing is restarted', () => {
    const problem = pending('pgaf-primary', (observation) => {
      rowOf(observation, 'pgaf-replica').health = 0;
    });
    expect(problem?.remedy.run).toBeUndefined();
  });

  it('a setting that Postgres would not start with is taken back, and nothing is restarted', () => {
    const problem = pending('pgaf-replica', (observation) => {
      const value = 'FATAL: could not access file "nothere"';
      observation.dryStarts['pgaf-replica'] = { ok: true, value };
      nodeOf(observation, 'pgaf-replica').alteredSettings['max_connections'] = '200';
    });
    expect(problem?.evidence).toBe(
      'max_connections waits for a restart, and Postgres would not start: FATAL: could not access file "nothere"',
    );
    expect(problem?.remedy.run).toMatch(/ALTER SYSTEM RESET max_connections.*pg_reload_conf/);
    expect(problem?.remedy.run).not.toContain('pg_ctl');
  });

  it('of several that wait, only those that Postgres speaks of are taken back', () => {
    const problem = pending('pgaf-replica', (observation) => {
      const node = nodeOf(observation, 'pgaf-replica');
      node.pendingRestart = ['max_connections', 'shared_preload_libraries'];
      Object.assign(node.alteredSettings, { max_connections: '200', shared_preload_libraries: 'nothere' });
      const value = 'FATAL: could not access file "nothere"';
      observation.dryStarts['pgaf-replica'] = { ok: true, value };
    });
    expect(problem?.remedy.run).toContain('ALTER SYSTEM RESET shared_preload_libraries');
    expect(problem?.remedy.run).not.toContain('max_connections');
  });

  it('what stands in postgresql.conf is not taken back by ALTER SYSTEM: the file is shown', () => {
    const problem = pending('pgaf-replica', (observation) => {
      delete nodeOf(observation, 'pgaf-replica').alteredSettings['max_connections'];
      const value = 'FATAL: invalid value for parameter "max_connections": 0';
      observation.dryStarts['pgaf-replica'] = { ok: true, value };
    });
    expect(problem?.remedy.run).toBeUndefined();
    expect(problem?.remedy.say).toContain('was not set by ALTER SYSTEM, whose RESET does not help');
    expect(problem?.remedy.look).toContain('pg_file_settings');
  });

  it('so is less than the primary has, on a standby', () => {
    const problem = pending('pgaf-replica', (observation) => {
      nodeOf(observation, 'pgaf-primary').settings['max_connections'] = '100';
      nodeOf(observation, 'pgaf-replica').alteredSettings['max_connections'] = '20';
    });
    expect(problem?.evidence).toContain('max_connections 20, the primary has 100');
    expect(problem?.remedy.run).toMatch(/ALTER SYSTEM SET max_connections = '100'.*pg_reload_conf/);
    expect(problem?.remedy.run).not.toContain('pg_ctl');
  });

  it('a standby that paused because its primary has more is not told to go on: it would end', () => {
    const { findings } = judged((observation) => {
      nodeOf(observation, 'pgaf-primary').settings['max_connections'] = '200';
      Object.assign(nodeOf(observation, 'pgaf-replica'), { replayPaused: true });
      nodeOf(observation, 'pgaf-replica').settings['max_connections'] = '100';
    });
    const problem = findings.find(({ check }) => check === 'replay-runs')?.faults[0];
    expect(problem?.evidence).toBe('max_connections is 100, the primary has 200: replay is paused for it');
    expect(problem?.remedy.run).not.toContain('pg_wal_replay_resume');
  });

  it('a pg_autoctl is ended only where no Postgres runs beneath it', () => {
    const slow = (runs: boolean) =>
      judged((observation) => {
        observation.nodes['pgaf-primary'] = { ok: false, failed: 'no answer within 5 s' };
        rowOf(observation, 'pgaf-primary').secondsSinceReport = 14;
        observation.troubles['pgaf-primary'] = { ok: true, value: trouble({ runs }) };
      }).remedy;
    expect(slow(true)).not.toContain('kill');
    expect(slow(false)).toContain('systemctl kill --signal KILL pg_autoctl');
  });
});

describe('a standby that is starting up', () => {
  const startup = {
    pid: 207,
    ageSeconds: 62,
    ticks: 3,
    bytesRead: 90_000,
    isStill: true,
    receives: false,
    failure: '',
  };
  const told = (changes: Partial<typeof startup>) =>
    judged((observation) => {
      observation.nodes['pgaf-replica'] = { ok: false, failed: 'the database system is starting up' };
      const value = trouble({ runs: true, startup: { ...startup, ...changes } });
      observation.troubles['pgaf-replica'] = { ok: true, value };
    }).remedy;

  it('and has done nothing for long, without a walreceiver, is to be started anew', () => {
    const remedy = told({});
    expect(remedy).toContain('which watches it for half a minute, and starts it anew');
    expect(remedy).toContain('only where that does not end it, delete the container');
    expect(
      told({ failure: '2026-11-28 UTC [9] FATAL:  could not connect to the primary server: x' }),
    ).toContain('where that still holds, mend it first');
  });

  it.each([[{ isStill: false }], [{ receives: true }], [{ ageSeconds: 20 }]])(
    'and %o recovers: it is left alone',
    (changes) => {
      expect(told(changes)).toContain('it is recovering from a crash: check again in a while');
    },
  );

  it('did nothing where it read and computed next to nothing, as the same process', () => {
    expect(didNothing(startup, { ...startup, ticks: 4, bytesRead: 98_192 })).toBe(true);
    expect(didNothing(startup, { ...startup, bytesRead: 5_000_000 })).toBe(false);
    expect(didNothing(startup, { ...startup, ticks: 40 })).toBe(false);
    expect(didNothing(startup, { ...startup, pid: 208 })).toBe(false);
  });
});

describe('what a container says of its trouble', () => {
  const hex = (fields: Record<string, string>) =>
    Object.entries(fields)
      .map(([key, text]) => `${key} ${Buffer.from(text).toString('hex')}`)
      .join('\n');
  const journal = `1764358654.310 d12-beta pg_autoctl[250]: 19:37:34 250 WARN  Postgres logs from "/d/startup.log":
1764358654.310 d12-beta pg_autoctl[250]: 19:37:34 250 ERROR 2026-11-28 19:37:24.469 UTC [324] FATAL:  could not access file "nothere": No such file or directory
1764358654.311 d12-beta pg_autoctl[250]: 19:37:34 250 ERROR 2026-11-28 19:37:24.469 UTC [324] LOG:  database system is shut down
1764358655.312 d12-beta pg_autoctl[251]: 19:37:35 251 ERROR Failed to ensure that Postgres is running in "/d"
1764358655.313 d12-beta pg_autoctl[251]: 19:37:35 251 ERROR Failed to transition to state, see above.
`;

  it('is read from the journal where pg_autoctl has emptied the file for its next try', () => {
    const given = { printed: '', log: '', altered: '', state: '0 0 S', clock: '1764358660', journal };
    const { postgres, keeper } = parseTrouble(hex(given));
    expect(postgres.lastWords).toMatchObject({
      severity: 'FATAL',
      message: expect.stringContaining('could not access file "nothere"'),
    });
    expect(keeper.lastError?.message).toBe('Failed to ensure that Postgres is running in "/d"');
    expect(keeper.lastError?.secondsAgo).toBeCloseTo(4.7, 1);
    expect(keeper).toMatchObject({ state: 'S', copies: false });
  });

  it('has what its startup process does, and how its last walreceiver failed', () => {
    const log = [
      '2026-11-28 23:19:39 UTC [208] LOG:  started streaming WAL from primary at 0/5000000 on timeline 1',
      '2026-11-28 23:19:49 UTC [209] FATAL:  could not connect to the primary server: refused',
      '2026-11-28 23:19:49 UTC [210] FATAL:  the database system is starting up',
    ].join('\n');
    const { startup } = parseTrouble(hex({ startup: '62.5 1 0 207 3 90000', log })).postgres;
    expect(startup).toEqual({
      pid: 207,
      ageSeconds: 62.5,
      ticks: 3,
      bytesRead: 90_000,
      isStill: true,
      receives: false,
      failure: '2026-11-28 23:19:49 UTC [209] FATAL:  could not connect to the primary server: refused',
    });
  });

  it('is not read from there where that is old', () => {
    const given = { printed: '', log: '', altered: '', state: '0 0 S', clock: '1764359999', journal };
    expect(parseTrouble(hex(given)).postgres.lastWords).toBeUndefined();
  });

  it.each([
    'INFO  Postgres is now serving PGDATA "/d" on port 5432 with pid 887',
    'WARN  PostgreSQL was not running, restarted with pid 887',
  ])('is not read from there where a start has succeeded since: %s', (line) => {
    const since = `${journal}1764358656.400 d12-beta pg_autoctl[250]: 19:37:36 250 ${line}\n`;
    const given = { printed: '', log: '', altered: '', state: '1 0 S', clock: '1764358660', journal: since };
    expect(parseTrouble(hex(given)).postgres.lastWords).toBeUndefined();
  });

  it('tells whose a data directory is that postgres cannot read', () => {
    const { unread } = parseTrouble(hex({ unread: 'root postgres', state: '0 0 S' })).postgres;
    expect(unread).toEqual({ folder: 'root', file: 'postgres' });
  });

  it('leaves out what may be secret', () => {
    const altered =
      "# made by ALTER SYSTEM\nshared_preload_libraries = 'a, ''b'''\nprimary_conninfo = 'password=x'\n";
    expect(parseTrouble(hex({ altered, state: '1 1 ' })).postgres).toEqual({
      runs: true,
      lastWords: undefined,
      startup: undefined,
      unread: undefined,
      altered: { shared_preload_libraries: "a, 'b'" },
    });
  });
});
