import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../published/uses.ts';

/** The lock in a container, with the answers of a flock that stands for the real one. */

const script = readFileSync(join(root, 'src', 'incus', 'scripts', 'hold-lock.sh'), 'utf8');

function held(flock: string): { said: string; code: number | null } {
  const folder = mkdtempSync(join(tmpdir(), 'pgha-lock-'));
  const own = join(folder, 'bin');
  spawnSync('mkdir', [own]);
  for (const [name, text] of Object.entries({ flock, sleep: 'exit 0', cat: 'exit 0' })) {
    if (text === '') continue;
    writeFileSync(join(own, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(own, name), 0o755);
  }
  const here = script.replace('/run/', `${folder}/`);
  const { stdout, status } = spawnSync('/bin/sh', ['-c', here, 'sh', 'x'], { env: { PATH: own }, input: '' });
  return { said: stdout.toString(), code: status };
}

describe('the lock in a container', () => {
  it('is held, or busy', () => {
    expect(held('exit 0').said).toBe('held\n');
    expect(held('exit 1').said).toBe('busy\n');
  });

  it.each([
    ['there is no flock', ''],
    ['flock fails', 'exit 66'],
  ])('is neither where %s: nobody else is to blame', (_, flock) => {
    expect(held(flock)).toEqual({ said: '', code: 3 });
  });
});
