import { retryUntil, sleep } from '../clock/deadline.ts';
import { CommandError, InputError } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import {
  type Instance,
  type InstanceDisk,
  type InstanceState,
  instanceShape,
  type Profile,
  poolShape,
  profileShape,
  stateShape,
} from './answers.ts';
import type { Args } from './client.ts';
import { Endpoints } from './cluster/endpoints.ts';
import { type Child, startClient } from './command.ts';
import { Images } from './images.ts';
import { IncusInstances } from './instances.ts';
import type { Lease } from './lease.ts';

/** What a new instance is launched with, besides its image. */
export interface LaunchOptions {
  profiles: readonly string[];
  network?: string | undefined;
  /** Cluster member to place it on. */
  target?: string | undefined;
  config: Record<string, string>;
  /** Its root disk's device and size, where that is not the profile's. */
  rootDisk?: { device: string; size: string } | undefined;
}

const configureAttempts = 10;
const deleteAttempts = 2;

/**
 * One Incus server and project, by way of the `incus` client: what a runner has, local and remote alike.
 * Every call has a deadline. Messages of failures name the command and what mends it.
 */
export class Incus extends IncusInstances {
  readonly images = new Images(this);

  /**
   * One whose server is asked by another remote of the same cluster where the first does not answer any more.
   * @param others those remotes, where they are known already
   */
  static byAny(where: { remote: string; project: string }, log?: Log, others?: readonly string[]): Incus {
    return new Incus({ ...where, endpoints: Endpoints.from(where.remote, log, others) }, log);
  }

  /** The same cluster by another remote, with no lease. Undefined where there is none, or where nobody has looked for one. */
  async beside(signal?: AbortSignal): Promise<Incus | undefined> {
    const endpoints = await this.endpoints.beside(signal);
    if (endpoints === undefined) return undefined;
    return new Incus({ remote: endpoints.current, project: this.project, endpoints }, this.log);
  }

  /** The same server, whose commands hold a lease for as long as they may still change something. */
  leased(lease: Pick<Lease, 'fd'>): Incus {
    return new Incus(this, this.log, lease);
  }

  /** A profile of the project. @throws InputError when there is none of that name */
  async profile(name: string, signal?: AbortSignal): Promise<Profile> {
    try {
      const raw = await this.ask(`/1.0/profiles/${encodeURIComponent(name)}`, profileShape, signal);
      return { config: raw.config ?? {}, devices: raw.devices ?? {} };
    } catch (error) {
      if (!(error instanceof CommandError && /not found/i.test(error.stderr))) throw error;
      throw new InputError([
        `incus.profiles: there is no profile ${name}; \`incus profile list${this.inProject()}\` shows what is there`,
      ]);
    }
  }

  /** For a command line that people are told: where it is to look. */
  private inProject(): string {
    return `${this.remote === 'local' ? '' : ` ${this.remote}:`} --project ${this.project}`;
  }

  /** Throws as query does, also where there is no such instance. */
  async state(instance: string, signal?: AbortSignal): Promise<InstanceState> {
    const { pid, network } = await this.rawState(instance, signal);
    const addresses = Object.values(network ?? {})
      .flatMap((card) => card.addresses ?? [])
      .filter(({ scope }) => scope === 'global')
      .map(({ address }) => address);
    return { pid, addresses };
  }

  private async rawState(instance: string, signal?: AbortSignal) {
    return await this.ask(`/1.0/instances/${encodeURIComponent(instance)}/state`, stateShape, signal);
  }

  /**
   * The disk that is mounted at `path` in an instance, or undefined when none of its devices is. An Incus whose
   * pool enforces no limits (a directory without project quotas, say) tells no usage either.
   */
  async diskAt(instance: string, path: string, signal?: AbortSignal): Promise<InstanceDisk | undefined> {
    const [raw, { disk }] = await Promise.all([
      this.ask(`/1.0/instances/${encodeURIComponent(instance)}`, instanceShape, signal),
      this.rawState(instance, signal),
    ]);
    const devices = Object.entries(raw.expanded_devices ?? {});
    const [name, device] = devices.find(([, each]) => each['type'] === 'disk' && each['path'] === path) ?? [];
    if (name === undefined || device?.['pool'] === undefined) return undefined;
    const member =
      raw.location === undefined || raw.location === 'none'
        ? ''
        : `?target=${encodeURIComponent(raw.location)}`;
    const url = `/1.0/storage-pools/${encodeURIComponent(device['pool'])}/resources${member}`;
    const { space } = await this.ask(url, poolShape, signal);
    return {
      total: device['size'] === undefined ? 0 : (disk?.[name]?.total ?? 0),
      pool: { total: space.total, used: space.used },
    };
  }

