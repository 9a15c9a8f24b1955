import { now, toSeconds } from '../../clock/clock.ts';
import { retryUntil } from '../../clock/deadline.ts';
import type { Log } from '../../contract/log.ts';
import { packetFilter, setFilter } from '../../faults/packet-filter.ts';
import { quickNameLookups } from '../../member/unit.ts';
import { openMemberSession } from '../../postgres/member-session.ts';
import { waitForNetwork } from '../../provision/containers/network.ts';
import { resolverPath } from '../../provision/containers/resolver.ts';
import multicastInUse from '../../provision/containers/scripts/multicast.sh';
import clean from '../../provision/image/scripts/clean-image.sh';
import type { MemberContainer } from '../../provision/member-container.ts';
import { installPackages } from '../../provision/packages/installation.ts';
import { readPackageFacts } from '../../provision/packages/package-facts.ts';
import { type Seen, unseen } from '../doctor-finding.ts';
import { after, lookSafely } from '../look-safely.ts';
import { type Fields, parseFields } from './fields.ts';
import { rehearse, type ServiceSeen } from './rehearsal.ts';
import boot from './scripts/boot.sh';
import installed from './scripts/installed.sh';

/** What a container made from an image shows of what the code assumes of an image, one thing after the other. */
export interface ImageSeen {
  /** What it is like once it has booted. */
  boot: Seen<Fields>;
  /** Seconds that a name costs when no name server answers, with what the service is given against that. */
  lookup: Seen<number>;
  /** Seconds that the packages took. */
  packages: Seen<number>;
  /** What they brought. */
  installed: Seen<Fields>;
  /** A monitor that was made in it and answered. */
  service: Seen<ServiceSeen>;
  /** How it boots again, as a clone of the base image does. */
  again: Seen<AgainSeen>;
}

export interface AgainSeen {
  /** Seconds from the order to start until it had its network, and until its Postgres answered. */
  networkSeconds: number;
  serviceSeconds: number;
  /** Whether it has an identity, and another than before. */
  hasNewIdentity: boolean;
}

export const emptyImage = (why: string): ImageSeen => {
  const not = unseen(why);
  return { boot: not, lookup: not, packages: not, installed: not, service: not, again: not };
};

/** What the scripts call, besides the shell's own. */
const commands =
  'apt-cache apt-get base64 cat chmod chown cut date dd dirname dpkg dpkg-query du env fallocate find flock getent grep head id install ip locale ls mkdir mktemp mv pgrep ps readlink rm runuser sed seq sha256sum sleep sort stat sync systemctl systemd-tmpfiles tail touch tr truncate wc'.split(
    ' ',
  );

/** Of a boot that does not end, and of cloud-init. */
const bootSeconds = 60;
const probeDeadlineMs = 30_000;
const serviceDeadlineMs = 150_000;

/**
 * @param container of the image; it is changed, and good for nothing else afterwards
 * @param network whether it has its network: how it boots is told all the same
 * @param seen is filled in as things are seen
 */
export async function observeImage(
  container: MemberContainer,
  network: Seen<true>,
  seen: ImageSeen,
  log: Log,
): Promise<void> {
  const { signal, formation } = container;
  const told = async <T>(what: string, work: () => Promise<T>) => {
    log.info(`${what} …`);
    return await lookSafely(work, signal);
  };
  seen.boot = await told('looking at how the image boots', () => readBoot(container));
  seen.lookup = await after(network, 'the network', () =>
    told('looking a name up while no name server answers', () => timeLookup(container)),
  );
  const packages = `Postgres ${formation.postgres.version} and pg_auto_failover`;
  seen.packages = await after(network, 'the network', () =>
    told(`installing ${packages}`, () => install(container)),
  );
  seen.installed = await after(seen.packages, 'the packages', () =>
    lookSafely(() => readInstalled(container), signal),
  );
  seen.service = await after(seen.packages, 'the packages', () =>
    told('making a monitor', () => rehearse(container)),
  );
  seen.again = await after(seen.service, 'the monitor', () =>
    told('booting once more, as a clone of the base image does', () => bootAgain(container)),
  );
}

async function readBoot(container: MemberContainer): Promise<Fields> {
  const script = `${multicastInUse}${boot}`;
  const command = ['sh', '-c', script, 'sh', String(bootSeconds), resolverPath, ...commands];
  return parseFields(await container.read(command, { deadlineMs: probeDeadlineMs + 2 * bootSeconds * 1000 }));
}

async function readInstalled(container: MemberContainer): Promise<Fields> {
  const command = ['sh', '-c', installed, 'sh', String(container.formation.postgres.version)];
  return parseFields(await container.read(command, { deadlineMs: probeDeadlineMs }));
}

/** A name that nobody has asked for yet, so that no cache has it. */
async function timeLookup(container: MemberContainer): Promise<number> {
  const { incus, name, formation } = container;
  const host = `never-asked.${formation.incus.domain}`;
  await setFilter(incus, name, 'isolate');
  try {
    const begun = now();
    const command = ['env', quickNameLookups, 'sh', '-c', 'getent ahosts "$1"; exit 0', 'sh', host];
    await container.read(command, { deadlineMs: 90_000 });
    return toSeconds(now() - begun);
  } finally {
    await packetFilter.remove(incus, name, undefined, AbortSignal.timeout(probeDeadlineMs)).catch(() => {});
  }
}

async function install(container: MemberContainer): Promise<number> {
  const begun = now();
  await installPackages(container, await readPackageFacts(container));
  return toSeconds(now() - begun);
}

async function bootAgain(container: MemberContainer): Promise<AgainSeen> {
  const { incus, name, signal, formation, member } = container;
  const identity = async () =>
    (await container.read(['cat', '/etc/machine-id'], { deadlineMs: probeDeadlineMs })).trim();
  const before = await identity();
  await container.exec(['sh', '-c', clean], { deadlineMs: 60_000 });
  await incus.forceStop(name, signal);
  const begun = now();
  await incus.start(name, signal);
  await waitForNetwork(container);
  const networkSeconds = toSeconds(now() - begun);
  await retryUntil(
    `Postgres in ${name} to answer`,
    { deadlineMs: serviceDeadlineMs, pauseMs: 300, signal },
    async (inner) => {
      (await openMemberSession(incus, formation, member, { signal: inner })).close();
      return true;
    },
  );
  const serviceSeconds = toSeconds(now() - begun);
  const later = await identity();
  return {
    networkSeconds,
    serviceSeconds,
    hasNewIdentity: /^[0-9a-f]{32}$/.test(later) && later !== before,
  };
}
