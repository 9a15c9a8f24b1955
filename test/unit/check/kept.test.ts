import { describe, expect, it } from 'vitest';
import { describeRemedy, type Finding } from '../../../src/check/check.ts';
import type { Observation } from '../../../src/check/observation.ts';
import { judge } from '../../../src/check/verdict.ts';
import type { Formation } from '../../../src/formation/formation.ts';
import { monitorLetsIn } from '../../../src/member/pg-hba.ts';
import {
  formationOf,
  hbaRule,
  healthyObservation,
  monitorNode,
  monitorOf,
  nodeOf,
  observedContainer,
  observedInstance,
  rowOf,
  trouble,
} from '../builders.ts';

/** A cause is told where it is one, and a remedy is one that changes something, and harms nothing where it is not. */

const found = (
  yaml: string,
  breakIt: (observation: Observation, formation: Formation) => void,
  asked: Parameters<typeof judge>[2] = {},
) => {
  const formation = formationOf(yaml);
  const observation = healthyObservation(formation);
  breakIt(observation, formation);
  const { findings } = judge(observation, formation, asked);
  return (check: string) => {
    const { faults = [], status }: Partial<Finding> = findings.find((each) => each.check === check) ?? {};
    return {
      status,
      evidence: faults.map((each) => each.evidence).join('; '),
      remedy: faults.map((each) => describeRemedy(each.remedy)).join('\n'),
      runs: faults.map((each) => each.remedy.run ?? '').join(),
    };
  };
};
const lab = 'environment: lab';
const three = `${lab}\nnodes: [{ name: a }, { name: b }, { name: c }]`;

describe('rules that others wrote', () => {
  const broad = 'host all all 10.0.0.0/8 scram-sha-256';

  it.each([
    ['hostssl pg_auto_failover autoctl_node b.incus scram-sha-256', 'yes'],
    ['hostssl pg_auto_failover autoctl_node a.incus scram-sha-256', 'no'],
    ['local all all peer\n# hostssl all all all trust', 'no'],
    ['hostssl postgres autoctl_node all trust', 'no'],
    ['hostssl pg_auto_failover someone all trust', 'no'],
    [broad, 'maybe'],
    ['hostssl "pg_auto_failover" "autoctl_node" samenet trust', 'maybe'],
    ['host pg_auto_failover autoctl_node .incus trust', 'maybe'],
    ['host pg_auto_failover autoctl_node 10.1.2.3 255.0.0.0 trust', 'maybe'],
    ['host pg_auto_failover autoctl_node 10.1.2.3/32 trust', 'maybe'],
    ['host pg_auto_failover +keepers all trust', 'maybe'],
    ['include_dir more', 'maybe'],
  ])('%s lets b.incus in: %s', (text, told) => {
    expect(monitorLetsIn(text, 'b.incus')).toBe(told);
  });

  const silent = (rules: string) => (o: Observation) => {
    rowOf(o, 'pgaf-replica').secondsSinceReport = 31.5;
    monitorOf(o).hbaText = rules;
    o.troubles['pgaf-replica'] = { ok: true, value: trouble({ runs: true }, { state: 'T' }) };
  };

  it('are not why a keeper is silent that they may let in', () => {
    const { evidence, remedy } = found(lab, silent(broad))('keepers-report');
    expect(evidence).toMatch(/31\.5 s old; its keeper is stopped \(SIGSTOP\)$/);
    expect(remedy).toContain('pkill -CONT');
    expect(found(lab, silent(broad))('matches-file').evidence).toContain(
      'pg_hba.conf has no rule of its own for pgaf-replica.incus',
    );
  });

  it.each(['keep: [access]', 'keep: [monitor]'])(
    'are not changed by provisioning where the file says %s',
    (kept) => {
      const { evidence, remedy } = found(`${lab}\n${kept}`, silent('local all all peer'))('keepers-report');
      expect(evidence).toContain('pg_hba.conf of pgaf-monitor does not let it in');
      expect(remedy).toMatch(
        /keep: (?:access|monitor)\): let autoctl_node from pgaf-replica\.incus to pg_auto_failover in/,
      );
    },
  );

  it('let the health checks in by whatever names them, and are told where none does', () => {
    const ill = (users: string[]) => (o: Observation) => {
      rowOf(o, 'pgaf-replica').health = 0;
      nodeOf(o, 'pgaf-replica').hbaText = 'host all all all trust';
      nodeOf(o, 'pgaf-replica').hbaRules = [hbaRule({ databases: ['all'], users })];
    };
    expect(found(lab, ill(['all']))('nodes-healthy').evidence).toBe('health bad');
    expect(found(lab, ill(['veza']))('nodes-healthy').evidence).toContain('does not let the monitor in');
    expect(found(lab, ill(['veza']))('nodes-healthy').remedy).toContain('run provision-pgaf');
    expect(found(`${lab}\nkeep: [access]`, ill(['veza']))('nodes-healthy').remedy).toMatch(
      /keep: access\): let pgautofailover_monitor from pgaf-monitor\.incus to postgres in/,
    );
  });

  it("keep clients out until somebody changes them, and what is provisioning's stays so", () => {
    const without = (o: Observation) => {
      nodeOf(o, 'pgaf-replica').hbaRules = [];
    };
    const all = `${lab}\npostgres: { clients: [10.0.0.0/8] }`;
    expect(found(all, without)('application-login').remedy).toBe('run provision-pgaf with this formation');
    const kept = found(`${all}\nkeep: [access]`, without)('application-login').remedy;
    expect(kept).toMatch(
      /leaves its pg_hba\.conf as it is \(keep: access\).*SELECT \* FROM pg_hba_file_rules/,
    );
    expect(kept).not.toContain('then run provision-pgaf');
    const both = found(`${all}\nkeep: [access]`, (o) => {
      without(o);
      nodeOf(o, 'pgaf-replica').roles = [];
    })('application-login').remedy;
    expect(both).toContain('then run provision-pgaf, which does the rest');
  });
});

