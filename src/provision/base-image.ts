import { createHash } from 'node:crypto';
import { type Moment, now } from '../clock/clock.ts';
import { sleep, withDeadline } from '../clock/deadline.ts';
import { CancelledError, CommandError, InputError, messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { type Formation, type Member, membersOf } from '../formation/formation.ts';
import { type ContainerLock, lockInContainer } from '../incus/container-lock.ts';
import type { Image, Incus, Instance } from '../incus/incus.ts';
import { bakeKey } from '../incus/labels.ts';
import { waitForNetwork } from './containers.ts';
import { installPackages, packagesOf, packageWork, readPackageFacts } from './packages.ts';
import type { Steps } from './steps.ts';

/**
 * The base image: the formation's image with its packages in it, made once and kept on the Incus server, so that a new
 * container takes a second or two in place of an installation. Its alias is the hash of all that went into it; where
 * any of that changes, another is made and the old one removed.
 *
 * It is made in a container of its own, named after the same hash. Who makes it holds a lock inside that container by
 * way of a pipe, which ends with its holder; others wait for the image, or go on with a container whose holder is gone.
 */

/** Goes up when the recipe changes: what is installed besides the packages, and what is cleaned. */
const recipeVersion = 1;

const ownedProperty = 'pgha.key';
const bakeDeadlineMs = 1_800_000;
/** A stopped container that Incus does nothing with for so long is nobody's any more. */
const abandonedAfterMs = 5_000;
const pollMs = 500;
/** For how long the lock of a container that runs may fail to be asked for, and how often it may be lost. */
const lockPatienceMs = 60_000;
const mostLosses = 3;
/** An older image that was used this recently, by the server's clock, may be about to be launched from. */
const recentlyMs = 10 * 60_000;
const unusedMs = 30 * 24 * 3_600_000;

export interface BaseImage {
  /** Hash of what goes into the image. */
  key: string;
  alias: string;
  exists: boolean;
  /** Fingerprint of the formation's image, which it is made from. */
  source: string;
}

/**
 * The formation's base image, there or not. Touches nothing.
 * @throws InputError when the formation's image cannot be had
 */
export async function baseImageOf(
  incus: Incus,
  formation: Formation,
  signal?: AbortSignal,
): Promise<BaseImage> {
  const [source, images] = await Promise.all([fingerprintOf(incus, formation, signal), incus.images(signal)]);
  const key = keyOf(formation, source);
  const alias = aliasOf(key);
  return { key, alias, source, exists: images.some(({ aliases }) => aliases.includes(alias)) };
}

/**
 * The image to launch the formation's containers from: its base image, which is made when it is not there yet, or the
 * formation's own image where the formation file or the Incus server does not want it otherwise (one warning).
 *
 * @throws InputError, EnvironmentError, CommandError as installPackages does
 */
export async function ensureBaseImage(
  incus: Incus,
  formation: Formation,
  steps: Steps,
  log: Log,
  signal: AbortSignal,
): Promise<string> {
  if (!formation.baseImage) return formation.image;
  const found = await baseImageOf(incus, formation, signal);
  if (found.exists) return found.alias;
  const baking = new Baking(incus, formation, found, signal);
  try {
    await steps.take(formation.name, `make a base image from ${formation.image}`, () =>
      withDeadline(`base image ${found.alias}`, bakeDeadlineMs, (inner) => baking.run(inner), signal),
    );
  } catch (error) {
    if (!(error instanceof CannotBakeError)) throw error;
    log.warn(
      `no base image could be made, so every container installs its packages itself (base-image: false says so from the start): ${error.message}`,
    );
    return formation.image;
  }
  if (steps.planning) return found.alias;
  await removeOlder(incus, formation, found, signal).catch((error: unknown) => {
    signal.throwIfAborted();
    log.warn(`older base images could not be removed: ${messageOf(error)}`);
  });
  return found.alias;
}

/** The Incus server does not let us make an image; the formation can do without. */
class CannotBakeError extends Error {
  override readonly name = 'CannotBakeError';
}

async function fingerprintOf(incus: Incus, { image }: Formation, signal?: AbortSignal): Promise<string> {
  try {
    return await incus.imageFingerprint(image, signal);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new InputError([
      `image: ${image} cannot be had: ${messageOf(error)}; \`incus image list\` shows what is there`,
    ]);
  }
}

/** Hash of everything that goes into the image. */
export function keyOf(formation: Formation, sourceFingerprint: string): string {
  return hash([recipeVersion, sourceFingerprint, ...ingredients(formation)]);
}

/** The same for every fingerprint and recipe: images of one line replace each other. */
function lineOf(formation: Formation): string {
  return hash([formation.image, ...ingredients(formation)]);
}

function ingredients(formation: Formation): unknown[] {
  const { source, repository, suite, component, key, proxy, pins } = formation.postgres.packages;
  return [
    [source, repository, suite, component, key, proxy].map((value) => value ?? null),
    Object.entries(pins).sort(([a], [b]) => (a < b ? -1 : 1)),
    packagesOf(formation).sort(),
  ];
}

function hash(parts: unknown): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 12);
}

