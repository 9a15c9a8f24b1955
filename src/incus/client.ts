import type { GenericSchema, InferOutput } from 'valibot';
import { CommandError, EnvironmentError, InputError } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { answerOf, operationsShape } from './answers.ts';
import { Endpoints } from './cluster/endpoints.ts';
import { runCommand } from './command.ts';
import { explainImageServer, explainSurroundings, mayBeUnheard } from './explanations.ts';
import type { Lease } from './lease.ts';
import linger from './scripts/linger.sh';

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
/** What changes nothing holds no lease. */
const readOnly = { lease: undefined };
const readAttempts = 5;
/** A call that takes longer may be to a server that is gone. */
const slowMs = 1500;
/** That many are tried for one call. */
const mostRemotes = 3;
export const queryDeadlineMs = 15_000;
/** Of what Incus tells: some 9,000 containers on a list (3 to 4 kB each). */
const mostAnswerBytes = 32 * 1024 * 1024;

/** What the client is run with: as it is, or by whichever remote. */
export type Args = readonly string[] | ((remote: string) => readonly string[]);

/**
 * The `incus` client with one server and project: its command lines, the REST API, and commands in instances. Every call
 * has a deadline. Messages of failures name the command and what mends it.
 */
export class IncusClient {
  readonly project: string;
  readonly endpoints: Endpoints;
  protected readonly log: Log | undefined;
  protected readonly lease: Pick<Lease, 'fd'> | undefined;

  /** @param where without `endpoints` it stays with the remote, whatever becomes of that */
  constructor(
    where: { remote: string; project: string; endpoints?: Endpoints },
    log?: Log,
    lease?: Pick<Lease, 'fd'>,
  ) {
    this.project = where.project;
    this.endpoints = where.endpoints ?? Endpoints.only(where.remote);
    this.log = log;
    this.lease = lease;
  }

  /** By which it is asked just now. */
  get remote(): string {
    return this.endpoints.current;
  }

  /** Always with the remote: without one the client takes its user's default, which need not be `local`. */
  prefixed(name: string): string {
    return `${this.remote}:${name}`;
  }

  /** argv (without `incus`) of a subcommand on an instance of this project. */
  argv(subcommand: string, instance: string, ...rest: string[]): string[] {
    return this.argvBy(subcommand, instance, ...rest)(this.remote);
  }

  /** The same by whichever remote. */
  protected argvBy(subcommand: string, instance: string, ...rest: string[]): (remote: string) => string[] {
    return (remote) => [subcommand, '--project', this.project, `${remote}:${instance}`, ...rest];
  }

  /**
   * Runs the client on what may come from the server of another remote, which is told from ours.
   * @throws EnvironmentError that names the image server, where that is to blame
   */
  async runWithImage(image: string, args: readonly string[], options: ExecOptions): Promise<string> {
    const ofOther = image.includes(':') && !image.startsWith(`${this.remote}:`);
    if (!ofOther) return await this.run(args, options);
    try {
      return await runCommand('incus', args, { ...options, log: this.log });
    } catch (error) {
      throw explainImageServer(error, image) ?? explainSurroundings(error, this.remote);
    }
  }

  /**
   * Runs the client and explains failures that lie in the surroundings. Throws as runCommand does.
   * @param args argv without `incus`; as a function of the remote, of what may be run twice: it is run once more by another
   *   remote where the first does not answer any more, and has its deadline again
   */
  async run(args: Args, options: ExecOptions & { until?: string; lease?: undefined }): Promise<string> {
    for (let left = mostRemotes; ; left--) {
      const { remote, endpoints } = this;
      const lost = endpoints.leaving;
      try {
        return await this.watched(typeof args === 'function' ? args(remote) : args, options);
      } catch (error) {
        options.signal?.throwIfAborted();
        const isLost = lost.aborted || (mayBeUnheard(error) && (await endpoints.suspect(remote, 'failure')));
        options.signal?.throwIfAborted();
        if (isLost && typeof args === 'function' && left > 1) continue;
        throw explainSurroundings(error, remote);
      }
    }
  }

  /** Ends when its remote is left, and has it looked at where there is no answer for long. */
  private async watched(
    args: readonly string[],
    { signal, ...options }: ExecOptions & { until?: string; lease?: undefined },
  ): Promise<string> {
    const { endpoints, remote, log, lease } = this;
    const run = async (inner?: AbortSignal) =>
      await runCommand('incus', args, { lease, ...options, signal: inner, log });
    if (!endpoints.hasOthers) return await run(signal);
    const doubting = setInterval(() => void endpoints.suspect(remote), slowMs);
    try {
      return await run(AbortSignal.any([endpoints.leaving, ...(signal ? [signal] : [])]));
    } finally {
      clearInterval(doubting);
    }
  }

  /** GET on the REST API; `path` starts with /1.0. Throws InputError when the remote does not exist. */
  async query(path: string, signal?: AbortSignal, deadlineMs: number = queryDeadlineMs): Promise<unknown> {
    const url = `${path}${path.includes('?') ? '&' : '?'}project=${encodeURIComponent(this.project)}`;
    try {
      const args = (remote: string) => ['query', `${remote}:${url}`];
      const text = await this.run(args, { ...readOnly, deadlineMs, signal, maxBytes: mostAnswerBytes });
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

  /** As query, and throws EnvironmentError where the answer has another shape. */
  async ask<T extends GenericSchema>(
    path: string,
    shape: { is: string; schema: T },
    how?: AbortSignal | { deadlineMs: number; signal?: AbortSignal | undefined },
  ): Promise<InferOutput<T>> {
    const { signal, deadlineMs } =
      how === undefined || how instanceof AbortSignal ? { signal: how, deadlineMs: queryDeadlineMs } : how;
    return answerOf(path, shape, await this.query(path, signal, deadlineMs));
  }

  /** What Incus is doing in this project. */
  async operations(signal?: AbortSignal) {
    const found = await this.ask('/1.0/operations?recursion=1', operationsShape, signal);
    return Object.values(found ?? {}).flat();
  }

  /** Runs a command in a container as root, without a terminal. Secrets go by `stdin`. Throws as run does. */
  async exec(instance: string, command: readonly string[], options: ExecOptions): Promise<void> {
    await this.runInside(instance, command, options, 'once');
  }

  /**
   * Runs a command that only reads, and returns its whole standard output. A run whose output was lost on
   * the way is repeated. @throws as run does, and EnvironmentError when the output is lost again and again
   */
  async read(instance: string, command: readonly string[], options: ExecOptions): Promise<string> {
    for (let attempt = 0; attempt < readAttempts; attempt++) {
      const output = await this.runInside(instance, command, { ...readOnly, ...options }, 'again');
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
    options: ExecOptions & { lease?: undefined },
    how: 'once' | 'again',
  ): Promise<string> {
    const args = this.argvBy('exec', instance, '-T', '--', 'sh', '-c', linger, 'sh', ...command);
    const shownArgs = options.shownArgs ?? this.argv('exec', instance, '--', ...command);
    return await this.run(how === 'again' ? args : args(this.remote), {
      ...options,
      shownArgs,
      until: endOfOutput,
    });
  }
}
