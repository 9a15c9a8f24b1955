import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import empty from '../../../src/faults/scripts/empty-disk.sh';
import fill from '../../../src/faults/scripts/fill-disk.sh';

/** The scripts of disk-full, run here: they work in a folder of postgres, where anything may stand. */
describe('the file that fills a disk', () => {
  let folder = '';
  let path = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pgha-disk-'));
    path = join(folder, 'pgha-drill.fill');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const run = (script: string, ...args: string[]) =>
    execFileSync('sh', ['-c', script, 'sh', ...args], { encoding: 'utf8' });

  it('is as large as it may be, its owner’s alone, and goes away', () => {
    run(fill, path, '100000');
    expect(lstatSync(path).size).toBe(100_000);
    expect(lstatSync(path).mode & 0o777).toBe(0o600);
    expect(run(empty, path)).toBe('removed\n');
    expect(existsSync(path)).toBe(false);
    expect(run(empty, path)).toBe('');
  });

  it('takes the place of a link, and leaves alone what that leads to', () => {
    const target = join(folder, 'another');
    writeFileSync(target, 'theirs', { mode: 0o644 });
    symlinkSync(target, path);
    run(fill, path, '100000');
    expect(readFileSync(target, 'utf8')).toBe('theirs');
    expect(lstatSync(target).mode & 0o777).toBe(0o644);
    expect(lstatSync(path).isFile()).toBe(true);
    rmSync(path);
    for (const leadsTo of [target, join(folder, 'nowhere')]) {
      symlinkSync(leadsTo, path);
      expect(run(empty, path)).toBe('removed\n');
    }
    expect(readFileSync(target, 'utf8')).toBe('theirs');
  });
});