function aliasOf(key: string): string {
  return `pgha-${key}`;
}

function containerOf(key: string): string {
  return `pgha-bake-${key}`;
}

class Baking {
  readonly container: string;
  private readonly incus: Incus;
  private readonly formation: Formation;
  private readonly image: BaseImage;
  /** Since when nobody seems to do anything with the stopped container. */
  private idleSince: Moment | undefined;
  /** Since when the lock in it cannot be asked for. */
  private deafSince: Moment | undefined;
  private losses = 0;

  constructor(incus: Incus, formation: Formation, image: BaseImage, signal: AbortSignal) {
    signal.throwIfAborted();
    this.incus = incus;
    this.formation = formation;
    this.image = image;
    this.container = containerOf(image.key);
  }

  /** Until the image is there, whoever makes it. */
  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      if (await this.isThere(signal)) return;
      const runs = await this.haveContainer(signal);
      const lock = runs ? await this.hold(signal) : undefined;
      if (lock === undefined) {
        await sleep(pollMs, signal);
        continue;
      }
      try {
        // The one that held it before us may have ended with its work done.
        if (!(await this.isThere(signal))) await this.bake(lock, signal);
        return;
      } catch (error) {
        // Another run took the container for abandoned, and makes the image now.
        const lost = lock.lost() && !(error instanceof InputError) && !signal.aborted;
        if (!lost || error instanceof CannotBakeError) {
          await this.remove();
          throw error;
        }
        if (++this.losses === mostLosses)
          throw new CannotBakeError(
            `${this.container} was taken over, or ended, again and again: ${messageOf(error)}`,
          );
        await sleep(pollMs, signal);
      } finally {
        lock.release();
      }
    }
  }

  private async isThere(signal: AbortSignal): Promise<boolean> {
    return (await this.incus.images(signal)).some(({ aliases }) => aliases.includes(this.image.alias));
  }

  /** The lock in the container, which runs; undefined when another has it, or it does not answer yet. */
  private async hold(signal: AbortSignal): Promise<ContainerLock | undefined> {
    try {
      const lock = await lockInContainer(this.incus, this.container, 'bake', signal);
      this.deafSince = undefined;
      return lock;
    } catch (error) {
      signal.throwIfAborted();
      this.deafSince ??= now();
      if (now() - this.deafSince < lockPatienceMs) return undefined;
      await this.remove();
      throw new CannotBakeError(messageOf(error));
    }
  }

  /**
   * Launches the container unless it is there; starts it where its holder is gone.
   * @returns whether it runs, as far as one knows
   */
  private async haveContainer(signal: AbortSignal): Promise<boolean> {
    const { incus, container, formation, image } = this;
    const instance = await incus.instance(container, signal);
    if (instance === undefined) {
      const { profiles, network } = formation.incus;
      try {
        await incus.launch(
          container,
          formation.image,
          { profiles, network, config: { [bakeKey]: image.key } },
          signal,
        );
      } catch (error) {
        signal.throwIfAborted();
        // Another run was quicker.
        if ((await incus.instance(container, signal)) !== undefined) return false;
        throw new CannotBakeError(messageOf(error));
      }
      return true;
    }
    if (instance.status === 'Running') {
      this.idleSince = undefined;
      return true;
    }
    this.deafSince = undefined;
    if (await this.isBusy(signal)) this.idleSince = undefined;
    else this.idleSince ??= now();
    if (this.idleSince === undefined || now() - this.idleSince < abandonedAfterMs) return false;
    this.idleSince = undefined;
    try {
      await incus.start(container, signal);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      // Another run started it, or has done with it.
      const found = await incus.instance(container, signal);
      if (found === undefined || found.status === 'Running' || (await this.isBusy(signal))) return false;
      await this.remove();
      throw new CannotBakeError(messageOf(error));
    }
  }

  /** The container is stopped while it is created and while its image is made. */
  private async isBusy(signal: AbortSignal): Promise<boolean> {
    return (await this.incus.isBusy(this.container, signal)) || (await this.incus.makesImage(signal));
  }

  private async bake(lock: ContainerLock, signal: AbortSignal): Promise<void> {
    const { incus, container, formation, image } = this;
    const [monitor] = membersOf(formation);
    const member: Member = {
      ...monitor,
      name: container,
      host: `${container}.${formation.incus.domain}`,
      limits: {},
      target: undefined,
    };
    await waitForNetwork(incus, member, signal);
    const facts = await readPackageFacts(incus, container, signal);
    if (packageWork(formation, facts).length > 0)
      await installPackages(incus, formation, container, facts, signal);
    await incus.exec(container, ['sh', '-c', clean], { deadlineMs: 60_000, signal });
    if (lock.lost()) throw new CancelledError(`another run took ${container} over`);
    lock.release();
    // Nothing in it has anything to save: what was written is in the container's files.
    await incus.forceStop(container, signal);
    try {
      await incus.publish(container, image.alias, this.properties(), signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(await this.isThere(signal))) throw new CannotBakeError(messageOf(error));
    }
  }

  private properties(): Record<string, string> {
    const { formation, image } = this;
    const { version } = formation.postgres;
    return {
      description: `pgha: Postgres ${version} and pg_auto_failover on ${formation.image}`,
      [ownedProperty]: image.key,
      'pgha.line': lineOf(formation),
      'pgha.image': formation.image,
      'pgha.fingerprint': image.source,
      'pgha.recipe': String(recipeVersion),
      'pgha.packages': packagesOf(formation).join(' '),
      'pgha.baked': new Date().toISOString(),
    };
  }

  /** The container cannot be used; what is left of it is the next run's to remove. */
  private async remove(): Promise<void> {
    await this.incus.delete(this.container).catch(() => {});
  }
}

