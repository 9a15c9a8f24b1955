import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type FaultName, faultCatalogue, faultNames } from '../../src/faults/catalogue.ts';
import { markdownTable } from '../../src/report/table.ts';
import { everything, some } from './extent.ts';
import { labFormation } from './formations.ts';
import {
  becomesHealthy,
  drilled,
  eventually,
  figure,
  incus,
  inside,
  runAction,
  startAction,
  statusOf,
} from './harness.ts';
import { tolerable } from './meter.ts';
import { staysHealthy } from './stays-healthy.ts';
import { hasTraces, isCut, isOpen, processOf, serviceState } from './traces.ts';

/**
 * Every fault of the catalogue on a real formation: what came of it, and whether an observer of the test's own
 * sees it in force. `PGHA_RUNS=3` runs the whole table so many times: Debian 12 and 13, fast and balanced;
 * `PGHA_FAULTS=freeze,reboot` only these.
 */
const runs = Number(process.env['PGHA_RUNS'] ?? 0);
const only = process.env['PGHA_FAULTS']?.split(',');
const settings =
  runs > 0
    ? ([12, 13] as const).flatMap((debian) =>
        (['fast', 'balanced'] as const).map((timings) => ({ debian, timings })),
      )
    : [{ debian: 12, timings: 'fast' } as const];

interface Roles {
  monitor: string;
  primary: string;
  standby: string;
}

/** At once: a cut-off primary does not wait for its observer. */
const all = async (...seen: Promise<boolean>[]) => (await Promise.all(seen)).every(Boolean);

const areStopped = (...names: string[]) =>
  all(...names.map(async (name) => (await statusOf(name)) === 'Stopped'));

/** What an observer of the test's own sees while the fault is in force. */
const sights: Partial<Record<FaultName, (roles: Roles) => Promise<boolean>>> = {
  stop: async ({ primary }) => (await statusOf(primary)) === 'Stopped',
  freeze: async ({ primary }) => (await statusOf(primary)) === 'Frozen',
  'kill-node': async ({ primary }) =>
    (await serviceState(primary)) === 'failed' && (await processOf(primary, 'postgres')) === undefined,
  'network-cut': ({ primary, monitor, standby }) =>
    all(isCut(primary, monitor), isCut(monitor, primary), isCut(standby, primary)),
  'monitor-cut': ({ primary, monitor, standby }) =>
    all(isCut(primary, monitor), isCut(monitor, primary), isOpen(standby, primary)),
  'standby-cut': ({ primary, monitor, standby }) =>
    all(isCut(primary, standby), isCut(standby, primary), isOpen(monitor, primary)),
  'standby-stop': async ({ standby }) => (await statusOf(standby)) === 'Stopped',
  'standby-freeze': async ({ standby }) => (await statusOf(standby)) === 'Frozen',
  'monitor-stop': async ({ monitor }) => (await statusOf(monitor)) === 'Stopped',
  'monitor-freeze': async ({ monitor }) => (await statusOf(monitor)) === 'Frozen',
  'brief-freeze': async ({ primary }) => (await statusOf(primary)) === 'Frozen',
  'monitor-then-stop': ({ primary, monitor }) => areStopped(primary, monitor),
  'standby-then-stop': ({ primary, standby }) => areStopped(primary, standby),
  'early-return': ({ primary }) => areStopped(primary),
};

/** Faults that are over at once show in what was there before and is there no more. */
const replaced: Partial<Record<FaultName, (container: string) => Promise<string | undefined>>> = {
  'kill-postgres': (container) => processOf(container, 'postgres'),
  reboot: (container) => processOf(container, 'systemd'),
};

/** Other tests drill the rest of them: drill, drill-clients, timings. */
const others: FaultName[] = [
  'network-cut',
  'kill-node',
  'standby-cut',
  'kill-postgres',
  'reboot',
  'packet-loss',
  'monitor-stop',
  'monitor-freeze',
  'brief-freeze',
  'standby-stop',
  'standby-freeze',
];
/** Two losses at once: each run takes one of them. */
const doubles: FaultName[] = ['monitor-then-stop', 'standby-then-stop', 'early-return'];
const wanted = only ?? (runs > 0 || everything ? faultNames : [...some(others, 3), ...some(doubles, 1)]);
const faults = faultNames.filter(
  (name) => name !== 'disk-full' && name !== 'host-loss' && wanted.includes(name),
);

