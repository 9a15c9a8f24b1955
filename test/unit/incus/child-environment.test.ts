import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { keepSecret } from '../../../src/contract/secrecy.ts';
import { childEnvironment } from '../../../src/incus/child-environment.ts';
import { runCommand } from '../../../src/incus/command.ts';

describe('what we start inherits', () => {
  it('none of what a runner passes us, no password of libpq and no secret by its name or value', () => {
    keepSecret('from-the-vault');
    const kept = {
      PATH: '/bin',
      HOME: '/root',
      INCUS_DIR: '/var/lib/incus',
      INCUS_SOCKET: '/from-the-vault',
      https_proxy: 'http://u:p@proxy:3128',
      SSH_AUTH_SOCK: '/run/agent',
      GITHUB_WORKSPACE: '/work',
      PGHA_LAB: 'x',
      MY_WRAPPER: 'yes',
    };
    const dropped = {
      'INPUT_APP-PASSWORD': 'hunter2',
      INPUT_FORMATION: 'f.yml',
      STATE_exposed: 'abc',
      PGPASSWORD: 'hunter2',
      PGPASSFILE: '/p',
      ACTIONS_RUNTIME_TOKEN: 't',
      GITHUB_TOKEN: 't',
      VEZA_DB_PASSWORD: 'x',
      AWS_SECRET_ACCESS_KEY: 'x',
      ALERT_WEBHOOK: 'https://x',
      MY_DATABASE: 'host=a user=b password=from-the-vault',
      DATABASE_URL: 'postgres://veza:hunter2@a/veza',
    };
    expect(childEnvironment({ ...kept, ...dropped })).toEqual(kept);
  });

  it('and so does every command', async () => {
    const env = { 'INPUT_APP-PASSWORD': 'hunter2', STATE_exposed: 'abc', PGPASSWORD: 'hunter2' };
    Object.assign(process.env, env);
    try {
      const printed = await runCommand('env', [], { deadlineMs: 10_000 });
      expect(printed).toContain('PATH=');
      expect(printed).not.toMatch(/hunter2|INPUT_|STATE_|PGPASSWORD/);
    } finally {
      for (const name of Object.keys(env)) delete process.env[name];
    }
  });

  it('wherever something is started: nothing in src/ but the terminal, which stands for a runner, passes its own on', () => {
    const root = join(import.meta.dirname, '..', '..', '..', 'src');
    const files = (readdirSync(root, { recursive: true }) as string[]).filter((name) => name.endsWith('.ts'));
    const starters = files.filter((name) =>
      /from 'node:child_process'/.test(readFileSync(join(root, name), 'utf8').replace(/import type .*/g, '')),
    );
    expect(starters.sort()).toEqual(['drill/guard.ts', 'incus/command.ts', 'runner/terminal.ts']);
    for (const name of starters.filter((each) => each !== 'runner/terminal.ts')) {
      const text = readFileSync(join(root, name), 'utf8');
      const starts = text.match(/(?<![\w.])(?:spawn|execFile|fork)(?:Sync)?\(/g) ?? [];
      const passed = text.match(/childEnvironment\(\)/g) ?? [];
      expect(passed.length, name).toBeGreaterThanOrEqual(starts.length);
    }
  });
});