  /** Whether an operation of Incus on the instance is under way, such as a stop; commands that run in it do not count. */
  async isBusy(instance: string, signal?: AbortSignal): Promise<boolean> {
    return (await this.operations(signal))
      .filter(({ status, class: kind }) => kind === 'task' && (status === 'Running' || status === 'Pending'))
      .some(({ resources }) =>
        Object.values(resources ?? {})
          .flat()
          .some((url) => url.split('?')[0]?.endsWith(`/${instance}`)),
      );
  }

  async launch(
    instance: string,
    image: string,
    { profiles, network, target, config, rootDisk }: LaunchOptions,
    signal?: AbortSignal,
  ): Promise<void> {
    const flags = [
      ...profiles.flatMap((profile) => ['--profile', profile]),
      ...Object.entries(config).flatMap(([key, value]) => ['--config', `${key}=${value}`]),
      ...(network === undefined ? [] : ['--network', network]),
      ...(target === undefined ? [] : ['--target', target]),
      ...(rootDisk === undefined ? [] : ['--device', `${rootDisk.device},size=${rootDisk.size}`]),
    ];
    // An image from a remote may have to be downloaded first.
    // An image without a remote is the formation's server's own, not that of the client's default remote.
    const source = image.includes(':') ? image : this.prefixed(image);
    const args = ['launch', '--project', this.project, source, this.prefixed(instance), ...flags];
    await this.runWithImage(image, args, { deadlineMs: 600_000, signal });
  }

  /**
   * Removes an instance, running or not, with everything in it. One that is gone already, or that another removes at the same
   * time, is removed: Incus says "not found" or that "a matching non-reusable operation has now succeeded".
   * @param options.running false where it must not run: Incus refuses to delete one that does
   * @throws as run does, when it is still there
   */
  async delete(instance: string, signal?: AbortSignal, { running = true } = {}): Promise<void> {
    const args = this.argv('delete', instance, ...(running ? ['--force'] : []));
    for (let attempt = 1; ; attempt++) {
      try {
        await this.run(args, { deadlineMs: 120_000, signal });
        return;
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        if ((await this.settledInstance(instance, signal)) === undefined) return;
        if (attempt === deleteAttempts) throw error;
      }
    }
  }

  /**
   * An instance once Incus has ended what it does with it, undefined when it is gone then: the creation that a killed run
   * began, or a deletion, goes on without its client.
   * @throws DeadlineError when it does not end
   */
  async settledInstance(
    name: string,
    signal?: AbortSignal,
    deadlineMs = 300_000,
  ): Promise<Instance | undefined> {
    const { instance } = await retryUntil(
      `Incus to end what it does with ${name}`,
      { deadlineMs, pauseMs: 300, signal },
      async (inner) =>
        (await this.isBusy(name, inner)) ? undefined : { instance: await this.instance(name, inner) },
    );
    return instance;
  }

  /** What a command has that is no client of Incus, and belongs to what is done here. */
  get leaseAndLog(): { lease: Pick<Lease, 'fd'> | undefined; log: Log | undefined } {
    return { lease: this.lease, log: this.log };
  }

  /** A command in a container as root that goes on, with its input open; what it may still change holds the lease. */
  startIn(instance: string, command: readonly string[]): Child {
    return startClient(this.argv('exec', instance, '-T', '--', ...command), this.lease);
  }

  async setConfig(instance: string, key: string, value: string, signal?: AbortSignal): Promise<void> {
    const where = ['--project', this.project];
    const args = (remote: string) => ['config', 'set', ...where, `${remote}:${instance}`, `${key}=${value}`];
    await this.configure(args, 30_000, signal);
  }

