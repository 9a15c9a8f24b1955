import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readHistory } from '../../../src/campaign/drill-history.ts';
import { type Compiled, compileSources } from '../../compiled.ts';

/** A limit on a file's size does what a full disk does: it takes a part of a write, and then nothing. */

let compiled: Compiled;
beforeAll(() => {
  compiled = compileSources();
}, 180_000);
afterAll(() => compiled.remove());

const script = (module: string) => `
import { appendHistory } from ${JSON.stringify(module)};
const entry = (drill) => ({
  fingerprint: 'f', drill, at: '2026-01-01T00:00:00.000Z', formation: 'default', fault: 'stop', outcome: 'pass',
  failover: true, rtoSeconds: 10, clientRtoSeconds: null, writeOutageSeconds: null, rejoinSeconds: 4,
  acknowledgedWrites: null, lostWrites: null, dualPrimarySeconds: null,
});
let written = 0;
const failures = [];
for (let round = 0; round < 20; round++) {
  try {
    appendHistory(process.argv[1], entry('drill ' + round));
    written++;
  } catch (error) {
    failures.push(error.name + ': ' + error.message);
  }
}
console.log(JSON.stringify({ written, failures }));
`;

it('a history that has no room left says so, each time, and holds whole what it said it holds', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pgha-full-'));
  const path = join(folder, 'drills.jsonl');
  try {
    const limited = ['-c', `trap '' XFSZ; ulimit -f 2; exec "$@"`, 'sh', process.execPath];
    const code = script(compiled.url('campaign/drill-history'));
    const out = execFileSync('bash', [...limited, '--input-type=module', '-e', code, path], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    const { written, failures } = JSON.parse(out) as { written: number; failures: string[] };
    expect(written).toBeGreaterThan(3);
    expect(failures).toHaveLength(20 - written);
    expect(failures[0]).toMatch(
      /^EnvironmentError: the history of drills cannot be written to .*will not count there/,
    );
    const { entries, unreadable } = readHistory(path);
    expect([entries.length, unreadable]).toEqual([written, []]);
    expect(readFileSync(path, 'utf8')).toMatch(/\n$/);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 120_000);

it('a file that there is no room for is not left half, to be taken for the whole by the next', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pgha-full-'));
  const path = join(folder, 'formation.yml');
  try {
    const limited = ['-c', `trap '' XFSZ; ulimit -f 2; exec "$@"`, 'sh', process.execPath];
    const code = `
      import { createText } from ${JSON.stringify(compiled.url('disk/file'))};
      try { createText(process.argv[1], 'x'.repeat(10_000)) } catch (error) { console.log(error.name, error.message) }`;
    const out = execFileSync('bash', [...limited, '--input-type=module', '-e', code, path], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect(out.trim()).toBe('FileError EFBIG');
    expect(existsSync(path)).toBe(false);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 120_000);
