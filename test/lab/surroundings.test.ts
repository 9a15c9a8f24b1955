import { chownSync, mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { containersOf, labFormation } from './formations.ts';
import { incus, inside, runAction } from './harness.ts';
import { type IncusShim, incusShim } from './shim.ts';

/** Bad input and missing surroundings: code 3, one clear message, nothing touched. */

const formation = labFormation(12);
const actions = ['provision-pgaf', 'check-formation', 'failover-drill'] as const;

beforeAll(async () => {
  const { code, log } = await runAction('provision-pgaf', { formation: formation.yaml });
  expect(code, log).toBe(0);
});

async function bootTimes(): Promise<string> {
  const times = await Promise.all(
    containersOf(formation).map((name) => inside(name, 'stat', '-c', '%Y', '/proc/1')),
  );
  return times.join('');
}

describe.each(actions)('%s', (action) => {
  it('says what to do when there is no incus on PATH', async () => {
    const bin = mkdtempSync(join(tmpdir(), 'pgha-bin-'));
    const { code, outputs, log } = await runAction(
      action,
      { formation: formation.yaml },
      { env: { PATH: bin } },
    );
    expect(code, log).toBe(3);
    expect(outputs).toMatchObject({
      outcome: 'error',
      message: '`incus` is not on PATH; install it or add its folder to PATH',
    });
  });

  it('says what to do when this user may not talk to Incus', async () => {
    // What the real client says when its socket refuses the user.
    const { code, outputs, log } = await runAction(
      action,
      { formation: formation.yaml },
      { env: clientOfAnotherUser().env },
    );
    expect(code, log).toBe(3);
    expect(outputs['message']).toContain(
      "this user may not talk to the Incus daemon of this machine; add the runner's user to the group incus,",
    );
  });

  it('says what to do when the daemon does not run', async () => {
    const nowhere = join(mkdtempSync(join(tmpdir(), 'pgha-none-')), 'unix.socket');
    const { code, outputs, log } = await runAction(
      action,
      { formation: formation.yaml },
      { env: { INCUS_SOCKET: nowhere } },
    );
    expect(code, log).toBe(3);
    expect(outputs['message']).toContain('the Incus daemon does not answer; start it');
  });

  it('names the unknown key of a formation, its line, and what is allowed', async () => {
    const before = await bootTimes();
    const { code, outputs, log } = await runAction(action, {
      formation: `${formation.yaml}postgress: { version: 15 }\n`,
    });
    expect(code, log).toBe(3);
    expect(outputs['message']).toMatch(
      /formation:\d+: postgress: unknown key; allowed here: formation, environment, /,
    );
    expect(await bootTimes()).toBe(before);
  });

  it('names the remote that does not exist', async () => {
    const elsewhere = labFormation(12, { incus: { remote: 'nowhere' } });
    const { code, outputs, log } = await runAction(action, { formation: elsewhere.yaml });
    expect(code, log).toBe(3);
    expect(outputs['message']).toContain('incus.remote: nowhere is not a remote of this user');
  });

  it('names the project that does not exist', async () => {
    const elsewhere = labFormation(12, { incus: { project: 'nowhere' } });
    const { code, outputs, log } = await runAction(action, { formation: elsewhere.yaml });
    expect(code, log).toBe(3);
    expect(outputs['message']).toContain('incus.project: nowhere does not exist there');
  });
});

describe('provision-pgaf', () => {
  const unmade = { monitor: { name: 'un-monitor' }, nodes: [{ name: 'un-alpha' }, { name: 'un-beta' }] };

  it('names the image that does not exist', async () => {
    const { code, outputs, log } = await runAction('provision-pgaf', {
      formation: labFormation(12, { ...unmade, image: 'debian/99' }).yaml,
    });
    expect(code, log).toBe(3);
    expect(outputs['message']).toContain('image: debian/99 is not available');
    expect(await incus('list', '-f', 'csv', '-c', 'n', 'un-')).toBe('');
  });

  it('names the image server that does not answer, or refuses, and not the Incus daemon', async () => {
    const refusing = createServer((_, answer) => void answer.writeHead(403).end('no'));
    await new Promise<void>((listening) => refusing.listen(0, '127.0.0.1', listening));
    const { port } = refusing.address() as AddressInfo;
    const conf = mkdtempSync(join(tmpdir(), 'pgha-remotes-'));
    const remote = (at: number) =>
      `{ addr: "http://127.0.0.1:${at}", protocol: simplestreams, public: true }`;
    writeFileSync(
      join(conf, 'config.yml'),
      `default-remote: local\nremotes:\n  local: { addr: "unix://" }\n  dead: ${remote(1)}\n  closed: ${remote(port)}\n`,
    );
    const said = async (name: string, more: object = {}) => {
      const given = labFormation(12, { ...unmade, image: `${name}:debian/12`, ...more });
      const env = { INCUS_CONF: conf };
      const { code, outputs, log } = await runAction('provision-pgaf', { formation: given.yaml }, { env });
      expect(code, log).toBe(3);
      expect(log).not.toMatch(/incus-admin|start it/);
      return outputs['message'];
    };
    expect(await said('dead')).toMatch(
      /^image: dead:debian\/12 is not available: the image server of the remote dead does not answer/,
    );
    expect(await said('closed')).toMatch(/the image server of the remote closed refuses .*HTTP 403/);
    // Without a base image it is the launch that asks for it.
    expect(await said('dead', { 'base-image': false })).toMatch(/the image server of the remote dead/);
    refusing.close();
    expect(await incus('list', '-f', 'csv', '-c', 'n', 'un-')).toBe('');
  });

  it('asks for a password where the environment is no lab, and never takes the placeholder there', async () => {
    const production = labFormation(12, { ...unmade, environment: 'production' });
    for (const given of ['', 'changeme-DEV-ONLY']) {
      const { code, outputs } = await runAction('provision-pgaf', {
        formation: production.yaml,
        'app-password': given,
      });
      expect(code).toBe(3);
      expect(outputs['message']).toContain('input app-password: is');
    }
    expect(await incus('list', '-f', 'csv', '-c', 'n', 'un-')).toBe('');
  });
});

/** A client of Incus that is run as the user nobody. */
function clientOfAnotherUser(): IncusShim {
  const shim = incusShim(
    'HOME="$shim" INCUS_CONF="$shim" exec setpriv --reuid=65534 --regid=65534 --clear-groups incus "$@"',
  );
  chownSync(shim.folder, 65534, 65534);
  return shim;
}
