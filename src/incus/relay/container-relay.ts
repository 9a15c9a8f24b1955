import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { type Moment, now } from '../../clock/clock.ts';
import { withDeadline } from '../../clock/deadline.ts';
import { CommandError, EnvironmentError, lastLines, messageOf } from '../../contract/errors.ts';
import { startClient, unstartable, withoutHints } from '../command.ts';
import type { Incus } from '../incus.ts';
import { watchEndpoint } from './endpoint-watch.ts';
import { FrameReader, frame } from './relay-frames.ts';
import { RelayedSocket } from './relayed-socket.ts';
import relayScript from './scripts/relay.pl';

/** What a relay runs as: who has more than it needs can be made to do more than it should. */
const userIds = { root: '0', nobody: '65534' };
const openDeadlineMs = 10_000;
const shownErrorCharacters = 2000;
/** What a relay has for ending what it runs; one that is frozen is not waited for any longer. */
const partingMs = 300;

/** A command that runs, and who waits for it. */
interface Running {
  output: Buffer[];
  outputBytes: number;
  errors: string;
  maxBytes: number;
  ended(code: number): void;
  failed(error: Error): void;
}

/**
 * Connections that start in a container, and commands that run there, over one `incus exec`: what a client there
 * would have, without a route to it from here.
 */
export class ContainerRelay {
  private readonly child: ChildProcess;
  private readonly sockets = new Map<number, RelayedSocket>();
  private readonly commands = new Map<number, Running>();
  private lastId = 0;
  private stderr = '';
  private ended: string | undefined;
  /** When anything was last heard of it, or it was started: until then the way to it was whole. */
  heardAt: Moment = now();
  private pings: { sentAt: Moment; answered(tookMs: number): void; failed(error: Error): void }[] = [];
  /** Called once when it ends, unless it was closed. */
  onLost: ((why: string) => void) | undefined;
  private readonly onAlive: () => void;
  private readonly onEnded: () => void;
  private onReady: (() => void) | undefined;
  private onFailed: ((error: Error) => void) | undefined;