describe('commits that hang', () => {
  const hanging = (lags: Record<string, number | undefined>) => (o: Observation) => {
    monitorOf(o).numberSyncStandbys = 1;
    const primary = nodeOf(o, 'a');
    primary.waitingCommits = { count: 1, longestSeconds: 20 };
    primary.standbys = Object.entries(lags).flatMap(([name, lagBytes]) =>
      lagBytes === undefined
        ? []
        : [
            {
              applicationName: `pgautofailover_standby_${rowOf(o, name).nodeId}`,
              state: 'streaming',
              syncState: 'quorum',
              lagBytes,
              replayLagBytes: lagBytes,
              replayLagSeconds: undefined,
            },
          ],
    );
  };
  const runs = (lags: Record<string, number | undefined>) =>
    found(three, hanging(lags))('commits-finish').runs;

  it('are ended by a restart of the standby that does not confirm, and of no other', () => {
    expect(runs({ b: 0, c: 5000 })).toMatch(/incus exec c .*pg_ctl stop/);
    expect(runs({ b: 5000, c: 0 })).toMatch(/incus exec b .*pg_ctl stop/);
    expect(runs({ b: 0, c: -1 })).toMatch(/incus exec c .*pg_ctl stop/);
    expect(runs({ b: 9000, c: 9000 })).toMatch(/incus exec [bc] .*pg_ctl stop/);
  });

  it('are shown where none is behind', () => {
    const { remedy } = found(three, hanging({ b: 0, c: 0 }))('commits-finish');
    expect(remedy).toMatch(/see which of them does not confirm.*incus exec a .*pg_stat_replication/);
  });
});