  /**
   * Runs a `config` command. The client reads the instance and writes it back, which Incus refuses where somebody else has
   * changed it in between (an ETag that doesn't match): then it is run again.
   */
  private async configure(args: Args, deadlineMs: number, signal?: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.run(args, { deadlineMs, signal });
        return;
      } catch (error) {
        const overtaken = error instanceof CommandError && /ETag doesn't match/i.test(error.stderr);
        if (!overtaken || attempt === configureAttempts) throw error;
        await sleep(Math.random() * 200, signal);
      }
    }
  }

  /** Sets the size of a disk on the instance itself. @param own whether the device is its own, or a profile's */
  async setDiskSize(
    instance: string,
    { device, size, own }: { device: string; size: string; own: boolean },
    signal?: AbortSignal,
  ): Promise<void> {
    const verb = own ? 'set' : 'override';
    const where = ['--project', this.project, this.prefixed(instance)];
    const args = ['config', 'device', verb, ...where, device, `size=${size}`];
    await this.configure(args, 60_000, signal);
  }

  /** One that another starts at the same time is started. */
  async start(instance: string, signal?: AbortSignal): Promise<void> {
    await this.unlessItRuns(instance, this.argvBy('start', instance), 60_000, signal);
  }

  private async unlessItRuns(
    instance: string,
    args: Args,
    deadlineMs: number,
    signal?: AbortSignal,
  ): Promise<void> {
    try {
      await this.run(args, { deadlineMs, signal });
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      const found = await this.settledInstance(instance, signal, deadlineMs);
      if (found?.status !== 'Running') throw error;
    }
  }

  /** Cuts the power: no shutdown, no flush. */
  async forceStop(instance: string, signal?: AbortSignal): Promise<void> {
    const args = this.argvBy('stop', instance, '--force');
    await this.bring(instance, 'Stopped', { args, deadlineMs: 60_000, signal });
  }

  /** Of an order that another remote was given once more, the first may have been carried out. */
  private async bring(
    instance: string,
    status: 'Stopped' | 'Frozen',
    { args, deadlineMs, signal }: { args: Args; deadlineMs: number; signal?: AbortSignal | undefined },
  ): Promise<void> {
    const { remote } = this;
    try {
      await this.run(args, { deadlineMs, signal });
    } catch (error) {
      if (this.remote === remote || !(error instanceof CommandError)) throw error;
      if ((await this.settledInstance(instance, signal, deadlineMs))?.status !== status) throw error;
    }
  }

  /** Shuts it down in order. Throws as run does, also when that takes more than a minute. */
  async stop(instance: string, signal?: AbortSignal): Promise<void> {
    await this.run(this.argv('stop', instance, '--timeout', '60'), { deadlineMs: 120_000, signal });
  }

  /** Moves a stopped one, with its disk and its network cards' addresses, to another member of the cluster. */
  async move(instance: string, host: string, signal?: AbortSignal): Promise<void> {
    await this.run(this.argv('move', instance, '--target', host), { deadlineMs: 1_800_000, signal });
  }

  /** Freezes every process. */
  async pause(instance: string, signal?: AbortSignal): Promise<void> {
    const args = this.argvBy('pause', instance);
    await this.bring(instance, 'Frozen', { args, deadlineMs: 30_000, signal });
  }

  /** In order. Throws as run does, also when it does not shut down within a minute. */
  async restart(instance: string, signal?: AbortSignal): Promise<void> {
    await this.run(this.argv('restart', instance, '--timeout', '60'), { deadlineMs: 120_000, signal });
  }

  async resume(instance: string, signal?: AbortSignal): Promise<void> {
    await this.unlessItRuns(instance, this.argvBy('resume', instance), 30_000, signal);
  }

  /** Sets a `user.*` key on an instance: a note that survives whatever happens to the runner. */
  async setLabel(instance: string, key: Label, value: string, signal?: AbortSignal): Promise<void> {
    await this.setConfig(instance, key, value, signal);
  }

  /** Removes a `user.*` key; does nothing when it is not set. */
  async removeLabel(instance: string, key: Label, signal?: AbortSignal): Promise<void> {
    try {
      const where = ['--project', this.project];
      const args = (remote: string) => ['config', 'unset', ...where, `${remote}:${instance}`, key];
      await this.configure(args, 15_000, signal);
    } catch (error) {
      if (!(error instanceof CommandError && /not currently set/i.test(error.stderr))) throw error;
    }
  }
}

type Label = `user.${string}`;