describe.each(settings)('faults on Debian $debian, timings $timings', ({ debian, timings }) => {
  const formation = labFormation(debian, { timings });
  const rows: Row[] = [];

  beforeAll(async () => {
    const { code, log } = await runAction('provision-pgaf', { formation: formation.yaml });
    expect(code, log).toBe(0);
  });
  beforeEach(() => becomesHealthy(formation.yaml, 90_000));
  afterAll(() => {
    if (runs > 0) process.stdout.write(`\n${tableOf(`${timings}, Debian ${debian}`, rows)}\n`);
  });

  const rolesNow = async (): Promise<Roles> => {
    const { outputs } = await runAction('check-formation', { formation: formation.yaml });
    const [primary = '', standby = ''] = [outputs['primary'], outputs['standbys']];
    return { monitor: formation.monitor, primary, standby };
  };

  for (let run = 1; run <= Math.max(1, runs); run++)
    it.each(faults)(
      `%s: what should come of it does, and nothing is left of it (run ${run})`,
      async (fault) => {
        const { expected, hits } = faultCatalogue[fault];
        const roles = await rolesNow();
        const before = await replaced[fault]?.(roles.primary);
        const drill = startAction('failover-drill', { formation: formation.yaml, fault });
        const isSeen = sights[fault];
        // It may be over before one that looks after the proof has seen it.
        const glimpse =
          isSeen && faultCatalogue[fault].lasts === 'briefly'
            ? eventually(`${fault} to be seen by an observer`, 60_000, () => isSeen(roles))
            : undefined;
        glimpse?.catch(() => {});
        if (isSeen && !glimpse) {
          await drill.says(/^proof:/m);
          expect(await isSeen(roles), `${fault} is seen by an observer`).toBe(true);
        }
        const { code, outputs, log, report } = await drill.finished;
        expect(code, log).toBe(0);
        await glimpse;
        const record = drilled(report);
        expect(record.target).toBe(hits.startsWith('primary') ? roles.primary : roles[hits as keyof Roles]);
        expect(record.proof).toMatch(/\S/);
        if (faultCatalogue[fault].lasts !== 'a-moment') expect(record.proofAtUndo).toMatch(/\S/);
        if (before !== undefined) expect(await replaced[fault]?.(roles.primary)).not.toBe(before);

        const after = await rolesNow();
        if (expected === 'failover') expect(after.primary).toBe(roles.standby);
        // Who is back first after an outage is primary; a standby that lacks writes is not.
        if (expected === 'none' || fault === 'standby-then-stop') expect(after.primary).toBe(roles.primary);
        const [rto = '', rejoin = ''] = [outputs['rto-seconds'], outputs['rejoin-seconds']];
        if (expected === 'failover') expect(Number(rto)).toBeGreaterThan(0);
        if (expected === 'none') expect(rto).toBe('');
        rows.push({ fault, outputs });
        const what = `${fault}, ${timings}, Debian ${debian}`;
        figure(`${what}: RTO`, rto === '' ? 'none' : Number(rto));
        figure(`${what}: rejoin`, Number(rejoin));
        figure(`${what}: proof`, record.proof ?? '', '');
        expect(await hasTraces(formation)).toEqual([]);
        await staysHealthy(formation.yaml);
      },
    );
});

describe('disk-full', () => {
  it('is refused where the container shares its disk with the host: code 3, and nothing was touched', async () => {
    const formation = labFormation(12);
    await becomesHealthy(formation.yaml, 90_000);
    const { code, outputs, log } = await runAction('failover-drill', {
      formation: formation.yaml,
      fault: 'disk-full',
    });
    expect(code, log).toBe(3);
    expect(outputs['message']).toMatch(/^fault not proven: .* has no disk of its own.*set limits\.disk/);
    expect(await hasTraces(formation)).toEqual([]);
  });

  describe.runIf(everything || only?.includes('disk-full'))('where Incus limits the disk', () => {
    const pool = 'pgha-small';
    const names = { monitor: 's12-monitor', nodes: ['s12-alpha', 's12-beta'] as [string, string] };
    const { yaml } = labFormation(12, {
      formation: 'small',
      incus: { profiles: [pool] },
      limits: { disk: '1GiB' },
      monitor: { name: names.monitor },
      nodes: names.nodes.map((name) => ({ name })),
    });

    const removePool = async () => {
      await runAction('provision-pgaf', { formation: yaml, mode: 'destroy', confirm: 'small' });
      await incus('profile', 'delete', pool).catch(() => {});
      await incus('storage', 'delete', pool).catch(() => {});
    };
    beforeAll(async () => {
      await removePool();
      // A file in the lab's own folder, with room for three full disks and nothing of the host's.
      await incus('storage', 'create', pool, 'btrfs', 'size=6GiB');
      await incus('profile', 'copy', 'default', pool);
      await incus('profile', 'device', 'set', pool, 'root', `pool=${pool}`);
      const { code, log } = await runAction('provision-pgaf', { formation: yaml });
      expect(code, log).toBe(0);
    });
    afterAll(removePool);

    it('is proven by a write that finds no room, and the formation is healthy afterwards', async () => {
      const { code, outputs, log, report } = await runAction('failover-drill', {
        formation: yaml,
        fault: 'disk-full',
      });
      expect(code, log).toBe(0);
      const record = drilled(report);
      expect(record.proof).toMatch(/^a write of 16 MiB beside the data ended with "Disk quota exceeded"$/);
      expect(record.proofAtUndo).toBe(record.proof);
      figure('disk-full, fast, Debian 12: RTO', outputs['rto-seconds'] || 'none');
      figure('disk-full, fast, Debian 12: rejoin', Number(outputs['rejoin-seconds']));
      expect(await hasTraces({ debian: 12, yaml, ...names })).toEqual([]);
    });

    it('fails over when Postgres cannot do without new room, and is undone when nothing is left to undo it with', async () => {
      const { outputs: before } = await runAction('check-formation', { formation: yaml });
      const primary = before['primary'] ?? '';
      const drill = startAction('failover-drill', {
        formation: yaml,
        fault: 'disk-full',
        'hold-seconds': '60',
      });
      await drill.says(/^proof:/m);
      const write = `SET statement_timeout = '10s'; CREATE TABLE IF NOT EXISTS junk (t text);
        INSERT INTO junk SELECT repeat('x', 1000) FROM generate_series(1, 50000)`;
      const psql = ['runuser', '-u', 'postgres', '--', 'env', '-C', '/', 'psql', '-d', 'veza', '-qc', write];
      let isOver = false;
      void drill.finished.then(() => {
        isOver = true;
      });
      while (!isOver && !/promotion:/.test(drill.log()))
        await inside(primary, 'timeout', '20', ...psql).catch(() => {});
      const { code, outputs, log } = await drill.finished;
      expect(code, log).toBe(0);
      expect(outputs['old-primary']).toBe(primary);
      expect(outputs['new-primary']).not.toBe('');
      figure('disk-full under writes, fast, Debian 12: RTO', Number(outputs['rto-seconds']));
      figure('disk-full under writes, fast, Debian 12: rejoin', Number(outputs['rejoin-seconds']));
      expect(await hasTraces({ debian: 12, yaml, ...names })).toEqual([]);
    });
  });
});

