import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Moment, now } from '../../src/clock/clock.ts';
import { sleep } from '../../src/clock/deadline.ts';
import type { Evidence } from '../../src/evidence/evidence.ts';
import { readJournal } from '../../src/evidence/journal.ts';
import { judgeLedger } from '../../src/evidence/ledger/ledger.ts';
import type { LedgerRead } from '../../src/evidence/record.ts';
import { countRows, describeRows, holdsRow } from '../../src/evidence/rows.ts';
import { readRows } from '../../src/evidence/table/read-rows.ts';
import type { WriteHistory } from '../../src/evidence/write-history.ts';
import { parseFormation } from '../../src/formation/file/load.ts';
import { type Member, membersOf } from '../../src/formation/formation.ts';
import { openMemberSession } from '../../src/postgres/member-session.ts';
import { placeholderPassword } from '../../src/postgres/placeholder.ts';
import type { Session } from '../../src/postgres/session.ts';
import { type Compiled, compileSources } from '../compiled.ts';
import {
  cutBetween,
  eventsOfKind,
  failOver,
  inMemory,
  joinAgain,
  lab,
  rolesIn,
  startClients,
  type TestedFormation,
} from './clients.ts';
import { everything } from './extent.ts';
import { containersOf, labFormation } from './formations.ts';
import { becomesHealthy, eventually, figure, incus, inside, runAction, statusOf } from './harness.ts';
import { tolerable, watchPace } from './meter.ts';

/** `PGHA_DEBIAN=13` runs this file on Debian 13. */
const debian = process.env['PGHA_DEBIAN'] === '13' ? 13 : 12;
const formation = labFormation(debian);
const provision = async (yaml: string) => {
  const { code, log } = await runAction('provision-pgaf', { formation: yaml });
  expect(code, log).toBe(0);
};
const healthy = () => becomesHealthy(formation.yaml, 120_000);

beforeAll(() => provision(formation.yaml));
afterAll(async () => {
  await joinAgain();
  await provision(formation.yaml);
});

const isCancelled = (why: string) => /^canceling wait for synchronous replication/.test(why);

