import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { probeOutages } from '../../src/probes/outages.ts';
import { labFormation } from './formations.ts';
import { becomesHealthy, drilled, type Finished, figure, inside, labelsOf, runAction } from './harness.ts';
import { type ProbedService, startService } from './probed-service.ts';

/** Probes of the user's own, at a service that writes to the formation, through a whole drill. */

const formation = labFormation(12);
const [first, second] = formation.nodes;
const reports = mkdtempSync(join(tmpdir(), 'pgha-probes-'));
let service: ProbedService;

beforeAll(async () => {
  const { code, log } = await runAction('provision-pgaf', { formation: formation.yaml });
  expect(code, log).toBe(0);
  service = await startService(formation.yaml);
});
afterAll(async () => {
  await service?.stop();
  rmSync(reports, { recursive: true });
});
beforeEach(() => becomesHealthy(formation.yaml, 60_000));

const primaryNow = async () =>
  (await runAction('check-formation', { formation: formation.yaml })).outputs['primary'] ?? '';
const drill = (probes: object[], inputs: Record<string, string> = {}) =>
  runAction('failover-drill', { formation: formation.yaml, probes: stringify(probes), ...inputs });

interface ToldProbe {
  probe: string;
  outages: number;
  outageSeconds: number | null;
  brokenAtLeastSeconds: number;
  holds: boolean | null;
  aborted: boolean;
}
const toldOf = ({ outputs }: Finished) => JSON.parse(outputs['probes'] ?? '[]') as ToldProbe[];

/** Everything that a run has left for people; a runner takes the masks out of its log. */
const written = ({ log, summary, report, outputs }: Finished) =>
  [log.replaceAll(/^::add-mask::.*$/gm, ''), summary, JSON.stringify(report), JSON.stringify(outputs)].join(
    '\n',
  );

describe('probes of every kind', () => {
  it('hold, are out for as long as clients are, and hold again; and the picture shows it', async () => {
    const primary = await primaryNow();
    const found = await drill(
      [
        {
          name: 'orders',
          http: { url: service.url, headers: { Authorization: 'secret:token' }, body: 'stored' },
          interval: 0.2,
          timeout: 5,
        },
        { name: 'ready', tcp: { host: '127.0.0.1', port: service.readyPort }, interval: 0.2 },
        {
          name: 'ledger',
          sql: {
            uri: `postgres://veza@${service.nodePorts.map((port) => `127.0.0.1:${port}`).join(',')}/veza?target_session_attrs=read-write`,
            password: 'secret:db-password',
            query: 'SELECT 1, true, NULL',
            rows: [[1, true, null]],
          },
          interval: 0.2,
          timeout: 5,
        },
        {
          name: 'old-primary',
          command: ['incus', 'exec', primary, '--', 'pg_isready', '-q', '-h', '/var/run/postgresql'],
          interval: 1,
          timeout: 5,
        },
        { name: 'runner', command: ['true'], interval: 1, timeout: 5 },
      ],
      {
        'report-folder': reports,
        'probe-secrets': `token=${service.token}\ndb-password=changeme-DEV-ONLY`,
      },
    );
    expect(found.code, found.log).toBe(0);
    const { probes = [], clients, promotion, undoSeconds = 0 } = drilled(found.report);
    const outageOf = (name: string) => {
      const outages = probeOutages({ stretches: probes.find((each) => each.name === name)?.stretches ?? [] });
      expect(outages.length, `${name}: ${JSON.stringify(outages)}`).toBeGreaterThan(0);
      return outages.reduce((one, other) => (other.least > one.least ? other : one));
    };
    const writeOutage = clients?.ledger.writeOutageSeconds ?? 0;
    for (const name of ['orders', 'ready', 'ledger']) {
      const { seconds = 0, least, most = 0, from = 0, to = 0 } = outageOf(name);
      figure(`outage of the probe ${name}`, seconds);
      // Two who look at the same: what each says for certain must not contradict the other.
      expect(least, name).toBeLessThan(writeOutage + 5);
      expect(most, name).toBeGreaterThan(writeOutage - 5);
      // The port is closed once a write has timed out, which takes two seconds for each node.
      expect(from, name).toBeLessThan(6);
      // Writes are taken some moments before the promotion is announced, and by anybody's clients.
      expect(to, name).toBeGreaterThan((promotion?.seconds ?? 99) - 1);
    }
    expect(outageOf('old-primary').to).toBeGreaterThan(undoSeconds);
    const told = toldOf(found);
    expect(told.map(({ probe, holds, aborted }) => [probe, holds, aborted])).toEqual(
      ['orders', 'ready', 'ledger', 'old-primary', 'runner'].map((name) => [name, true, false]),
    );
    expect(told.at(-1)).toMatchObject({ outages: 0, outageSeconds: 0 });
    expect(found.outputs['message']).toMatch(/4 of 5 probes broke, /);
    const junit = readFileSync(found.outputs['junit'] ?? '', 'utf8');
    expect(junit).toContain('the probe orders holds before and after');
    const picture = readFileSync((found.outputs['report'] ?? '').replace(/json$/, 'svg'), 'utf8');
    expect(picture).toContain('>old-primary<');
    expect(picture).toContain('probe: broken');
    for (const text of [written(found), junit, picture]) {
      expect(text).not.toContain('a-token-of-the-service');
      expect(text).not.toContain('changeme-DEV-ONLY');
    }
    expect(found.summary).toContain('Probes');
  });
});

