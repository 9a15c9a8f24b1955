import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { everything } from './extent.ts';
import { addressOf, asRoot } from './foreign.ts';
import { labFormation } from './formations.ts';
import { eventually, incus, root, runAction } from './harness.ts';

/**
 * An image with systemd-resolved as Debian has it, which asks neighbours for names (LLMNR): their answer, a name without
 * its domain, keeps a node from being let in where it comes before the name server's.
 */

const image = 'debian/12-resolved';
const maker = 'pgha-resolved-maker';
const monitor = 'resolved-monitor';
const nodes = ['resolved-alpha', 'resolved-beta'];
const formation = labFormation(12, {
  formation: 'resolved',
  image,
  monitor: { name: monitor },
  nodes: nodes.map((name) => ({ name })),
});
const members = [monitor, ...nodes];
const ours = '/etc/systemd/resolved.conf.d/pgha.conf';
const patience = 400_000;

const removed = async (...names: string[]) => {
  for (const name of names) await incus('delete', '--force', name).catch(() => {});
};
const protocols = (name: string) =>
  asRoot(name, 'for each in llmnr mdns; do resolvectl "$each" | tr "\\n" " "; done');
const isLive = async (name: string) => /Global: yes Link \d+ \(eth0\): yes/.test(await protocols(name));

/** What every member says of every other's address. */
async function reverseNames(): Promise<Set<string>> {
  const wrong = new Set<string>();
  for (const of of members) {
    const address = await addressOf(of);
    for (const from of members.filter((each) => each !== of))
      for (let times = 0; times < 5; times++) {
        const [, name = ''] = (await asRoot(from, `resolvectl flush-caches; getent hosts ${address}`)).split(
          /\s+/,
        );
        if (name !== `${of}.incus`) wrong.add(`${of} is ${name} in ${from}`);
      }
  }
  return wrong;
}

async function doctor(...args: string[]): Promise<{ code: number; said: string }> {
  return await new Promise((done) => {
    execFile(join(root, 'pgha'), ['doctor', ...args], { timeout: 200_000 }, (error, stdout, stderr) =>
      done({ code: error === null ? 0 : Number(error.code), said: stdout + stderr }),
    );
  });
}

describe.runIf(everything)(
  'an image whose systemd-resolved asks neighbours for names',
  { timeout: patience },
  () => {
    beforeAll(async () => {
      await removed(maker, ...members);
      await incus('image', 'delete', image).catch(() => {});
      await incus('launch', 'debian/12', maker);
      await asRoot(
        maker,
        `export DEBIAN_FRONTEND=noninteractive; for n in 1 2 3 4 5; do apt-get -q update && break; sleep 1; done
      apt-get -q install --yes systemd-resolved; apt-get clean; : >/etc/machine-id`,
      );
      await incus('stop', '--force', maker);
      await incus('publish', maker, '--alias', image);
      await incus('start', maker);
      await eventually('LLMNR of Debian', 30_000, () => isLive(maker));
    }, patience);
    afterAll(async () => {
      await removed(maker, ...members);
      await incus('image', 'delete', image).catch(() => {});
    });

    it('makes a formation whose members ask the name server alone', async () => {
      const { code, log } = await runAction('provision-pgaf', { formation: formation.yaml });
      expect(code, log).toBe(0);
      for (const name of members) {
        expect(await protocols(name)).toMatch(/^Global: no .*Global: no /);
        expect(await asRoot(name, 'readlink /etc/resolv.conf')).toContain('resolve/stub-resolv.conf');
      }
      expect([...(await reverseNames())]).toEqual([]);
      const again = await runAction('provision-pgaf', { formation: formation.yaml });
      expect(again.outputs, again.log).toMatchObject({ 'exit-code': '0', changed: 'false' });
    });

    it('is mended in containers that are there, as the plan says', async () => {
      for (const name of members) await asRoot(name, `rm ${ours}; systemctl restart systemd-resolved`);
      for (const name of members) await eventually(`LLMNR of ${name}`, 30_000, () => isLive(name));
      const wrong = [...(await reverseNames())];
      process.stdout.write(`with LLMNR: ${wrong.join('; ')}\n`);
      // Whose answer comes first is chance; of thirty it is a neighbour's now and then.
      expect(wrong).not.toEqual([]);
      const plan = await runAction('provision-pgaf', { formation: formation.yaml, mode: 'plan' });
      expect(plan.code, plan.log).toBe(0);
      const told = ((plan.report?.['changes'] ?? []) as { container: string; what: string }[]).map(
        ({ container, what }) => `${container}: ${what}`,
      );
      expect(told.sort()).toEqual(
        members
          .map(
            (name) =>
              `${name}: keep systemd-resolved from asking neighbours for names (llmnr); it restarts, and no name is known for a moment`,
          )
          .sort(),
      );
      expect(await isLive(monitor)).toBe(true);
      const { code, log } = await runAction('provision-pgaf', { formation: formation.yaml });
      expect(code, log).toBe(0);
      for (const name of members) expect(await isLive(name)).toBe(false);
      expect([...(await reverseNames())]).toEqual([]);
      const again = await runAction('provision-pgaf', { formation: formation.yaml });
      expect(again.outputs, again.log).toMatchObject({ 'exit-code': '0', changed: 'false' });
    });

    it('is started anew where a run was killed before it read its file', async () => {
      const [first = ''] = nodes;
      await asRoot(
        first,
        `mv ${ours} /root/; systemctl restart systemd-resolved; sleep 2; mv /root/pgha.conf ${ours}; touch ${ours}`,
      );
      expect(await isLive(first)).toBe(true);
      const { code, log } = await runAction('provision-pgaf', { formation: formation.yaml });
      expect(code, log).toBe(0);
      expect(await isLive(first)).toBe(false);
    });

    it('holds what the doctor looks for', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'pgha-resolved-'));
      const file = join(folder, 'formation.yml');
      writeFileSync(file, formation.yaml);
      try {
        const { code, said } = await doctor('--formation', file, '--image', image);
        expect(code, said).toBe(0);
        expect(said).toMatch(/^ok +image-resolver .*systemd-resolved asks no neighbour/m);
        expect(said).toMatch(/^ok +names /m);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  },
);