function median(values: number[]): number {
  return values.sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Milliseconds from sending to acknowledgement, of the application's writes. */
function latencies(history: WriteHistory): number[] {
  const sent = new Map<string, Moment>();
  for (const { connection, seq, at } of eventsOfKind(history, 'invoked'))
    sent.set(`${connection} ${seq}`, at);
  return eventsOfKind(history, 'acknowledged')
    .filter(({ connection }) => connection.startsWith('app'))
    .map(({ connection, seq, at }) => at - (sent.get(`${connection} ${seq}`) ?? Number.NaN));
}

/** What this process and the formation's containers do over so many milliseconds, in percent of a core. */
async function loadOver(overMs: number): Promise<number> {
  const used = async () => {
    const own = process.cpuUsage();
    const states = await Promise.all(
      containersOf(formation).map((name) => incus('query', `/1.0/instances/${name}/state`)),
    );
    const nanoseconds = states.map((state) => (JSON.parse(state) as { cpu: { usage: number } }).cpu.usage);
    return (own.user + own.system) / 1000 + nanoseconds.reduce((sum, one) => sum + one, 0) / 1e6;
  };
  const [before, began] = [await used(), now()];
  await sleep(overMs);
  return (100 * ((await used()) - before)) / (now() - began);
}

describe('clients of a healthy formation', () => {
  beforeAll(healthy);

  it('write at their rate, cost little, and leave no rows behind', async () => {
    const roles = await rolesIn(formation.yaml);
    const idle = await loadOver(4000);
    const { evidence, remove } = await startClients(roles);
    const began = {
      at: now(),
      cpu: process.cpuUsage(),
      events: [...evidence.journal.history().events].length,
    };
    const busy = await loadOver(4000);
    const [tookMs, cpu] = [now() - began.at, process.cpuUsage(began.cpu)];
    const written = [...evidence.journal.history().events]
      .slice(began.events)
      .filter(({ kind }) => kind === 'acknowledged');
    const history = await evidence.stop();
    const read = await evidence.read(roles.primary.name);
    figure('clients: load of this process', (100 * (cpu.user + cpu.system)) / 1000 / tookMs, '% of a core');
    figure('clients: load of this process and the containers without them', idle, '% of a core');
    figure('clients: load of this process and the containers with them', busy, '% of a core');
    figure('clients: acknowledged writes, witnesses included', (written.length * 1000) / tookMs, 'a second');
    figure('clients: a write by the vantage', median(latencies(history)), 'ms');
    figure('clients: what the vantage adds to a round trip', evidence.route.addedMs, 'ms');
    // Whatever else the machine does is not in it.
    expect(busy - idle).toBeLessThan(tolerable(50));
    expect(evidence.route.via).toBe('vantage');
    expect(written.length).toBeGreaterThan(100);
    const verdict = judgeLedger(history, [read], {
      faultAt: began.at,
      oldPrimary: roles.primary.name,
      newPrimary: undefined,
    });
    expect(verdict).toMatchObject({
      failedWrites: 0,
      unknownWrites: 0,
      lost: { count: 0 },
      phantoms: { count: 0 },
      inconclusive: [],
    });
    await remove();
    expect(countRows((await readAgain(roles.primary.name, history.run)).rows)).toBe(0);
  });

  it('leave nothing but an empty table, which is not theirs', async () => {
    const { primary } = await rolesIn(formation.yaml);
    const session = await openOn(primary.name);
    const rows = await session.query(
      `SELECT relname, relkind, pg_get_userbyid(relowner) AS owner FROM pg_class
        WHERE relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_|^information_schema') ORDER BY relname`,
    );
    const [may] = await session.query(
      `SELECT array_agg(has_table_privilege('veza', 'pgha.drill', right_) ORDER BY at) AS all
         FROM unnest('{SELECT,INSERT,DELETE,UPDATE,TRUNCATE,TRIGGER,REFERENCES}'::text[]) WITH ORDINALITY AS r(right_, at)`,
    );
    expect(may?.['all']).toEqual([true, true, true, false, false, false, false]);
    session.close();
    expect(rows).toEqual([
      { relname: 'drill', relkind: 'r', owner: 'postgres' },
      { relname: 'drill_pkey', relkind: 'i', owner: 'postgres' },
    ]);
  });

  describe('are refused before they begin, and a superuser touches nothing', () => {
    const trigger = `
      CREATE FUNCTION public.become() RETURNS trigger LANGUAGE plpgsql AS
        $$ begin if current_user <> 'veza' then alter role veza superuser; end if; return new; end $$;`;
    const table = 'TABLE pgha.drill (run text, connection text, seq integer, at timestamptz DEFAULT now())';
    const asVeza = (text: string) => `SET SESSION AUTHORIZATION veza; ${text}`;
    const clean =
      'DROP EVENT TRIGGER IF EXISTS become; DROP SCHEMA IF EXISTS pgha CASCADE; DROP FUNCTION IF EXISTS public.become';
    const onItsOwn = 'CREATE SCHEMA pgha; GRANT ALL ON SCHEMA pgha TO veza;';

    // What comes after finds the table as it should be.
    afterAll(async () => {
      const roles = await rolesIn(formation.yaml);
      const session = await openOn(roles.primary.name);
      await session.query(clean);
      session.close();
      await (await startClients(roles)).remove();
    });

    it.each<[string, string, RegExp]>([
      [
        'a schema with a table that has a trigger',
        asVeza(`${trigger} CREATE SCHEMA pgha; CREATE ${table};
                CREATE TRIGGER become BEFORE INSERT ON pgha.drill FOR EACH ROW EXECUTE FUNCTION public.become()`),
        /schema pgha belongs to veza; pgha\.drill belongs to veza; pgha\.drill has triggers that are none of the drill's/,
      ],
      [
        'a view of that name',
        asVeza(`CREATE SCHEMA pgha; CREATE ${table.replace('drill', 'other')};
                CREATE VIEW pgha.drill AS SELECT * FROM pgha.other`),
        /schema pgha belongs to veza; .*pgha\.drill is no ordinary table; pgha\.drill has rules/,
      ],
      [
        'a rule',
        asVeza(`CREATE SCHEMA pgha; CREATE ${table};
                CREATE RULE become AS ON INSERT TO pgha.drill DO ALSO SELECT pg_sleep(0)`),
        /pgha\.drill has rules that are none of the drill's/,
      ],
      // From Postgres 17 on, a superuser of ours runs none.
      ...((debian === 13
        ? []
        : [
            [
              'an event trigger whose function is theirs',
              `SET SESSION AUTHORIZATION veza; ${trigger.replace('RETURNS trigger', 'RETURNS event_trigger').replace('return new; ', '')}
             RESET SESSION AUTHORIZATION;
             CREATE EVENT TRIGGER become ON ddl_command_start EXECUTE FUNCTION public.become()`,
              /event trigger become would have the superuser run a function that is not a superuser's/,
            ],
          ]) as [string, string, RegExp][]),
      ['an empty schema', asVeza('CREATE SCHEMA pgha'), /schema pgha belongs to veza; look at it/],
      ['a schema that others may create in', onItsOwn, /veza may create in schema pgha/],
      [
        'a table with a default of another kind, given away by its owner',
        `CREATE SCHEMA pgha; CREATE ${table};
         ALTER TABLE pgha.drill ALTER run SET DEFAULT pg_catalog.version()`,
        /pgha\.drill has the columns \(run text DEFAULT version\(\)/,
      ],
    ])('where somebody made %s', async (_, planted, said) => {
      const roles = await rolesIn(formation.yaml);
      const session = await openOn(roles.primary.name);
      await session.query(clean);
      await session.query(planted);
      session.close();
      await expect(startClients(roles)).rejects.toThrow(said);
      const again = await openOn(roles.primary.name);
      const [row] = await again.query(
        `SELECT (SELECT rolsuper FROM pg_roles WHERE rolname = 'veza') AS super,
                (SELECT count(*)::int FROM pg_class WHERE oid = to_regclass('pgha.drill_pkey')) AS made`,
      );
      again.close();
      expect(row).toEqual({ super: false, made: 0 });
    });

    it.each([
      ['of all tables', 'CREATE PUBLICATION everything FOR ALL TABLES'],
      // It has no table yet.
      [
        'of whatever is in its schema',
        'CREATE SCHEMA pgha; CREATE PUBLICATION everything FOR TABLES IN SCHEMA pgha',
      ],
    ])(
      'where a publication %s would carry the table to subscribers, unless that is accepted',
      async (_, publish) => {
        const roles = await rolesIn(formation.yaml);
        const session = await openOn(roles.primary.name);
        await session.query(`DROP SCHEMA IF EXISTS pgha CASCADE; ${publish}`);
        // Clients that were let in all the same do not outlive the test.
        const refused = expect.objectContaining({
          message: expect.stringMatching(
            /^publication everything of database veza would carry .*CREATE SCHEMA pgha; CREATE TABLE pgha\.drill \(.*accept-published-table: true/,
          ),
        });
        const begin = async (published: boolean) => await (await startClients(roles, { published })).remove();
        try {
          await expect(begin(false)).rejects.toEqual(refused);
          const [row] = await session.query("SELECT to_regclass('pgha.drill') IS NULL AS absent");
          expect(row).toEqual({ absent: true });
          await begin(true);
          // One that carries it by now is found as well.
          await expect(begin(false)).rejects.toEqual(refused);
        } finally {
          await session.query('DROP PUBLICATION everything');
          session.close();
        }
      },
    );

    it('not where ALTER DEFAULT PRIVILEGES gives everything away: that is taken back', async () => {
      const roles = await rolesIn(formation.yaml);
      const session = await openOn(roles.primary.name);
      await session.query(
        `DROP SCHEMA IF EXISTS pgha CASCADE; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO veza, PUBLIC;
         ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO veza`,
      );
      try {
        await (await startClients(roles)).remove();
        const [row] = await session.query(
          `SELECT has_table_privilege('veza', 'pgha.drill', 'TRIGGER') AS trigger,
                  has_schema_privilege('veza', 'pgha', 'CREATE') AS creates`,
        );
        expect(row).toEqual({ trigger: false, creates: false });
      } finally {
        await session.query(
          `ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM veza, PUBLIC;
           ALTER DEFAULT PRIVILEGES REVOKE ALL ON SCHEMAS FROM veza`,
        );
        session.close();
      }
    });
  });

  it('read tens of thousands of rows back within a second', async () => {
    const { primary } = await rolesIn(formation.yaml);
    const session = await openOn(primary.name);
    await session.query(
      // 40 connections of 1250 writes, of which every hundredth was lost.
      `INSERT INTO pgha.drill
       SELECT 'many', 'app' || n % 40 || '.1', n / 40 FROM generate_series(1, 50000) AS n WHERE n / 40 % 100 <> 7`,
      [],
      { deadlineMs: 20_000 },
    );
    const reads = [];
    for (let turn = 0; turn < 3; turn++) reads.push(await readRows(session, primary.name, 'many'));
    await session.query("DELETE FROM pgha.drill WHERE run = 'many'");
    session.close();
    const bestMs = Math.min(...reads.map(({ startedAt, endedAt }) => endedAt - startedAt));
    figure('clients: reading 49480 rows, the best of three', bestMs, 'ms');
    for (const { rows } of reads) expect(countRows(rows)).toBe(49_480);
    expect(bestMs).toBeLessThan(tolerable(1000));
  });

  it('are told what Postgres said when the password is wrong', async () => {
    const roles = await rolesIn(formation.yaml);
    await expect(startClients(roles, { password: 'wrong-password' })).rejects.toThrow(
      `veza cannot write to database veza as the application does; ${formation.nodes.map((node) => `${node}: password authentication failed for user "veza"`).join('; ')}`,
    );
  });

  it('verify the servers by the CA and the name where the formation says so', async () => {
    const roles = await rolesIn(formation.yaml);
    const pem = (node: string) => inside(node, 'openssl', 'x509', '-in', '/etc/pgha/server.pem');
    const [own, other] = [await pem(roles.primary.name), await pem(roles.standby.name)];
    const strict = { ...roles, formation: { ...roles.formation, tls: 'verify-full' as const } };
    const { evidence, remove } = await startClients(strict, { ca: `${own}${other}` });
    expect(eventsOfKind(await evidence.stop(), 'acknowledged').length).toBeGreaterThan(0);
    await remove();
    const elsewhere = { ...strict.formation, incus: { ...strict.formation.incus, domain: 'elsewhere' } };
    await expect(startClients({ ...strict, formation: elsewhere }, { ca: `${own}${other}` })).rejects.toThrow(
      /Hostname\/IP does not match certificate's altnames: Host: d1.-alpha\.elsewhere/,
    );
    const lax = { ...elsewhere, tls: 'verify-ca' as const };
    await (await startClients({ ...strict, formation: lax }, { ca: `${own}${other}` })).remove();
    await expect(startClients(strict, { ca: await pem(roles.monitor.name) })).rejects.toThrow(
      /self-signed certificate/,
    );
  });

  it('do not take a commit for acknowledged whose wait for the standby was cancelled', async () => {
    const roles = await rolesIn(formation.yaml);
    const { evidence, remove } = await startClients(roles);
    const session = await openOn(roles.primary.name);
    const cutAt = now();
    try {
      await cutBetween(roles.primary, roles.standby);
      // Every commit waits for a moment; one that has waited for long is not about to be let go. On a busy machine it may
      // be all the same: what is asked for is there once a client was told of it.
      await eventually('a commit whose wait was cancelled', 10_000, async () => {
        await session.query(
          `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
            WHERE usename = 'veza' AND wait_event = 'SyncRep' AND query_start < clock_timestamp() - interval '300 ms'`,
        );
        return [...evidence.journal.history().events].some(
          (event) => event.kind === 'unknown' && isCancelled(event.why),
        );
      });
    } finally {
      await joinAgain();
      session.close();
    }
    await evidence.firstAcknowledged(now(), roles.primary.name, { deadlineMs: 10_000 });
    const history = inMemory(await evidence.stop());
    const read = await evidence.read(roles.primary.name);
    await remove();
    const warned = eventsOfKind(history, 'unknown').filter(({ why }) => isCancelled(why));
    expect(warned.length).toBeGreaterThan(0);
    for (const key of warned) expect(holdsRow(read.rows, key)).toBe(true);
    const scene = { faultAt: cutAt, oldPrimary: roles.primary.name, newPrimary: undefined };
    expect(judgeLedger(history, [read], scene)).toMatchObject({ lost: { count: 0 }, inconclusive: [] });
  });

  it('end by themselves at their limit, which no verdict takes for an outage', async () => {
    const { primary, ...others } = await rolesIn(formation.yaml);
    const pace = watchPace();
    const { evidence, remove } = await startClients({ primary, ...others }, { limitMs: 1000 });
    await sleep(2500);
    const writes = [...evidence.journal.history().events].filter(
      (event) => event.kind === 'invoked' && event.connection.startsWith('app'),
    );
    const [first, last] = [writes[0]?.at ?? Number.NaN, writes.at(-1)?.at ?? Number.NaN];
    // A timer is as late as this process was kept from running.
    expect(last - first).toBeLessThan(1100 + pace.worstMs());
    const history = inMemory(await evidence.stop());
    const read = await evidence.read(primary.name);
    await remove();
    const scene = { faultAt: last, oldPrimary: primary.name, newPrimary: undefined };
    expect(judgeLedger(history, [read], scene).inconclusive).toEqual([
      'the workload stopped by itself after its limit of 1 s',
    ]);
  });

  it('come back when the way through the monitor breaks, and say that the evidence is not whole', async () => {
    const roles = await rolesIn(formation.yaml);
    const { evidence, remove } = await startClients(roles);
    // That of the clients before may be about to end.
    let relay = '';
    await eventually('one relay in the monitor', 30_000, async () => {
      relay = (await perlsIn(roles.monitor.name)).trim();
      return /^\d+$/.test(relay);
    });
    const brokenAt = now();
    await inside(roles.monitor.name, 'kill', relay);
    await evidence.firstAcknowledged(brokenAt + 1000, roles.primary.name, { deadlineMs: 15_000 });
    const history = inMemory(await evidence.stop());
    const read = await evidence.read(roles.primary.name);
    await remove();
    const verdict = judgeLedger(history, [read], {
      faultAt: brokenAt,
      oldPrimary: roles.primary.name,
      newPrimary: undefined,
    });
    expect(verdict.lost.count).toBe(0);
    expect(verdict.inconclusive).toEqual([
      expect.stringMatching(/^the clients' way through d1.-monitor broke/),
    ]);
    await eventually(
      'no relay in the monitor',
      30_000,
      async () => (await perlsIn(roles.monitor.name)) === '',
    );
  });
});

describe('clients see a failover', () => {
  beforeEach(healthy);

  it('after a crash-stop: nothing acknowledged is lost, and they write again soon after the promotion', async () => {
    const roles = await rolesIn(formation.yaml);
    await failOver(roles, {
      fault: () => incus('stop', '--force', roles.primary.name),
      seen: (evidence, faultAt) =>
        evidence.firstAcknowledged(faultAt, roles.standby.name, { deadlineMs: 10_000 }),
      undo: () => incus('start', roles.primary.name),
      rejoined: healthy,
      judge({ verdict, announcedSeconds, journalPath, reads, scene }) {
        figure('clients, crash-stop: promotion announced', announcedSeconds);
        figure('clients, crash-stop: RTO of clients', verdict.clientRtoSeconds ?? Number.NaN);
        figure('clients, crash-stop: write outage', verdict.writeOutageSeconds ?? Number.NaN);
        figure(
          'clients, crash-stop: acknowledged, unknown, present',
          `${verdict.acknowledgedWrites}, ${verdict.unknownWrites}, ${verdict.unknownPresent}`,
          '',
        );
        figure('clients, crash-stop: moments may be late by', verdict.lateBySeconds ?? Number.NaN);
        expect(verdict.lateBySeconds).toBeGreaterThan(0);
        expect(verdict, JSON.stringify(verdict)).toMatchObject({
          lost: { count: 0 },
          phantoms: { count: 0 },
          vanished: { count: 0 },
          overlap: { count: 0 },
          dualPrimarySeconds: 0,
          staleReads: 0,
          inconclusive: [],
        });
        expect(verdict.acknowledgedWrites).toBeGreaterThan(200);
        // The promotion is announced some 50 ms after writes are taken; a client may just have begun another round.
        expect(verdict.clientRtoSeconds).toBeGreaterThan(announcedSeconds - 1);
        expect(verdict.clientRtoSeconds).toBeLessThan(announcedSeconds + 4);
        expect(verdict.writeOutageSeconds).toBeGreaterThan((verdict.clientRtoSeconds ?? 0) - 2);
        expect(verdict.writeOutageSeconds).toBeLessThan((verdict.clientRtoSeconds ?? 0) + 1);
        // From disk it is judged the same.
        expect(judgeLedger(readJournal(journalPath).history, reads, scene)).toEqual(verdict);
      },
    });
  });

  it('after a freeze: silence ends by the deadline, and what the thawed primary takes it acknowledges to no client', async () => {
    const roles = await rolesIn(formation.yaml);
    const pace = watchPace();
    await failOver(roles, {
      fault: () => incus('pause', roles.primary.name),
      seen: (evidence, faultAt) =>
        evidence.firstAcknowledged(faultAt, roles.standby.name, { deadlineMs: 10_000 }),
      undo: async () => {
        if ((await statusOf(roles.primary.name)) === 'Frozen') await incus('resume', roles.primary.name);
      },
      rejoined: healthy,
      judge({ verdict, history, announcedSeconds }) {
        figure('clients, freeze: promotion announced', announcedSeconds);
        figure('clients, freeze: RTO of clients', verdict.clientRtoSeconds ?? Number.NaN);
        figure('clients, freeze: write outage', verdict.writeOutageSeconds ?? Number.NaN);
        figure(
          'clients, freeze: unknown, of them present',
          `${verdict.unknownWrites}, ${verdict.unknownPresent}`,
          '',
        );
        figure('clients, freeze: both primaries took writes for', verdict.dualPrimarySeconds ?? Number.NaN);
        figure('clients, freeze: both acknowledged to clients for', verdict.overlapSeconds ?? Number.NaN);
        figure('clients, freeze: stale reads', verdict.staleReads, '');
        // Those under way when the freeze came; on the thaw some client may find the old primary first.
        const silent = eventsOfKind(history, 'unknown').filter(({ connection }) =>
          /^app\d\.1$/.test(connection),
        );
        expect(silent.length).toBeGreaterThanOrEqual(1);
        for (const { why } of silent)
          expect(why).toBe('gave up after 2 s waiting for Postgres to answer a query');
        // An answer is read as late as this process was kept from running.
        expect(Math.max(...latencies(history))).toBeLessThan(2000 + pace.worstMs());
        expect(verdict).toMatchObject({
          lost: { count: 0 },
          phantoms: { count: 0 },
          overlap: { count: 0 },
          inconclusive: [],
        });
      },
    });
  });
});

// The drill's own self-test comes to the same by way of the dist.
describe.runIf(everything)('clients of a formation that is not as it should be', () => {
  beforeEach(healthy);
  afterEach(() => provision(formation.yaml));

  it('are told which of their writes were lost, where the primary does not wait for its standby', async () => {
    const roles = await rolesIn(formation.yaml);
    await giveUpQuorum(roles);
    const { primary, standby } = roles;
    let cutAt = 0;
    await failOver(roles, {
      async fault() {
        await cutBetween(primary, standby);
        // Until here the standby may have got everything; what is acknowledged from now on it never will.
        cutAt = now();
        await sleep(2000);
        await incus('stop', '--force', primary.name);
      },
      seen: (evidence, faultAt) => evidence.firstAcknowledged(faultAt, standby.name, { deadlineMs: 10_000 }),
      async undo() {
        await joinAgain();
        await incus('start', primary.name);
      },
      rejoined: () => Promise.resolve(),
      judge({ verdict, history }) {
        figure('clients, lossy formation: lost writes', verdict.lost.count, '');
        figure(
          'clients, lossy formation: the first of them',
          describeRows(verdict.lost.rows).slice(0, 60),
          '',
        );
        const nodes = new Map(eventsOfKind(history, 'connected').map((told) => [told.connection, told]));
        const doomed = eventsOfKind(history, 'acknowledged').filter(({ connection, at }) => {
          const told = nodes.get(connection);
          return told?.node === primary.name && told.actor !== 'local-witness' && at > cutAt;
        });
        expect(doomed.length).toBeGreaterThan(50);
        expect(verdict.lost.count).toBeGreaterThanOrEqual(doomed.length);
        for (const key of doomed) expect(holdsRow(verdict.lost.rows, key)).toBe(true);
        expect(verdict).toMatchObject({ phantoms: { count: 0 }, inconclusive: [] });
      },
    });
  });
});

describe('clients in a process of their own', () => {
  let compiled: Compiled;
  let folder = '';
  beforeAll(async () => {
    await healthy();
    folder = mkdtempSync(join(tmpdir(), 'pgha-evidence-'));
    compiled = compileSources();
  });
  afterAll(() => {
    compiled.remove();
    rmSync(folder, { recursive: true });
  });

  /** Writes as the application until its input ends; prints how, in a line of JSON, once a write is acknowledged. */
  function startProcess(prefix: readonly string[], journalPath: string, primary: string) {
    const script = `
      const [yaml, primary, journalPath] = process.argv.slice(1);
      const { parseFormation } = await import('${compiled.url('formation/file/load')}');
      const { Incus } = await import('${compiled.url('incus/incus')}');
      const { applicationAccess } = await import('${compiled.url('application/access')}');
      const { Evidence } = await import('${compiled.url('evidence/evidence')}');
      const formation = parseFormation(yaml, 'formation.yml');
      const { access } = applicationAccess(formation, { password: '${placeholderPassword}' });
      const log = { info() {}, warn() {}, debug() {} };
      const incus = new Incus({ remote: 'local', project: 'default' });
      const evidence = await Evidence.start({
        formation, incus, access, log, primary, journalPath, run: 'process', signal: new AbortController().signal });
      await evidence.firstAcknowledged(0, primary, { deadlineMs: 10000 });
      console.log(JSON.stringify(evidence.route));
      for await (const _ of process.stdin);
      await evidence.end();`;
    const node = [
      process.execPath,
      '--input-type=module',
      '-e',
      script,
      formation.yaml,
      primary,
      journalPath,
    ];
    const [file = '', ...args] = [...prefix, ...node];
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const closed = once(child, 'close');
    const route = Promise.race([once(child.stdout, 'data'), closed]).then(
      ([told]) => JSON.parse(String(told)) as Evidence['route'],
    );
    return { child, route, closed };
  }

  it('connect directly where there is a route, at less cost', async () => {
    const { primary } = await rolesIn(formation.yaml);
    const journalPath = join(folder, 'direct');
    const inTheLab = ['ip', 'netns', 'exec', process.env['PGHA_LAB_NETNS'] ?? ''];
    const { child, route, closed } = startProcess(inTheLab, journalPath, primary.name);
    expect(await route).toEqual({ via: 'direct', addedMs: 0 });
    await sleep(2000);
    child.stdin.end();
    expect(await closed).toEqual([0, null]);
    figure('clients: a write by direct sockets', median(latencies(readJournal(journalPath).history)), 'ms');
  });

  it('take the vantage where there is none, and leave a journal and nothing else when they are killed', async () => {
    const { primary, monitor } = await rolesIn(formation.yaml);
    const journalPath = join(folder, 'killed');
    // A network of its own, in which there is no way to anywhere.
    const { child, route, closed } = startProcess(['unshare', '--net'], journalPath, primary.name);
    expect(await route).toMatchObject({ via: 'vantage' });
    const written = () => eventsOfKind(readJournal(journalPath).history, 'acknowledged').length;
    // The witnesses' are among them.
    await eventually('some writes', 10_000, () => Promise.resolve(written() > 100));
    child.kill('SIGKILL');
    await closed;
    const gone = async () => {
      const session = await openOn(primary.name);
      const [row] = await session.query("SELECT count(*) AS n FROM pg_stat_activity WHERE usename = 'veza'");
      session.close();
      return Number(row?.['n']) === 0;
    };
    await eventually('the sessions to end', 30_000, gone);
    await eventually('no relay in the monitor', 30_000, async () => (await perlsIn(monitor.name)) === '');
    const { history } = readJournal(journalPath);
    const read = { ...(await readAgain(primary.name, 'process')), startedAt: 1e12, endedAt: 1e12 };
    const verdict = judgeLedger(history, [read], {
      faultAt: 0,
      oldPrimary: primary.name,
      newPrimary: undefined,
    });
    figure(
      'clients, killed: acknowledged, unknown, present',
      `${verdict.acknowledgedWrites}, ${verdict.unknownWrites}, ${verdict.unknownPresent}`,
      '',
    );
    expect(verdict.acknowledgedWrites).toBeGreaterThan(20);
    expect(verdict).toMatchObject({ lost: { count: 0 }, phantoms: { count: 0 }, unverifiedWrites: 0 });
  });
});

/** Both nodes out of the quorum, as `replication: { quorum: false, sync-standbys: 0 }` does it. */
async function giveUpQuorum({
  formation: parsed,
  monitor,
  primary,
  standby,
}: TestedFormation): Promise<void> {
  const session = await openMemberSession(lab, parsed, monitor);
  for (const { name } of [standby, primary])
    await session.query('SELECT pgautofailover.set_node_replication_quorum($1, $2, false)', [
      parsed.name,
      name,
    ]);
  session.close();
  const writer = await openOn(primary.name);
  await eventually('commits that wait for nobody', 20_000, async () => {
    const [row] = await writer.query('SHOW synchronous_standby_names');
    return row?.['synchronous_standby_names'] === '';
  });
  writer.close();
}

async function openOn(node: string): Promise<Session> {
  const parsed = parseFormation(formation.yaml, 'formation.yml');
  const member = membersOf(parsed).find(({ name }) => name === node) as Member;
  return await openMemberSession(lab, parsed, member, { database: parsed.postgres.database });
}

async function readAgain(node: string, run: string): Promise<LedgerRead> {
  const session = await openOn(node);
  const read = await readRows(session, node, run);
  session.close();
  return read;
}

async function perlsIn(container: string): Promise<string> {
  return await inside(container, 'sh', '-c', 'pgrep -u nobody perl || true');
}
