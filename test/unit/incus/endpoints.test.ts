import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Incus } from '../../../src/incus/incus.ts';
import { ContainerRelay } from '../../../src/incus/relay/container-relay.ts';

/** By a script that answers for a cluster's members as the client of Incus 6.0.4 did. */

const folder = mkdtempSync(join(tmpdir(), 'pgha-endpoints-'));
const before = process.env['PATH'];
beforeAll(() => {
  process.env['PATH'] = `${folder}:${before}`;
});
afterAll(async () => {
  process.env['PATH'] = before;
  // A client that is being ended may still write there.
  await rm(folder, { recursive: true, force: true, maxRetries: 20 });
});
const path = (name: string) => join(folder, name);
beforeEach(() => writeFileSync(path('asked'), ''));
const asked = () => readFileSync(path('asked'), 'utf8').trim().split('\n');

const silence = 'exec sleep 30';
const refused =
  'echo \'Error: Get "https://10.77.7.11:8443/1.0": Unable to connect to: 10.77.7.11:8443 ([dial tcp 10.77.7.11:8443: connect: connection refused])\' >&2; exit 1';
const ok = "echo '{}'";

/** @param answers what the client does, by a pattern of its arguments: the first that fits */
function client(answers: Record<string, string>): void {
  const cases = Object.entries(answers).map(([pattern, answer]) => `${pattern}) ${answer} ;;`);
  writeFileSync(
    path('incus'),
    `#!/bin/sh\necho "$*" >>'${path('asked')}'\ncase "$*" in\n${cases.join('\n')}\n*) echo "not foreseen: $*" >&2; exit 9 ;;\nesac\n`,
  );
  chmodSync(path('incus'), 0o755);
}
const said: string[] = [];
const log = { info() {}, debug() {}, warn: (line: string) => void said.push(line) };
beforeEach(() => {
  said.length = 0;
});
const byAny = (others: string[]) => Incus.byAny({ remote: 'm1', project: 'ha' }, log, others);
const going = 'the Incus server of the remote m1 does not answer; going on by m2, of the same cluster';

describe('a call to a server that does not answer', () => {
  it.each([
    ['is silent', silence],
    ['refuses', refused],
  ])('goes on by another within seconds where the first %s', async (_, dead) => {
    client({ '*m1:*': dead, '*m3:*': silence, '*m2:*': ok });
    const incus = byAny(['m2', 'm3']);
    const began = performance.now();
    expect(await incus.query('/1.0/instances/alpha')).toEqual({});
    expect(performance.now() - began).toBeLessThan(8000);
    expect([incus.remote, said]).toEqual(['m2', [going]]);
    expect(incus.endpoints.known).toEqual(['m1', 'm3']);
    // The same server with a lease is the same way.
    expect(incus.leased({ fd: undefined }).remote).toBe('m2');
  });

  it('that is merely slow stays there, and so does one whose fellow member is dead', async () => {
    client({
      '*m1:/1.0?project=ha': ok,
      '*m1:/1.0/slow*': `sleep 3; ${ok}`,
      '*m1:/1.0': ok,
      '*m1:/1.0/lost*': refused.replace('10.77.7.11:8443/1.0', '10.77.7.12:8443/1.0/instances'),
      '*': ok,
    });
    const incus = byAny(['m2']);
    expect(await incus.query('/1.0/slow')).toEqual({});
    await expect(incus.query('/1.0/lost')).rejects.toThrow(/needs it for this/);
    expect([incus.remote, said]).toEqual(['m1', []]);
  });

  it('ends where no other answers, with what it was told', async () => {
    client({ '*': refused });
    await expect(byAny(['m2']).query('/1.0/instances')).rejects.toThrow(
      /the remote m1 does not answer; check/,
    );
    expect(said).toEqual([]);
  });

  it('that may not be run twice ends at once, and is not run by another', async () => {
    client({ 'launch*': silence, '*m1:*': silence, '*m2:*': ok });
    const incus = byAny(['m2']);
    const began = performance.now();
    const launched = incus.launch('alpha', 'debian/12', { profiles: [], config: {} });
    await expect(launched).rejects.toThrow(/m1 does not answer any more; m2 of the same cluster does/);
    expect(performance.now() - began).toBeLessThan(8000);
    expect(asked().filter((line) => line.startsWith('launch'))).toHaveLength(1);
  });

  it('of which the first had carried out a stop has stopped it', async () => {
    client({
      'stop*m1:*': silence,
      'stop*m2:*': "echo 'Error: The instance is already stopped' >&2; exit 1",
      '*m1:*': silence,
      'query?m2:/1.0/operations*': 'true',
      'query?m2:/1.0/instances/alpha*': `echo '{"name": "alpha", "status": "Stopped", "config": {}}'`,
      '*m2:*': ok,
    });
    await byAny(['m2']).forceStop('alpha');
    expect(said).toEqual([going]);
  });
});

describe('a second way to the cluster', () => {
  it('is by another remote that answers, and is left by itself', async () => {
    client({ '*m2:*': silence, '*': ok });
    const incus = byAny(['m2', 'm3']);
    const second = await incus.beside();
    expect([incus.remote, second?.remote, second?.endpoints.known]).toEqual(['m1', 'm3', ['m2', 'm1']]);
    client({ '*m3:*': silence, '*m2:*': refused, '*m1:*': ok });
    expect(await second?.query('/1.0/instances/alpha')).toEqual({});
    expect([incus.remote, second?.remote, said]).toEqual(['m1', 'm1', []]);
  });

  it('leaves word of what it left behind to the first', async () => {
    client({ '*': ok });
    const incus = byAny(['m2']);
    const second = await incus.beside();
    second?.endpoints.abandon('alpha', '0123456789abcdef');
    expect(incus.endpoints.abandonedIn('alpha')).toEqual(['0123456789abcdef']);
  });

  it('is none, and nobody is asked, where there is one server; and where no other answers', async () => {
    client({ '*': ok });
    expect(await new Incus({ remote: 'm1', project: 'ha' }).beside()).toBeUndefined();
    expect(await byAny([]).beside()).toBeUndefined();
    expect(asked()).toEqual(['']);
    client({ '*m2:*': refused, '*': ok });
    expect(await byAny(['m2']).beside()).toBeUndefined();
  });
});

it('nothing is asked besides where there is one server, or all is well', async () => {
  client({ '*m1:*': ok });
  await new Incus({ remote: 'm1', project: 'ha' }).query('/1.0/instances');
  await byAny(['m2']).query('/1.0/instances');
  expect(asked()).toHaveLength(2);
});

it('a relay ends with its server, and the next one of its container is told of it', async () => {
  client({ 'exec*m1:*': silence, '*m1:*': silence, '*m2:*': ok });
  const incus = byAny(['m2']);
  const relay = new ContainerRelay(incus, 'alpha', 'root');
  const why = await new Promise<string>((lost) => {
    relay.onLost = lost;
  });
  expect(why).toContain('m1 does not answer any more');
  const [id] = incus.endpoints.abandonedIn('alpha');
  expect(id).toMatch(/^[0-9a-f]{16}$/);
  const next = new ContainerRelay(incus, 'alpha', 'root');
  await new Promise<string>((lost) => {
    next.onLost = lost;
  });
  const [line] = asked().filter((each) => each.startsWith('exec --project ha m2:alpha'));
  expect(line).toBeDefined();
  // Its script is many lines.
  expect(asked().some((each) => each.endsWith(` ${id}`))).toBe(true);
});
