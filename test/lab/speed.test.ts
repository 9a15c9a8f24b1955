import { setTimeout } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { labFormation } from './formations.ts';
import { figure, incus, loadAverage, runAction } from './harness.ts';
import { tolerable } from './meter.ts';

/**
 * How long provisioning takes: from nothing with its base image still to be made (cold), with the base image
 * there (warm), and with nothing to do: two, three and five data nodes on both Debian releases. Only where
 * `PGHA_SPEED=all` asks for it, on a machine that has nothing else to do; base-image.test.ts and provision.test.ts
 * watch the smallest formation on every run.
 *
 * Containers are stopped and not deleted until the end: ext4 makes new files slowly for minutes after many were deleted,
 * which no user's first run has to do with.
 */
const patience = 900_000;
const slowAfterDeletionMs = 300_000;

const releases = [12, 13] as const;
const sizes = [2, 3, 5];

async function removeBaseImages(): Promise<void> {
  const images = JSON.parse(await incus('query', '/1.0/images?recursion=1')) as {
    fingerprint: string;
    properties: Record<string, string>;
  }[];
  for (const { fingerprint, properties } of images)
    if (properties['pgha.key'] !== undefined) await incus('image', 'delete', fingerprint);
}

async function stopAll(): Promise<void> {
  for (const { name, status } of JSON.parse(await incus('list', '--format', 'json')) as {
    name: string;
    status: string;
  }[])
    if (status === 'Running') await incus('stop', '--force', name);
}

afterAll(async () => {
  for (const name of (await incus('list', '--format', 'csv', '--columns', 'n')).split('\n').filter(Boolean))
    await incus('delete', '--force', name);
}, patience);

describe.runIf(process.env['PGHA_SPEED'] === 'all').each(releases)(
  'provisioning on Debian %i',
  { timeout: patience },
  (debian) => {
    const formation = (nodes: number, run: string) => {
      const members = ['monitor', ...Array.from({ length: nodes }, (_, index) => `node${index + 1}`)];
      const [monitor, ...data] = members.map((member) => `s${debian}${nodes}-${run}-${member}`);
      return labFormation(debian, {
        formation: run,
        monitor: { name: monitor },
        nodes: data.map((name) => ({ name })),
      }).yaml;
    };
    const provision = async (run: string, nodes: number, yaml: string) => {
      const { code, outputs, log, tookMs } = await runAction('provision-pgaf', { formation: yaml });
      expect(code, log).toBe(0);
      const seconds = tookMs / 1000;
      figure(`${run}, Debian ${debian}, ${nodes} data nodes, load ${loadAverage()}: provision-pgaf`, seconds);
      return { changed: outputs['changed'], log, seconds };
    };
    let bakedAt = 0;

    it.each(sizes)('cold: makes its base image, then the formation: %i data nodes', async (nodes) => {
      await stopAll();
      await removeBaseImages();
      const { log, seconds } = await provision('cold', nodes, formation(nodes, 'cold'));
      bakedAt = performance.now();
      expect(log).toContain('make a base image');
      expect(seconds).toBeLessThan(tolerable(20 * (nodes + 1)));
    });

    it.each(sizes)('warm, then no-op: %i data nodes', async (nodes) => {
      await stopAll();
      // The image is there by the cold runs; ext4 has forgotten what was deleted then.
      await setTimeout(Math.max(0, bakedAt + slowAfterDeletionMs - performance.now()));
      const yaml = formation(nodes, 'warm');
      const warm = await provision('warm', nodes, yaml);
      expect(warm.log).not.toContain('make a base image');
      expect(warm.seconds).toBeLessThan(tolerable(5 * (nodes + 1)));
      const times: number[] = [];
      for (let run = 0; run < 5; run++) {
        const { changed, seconds } = await provision('no-op', nodes, yaml);
        expect(changed).toBe('false');
        times.push(seconds);
      }
      // Whatever else the machine does only adds to a time.
      expect(Math.min(...times)).toBeLessThan(tolerable(1 + 0.25 * (nodes - 2)));
    });
  },
);
