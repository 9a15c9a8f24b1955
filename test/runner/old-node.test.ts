import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseFileCommands } from '../../src/runner/file-commands.ts';

/** The committed entries on releases of Node that some distributions still have: 18 is Debian 12's own. */

const dist = join(import.meta.dirname, '..', '..', 'dist');
const folder = mkdtempSync(join(tmpdir(), 'pgha-old-node-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(['16', '18'])('on Node %s', (major) => {
  const run = (entry: string, env: Record<string, string> = {}) => {
    const node = join(process.env[`PGHA_TEST_NODE_${major}`] ?? '', 'node');
    return spawnSync(node, [join(dist, entry)], { env, encoding: 'utf8', timeout: 20_000 });
  };
  const said = new RegExp(`Node 20 or newer is needed, and this is Node ${major}\\.`);

  it.each([
    'acceptance/main.js',
    'provision-pgaf/main.js',
    'check-formation/main.js',
    'failover-drill/main.js',
  ])('%s does nothing and says so, with code 3 and outputs', (entry) => {
    const output = join(folder, 'output');
    writeFileSync(output, '');
    const { status, stdout, stderr } = run(entry, { GITHUB_OUTPUT: output });
    expect({ status, stderr }).toEqual({ status: 3, stderr: '' });
    expect(stdout).toMatch(said);
    const outputs = parseFileCommands(readFileSync(output, 'utf8'));
    expect(outputs.get('exit-code')).toBe('3');
    expect(outputs.get('outcome')).toBe('error');
    expect(outputs.get('message')).toMatch(said);
  });

  it('the post step has nothing to undo; the terminal and the guard say the same as the actions', () => {
    expect(run('failover-drill/post.js')).toMatchObject({ status: 0, stdout: '', stderr: '' });
    for (const entry of ['terminal/main.js', 'guard/main.js']) {
      const { status, stderr } = run(entry);
      expect(status).toBe(3);
      expect(stderr).toMatch(said);
    }
  });
});
