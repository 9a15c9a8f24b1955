import { type Moment, now } from '../../clock/clock.ts';
import { sleep, withDeadline } from '../../clock/deadline.ts';
import { CancelledError, InputError, messageOf } from '../../contract/errors.ts';
import { type Member, membersOf } from '../../formation/formation.ts';
import { type ContainerLock, lockInContainer } from '../../incus/container-lock.ts';
import { bakeKey } from '../../incus/labels.ts';
import { waitForNetwork } from '../containers/network.ts';
import { quietenResolver } from '../containers/resolver.ts';
import { MemberContainer, type Run } from '../member-container.ts';
import { installPackages } from '../packages/installation.ts';
import { readPackageFacts } from '../packages/package-facts.ts';
import { packagesOf, packageWork } from '../packages/packages.ts';
import { type BaseImage, bakingContainer, lineOf, ownedProperty, recipeVersion } from './recipe.ts';
import clean from './scripts/clean-image.sh';

/** Makes a base image, in a container of its own. */

const bakeDeadlineMs = 1_800_000;
/** A stopped container that Incus does nothing with for so long is nobody's any more. */
const abandonedAfterMs = 5_000;
const pollMs = 500;
/** For how long the lock of a container that runs may fail to be asked for, and how often it may be lost. */
const lockPatienceMs = 60_000;
const mostLosses = 3;

/** The Incus server does not let us make an image; the formation can do without. */
export class CannotBakeError extends Error {
  override readonly name = 'CannotBakeError';
}

/**
 * Makes the image, or waits for whoever makes it.
 * @throws CannotBakeError where the server does not let us; as installPackages does
 */
export async function bake(run: Run, image: BaseImage): Promise<void> {
  const baking = new Baking(run, image);
  await withDeadline(
    `base image ${image.alias}`,
    bakeDeadlineMs,
    (inner) => baking.untilThere(inner),
    run.signal,
  );
}

class Baking {
  private readonly container: string;
  private readonly run: Run;
  private readonly image: BaseImage;
  /** Since when nobody seems to do anything with the stopped container. */
  private idleSince: Moment | undefined;
  /** Since when the lock in it cannot be asked for. */
  private deafSince: Moment | undefined;
  private losses = 0;

  constructor(run: Run, image: BaseImage) {
    this.run = run;
    this.image = image;
    this.container = bakingContainer(image.key);
  }

  /** Until the image is there, whoever makes it. */
  async untilThere(signal: AbortSignal): Promise<void> {
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
    return (await this.run.incus.images.list(signal)).some(({ aliases }) =>
      aliases.includes(this.image.alias),
    );
  }

  /** The lock in the container, which runs; undefined when another has it, or it does not answer yet. */
  private async hold(signal: AbortSignal): Promise<ContainerLock | undefined> {
    try {
      const lock = await lockInContainer(this.run.incus, this.container, 'bake', signal);
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
    const { container, image } = this;
    const { incus, formation } = this.run;
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
    return (
      (await this.run.incus.isBusy(this.container, signal)) ||
      (await this.run.incus.images.areBeingMade(signal))
    );
  }

  private async bake(lock: ContainerLock, signal: AbortSignal): Promise<void> {
    const { container: name, image } = this;
    const { incus, formation } = this.run;
    const [monitor] = membersOf(formation);
    const member: Member = {
      ...monitor,
      name,
      host: `${name}.${formation.incus.domain}`,
      limits: {},
      target: undefined,
    };
    const container = new MemberContainer(this.run, member, { signal });
    await waitForNetwork(container);
    const facts = await readPackageFacts(container);
    if (packageWork(formation, facts).length > 0) await installPackages(container, facts);
    // The packages may have brought one.
    await quietenResolver(container);
    await container.exec(['sh', '-c', clean], { deadlineMs: 60_000 });
    if (lock.lost()) throw new CancelledError(`another run took ${name} over`);
    lock.release();
    // Nothing in it has anything to save: what was written is in the container's files.
    await incus.forceStop(name, signal);
    try {
      await incus.images.publish(name, image.alias, this.properties(), signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(await this.isThere(signal))) throw new CannotBakeError(messageOf(error));
    }
  }

  private properties(): Record<string, string> {
    const { image } = this;
    const { formation } = this.run;
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
    await this.run.incus.delete(this.container).catch(() => {});
  }
}