  /**
   * Starts one. It can be used at once: what is asked of it waits until it is there. Whatever keeps it from coming to
   * life, or ends it, ends what was asked of it.
   * @param user whose rights it has in the container: root to run commands and to reach Postgres as its superuser
   */
  constructor(incus: Incus, instance: string, user: keyof typeof userIds) {
    const { endpoints, remote } = incus;
    const id = randomBytes(8).toString('hex');
    const abandoned = endpoints.abandonedIn(instance);
    const command = ['perl', '-e', relayScript, id, ...abandoned];
    const child = startClient(incus.argv('exec', instance, '-T', '--user', userIds[user], '--', ...command));
    this.child = child;
    this.onAlive = () => user === 'root' && endpoints.settled(instance, abandoned);
    const forget = watchEndpoint(endpoints, this);
    this.onEnded = () => {
      forget();
      endpoints.abandon(instance, id);
    };
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-shownErrorCharacters);
    });
    const frames = new FrameReader((id, kind, body) => this.hear(id, kind, body));
    child.stdout.on('data', (bytes: Buffer) => {
      this.heardAt = now();
      if (this.ended !== undefined || frames.push(bytes)) return;
      const shown = JSON.stringify(bytes.subarray(0, 40).toString('latin1'));
      this.end(`what answers is not what we started (it said ${shown}); is this the real incus client?`);
      child.kill('SIGKILL');
    });
    // A relay that is gone shows by its end; what was written to it last is lost with it.
    child.stdin.on('error', () => {});
    child.on('error', (error) => this.end(unstartable('incus', error).message));
    child.on('close', () => {
      if (this.ended === undefined && endpoints.known.length > 0) void endpoints.suspect(remote, 'failure');
      this.end(lastLines(withoutHints(this.stderr), 2) || 'the connection ended');
    });
  }

  /** Starts one, and waits for it. @throws EnvironmentError or DeadlineError when it does not come to life within 10 s */
  static async open(
    incus: Incus,
    instance: string,
    user: keyof typeof userIds,
    signal?: AbortSignal,
  ): Promise<ContainerRelay> {
    const relay = new ContainerRelay(incus, instance, user);
    try {
      await withDeadline(
        `the relay in ${instance}`,
        openDeadlineMs,
        () =>
          new Promise<void>((ready, failed) => {
            relay.onReady = ready;
            relay.onFailed = failed;
            if (relay.ended !== undefined) failed(new Error(relay.ended));
          }),
        signal,
      );
      return relay;
    } catch (error) {
      relay.close();
      if (signal?.aborted) throw error;
      throw new EnvironmentError(`the relay in ${instance} could not be started: ${messageOf(error)}`);
    }
  }

  /** Why it is over, or undefined while it lives. Its connections are closed then. */
  get lost(): string | undefined {
    return this.ended;
  }

  /** A socket that connects to `address` once its `connect` is called. @throws EnvironmentError when the relay is gone */
  tcpSocket(address: string): RelayedSocket {
    return this.socket((id, port) => this.send(id, 'o', `${address} ${port}`));
  }

  /**
   * A socket to the Postgres that listens on `port` in the container, as its user postgres, once its `connect` is called.
   * @throws EnvironmentError when the relay is gone
   */
  postgresSocket(port: number): RelayedSocket {
    const path = `/var/run/postgresql/.s.PGSQL.${port}`;
    return this.socket((id) => this.send(id, 'u', path));
  }

  private socket(open: (id: number, port: number) => void): RelayedSocket {
    if (this.ended !== undefined) throw new EnvironmentError(this.ended);
    const id = ++this.lastId;
    const socket = new RelayedSocket(
      (port) => open(id, port),
      (bytes) => this.send(id, 'd', bytes),
    );
    this.sockets.set(id, socket);
    socket.once('close', () => {
      if (this.sockets.delete(id)) this.send(id, 'c');
    });
    return socket;
  }

  /**
   * Runs a command without input, and returns its whole standard output. It is killed when it is given up.
   * @param command argv
   * @throws CommandError when it exits with another code than 0 or prints more than `maxBytes`, DeadlineError,
   *   EnvironmentError when the relay is gone, the signal's reason when that aborts
   */
  async read(
    command: readonly string[],
    {
      deadlineMs,
      maxBytes,
      signal,
    }: { deadlineMs: number; maxBytes: number; signal?: AbortSignal | undefined },
  ): Promise<string> {
    const what = `\`${command[0]}\``;
    const { code, running } = await this.asked(what, 'r', command.join('\0'), {
      deadlineMs,
      maxBytes,
      signal,
    });
    if (code !== 0)
      throw new CommandError([command[0] ?? ''], `failed with exit code ${code}`, running.errors);
    return Buffer.concat(running.output).toString('utf8');
  }

  /**
   * Takes the lock of a file in the container (flock), which is made where it is not there, and holds it until the relay
   * ends: with its owner, however that is killed.
   * @param how `shared` with others that take it so, or `alone`
   * @returns false when another holds it
   * @throws DeadlineError, EnvironmentError when the relay is gone or the file cannot be opened, the signal's reason
   */
  async lock(
    path: string,
    how: 'shared' | 'alone',
    { deadlineMs, signal }: { deadlineMs: number; signal?: AbortSignal | undefined },
  ): Promise<boolean> {
    const options = { deadlineMs, maxBytes: 0, signal };
    const { code } = await this.asked('a lock', 'l', `${how === 'shared' ? 's' : 'e'} ${path}`, options);
    return code === 0;
  }

  /** Lets go of such a lock. Throws as `lock`. */
  async unlock(
    path: string,
    options: { deadlineMs: number; signal?: AbortSignal | undefined },
  ): Promise<void> {
    await this.asked('the end of a lock', 'l', `u ${path}`, { ...options, maxBytes: 0 });
  }

  private async asked(
    what: string,
    kind: 'r' | 'l',
    body: string,
    {
      deadlineMs,
      maxBytes,
      signal,
    }: { deadlineMs: number; maxBytes: number; signal?: AbortSignal | undefined },
  ): Promise<{ code: number; running: Running }> {
    if (this.ended !== undefined) throw new EnvironmentError(this.ended);
    const id = ++this.lastId;
    const running: Running = { output: [], outputBytes: 0, errors: '', maxBytes, ended() {}, failed() {} };
    this.commands.set(id, running);
    try {
      const code = await withDeadline(
        what,
        deadlineMs,
        () =>
          new Promise<number>((ended, failed) => {
            Object.assign(running, { ended, failed });
            this.send(id, kind, body);
          }),
        signal,
      );
      return { code, running };
    } finally {
      // One that still runs is killed, and known until it has ended.
      if (this.commands.has(id)) this.send(id, 'c');
    }
  }

  /** How long a byte takes there and back, in milliseconds. @throws EnvironmentError when the relay is gone */
  async ping(): Promise<number> {
    return await new Promise<number>((answered, failed) => {
      if (this.ended !== undefined) failed(new EnvironmentError(this.ended));
      else this.pings.push({ sentAt: now(), answered, failed });
      this.send(0, 'p');
    });
  }

  /** Ends it, every connection that it carries, and what still runs. */
  close(): void {
    this.onLost = undefined;
    const { child } = this;
    const isBusy = this.commands.size > 0;
    this.end('closed');
    // A child of the client's own that outlives it must not keep us.
    const kill = () => {
      child.kill('SIGKILL');
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
    };
    if (!isBusy) {
      kill();
      return;
    }
    // Incus kills what was started by a client that is killed, and that alone: the relay would take nothing with it.
    child.stdin?.end();
    const killing = setTimeout(kill, partingMs);
    child.once('exit', () => {
      clearTimeout(killing);
      kill();
    });
  }

  /** Ends it as one whose client was lost. */
  lose(why: string): void {
    this.end(why);
    this.child.kill('SIGKILL');
  }

  private send(id: number, kind: string, body: string | Buffer = ''): void {
    if (this.ended === undefined) this.child.stdin?.write(frame(id, kind, body));
  }

  private hear(id: number, kind: string, body: Buffer): void {
    if (id === 0) {
      if (kind === 'o') this.onAlive();
      if (kind === 'o') this.onReady?.();
      const ping = kind === 'p' ? this.pings.shift() : undefined;
      ping?.answered(now() - ping.sentAt);
      return;
    }
    const command = this.commands.get(id);
    if (command) {
      if (kind === 'x' || kind === 'c') this.commands.delete(id);
      this.hearCommand(command, kind, body);
    }
    const socket = this.sockets.get(id);
    if (kind === 'o') socket?.opened();
    else if (kind === 'd') socket?.hear(body);
    else if (kind === 'c') {
      this.sockets.delete(id);
      socket?.closedThere(body.toString().trimEnd());
    }
  }

  private hearCommand(command: Running, kind: string, body: Buffer): void {
    if (kind === 'x') command.ended(Number(body.toString()));
    else if (kind === 'c') command.failed(new EnvironmentError(body.toString().trimEnd()));
    else if (kind === 'e') command.errors = (command.errors + body.toString()).slice(-shownErrorCharacters);
    else if (kind === 'd') {
      command.outputBytes += body.length;
      if (command.outputBytes > command.maxBytes)
        command.failed(new CommandError([], `printed more than ${command.maxBytes} bytes and was ended`, ''));
      else command.output.push(body);
    }
  }

  private end(why: string): void {
    if (this.ended !== undefined) return;
    this.ended = why;
    this.onEnded();
    const error = new EnvironmentError(why);
    this.onFailed?.(error);
    for (const ping of this.pings.splice(0)) ping.failed(error);
    for (const command of this.commands.values()) command.failed(error);
    this.commands.clear();
    for (const socket of this.sockets.values()) socket.closedThere(why);
    this.sockets.clear();
    this.onLost?.(why);
  }
}
