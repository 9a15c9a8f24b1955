import { sleep } from '../clock/deadline.ts';
import { CommandError, EnvironmentError, InputError, messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { runCommand } from './command.ts';

/** An Incus instance as the REST API shows it, reduced to what is used. */
export interface Instance {
  name: string;
  /** `Running`, `Stopped`, `Frozen`, `Error`, … */
  status: string;
  /** Its own configuration and devices, without those of its profiles. */
  config: Partial<Record<string, string>>;
  devices: Partial<Record<string, Record<string, string>>>;
}

/** What an instance's state tells, reduced to what is used. */
export interface InstanceState {
  /** Its first process, as its host numbers it; 0 or less where it does not run. */
  pid: number;
  /** IPv4 and IPv6 addresses that others reach it by. */
  addresses: string[];
}

/** A disk of an instance, in bytes. */
export interface InstanceDisk {
  /** The limit that Incus enforces; 0 where it enforces none. */
  total: number;
  /** The storage pool that it lies in. */
  pool: { total: number; used: number };
}

/** What a new instance is launched with, besides its image. */
export interface LaunchOptions {
  profiles: readonly string[];
  network?: string | undefined;
  /** Cluster member to place it on. */
  target?: string | undefined;
  config: Record<string, string>;
  /** Size of its root disk, where it is not the profile's. */
  rootSize?: string | undefined;
}

/** What becomes of a call: its deadline, what it reads, and who may abort it. */
export interface ExecOptions {
  deadlineMs: number;
  stdin?: string | Buffer;
  signal?: AbortSignal | undefined;
  shownArgs?: readonly string[];
  maxBytes?: number;
}

/**
 * Incus (as LXD, lxc/lxc issue 4282) now and then loses what a command printed just before it ended, with
 * exit code 0: 1 to 3 % of calls on a loaded host in the lab. A command that lingers after its output lost
 * none in 600; a mark at the end tells when it was lost all the same, and that a command has succeeded and need not be
 * waited for any longer. One that failed makes no mark.
 */
const endOfOutput = '\npgha: end of output\n';
const lingering = `"$@"; code=$?; [ $code = 0 ] && printf '\\npgha: end of output\\n'; sleep 0.1; exit $code`;
const readAttempts = 5;
const configureAttempts = 10;

/** Why the host cannot be used, and what mends it, for what the `incus` client prints. */
const surroundings: [RegExp, string][] = [
  [
    /needed permissions to talk to the incus daemon|permission denied|not authorized|Forbidden/i,
    "this user may not talk to the Incus daemon; add the runner's user to the group incus-admin (or incus, for a restricted project) and log in again",
  ],
  [
    /unix\.socket|connection refused|connect: no such file|daemon doesn't appear to be started|Unable to connect/i,
    'the Incus daemon does not answer; start it (systemctl start incus), or check INCUS_DIR, INCUS_SOCKET and the remote (for the lab: eval "$(./pgha lab env)")',
  ],
];

/**
 * One Incus server and project, by way of the `incus` client: what a runner has, local and remote alike.
 * Every call has a deadline. Messages of failures name the command and what mends it.
 */
export class Incus {
  readonly remote: string;
  readonly project: string;
  private readonly log: Log | undefined;

  constructor(where: { remote: string; project: string }, log?: Log) {
    this.remote = where.remote;
    this.project = where.project;
    this.log = log;
  }

  /** Always with the remote: without one the client takes its user's default, which need not be `local`. */
  private prefixed(name: string): string {
    return `${this.remote}:${name}`;
  }

  /** argv (without `incus`) of a subcommand on an instance of this project. */
  argv(subcommand: string, instance: string, ...rest: string[]): string[] {
    return [subcommand, '--project', this.project, this.prefixed(instance), ...rest];
  }

  /** Runs the client and explains failures that lie in the surroundings. Throws as runCommand does. */
  async run(args: readonly string[], options: ExecOptions & { until?: string }): Promise<string> {
    try {
      return await runCommand('incus', args, { ...options, log: this.log });
    } catch (error) {
      throw explainSurroundings(error);
    }
  }

  /** GET on the REST API; `path` starts with /1.0. Throws InputError when the remote does not exist. */
  async query(path: string, signal?: AbortSignal): Promise<unknown> {
    const url = `${path}${path.includes('?') ? '&' : '?'}project=${encodeURIComponent(this.project)}`;
    try {
      const text = await this.run(['query', this.prefixed(url)], { deadlineMs: 15_000, signal });
      // Where there is nothing to show, as for operations when none runs, the client prints nothing.
      if (text.trim() === '') return null;
      try {
        return JSON.parse(text);
      } catch {
        throw new EnvironmentError(
          `\`incus query ${url}\` printed something that is not JSON (${JSON.stringify(text.slice(0, 60))}); is this the real incus client?`,
        );
      }
    } catch (error) {
      if (error instanceof CommandError && /remote .* doesn't exist/i.test(error.stderr)) {
        throw new InputError([
          `incus.remote: ${this.remote} is not a remote of this user; \`incus remote list\` shows them`,
        ]);
      }
      throw error;
    }
  }

  /**
   * Every instance of the project, by name.
   * @throws InputError when the project does not exist: Incus 6.0 answers an empty list for one
   */
  async instances(signal?: AbortSignal): Promise<Map<string, Instance>> {
    const found = (await this.query('/1.0/instances?recursion=1', signal)) as RawInstance[] | null;
    if (
      !Array.isArray(found) ||
      !found.every((raw) => typeof (raw as RawInstance | null)?.name === 'string')
    ) {
      throw new EnvironmentError(
        '`incus query /1.0/instances` did not answer with a list of instances; is this the real incus client?',
      );
    }
    if (found.length === 0) await this.requireProject(signal);
    return new Map(found.map((raw) => [raw.name, toInstance(raw)]));
  }

  private async requireProject(signal?: AbortSignal): Promise<void> {
    try {
      await this.query(`/1.0/projects/${encodeURIComponent(this.project)}`, signal);
    } catch (error) {
      if (!(error instanceof CommandError && /not found/i.test(error.stderr))) throw error;
      throw new InputError([
        `incus.project: ${this.project} does not exist there; \`incus project list\` shows them`,
      ]);
    }
  }

  /** One instance, or undefined when there is none of that name. */
  async instance(name: string, signal?: AbortSignal): Promise<Instance | undefined> {
    try {
      return toInstance(
        (await this.query(`/1.0/instances/${encodeURIComponent(name)}`, signal)) as RawInstance,
      );
    } catch (error) {
      if (error instanceof CommandError && /not found/i.test(error.stderr)) return undefined;
      throw error;
    }
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

  private async rawState(instance: string, signal?: AbortSignal): Promise<RawState> {
    return (await this.query(`/1.0/instances/${encodeURIComponent(instance)}/state`, signal)) as RawState;
  }

  /**
   * The disk that is mounted at `path` in an instance, or undefined when none of its devices is. An Incus whose
   * pool enforces no limits (a directory without project quotas, say) tells no usage either.
   */
  async diskAt(instance: string, path: string, signal?: AbortSignal): Promise<InstanceDisk | undefined> {
    const [raw, { disk }] = await Promise.all([
      this.query(`/1.0/instances/${encodeURIComponent(instance)}`, signal) as Promise<RawInstance>,
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
    const { space } = (await this.query(url, signal)) as { space: InstanceDisk['pool'] };
    return {
      total: device['size'] === undefined ? 0 : (disk?.[name]?.total ?? 0),
      pool: { total: space.total, used: space.used },
    };
  }

  /** Runs a command in a container as root, without a terminal. Secrets go by `stdin`. Throws as run does. */
  async exec(instance: string, command: readonly string[], options: ExecOptions): Promise<void> {
    await this.runInside(instance, command, options);
  }

  /**
   * Runs a command that only reads, and returns its whole standard output. A run whose output was lost on
   * the way is repeated. @throws as run does, and EnvironmentError when the output is lost again and again
   */
  async read(
    instance: string,
    command: readonly string[],
    options: Omit<ExecOptions, 'stdin'>,
  ): Promise<string> {
    for (let attempt = 0; attempt < readAttempts; attempt++) {
      const output = await this.runInside(instance, command, options);
      if (output.endsWith(endOfOutput)) return output.slice(0, -endOfOutput.length);
      this.log?.debug(`incus exec lost the output of a command in ${instance}; once more`);
    }
    throw new EnvironmentError(
      `incus exec lost the output of a command in ${instance} ${readAttempts} times; is the Incus host overloaded?`,
    );
  }

  private async runInside(
    instance: string,
    command: readonly string[],
    options: ExecOptions,
  ): Promise<string> {
    const args = this.argv('exec', instance, '-T', '--', 'sh', '-c', lingering, 'sh', ...command);
    const shownArgs = options.shownArgs ?? this.argv('exec', instance, '--', ...command);
    return await this.run(args, { ...options, shownArgs, until: endOfOutput });
  }

  /** Whether an operation of Incus on the instance is under way, such as a stop; commands that run in it do not count. */
  async isBusy(instance: string, signal?: AbortSignal): Promise<boolean> {
    const found = (await this.query('/1.0/operations?recursion=1', signal)) as Record<
      string,
      RawOperation[]
    > | null;
    return Object.values(found ?? {})
      .flat()
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
    { profiles, network, target, config, rootSize }: LaunchOptions,
    signal?: AbortSignal,
  ): Promise<void> {
    const flags = [
      ...profiles.flatMap((profile) => ['--profile', profile]),
      ...Object.entries(config).flatMap(([key, value]) => ['--config', `${key}=${value}`]),
      ...(network === undefined ? [] : ['--network', network]),
      ...(target === undefined ? [] : ['--target', target]),
      ...(rootSize === undefined ? [] : ['--device', `root,size=${rootSize}`]),
    ];
    // An image from a remote may have to be downloaded first.
    // An image without a remote is the formation's server's own, not that of the client's default remote.
    const source = image.includes(':') ? image : this.prefixed(image);
    const args = ['launch', '--project', this.project, source, this.prefixed(instance), ...flags];
    await this.run(args, { deadlineMs: 600_000, signal });
  }

  /** Removes an instance, running or not, with everything in it. */
  async delete(instance: string, signal?: AbortSignal): Promise<void> {
    await this.run(this.argv('delete', instance, '--force'), { deadlineMs: 120_000, signal });
  }

  async setConfig(instance: string, key: string, value: string, signal?: AbortSignal): Promise<void> {
    const args = ['config', 'set', '--project', this.project, this.prefixed(instance), `${key}=${value}`];
    await this.configure(args, 30_000, signal);
  }

  /**
   * Runs a `config` command. The client reads the instance and writes it back, which Incus refuses where somebody else has
   * changed it in between (an ETag that doesn't match): then it is run again.
   */
  private async configure(args: readonly string[], deadlineMs: number, signal?: AbortSignal): Promise<void> {
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

  /** Sets the size of the root disk on the instance itself. */
  async setRootSize(instance: string, size: string, own: boolean, signal?: AbortSignal): Promise<void> {
    const verb = own ? 'set' : 'override';
    const args = [
      'config',
      'device',
      verb,
      '--project',
      this.project,
      this.prefixed(instance),
      'root',
      `size=${size}`,
    ];
    await this.configure(args, 60_000, signal);
  }

  async start(instance: string, signal?: AbortSignal): Promise<void> {
    await this.run(this.argv('start', instance), { deadlineMs: 60_000, signal });
  }

  /** Cuts the power: no shutdown, no flush. */
  async forceStop(instance: string, signal?: AbortSignal): Promise<void> {
    await this.run(this.argv('stop', instance, '--force'), { deadlineMs: 60_000, signal });
  }

  /** Freezes every process. */
  async pause(instance: string, signal?: AbortSignal): Promise<void> {
    await this.run(this.argv('pause', instance), { deadlineMs: 30_000, signal });
  }

  /** In order. Throws as run does, also when it does not shut down within a minute. */
  async restart(instance: string, signal?: AbortSignal): Promise<void> {
    await this.run(this.argv('restart', instance, '--timeout', '60'), { deadlineMs: 120_000, signal });
  }

  async resume(instance: string, signal?: AbortSignal): Promise<void> {
    await this.run(this.argv('resume', instance), { deadlineMs: 30_000, signal });
  }

  /** Sets a `user.*` key on an instance: a note that survives whatever happens to the runner. */
  async setLabel(instance: string, key: Label, value: string, signal?: AbortSignal): Promise<void> {
    await this.setConfig(instance, key, value, signal);
  }

  /** Removes a `user.*` key; does nothing when it is not set. */
  async removeLabel(instance: string, key: Label, signal?: AbortSignal): Promise<void> {
    try {
      const args = ['config', 'unset', '--project', this.project, this.prefixed(instance), key];
      await this.configure(args, 15_000, signal);
    } catch (error) {
      if (!(error instanceof CommandError && /not currently set/i.test(error.stderr))) throw error;
    }
  }

  /**
   * Fingerprint of the image that a name stands for now: of this server, or of another remote.
   * @throws CommandError when there is none, or its server does not answer
   */
  async imageFingerprint(image: string, signal?: AbortSignal): Promise<string> {
    const source = image.includes(':') ? image : this.prefixed(image);
    const args = ['image', 'info', '--project', this.project, source];
    const output = await this.run(args, { deadlineMs: 60_000, signal });
    const found = /^Fingerprint: ([0-9a-f]{64})$/m.exec(output)?.[1];
    if (found === undefined)
      throw new EnvironmentError(
        `\`incus image info ${source}\` did not tell a fingerprint; is this the real incus client?`,
      );
    return found;
  }

  /** The images of this server that the project sees. */
  async images(signal?: AbortSignal): Promise<Image[]> {
    const found = (await this.query('/1.0/images?recursion=1', signal)) as RawImage[] | null;
    return (found ?? []).map((raw) => ({
      fingerprint: raw.fingerprint,
      aliases: (raw.aliases ?? []).map(({ name }) => name),
      properties: raw.properties ?? {},
      uploadedAt: Date.parse(raw.uploaded_at),
      usedAt: Math.max(0, Date.parse(raw.last_used_at) || 0),
    }));
  }

  /** Makes an image of a stopped instance. The server does it whole or not at all, whatever becomes of the client. */
  async publish(
    instance: string,
    alias: string,
    properties: Record<string, string>,
    signal?: AbortSignal,
  ): Promise<void> {
    const request = {
      source: { type: 'instance', name: instance },
      aliases: [{ name: alias, description: properties['description'] ?? '' }],
      properties,
      compression_algorithm: 'none',
    };
    const url = `/1.0/images?project=${encodeURIComponent(this.project)}`;
    const args = ['query', '-X', 'POST', '--wait', '-d', JSON.stringify(request), this.prefixed(url)];
    await this.run(args, { deadlineMs: 600_000, signal });
  }

  /** Whether the server makes or fetches an image for this project: such operations name neither. */
  async makesImage(signal?: AbortSignal): Promise<boolean> {
    const found = (await this.query('/1.0/operations?recursion=1', signal)) as Record<
      string,
      RawOperation[]
    > | null;
    return Object.values(found ?? {})
      .flat()
      .some(
        ({ status, class: kind, description }) =>
          kind === 'task' && status === 'Running' && /image/i.test(description ?? ''),
      );
  }

  async deleteImage(fingerprint: string, signal?: AbortSignal): Promise<void> {
    const args = ['image', 'delete', '--project', this.project, this.prefixed(fingerprint)];
    await this.run(args, { deadlineMs: 120_000, signal });
  }
}

/** An image of the server. Times are the server's, in milliseconds since 1970, 0 for never. */
export interface Image {
  fingerprint: string;
  aliases: string[];
  properties: Partial<Record<string, string>>;
  uploadedAt: number;
  usedAt: number;
}

interface RawImage {
  fingerprint: string;
  aliases: { name: string }[] | null;
  properties: Record<string, string> | null;
  uploaded_at: string;
  last_used_at: string;
}

type Label = `user.${string}`;

interface RawOperation {
  class: string;
  status: string;
  description?: string;
  resources: Record<string, string[]> | null;
}

interface RawInstance {
  name: string;
  status: string;
  config?: Record<string, string>;
  devices?: Record<string, Record<string, string>>;
  expanded_devices?: Record<string, Record<string, string>>;
  location?: string;
}

interface RawState {
  pid: number;
  network: Record<string, { addresses: { address: string; scope: string }[] | null }> | null;
  disk: Record<string, { total: number; usage: number }> | null;
}

function toInstance(raw: RawInstance): Instance {
  return {
    name: raw.name,
    status: raw.status,
    config: raw.config ?? {},
    devices: raw.devices ?? {},
  };
}

function explainSurroundings(error: unknown): unknown {
  if (!(error instanceof CommandError)) return error;
  const known = surroundings.find(([pattern]) => pattern.test(error.stderr));
  // What a command inside a container says is not about our access to Incus.
  if (!known || error.argv[1] === 'exec') return error;
  return new EnvironmentError(`${known[1]} (${messageOf(error)})`);
}
