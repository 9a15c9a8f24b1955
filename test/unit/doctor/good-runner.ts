import type { RunnerSeen } from '../../../src/doctor/doctor.ts';
import { type Seen, seen } from '../../../src/doctor/doctor-finding.ts';

/** What the doctor sees of a runner that lacks nothing, for the built-in formation. */
export function goodRunner(): RunnerSeen {
  const writable = (path: string) => seen({ path, freeBytes: 10 * 1024 ** 3 });
  const names = (from: string, to: string, address: string) => ({
    from,
    host: `${to}.incus`,
    addresses: [address],
    reverse: [`${to}.incus`],
    own: [address],
  });
  return {
    at: '2026-11-29T06:24:13.676Z',
    tookSeconds: 12.3,
    machine: {
      platform: 'linux',
      arch: 'x64',
      kernel: '6.1.0-30-amd64',
      system: 'Debian GNU/Linux 12 (bookworm)',
      cpus: 2,
      memoryBytes: 8 * 1024 ** 3,
      container: undefined,
      startedFromOutside: seen(false),
      job: undefined,
      user: seen({ name: 'runner', uid: 1001, home: '/home/runner' }),
      node: { version: 'v22.1.0', path: '/usr/bin/node', onPath: seen('v22.1.0') },
      stateFolder: writable('/home/runner/.local/state/pgha'),
      clientFolder: '/home/runner/.config/incus',
      temporaryFolder: writable('/tmp'),
      jobFolders: [],
      lease: seen(true),
    },
    surroundings: {
      client: seen('6.0.4'),
      server: seen({
        auth: 'trusted',
        version: '6.0.4',
        name: 'host',
        system: 'Debian GNU/Linux 12',
        kernel: '6.1.0-30-amd64',
        clustered: false,
        storage: 'zfs 2.1.11-1',
      }),
      project: seen({
        config: { restricted: 'true' },
        instances: [],
        resources: seen({ containers: { limit: -1, usage: 0 }, memory: { limit: 8 * 1024 ** 3, usage: 0 } }),
      }),
      profiles: seen({ rootDisk: 'root', pool: 'default', cards: { eth0: 'incusbr0' } }),
      pool: seen({
        name: 'default',
        driver: 'zfs',
        totalBytes: 100 * 1024 ** 3,
        usedBytes: 20 * 1024 ** 3,
      }),
      network: seen({ name: 'incusbr0', managed: true, config: { 'ipv4.address': '10.0.0.1/24' } }),
      image: seen('a'.repeat(64)),
    },
    pair: {
      launched: seen(1.5),
      second: seen(1.2),
      system: seen('Ubuntu 22.04.5 LTS; systemd 249; perl 5.34.0'),
      network: seen(true),
      names: seen([names('x-a', 'x-b', '10.0.0.3'), names('x-b', 'x-a', '10.0.0.2')]),
      reach: seen(true),
      commands: seen({ together: 12, seconds: 0.9, roundTripMs: 1.2 }),
      locks: seen(true),
      cuts: seen({ block: true, isolate: true, lose: true }),
      lifted: seen(true),
      frozen: seen(true),
      restarted: seen(2.5),
      diskLimited: seen<boolean | undefined>(undefined),
    },
    leftovers: seen<string[]>([]),
    left: {},
  };
}

/** Changes what was seen; what was not seen cannot be changed. */
export function whatWasSeen<T>(found: Seen<T>): T {
  if (found.is !== 'seen') throw new Error(`it was not seen: ${found.why}`);
  return found.value;
}
