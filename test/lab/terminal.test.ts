import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { labFormation } from './formations.ts';
import { becomesHealthy, eventually, root, runAction, statusOf } from './harness.ts';

const formation = labFormation(12);
const folder = mkdtempSync(join(tmpdir(), 'pgha-terminal-'));
const file = join(folder, 'formation.yml');

beforeAll(async () => {
  writeFileSync(file, formation.yaml);
  const { code, log } = await runAction('provision-pgaf', { formation: formation.yaml });
  expect(code, log).toBe(0);
  await becomesHealthy(formation.yaml, 60_000);
});

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

function pgha(
  args: string[],
  env: Record<string, string> = {},
): { ended: Promise<Ended>; kill(signal: NodeJS.Signals): void; stdout(): string } {
  let text = '';
  let kill = (_: NodeJS.Signals) => {};
  const ended = new Promise<Ended>((resolve) => {
    const child = execFile(
      join(root, 'pgha'),
      args,
      { cwd: folder, env: { ...process.env, ...env } },
      (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : error ? 128 : 0, stdout, stderr });
      },
    );
    child.stdout?.on('data', (chunk: string) => {
      text += chunk;
    });
    kill = (signal) => child.kill(signal);
  });
  return { ended, kill: (signal) => kill(signal), stdout: () => text };
}

describe('the terminal', () => {
  it('runs an action with inputs as flags, prints its outputs, and ends with its code', async () => {
    const { code, stdout } = await pgha(['check-formation', '--formation', 'formation.yml']).ended;
    expect(code, stdout).toBe(0);
    expect(stdout).toMatch(/^ {2}healthy += true$/m);
    expect(stdout).not.toContain('::');
  });

  it('takes inputs from the environment, and writes outputs and summary to files', async () => {
    const { code } = await pgha(['check-formation', '--outputs', 'out.json', '--summary', 'summary.md'], {
      INPUT_FORMATION: 'formation.yml',
    }).ended;
    expect(code).toBe(0);
    expect(JSON.parse(readFileSync(join(folder, 'out.json'), 'utf8'))).toMatchObject({
      'exit-code': '0',
      healthy: 'true',
    });
    expect(readFileSync(join(folder, 'summary.md'), 'utf8')).toContain('| node |');
  });

  it.each([
    [
      ['no-such-action'],
      /there is no action "no-such-action"; there are alert, check-formation, failover-drill, provision-pgaf/,
    ],
    [
      ['check-formation', '--formaton', 'x', 'y'],
      /^pgha: --formaton is not known \(is --formation meant\?\); check-formation takes --formation, .*--report-folder, .*\npgha: y is not known; /,
    ],
    [['provision-pgaf', '--app-password', 'x'], /--app-password would show the secret in the process list/],
    [['failover-drill', '--rto-target-seconds'], /--rto-target-seconds needs a value/],
  ])('refuses %j with code 3 and says what is allowed', async (args, message) => {
    const { code, stderr } = await pgha(args).ended;
    expect(code).toBe(3);
    expect(stderr).toMatch(message);
  });

  it('passes Ctrl-C on to the drill, which brings the container back', async () => {
    const drill = pgha(['failover-drill', '--formation', 'formation.yml']);
    await eventually('the fault', 30_000, () => Promise.resolve(drill.stdout().includes('fault: stop')));
    drill.kill('SIGINT');
    const { code, stdout } = await drill.ended;
    expect(code, stdout).toBe(3);
    expect(stdout).toContain('was brought back');
    for (const node of formation.nodes) expect(await statusOf(node)).toBe('Running');
    await becomesHealthy(formation.yaml, 60_000);
  });
});