describe('an election that does not end', () => {
  const waiting = (number: number, candidates: string[]) => (o: Observation) => {
    monitorOf(o).numberSyncStandbys = number;
    for (const name of ['a', 'b', 'c'])
      Object.assign(rowOf(o, name), {
        goalState: 'report_lsn',
        reportedState: candidates.includes(name) ? 'report_lsn' : 'secondary',
        health: candidates.includes(name) ? 1 : 0,
        secondsSinceStateChange: 300,
        secondsSinceReport: 0.2,
      });
  };

  it('is not hurried by a command that may lose what the missing standby has', () => {
    const { remedy, runs } = found(three, waiting(1, ['b']))('no-stuck-transition');
    expect(runs.replaceAll(',', '')).toBe('');
    expect(remedy).toMatch(
      /only where it is lost for good ask for fewer, which loses what it alone has: `incus exec/,
    );
  });

  it('is given no command that changes nothing', () => {
    const { remedy } = found(three, waiting(0, []))('no-stuck-transition');
    expect(remedy).toContain('needs 1 candidate and has 0: bring the missing standby back: incus exec');
    expect(remedy).not.toContain('number-sync-standbys');
  });
});

describe('maintenance of a node whose container does not run', () => {
  it.each([
    ['Stopped', 'start pgaf-replica', /start its container, and when it is up end its maintenance/],
    ['Frozen', 'resume pgaf-replica', /resume its container/],
    ['Error', '', /once that work is done and its container runs again/],
    ['Running', 'exec pgaf-monitor .*stop_maintenance', /once that work is done/],
  ])('that is %s', (status, run, told) => {
    const { remedy, runs } = found(lab, (o) => {
      Object.assign(rowOf(o, 'pgaf-replica'), { reportedState: 'maintenance', goalState: 'maintenance' });
      o.instances['pgaf-replica'] = observedInstance({ status });
    })('no-maintenance');
    expect(remedy).toMatch(told);
    expect(runs).toMatch(run === '' ? /^$/ : new RegExp(`^incus ${run}`));
  });
});

describe('a setting that weakens what is acknowledged', () => {
  const off = (altered: boolean) => (o: Observation) => {
    nodeOf(o, 'pgaf-replica').settings['fsync'] = 'off';
    if (altered) nodeOf(o, 'pgaf-replica').alteredSettings['fsync'] = 'off';
  };

  it('is reset where ALTER SYSTEM has set it, and nowhere else', () => {
    expect(found(lab, off(true))('durable-commits').runs).toContain('ALTER SYSTEM RESET fsync');
    const { remedy, runs } = found(lab, off(false))('durable-commits');
    expect(runs).toBe('');
    expect(remedy).toMatch(/its RESET does not help; this shows the file.*pg_file_settings/);
  });

  it('is what the file asks for, once it is provisioned', () => {
    const yaml = `${lab}\npostgres: { settings: { full_page_writes: "on" } }`;
    const { remedy } = found(yaml, (o) => {
      nodeOf(o, 'pgaf-replica').settings['full_page_writes'] = 'off';
    })('durable-commits');
    expect(remedy).toContain('provision-pgaf, which puts postgres.settings.full_page_writes');
  });
});

it('a host that somebody registered runs nothing in the shell of whoever copies a command', () => {
  const { remedy } = found(lab, (o) => {
    Object.assign(rowOf(o, 'pgaf-replica'), { health: 0, host: '$(reboot)' });
  })('nodes-healthy');
  expect(remedy).toContain("--host '$(reboot)' --port");
  expect(monitorNode().host).toBe('pgaf-primary.incus');
});

describe('a node whose container is in a state of its own', () => {
  const away = (location: string | undefined) =>
    found(lab, (o) => {
      o.instances['pgaf-replica'] = observedInstance({ status: 'Error', location });
      o.nodes['pgaf-replica'] = { ok: false, failed: 'the container is Error' };
      o.containers['pgaf-replica'] = { ok: false, failed: 'the container is Error' };
    })('nodes-reachable').remedy;

  it('gets no command that would have to run in it', () => {
    expect(away('two')).toBe(
      'Incus has the container as Error: see whether its host two is there and in order, and bring that back: incus cluster list',
    );
    expect(away(undefined)).toMatch(/check again in a while.*: incus info pgaf-replica --project default$/);
  });
});

describe('a target that the settings do not meet', () => {
  const remedyOf = (yaml: string, rtoTargetSeconds: number, primaryDemoteMs?: number) =>
    found(
      `${lab}\n${yaml}`,
      (o) => {
        if (primaryDemoteMs !== undefined) monitorOf(o).clocks['primary_demote_timeout'] = primaryDemoteMs;
      },
      { rtoTargetSeconds },
    )('rto-target').remedy;

  it('is met by the profiles that do, by the same model, and by no other', () => {
    expect(remedyOf('timings: upstream', 40)).toMatch(
      /^choose a profile that meets it \(timings: balanced or fast\)/,
    );
    expect(remedyOf('timings: upstream', 20)).toMatch(/\(timings: fast\)/);
    expect(remedyOf('timings: fast', 3)).toMatch(/^no profile meets that target for certain: raise it/);
  });

  it('is met again by the clocks of the file, where others are in force', () => {
    expect(remedyOf('timings: fast', 20, 30_000)).toMatch(/^run provision-pgaf, which puts the clocks/);
  });

  it('is met on a kept monitor by whoever sets its clocks', () => {
    expect(remedyOf('timings: upstream\nkeep: [monitor]', 40)).toContain(
      'provision-pgaf leaves the clocks of a monitor that is kept (keep: monitor), so set those there',
    );
  });
});

describe('a lost slot of pg_auto_failover', () => {
  const lost = (on: string) =>
    found(lab, (o) => {
      nodeOf(o, on).slots = [
        { name: 'pgautofailover_standby_2', active: false, retainedBytes: 0, walStatus: 'lost' },
      ];
    })('replication-slots');

  it('means a standby to be made anew: dropped, the slot is made again, and the WAL stays gone', () => {
    const { evidence, runs } = lost('pgaf-primary');
    expect(evidence).toBe(
      'its slot pgautofailover_standby_2 on pgaf-primary is lost: the WAL that it needs is removed',
    );
    expect(runs).toMatch(/^incus delete --force pgaf-replica /);
  });

  it('is dropped where it is a copy on a standby', () => {
    expect(lost('pgaf-replica').runs).toContain("pg_drop_replication_slot('pgautofailover_standby_2')");
  });
});

describe('two nodes that take writes', () => {
  const remedyOf = (timeline: number) =>
    found(lab, (o) => {
      Object.assign(nodeOf(o, 'pgaf-replica'), { inRecovery: false, timeline });
    })('one-writable-primary');

  it('lose the one that the monitor does not name, unless that was promoted later', () => {
    expect(remedyOf(1).runs).toMatch(/incus exec pgaf-replica .*systemctl stop/);
    expect(remedyOf(2).runs).toBe('');
    expect(remedyOf(2).remedy).toMatch(/^you have to decide whose data counts/);
  });
});

describe('a monitor whose extension is older than its package', () => {
  const remedyOf = (cli: string) =>
    found(lab, (o) => {
      Object.assign(monitorOf(o), { extensionVersion: '2.1', availableExtensionVersion: '2.2' });
      observedContainer(o, 'pgaf-replica').packages['pg-auto-failover-cli'] = cli;
    })('versions-equal');

  it('is restarted only once every keeper would be let in by it', () => {
    expect(remedyOf('2.2-1').runs).toMatch(/incus exec pgaf-monitor .*systemctl restart/);
    expect(remedyOf('2.1-1').runs).not.toContain('systemctl restart');
    expect(remedyOf('2.1-1').remedy).toContain('a keeper of another version is turned away');
  });
});

it('a pg_autoctl is to be that of the extension which runs, and not the most common one', () => {
  const { evidence, remedy } = found(lab, (o) => {
    for (const name of ['pgaf-primary', 'pgaf-replica'])
      observedContainer(o, name).packages['pg-auto-failover-cli'] = '2.1-1';
  })('versions-equal');
  expect(evidence).toBe(
    'pg-auto-failover-cli 2.1-1, what runs takes 2.2-1; pg-auto-failover-cli 2.1-1, what runs takes 2.2-1',
  );
  expect(remedy).not.toContain('pg-auto-failover-cli=2.1-1');
});

it('standbys that are on their way are brought back, and nothing is set for them', () => {
  const { remedy } = found(lab, (o) => {
    nodeOf(o, 'pgaf-primary').synchronousStandbyNames = '';
    rowOf(o, 'pgaf-primary').goalState = 'wait_primary';
  })('synchronous-replication');
  expect(remedy).toMatch(/^bring the standbys back/);
});