describe('monitor-stop', () => {
  const formation = labFormation(12);

  it('keeps other runs away while the monitor is gone, also those whose files name the nodes in another order', async () => {
    const reversed = labFormation(12, { nodes: formation.nodes.toReversed().map((name) => ({ name })) });
    await becomesHealthy(formation.yaml, 90_000);
    // The others have to be through with it while the monitor is away.
    const holdSeconds = Math.ceil(tolerable(7));
    const first = startAction('failover-drill', {
      formation: formation.yaml,
      fault: 'monitor-stop',
      'hold-seconds': String(holdSeconds),
    });
    await first.says(/^proof:/m);
    const others = await Promise.all([
      runAction('failover-drill', { formation: formation.yaml }),
      runAction('failover-drill', { formation: reversed.yaml }),
      runAction('provision-pgaf', { formation: reversed.yaml }),
      runAction('provision-pgaf', { formation: reversed.yaml, mode: 'destroy', confirm: 'default' }),
    ]);
    for (const { code, outputs, log } of others) {
      expect(code, log).toBe(3);
      expect(outputs['message']).toContain(
        'another drill or provisioning run is at work on formation default',
      );
      // Nothing was changed before that was found.
      expect(log).not.toMatch(/^\[ *\d+\.\d s\]/m);
    }
    await eventually(
      'the monitor to be stopped still',
      0,
      async () => (await statusOf(formation.monitor)) === 'Stopped',
    );
    const { code, log } = await first.finished;
    expect(code, log).toBe(0);
  });
});

/** A row for each fault: least, median and greatest. */
interface Row {
  fault: FaultName;
  outputs: Record<string, string>;
}

/** Least, median and greatest of each figure. */
function tableOf(setting: string, rows: readonly Row[]): string {
  const columns = {
    RTO: 'rto-seconds',
    'client RTO': 'client-rto-seconds',
    'writes out': 'write-outage-seconds',
    'two primaries': 'dual-primary-seconds',
    rejoin: 'rejoin-seconds',
  };
  return markdownTable({
    headings: ['setting', 'fault', 'n', 'passed', ...Object.keys(columns), 'at risk', 'lost'],
    rows: faults.map((fault) => {
      const of = rows.filter((row) => row.fault === fault).map(({ outputs }) => outputs);
      const values = (name: string) =>
        of
          .map((outputs) => outputs[name] ?? '')
          .filter((text) => text !== '')
          .map(Number);
      const sum = (name: string) => String(values(name).reduce((all, one) => all + one, 0));
      const passed = of.filter(({ outcome }) => outcome === 'pass').length;
      return [
        setting,
        fault,
        String(of.length),
        String(passed),
        ...Object.values(columns).map((name) => spread(values(name))),
        sum('writes-at-risk'),
        sum('lost-writes'),
      ];
    }),
  });
}

function spread(values: readonly number[]): string {
  if (values.length === 0) return '';
  const sorted = values.toSorted((a, b) => a - b);
  const shown = [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
  return [...new Set(shown.map((value) => value?.toFixed(1)))].join(' / ');
}
