import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { stepsOf } from '../../../actions/acceptance/main.ts';
import { failoverDrill } from '../../../actions/failover-drill/main.ts';
import { parseFileCommands } from '../../../src/runner/file-commands.ts';
import { root } from './uses.ts';

/** The committed entry of the root action, as a runner starts it, where there is nothing to provision. */

describe('the root action', () => {
  it('touches no formation where a report is judged again', () => {
    expect(stepsOf('')).toHaveLength(3);
    expect(stepsOf(' ')).toHaveLength(3);
    expect(stepsOf('pgha-reports/report.json')).toEqual([failoverDrill]);
  });

  it('stops at its first action that does not pass, with all outputs written and no secret shown', () => {
    const folder = mkdtempSync(join(tmpdir(), 'pgha-acceptance-'));
    const output = join(folder, 'output');
    writeFileSync(output, '');
    try {
      const { inputs, outputs, runs } = parse(readFileSync(join(root, 'action.yml'), 'utf8')) as {
        inputs: Record<string, { default: string }>;
        outputs: object;
        runs: { main: string };
      };
      const given = { formation: 'nonsense: true', 'app-password': 'Application-own-1' };
      const env = Object.entries({
        ...Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.default])),
        ...given,
      }).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]);
      const { status, stdout } = spawnSync(process.execPath, [join(root, runs.main)], {
        cwd: folder,
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], GITHUB_OUTPUT: output, ...Object.fromEntries(env) },
        timeout: 30_000,
      });
      expect(status, stdout).toBe(3);
      expect(stdout).toContain('provision-pgaf: the inline formation:1: nonsense: unknown key');
      expect(stdout).not.toContain('check-formation:');
      expect(stdout.replaceAll(/^::add-mask::.*$/gm, '')).not.toContain('Application-own-1');
      const written = parseFileCommands(readFileSync(output, 'utf8'));
      expect([...written.keys()]).toEqual(expect.arrayContaining(Object.keys(outputs)));
      expect(written.get('exit-code')).toBe('3');
      expect(written.get('rto-seconds')).toBe('');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