/**
 * Takes out of the container what its clones must not share, and what they have no use for. Keys that packages made
 * are made anew in each clone, at its first boot. A machine-id that is empty is filled by systemd at boot; DHCP's
 * identifier comes from it.
 */
const clean = `
set -e
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt/* /var/log/journal/* /run/log/journal/*
find /var/log -type f -exec truncate -s 0 {} +
rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret /root/.bash_history
rm -rf /tmp/* /var/tmp/* /var/lib/dhcp/* /var/lib/dhcpcd/* /var/lib/NetworkManager/*
rm -rf /var/lib/systemd/network/* /run/systemd/netif/leases/*
if command -v cloud-init > /dev/null; then cloud-init clean --logs > /dev/null 2>&1 || true; fi
keys=
if ls /etc/ssh/ssh_host_*_key > /dev/null 2>&1; then
  rm -f /etc/ssh/ssh_host_*
  keys="\${keys}ExecStart=-/usr/bin/ssh-keygen -A\\n"
fi
if [ -f /etc/ssl/private/ssl-cert-snakeoil.key ]; then
  rm -f /etc/ssl/private/ssl-cert-snakeoil.key /etc/ssl/certs/ssl-cert-snakeoil.pem
  keys="\${keys}ExecStart=-/usr/sbin/make-ssl-cert generate-default-snakeoil --force-overwrite\\n"
fi
if [ -n "$keys" ]; then
  unit=pgha-first-boot.service
  printf '[Unit]\\nDescription=Keys of its own for a container made from a pgha base image\\nBefore=ssh.service\\nConditionPathExists=!/var/lib/misc/pgha-first-boot\\n\\n[Service]\\nType=oneshot\\n%bExecStart=/bin/touch /var/lib/misc/pgha-first-boot\\n\\n[Install]\\nWantedBy=multi-user.target\\n' "$keys" > "/etc/systemd/system/$unit"
  systemctl enable "$unit" 2> /dev/null
  rm -f /var/lib/misc/pgha-first-boot
fi
if [ -f /var/lib/dbus/machine-id ] && [ ! -L /var/lib/dbus/machine-id ]; then
  ln -sf /etc/machine-id /var/lib/dbus/machine-id
fi
: > /etc/machine-id
`;

