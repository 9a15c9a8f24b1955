import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { placeholderPassword } from '../../src/postgres/placeholder.ts';
import { type ClientWays, ports, startClientWays } from './client-ways.ts';
import { everything } from './extent.ts';
import { labFormation } from './formations.ts';
import { becomesHealthy, drilled, type Finished, figure, runAction } from './harness.ts';

/** Drills with clients that go by the application's own connection string, through what applications have in between. */

const formation = labFormation(12);
const folder = mkdtempSync(join(tmpdir(), 'pgha-uri-'));
let ways: ClientWays;
let remove = () => Promise.resolve();

beforeAll(async () => {
  const { code, log } = await runAction('provision-pgaf', { formation: formation.yaml });
  expect(code, log).toBe(0);
  ways = await startClientWays(formation);
  remove = ways.remove;
});
beforeEach(() => becomesHealthy(formation.yaml, 60_000));
afterAll(async () => {
  await remove();
  rmSync(folder, { recursive: true });
});

const secret = placeholderPassword;
const by = (port: number, rest = 'veza?connect_timeout=2') =>
  `postgres://veza:${secret}@${ways.address}:${port}/${rest}`;
const drill = (uri: string, inputs: Record<string, string> = {}) =>
  runAction('failover-drill', {
    formation: formation.yaml,
    'report-folder': folder,
    'client-uri': uri,
    ...inputs,
  });

function tellsBoth(name: string, { code, log, outputs, report, summary }: Finished): void {
  expect(code, log).toBe(0);
  const seconds = (output: string) => Number(outputs[`${output}-seconds`]);
  for (const each of ['rto', 'client-rto', 'client-uri-rto', 'client-uri-outage', 'client-uri-adds'])
    expect(outputs[`${each}-seconds`], each).toMatch(/^-?\d+\.\d{3}$/);
  figure(`${name}: RTO`, seconds('rto'));
  figure(`${name}: client RTO straight to the nodes`, seconds('client-rto'));
  figure(`${name}: write outage straight to the nodes`, seconds('write-outage'));
  figure(`${name}: client RTO by client-uri`, seconds('client-uri-rto'));
  figure(`${name}: write outage by client-uri`, seconds('client-uri-outage'));
  figure(`${name}: what the way adds`, seconds('client-uri-adds'));
  expect(seconds('client-uri-adds')).toBeCloseTo(seconds('client-uri-rto') - seconds('client-rto'), 3);
  const { clients } = drilled(report);
  const { byUri } = clients?.ledger ?? {};
  figure(`${name}: failed writes by client-uri`, byUri?.failedWrites ?? Number.NaN, '');
  figure(`${name}: unknown writes by client-uri`, byUri?.unknownWrites ?? Number.NaN, '');
  expect(byUri?.acknowledgedWrites).toBeGreaterThan(100);
  // They count where loss is judged.
  expect(Number(outputs['acknowledged-writes'])).toBeGreaterThan(byUri?.acknowledgedWrites ?? 0);
  expect(outputs).toMatchObject({ 'lost-writes': '0', 'dual-primary-seconds': '0.000' });
  expect(clients?.writeAtEndByUri).toBe(true);
  expect(summary).toContain('what that way adds');
  const junit = readFileSync(outputs['junit'] ?? '', 'utf8');
  expect(junit).toContain('clients by client-uri write again within the target');
  const written = [log.replaceAll(/^::add-mask::.*$/gm, ''), summary, junit, JSON.stringify(report)];
  expect(written.join('\n')).not.toContain(secret);
}

describe("a drill tells what clients saw straight to the nodes, and by the application's own way", () => {
  it('through PgBouncer, transactions pooled, tuned; and again from its files', async () => {
    const finished = await drill(by(ports.tuned));
    tellsBoth('PgBouncer, tuned', finished);
    const again = await runAction('failover-drill', {
      replay: finished.outputs['report'] ?? '',
      'report-folder': folder,
    });
    expect(again.code, again.log).toBe(0);
    expect(again.summary).toBe(finished.summary);
    expect(again.outputs['client-uri-rto-seconds']).toBe(finished.outputs['client-uri-rto-seconds']);
  });

  it.runIf(everything)('through HAProxy, with the password by itself', async () => {
    const uri = `host=${ways.address} port=${ports.haproxy} user=veza dbname=veza sslmode=require connect_timeout=2`;
    tellsBoth('HAProxy', await drill(uri, { 'app-password': secret }));
  });

  it.runIf(everything)('through PgBouncer with its defaults', async () => {
    tellsBoth('PgBouncer, defaults', await drill(by(ports.pgbouncer)));
  });
});

describe('check-formation finds out where it leads', () => {
  const checked = (uri: string) =>
    runAction('check-formation', { formation: formation.yaml, 'client-uri': uri, 'report-folder': folder });

  it('through a pooler or a proxy to the primary, and otherwise tells whom it found', async () => {
    for (const port of [ports.tuned, ports.haproxy]) {
      const { code, log } = await checked(by(port));
      expect(code, log).toBe(0);
    }
    const { standbys = '' } = (await checked('')).outputs;
    const astray = `postgres://veza:${secret}@${standbys}.incus,${ways.address}:${ports.tuned}/veza`;
    const { code, outputs, log } = await checked(astray);
    expect(code, log).toBe(1);
    expect(outputs['failed-checks']).toBe('client-uri');
    expect(outputs['message']).toMatch(/host 1 of its 2 leads to [0-9.]+, a standby; target_session_attrs/);
  });
});

describe('a connection string that does not lead to the primary touches nothing', () => {
  it.each([
    [
      'of a port where nobody is',
      () => by(6999),
      /input client-uri: it leads nowhere; from .*: .*:6999: nothing answers/,
    ],
    [
      'of a standby alone',
      async () => `postgres://veza:${secret}@${await standby()}.incus:5432/veza`,
      /input client-uri: it leads to [0-9.]+, which is a standby/,
    ],
    [
      'of a pooler that lets its clients wait',
      () => by(ports.pgbouncer, 'nowhere?connect_timeout=2'),
      /a pooler that finds no server lets its clients wait like that: see its log/,
    ],
  ])('%s', async (_, given, says) => {
    const { code, outputs, log } = await drill(await given());
    expect(code, log).toBe(3);
    expect(outputs['message']).toMatch(says);
    expect(log).not.toContain(' fault: ');
    await becomesHealthy(formation.yaml, 10_000);
  });

  const standby = async () =>
    (await runAction('check-formation', { formation: formation.yaml })).outputs['standbys'] ?? '';
});
