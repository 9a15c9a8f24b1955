import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Opened } from '../../../src/application/way-in.ts';
import { askWithoutPower } from '../../../src/drill/without-power.ts';
import type { Scene } from '../../../src/faults/fault.ts';
import { membersOf } from '../../../src/formation/formation.ts';
import { Incus } from '../../../src/incus/incus.ts';
import { builtInFormation } from '../builders.ts';

const folder = mkdtempSync(join(tmpdir(), 'pgha-unit-'));
const server = createServer((socket) => socket.destroy());
afterAll(() => {
  rmSync(folder, { recursive: true });
  server.close();
});
afterEach(() => vi.unstubAllEnvs());

/** What the monitor's container is to run is run here. The primary's lets nobody in, though Incus lists it. */
beforeEach(async () => {
  const state =
    '{"pid":1,"network":{"eth0":{"addresses":[{"address":"127.0.0.1","scope":"global"}]}},"disk":{}}';
  const script = `case "$*" in
    query*/state*) echo '${state}' ;;
    query*) echo '{"name":"pgaf-primary","status":"Running","config":{}}' ;;
    *pgaf-primary*) echo "Error: websocket: bad handshake" >&2; exit 1 ;;
    *) while [ "$1" != -- ]; do shift; done; shift; exec "$@" ;;
  esac`;
  writeFileSync(join(folder, 'incus'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  vi.stubEnv('PATH', `${folder}:${process.env['PATH'] ?? ''}`);
  if (!server.listening)
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', () => listening()));
});

const session = { close() {} } as Opened['session'];
const enters = (readOnly: boolean) => () => Promise.resolve({ session, readOnly } as Opened);
const answers = (code: string) => () =>
  Promise.reject(Object.assign(new pg.DatabaseError('no', 2, 'error'), { code }));

async function looks(
  enter: () => Promise<Opened>,
  port = (server.address() as AddressInfo).port,
  relayOf?: Scene['relayOf'],
) {
  const signal = AbortSignal.timeout(20_000);
  const built = builtInFormation();
  const formation = { ...built, postgres: { ...built.postgres, port } };
  const [monitor, primary] = membersOf(formation);
  const incus = new Incus({ remote: 'local', project: 'default' });
  const scene = {
    incus,
    formation,
    primary,
    power: { off: ['true'], on: ['true'] },
    relayOf,
  } as unknown as Scene;
  const ask = await askWithoutPower(scene, monitor, signal);
  await ask?.(signal, { enter, incus });
}

describe('a look at a host that had no power, and whose Incus lets nobody in yet', () => {
  it('tells that nobody writes where nobody listens', async () => {
    const closed = createServer();
    const port = await new Promise<number>((done) =>
      closed.listen(0, '127.0.0.1', () => done((closed.address() as AddressInfo).port)),
    );
    await new Promise((done) => closed.close(done));
    const enter = vi.fn(enters(false));
    await expect(looks(enter, port)).resolves.toBeUndefined();
    expect(enter).not.toHaveBeenCalled();
  });

  it('tells the same where Postgres says that it is starting, or lets a client only read', async () => {
    await expect(looks(answers('57P03'))).resolves.toBeUndefined();
    await expect(looks(enters(true))).resolves.toBeUndefined();
  });

  it.each([
    ['takes writes', enters(false)],
    ['refuses clients, and perhaps not a superuser', answers('53300')],
    ['says nothing', () => Promise.reject(new Error('the connection ended'))],
  ])('tells nothing where Postgres %s', async (_, enter) => {
    await expect(looks(enter)).rejects.toThrow('bad handshake');
  });

  it('goes by a way that is open already, and by a new one where that does not do', async () => {
    const read = vi.fn(() => Promise.resolve('127.0.0.1 1 0 1\n'));
    const relayOf = (() => ({ read })) as unknown as Scene['relayOf'];
    await expect(looks(enters(false), undefined, relayOf)).resolves.toBeUndefined();
    expect(read).toHaveBeenCalledOnce();
    read.mockRejectedValue(new Error('it was lost'));
    await expect(looks(enters(false), undefined, relayOf)).rejects.toThrow('bad handshake');
    await expect(looks(enters(true), undefined, relayOf)).resolves.toBeUndefined();
  });
});
