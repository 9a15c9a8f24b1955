import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Incus } from '../../../src/incus/incus.ts';

/** What could not be read is not taken for absent. The client of Incus is a script here. */

const folder = mkdtempSync(join(tmpdir(), 'pgha-absent-'));
const path = process.env['PATH'];
beforeAll(() => {
  process.env['PATH'] = `${folder}:${path}`;
});
afterAll(() => {
  process.env['PATH'] = path;
  rmSync(folder, { recursive: true, force: true });
});

/** What it says of a single instance, on standard error; and what it does where it is asked for all of them. */
function client(one: string, all: string): Incus {
  writeFileSync(
    join(folder, 'incus'),
    `#!/bin/sh
case "$*" in
  *instances?recursion*) ${all} ;;
  *) echo '${one}' >&2; exit 1 ;;
esac
`,
  );
  chmodSync(join(folder, 'incus'), 0o755);
  return new Incus({ remote: 'far', project: 'ha' });
}

const other = JSON.stringify([{ name: 'other', status: 'Running' }]);
const listed = JSON.stringify([{ name: 'alpha', status: 'Running' }]);
const proxy = 'Error: Failed to fetch https://far:8443/1.0/instances/alpha: 404 Not Found';

describe('an instance', () => {
  it('is absent where its server says so, and lists others', async () => {
    expect(await client('Error: Instance not found', `echo '${other}'`).instance('alpha')).toBeUndefined();
  });

  it.each([
    ['it is among all of them', `echo '${listed}'`],
    ['nobody can be asked for all of them', `echo '${proxy}' >&2; exit 1`],
  ])('is not absent where a proxy has not found it, and %s', async (_, all) => {
    await expect(client(proxy, all).instance('alpha')).rejects.toThrow(/404 Not Found/);
  });
});
