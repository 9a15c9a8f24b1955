import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labFormation } from './formations.ts';
import { figure, incus, loadAverage, runAction } from './harness.ts';
import { tolerable } from './meter.ts';

/**
 * How long provisioning takes: from nothing with its base image still to be made (cold), with the base image
 * there (warm), and with nothing to do: two, three and five data nodes on both Debian releases. Only where
 * `PGHA_SPEED=all` asks for it, on a machine that has nothing else to do; base-image.test.ts and provision.test.ts
 * watch the smallest formation on every run.
 */
const patience = 600_000;

const cases = ([12, 13] as const).flatMap((debian) => [2, 3, 5].map((nodes) => [debian, nodes] as const));

async function removeBaseImages(): Promise<void> {
  const images = JSON.parse(await incus('query', '/1.0/images?recursion=1')) as {
    fingerprint: string;
    properties: Record<string, string>;
  }[];
  for (const { fingerprint, properties } of images)
    if (properties['pgha.key'] !== undefined) await incus('image', 'delete', fingerprint);
}

describe.runIf(process.env['PGHA_SPEED'] === 'all').each(cases)(
  'provisioning on Debian %i with %i data nodes',
  { timeout: patience },
  (debian, nodes) => {
    const names = ['monitor', ...Array.from({ length: nodes }, (_, index) => `node${index + 1}`)].map(
      (name) => `s${debian}-${name}`,
    );
    const [monitor, ...data] = names;
    const { yaml } = labFormation(debian, {
      monitor: { name: monitor },
      nodes: data.map((name) => ({ name })),
    });
    const remove = async () => {
      for (const name of names) await incus('delete', '--force', name).catch(() => {});
    };
    const provision = async (what: string) => {
      const { code, outputs, log, tookMs } = await runAction('provision-pgaf', { formation: yaml });
      expect(code, log).toBe(0);
      figure(
        `${what}, Debian ${debian}, ${nodes} data nodes, load ${loadAverage()}: provision-pgaf`,
        tookMs / 1000,
      );
      return { changed: outputs['changed'], log, seconds: tookMs / 1000 };
    };

    beforeAll(async () => {
      await remove();
      await removeBaseImages();
    });
    afterAll(remove);

    it('cold: makes its base image, then the formation', async () => {
      const { log, seconds } = await provision('cold');
      expect(log).toContain('make a base image');
      expect(seconds).toBeLessThan(tolerable(20 * (nodes + 1)));
    });

    it('warm: makes the formation from the base image', async () => {
      await remove();
      const { log, seconds } = await provision('warm');
      expect(log).not.toContain('make a base image');
      expect(seconds).toBeLessThan(tolerable(5 * (nodes + 1)));
    });

    it('no-op: finds nothing to do', async () => {
      const times: number[] = [];
      for (let run = 0; run < 5; run++) {
        const { changed, seconds } = await provision('no-op');
        expect(changed).toBe('false');
        times.push(seconds);
      }
      // Whatever else the machine does only adds to a time.
      expect(Math.min(...times)).toBeLessThan(tolerable(1 + 0.25 * (nodes - 2)));
    });
  },
);