describe('a probe that may not stay broken', () => {
  it('has the fault undone at once, and the drill ends with code 2', async () => {
    // A standby: what comes of a primary that is back amid its failover is another matter.
    const primary = await primaryNow();
    const standby = primary === first ? second : first;
    const running = ['incus', 'exec', standby, '--', 'true'];
    const found = await drill(
      [{ name: 'host', command: running, interval: 0.5, timeout: 5, 'abort-when': 3 }],
      { fault: 'standby-stop' },
    );
    expect(found.code, found.log).toBe(2);
    expect(found.outputs['message']).toMatch(
      /^the probe host had no good answer for 3\.\d+ s, and may be without for 3 s \(abort-when\), so the fault was undone at once/,
    );
    const { tripped, undoSeconds = 0, final } = drilled(found.report);
    expect(tripped?.probe).toBe('host');
    figure('abort-when of 3 s: fault to undo', undoSeconds);
    expect(undoSeconds).toBeGreaterThan(3);
    // Without it the drill would look out for a failover for longer.
    expect(undoSeconds - (tripped?.seconds ?? 0)).toBeLessThan(2);
    expect(final?.outcome).toBe('pass');
    expect(toldOf(found)[0]).toMatchObject({ aborted: true, holds: true });
    expect(await labelsOf(standby)).not.toHaveProperty('user.pgha.drill');
  });
});

describe('a probe that does not hold', () => {
  /** Since when each container runs, and whether clients' tables are there. */
  const lives = () =>
    Promise.all(
      [formation.monitor, first, second].map((name) =>
        inside(name, 'sh', '-c', 'cut -d" " -f22 /proc/1/stat'),
      ),
    );

  it('before the fault keeps the drill from it: code 1, and nothing is touched', async () => {
    const port = await new Promise<number>((told) => {
      const server = createServer().listen(0, '127.0.0.1', () => {
        const { port: free } = server.address() as { port: number };
        server.close(() => told(free));
      });
    });
    const before = await lives();
    const found = await drill([
      { name: 'ready', tcp: { host: '127.0.0.1', port: service.readyPort } },
      { name: 'nobody', http: { url: `http://127.0.0.1:${port}/` } },
    ]);
    expect(found.code, found.log).toBe(1);
    expect(found.outputs['message']).toBe(
      'no drill while a probe does not hold, nothing was stopped: nobody: the connection was refused',
    );
    expect(await lives()).toEqual(before);
    expect(found.log).not.toContain('clients: ');
    expect(toldOf(found).map(({ probe, holds }) => [probe, holds])).toEqual([
      ['ready', true],
      ['nobody', false],
    ]);
  });

  it('is told with all that is wrong with any, before anything is asked: code 3', async () => {
    const found = await drill(
      [
        { name: 'a', http: { url: 'secret:none' } },
        { name: 'b', http: { url: 'https://localhost/', ca: '/dev/zero' } },
      ],
      { fault: 'stop', 'probe-secrets': 'other=hush-hush-hush' },
    );
    expect(found.code, found.log).toBe(3);
    expect(found.outputs['message']).toMatch(
      /probe a: .* has no none.*probe b: .* it is a device, not a file/,
    );
  });
});