/** Removes base images that newer ones replace or that nobody uses. */
async function removeOlder(
  incus: Incus,
  formation: Formation,
  current: BaseImage,
  signal: AbortSignal,
): Promise<void> {
  const images = await incus.images(signal);
  const mine = images.find(({ aliases }) => aliases.includes(current.alias));
  if (mine === undefined) return;
  for (const { fingerprint } of outdated(images, mine, lineOf(formation)))
    await incus.deleteImage(fingerprint, signal);
}

const isBakeContainer = ({ name, config }: Instance) =>
  config[bakeKey] !== undefined && name === containerOf(config[bakeKey]);

export const bakeContainersIn = (instances: ReadonlyMap<string, Instance>): boolean =>
  [...instances.values()].some(isBakeContainer);

/**
 * Removes the containers in which images were made and with which nobody does anything any more, ours and those of makers
 * that are gone. At the end of a run: ext4 makes new files slowly, by the factor of five in the lab, for minutes after
 * many were deleted (recently_deleted in its ialloc.c), and a launch makes thousands.
 */
export async function removeBakeContainers(incus: Incus, signal: AbortSignal): Promise<void> {
  for (const instance of (await incus.instances(signal)).values()) {
    if (!isBakeContainer(instance)) continue;
    const { name, status } = instance;
    const lock =
      status === 'Running'
        ? await lockInContainer(incus, name, 'bake', signal).catch(() => signal.throwIfAborted())
        : undefined;
    const gone =
      lock !== undefined ||
      (status !== 'Running' && !(await incus.isBusy(name, signal)) && !(await incus.makesImage(signal)));
    if (gone) await incus.delete(name, signal).catch(() => signal.throwIfAborted());
    lock?.release();
  }
}

/**
 * Of the server's images, those that `mine`, just made, makes superfluous. Only ours, and none that somebody may be
 * launching from: ages are by the server's clock alone, on which `mine` has just been uploaded.
 */
export function outdated(images: readonly Image[], mine: Image, line: string): Image[] {
  return images.filter((image) => {
    if (image.fingerprint === mine.fingerprint || image.properties[ownedProperty] === undefined) return false;
    const age = mine.uploadedAt - Math.max(image.uploadedAt, image.usedAt);
    const superseded = image.properties['pgha.line'] === line || image.aliases.length === 0;
    return age > (superseded ? recentlyMs : unusedMs);
  });
}
