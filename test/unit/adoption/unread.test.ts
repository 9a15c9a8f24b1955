import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findFormation } from '../../../src/adoption/adopt.ts';
import { Incus } from '../../../src/incus/incus.ts';

/** A container that cannot be looked into is none without a monitor. The client of Incus is a script here. */

const folder = mkdtempSync(join(tmpdir(), 'pgha-unread-'));
const path = process.env['PATH'];
beforeAll(() => {
  const instances = JSON.stringify(
    ['deaf', 'other'].map((name) => ({ name, status: 'Running', config: {} })),
  );
  const client = `#!/bin/sh
case "$*" in
  *instances?recursion*) echo '${instances}' ;;
  *local:deaf*) echo 'Error: it does not answer' >&2; exit 1 ;;
  exec*) while [ "$1" != -- ]; do shift; done; shift; exec "$@" ;;
esac
`;
  writeFileSync(join(folder, 'incus'), client);
  chmodSync(join(folder, 'incus'), 0o755);
  process.env['PATH'] = `${folder}:${path}`;
});
afterAll(() => {
  process.env['PATH'] = path;
  rmSync(folder, { recursive: true, force: true });
});

it('is told of where no other has a monitor', async () => {
  const log = { info: () => {}, warn: () => {}, debug: () => {} };
  const finding = findFormation(new Incus({ remote: 'local', project: 'default' }), {
    monitor: undefined,
    formation: undefined,
    containers: new Map(),
    named: (key) => `--${key}`,
    log,
    signal: new AbortController().signal,
  });
  await expect(finding).rejects.toThrow(
    /^no container that runs in project default holds a monitor of pg_auto_failover; what is in deaf \(.*it does not answer.*\) is not known; say where it is with --monitor/,
  );
});
