import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { takesWrites } from '../../../src/drill/serving.ts';
import { membersOf } from '../../../src/formation/formation.ts';
import { Incus } from '../../../src/incus/incus.ts';
import { builtInFormation } from '../builders.ts';

const folder = mkdtempSync(join(tmpdir(), 'pgha-unit-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

/** A client of Incus that is only this script; what the real one does is for the lab. */
function clientThat(script: string): void {
  writeFileSync(join(folder, 'incus'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  vi.stubEnv('PATH', `${folder}:${process.env['PATH'] ?? ''}`);
}

const formation = builtInFormation();
const [, node] = membersOf(formation);
const asked = (signal = AbortSignal.timeout(20_000)) => {
  if (node === undefined) throw new Error('no data node');
  return takesWrites(new Incus({ remote: 'local', project: 'default' }), formation, node, signal);
};

describe('whether a node takes writes', () => {
  it('is not known where Incus does not answer: nobody has looked', async () => {
    clientThat('echo "Error: connection refused" >&2; exit 1');
    expect(await asked()).toBeUndefined();
  });

  const listed = (status: string, others: string) =>
    `case "$1" in query) echo '{"name":"pgaf-primary","status":"${status}","config":{}}' ;; *) ${others} ;; esac`;

  it('is no where its container does not run', async () => {
    clientThat(listed('Stopped', 'echo "Error: Instance is not running" >&2; exit 1'));
    expect(await asked()).toBe(false);
  });

  it('is no where the way into its container is open, and nothing answers there', async () => {
    // What is run there is run here, but for Postgres' relay.
    const inside = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"';
    clientThat(listed('Running', `for last; do :; done; [ "$last" = true ] || exit 1; ${inside}`));
    expect(await asked()).toBe(false);
  });

  it('is not known where Incus lists its container, and lets nobody in', async () => {
    clientThat(listed('Running', 'echo "Error: websocket: bad handshake" >&2; exit 1'));
    expect(await asked()).toBeUndefined();
  });

  it('is not made up for a drill that is over', async () => {
    clientThat('exit 1');
    await expect(asked(AbortSignal.abort(new Error('over')))).rejects.toThrow('over');
  });
});
