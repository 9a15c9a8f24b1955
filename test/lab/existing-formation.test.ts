import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseFormation } from '../../src/formation/file/load.ts';
import { membersOf } from '../../src/formation/formation.ts';
import { ofAnExistingFormation } from './documented.ts';
import { addressOf, asRoot, postgres } from './foreign.ts';
import { applicationPassword, handOver, tutorial } from './foreign-ways.ts';
import { removeContainers } from './formations.ts';
import { becomesHealthy, root, runAction } from './harness.ts';
import { whileWriting } from './written.ts';

/** A formation made with upstream's own commands is adopted and taken over as docs/existing-formation.md says. */

const pgdata = `/var/lib/postgresql/${postgres}/main`;
const folder = mkdtempSync(join(tmpdir(), 'pgha-existing-'));
const path = join(folder, 'formation.yml');
const adopted = () => tutorial.edited(readFileSync(path, 'utf8'));
const inputs = () => ({ formation: adopted(), 'app-password': applicationPassword });

/** A command line of the page, in a folder that looks like a clone of the repository. */
async function shell(command: string): Promise<{ code: number; said: string }> {
  return await new Promise((done) => {
    execFile('bash', ['-c', command], { cwd: folder, timeout: 120_000 }, (error, stdout, stderr) =>
      done({ code: error === null ? 0 : Number(error.code), said: stdout + stderr }),
    );
  });
}

beforeAll(async () => {
  // The other files' formation has the name of this one, and would be taken for a part of it.
  await removeContainers();
  symlinkSync(join(root, 'pgha'), join(folder, 'pgha'));
  await tutorial.make();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('is described by the command of the page, and is healthy by that file', async () => {
  for (const command of ofAnExistingFormation) {
    const { code, said } = await shell(command);
    expect(code, said).toBe(0);
    expect(said).toContain('formation default is healthy');
  }
  const formation = parseFormation(readFileSync(path, 'utf8'), 'formation.yml');
  expect(formation).toMatchObject({
    timingsName: 'upstream',
    postgres: { version: postgres, database: 'app', user: 'app', packages: { source: 'distribution' } },
    nodes: [
      { name: 'pgaf-primary', nodeName: 'node_1', host: await addressOf('pgaf-primary') },
      { name: 'pgaf-replica', nodeName: 'node_2', host: await addressOf('pgaf-replica') },
    ],
  });
  expect(new Set(membersOf(formation).map((member) => `${member.pgdata} ${member.unit}`))).toEqual(
    new Set([`${pgdata} pgautofailover.service`]),
  );
  await becomesHealthy(adopted(), 60_000);
});

it('a file that is there is left as it is', async () => {
  const before = readFileSync(path, 'utf8');
  const { code, said } = await shell(ofAnExistingFormation[0]);
  expect(code).toBe(3);
  expect(said).toContain('formation.yml is there already, and is left as it is');
  expect(readFileSync(path, 'utf8')).toBe(before);
});

it('is refused until its containers are handed over', async () => {
  const { code, outputs } = await runAction('provision-pgaf', { ...inputs(), mode: 'plan' });
  expect(code).toBe(3);
  expect(outputs['message']).toContain('the container pgaf-primary exists and was not made by pgha');
});

it('is planned: what would change, what restarts for it, and nothing moves', async () => {
  await handOver(tutorial);
  const { code, log } = await runAction('provision-pgaf', { ...inputs(), mode: 'plan' });
  expect(code, log).toBe(0);
  expect(log).toMatch(/pgaf-replica +enable tls: self-signed \(restarts Postgres\)/);
  expect(log).toMatch(/pgaf-replica +start pg_autoctl anew.*\(restarts pg_autoctl and Postgres\)/);
  expect(log).toContain('switch over from pgaf-primary (writes pause for seconds)');
  const again = await runAction('provision-pgaf', { ...inputs(), mode: 'plan' });
  expect(again.report?.['changes']).toHaveLength((log.match(/\[ {2}plan {2}\]/g) ?? []).length);
});

it('is taken over in one run, which loses no write, and the next one changes nothing', async () => {
  const { acknowledged, lost } = await whileWriting(adopted(), async () => {
    const { code, log } = await runAction('provision-pgaf', inputs());
    expect(code, log).toBe(0);
  });
  expect(acknowledged).toBeGreaterThan(100);
  expect(lost).toEqual([]);
  const again = await runAction('provision-pgaf', inputs());
  expect(again.outputs, again.log).toMatchObject({ 'exit-code': '0', changed: 'false' });
  for (const node of tutorial.nodes)
    expect(await asRoot(node, `cat ${pgdata}/pg_hba.conf`)).not.toContain('Auto-generated');
  const { outputs, log } = await runAction('check-formation', inputs());
  expect(outputs['warnings'], log).toBe('');
}, 400_000);
