import { type ChildProcess, spawn } from 'node:child_process';
import { type Moment, now } from '../clock/clock.ts';
import { withDeadline } from '../clock/deadline.ts';
import { CommandError, EnvironmentError, lastLines, messageOf } from '../contract/errors.ts';
import type { Incus } from './incus.ts';
import { FrameReader, frame } from './relay-frames.ts';
import { RelayedSocket } from './relayed-socket.ts';

/**
 * Runs inside a container and carries connections from there, and the output of commands, over its standard input
 * and output, all of them over the one pair: an `incus exec` costs 180 ms of processor time in the lab. perl-base
 * is part of every Debian and Ubuntu.
 *
 * Frames both ways: number of the connection or command (0: the relay itself), one letter, length, bytes.
 * To it: o address port (open TCP), u path (open Postgres' socket), r argv (run, with NUL between arguments),
 * d (data), c (close, kill), p (ping). From it: o (opened), d (data, or what the command printed), e (what it
 * printed on standard error), x code (it ended), c reason, p.
 * It takes addresses and no names, as a look-up would hold up every connection. At the end of its input it ends.
 *
 * Postgres' socket is opened as the user postgres: peer authentication, no password. The relay stays away from a
 * Postgres that listens on no address (line 6 of postmaster.pid). That is how pg_autoctl starts one for crash
 * recovery before pg_rewind, and it then stops it with SIGTERM, the smart shutdown, which waits for sessions: one of
 * ours would make the rewind fail and the node stay down (primary_standby.c, postgres_maybe_do_crash_recovery; seen
 * in the lab).
 */
const relayScript = `
use strict; use Socket qw(:DEFAULT :addrinfo inet_pton TCP_NODELAY IPPROTO_TCP AF_INET6 pack_sockaddr_in6); use Fcntl;
use Errno qw(EINPROGRESS EAGAIN EINTR);
my ($in, %socket, %opening, %out, %pid, %pipe) = ('');
$SIG{PIPE} = 'IGNORE';
sub leave { kill(-9, $_) for values %pid; exit 0 }
sub tell_ { my ($id, $kind, $body) = @_;
  my $bytes = pack('NaN/a*', $id, $kind, $body // '');
  for (my $o = 0; $o < length $bytes; ) {
    my $w = syswrite(STDOUT, $bytes, length($bytes) - $o, $o); next if !defined $w && $!{EINTR}; leave() unless $w; $o += $w } }
sub drop { my ($id, $why) = @_; close $socket{$id}; delete $_->{$id} for \\%socket, \\%opening, \\%out; tell_($id, 'c', $why) if defined $why }
sub connect_ { my ($id, $s, $where) = @_;
  fcntl($s, F_SETFL, O_NONBLOCK); $socket{$id} = $s; $opening{$id} = 1; $out{$id} = '';
  connect($s, $where) or $!{EINPROGRESS} or drop($id, "connect: $!") }
sub tcp { my ($id, $address, $port) = @_;
  my $v6 = $address =~ /:/;
  my $packed = inet_pton($v6 ? AF_INET6 : AF_INET, $address) or return tell_($id, 'c', "not an address: $address");
  socket(my $s, $v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0) or return tell_($id, 'c', "socket: $!");
  setsockopt($s, IPPROTO_TCP, TCP_NODELAY, 1);
  connect_($id, $s, $v6 ? pack_sockaddr_in6($port, $packed) : pack_sockaddr_in($port, $packed)) }
sub lines { sysopen(my $file, $_[0], O_RDONLY | O_NONBLOCK) or die "Postgres does not run ($_[0]: $!)\\n";
  -f $file or die "Postgres does not run ($_[0] is no file)\\n"; sysread($file, my $text, 4096); split /\\n/, $text }
sub postgres { my ($id, $path) = @_;
  my (undef, undef, $uid, $gid) = getpwnam('postgres') or return tell_($id, 'c', 'there is no user postgres');
  my @own = ($>, $)); $) = "$gid $gid"; $> = $uid;
  eval {
    my @postmaster = lines((lines("$path.lock"))[1] . '/postmaster.pid');
    die "Postgres listens on no address: pg_autoctl recovers it from a crash\\n" unless length($postmaster[5] // '');
    socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!\\n";
    connect_($id, $s, pack_sockaddr_un($path)); 1 } or tell_($id, 'c', $@);
  $> = $own[0]; $) = $own[1] }
sub run { my ($id, @argv) = @_;
  pipe(my $output, my $stdout) and pipe(my $errors, my $stderr) or return tell_($id, 'c', "pipe: $!");
  my $pid = fork; defined $pid or return tell_($id, 'c', "fork: $!");
  if (!$pid) {
    setpgrp; $SIG{PIPE} = 'DEFAULT';
    open(STDIN, '<', '/dev/null'); open(STDOUT, '>&', $stdout); open(STDERR, '>&', $stderr);
    exec { $argv[0] } @argv or do { print STDERR "$argv[0]: $!\\n"; exit 127 } }
  setpgrp($pid, $pid);
  $pid{$id} = $pid; $pipe{$id} = { d => $output, e => $errors } }
sub hear_ { my ($id, $kind) = @_;
  my $n = sysread($pipe{$id}{$kind}, my $bytes, 65536);
  if ($n) { tell_($id, $kind, $bytes) } elsif (defined $n || !$!{EINTR}) { delete $pipe{$id}{$kind} } }
sub reap { for my $id (keys %pid) {
  next if %{$pipe{$id}} || waitpid($pid{$id}, 1) != $pid{$id};
  my $code = $? & 127 ? 128 + ($? & 127) : $? >> 8; delete $_->{$id} for \\%pid, \\%pipe; tell_($id, 'x', $code) } }
sub heard { my ($id, $kind, $body) = @_;
  if ($kind eq 'p') { tell_($id, 'p') } elsif ($kind eq 'o') { tcp($id, split / /, $body) }
  elsif ($kind eq 'u') { postgres($id, $body) } elsif ($kind eq 'r') { run($id, split /\\0/, $body, -1) }
  elsif ($kind eq 'c' && $pid{$id}) { kill(-9, $pid{$id}) }
  elsif (!$socket{$id}) { } elsif ($kind eq 'd') { $out{$id} .= $body } else { drop($id) } }
sub opened { my $id = $_[0]; my $e = unpack('i', getsockopt($socket{$id}, SOL_SOCKET, SO_ERROR));
  if ($e) { $! = $e; return drop($id, "$!") } delete $opening{$id}; tell_($id, 'o') }
sub flush_ { my $id = $_[0]; my $w = syswrite($socket{$id}, $out{$id});
  if (defined $w) { substr($out{$id}, 0, $w) = '' } elsif (!$!{EAGAIN} && !$!{EINTR}) { drop($id, "$!") } }
sub take { my $id = $_[0]; my $n = sysread($socket{$id}, my $bytes, 65536);
  if ($n) { tell_($id, 'd', $bytes) } elsif (defined $n) { drop($id, '') } elsif (!$!{EAGAIN} && !$!{EINTR}) { drop($id, "$!") } }
tell_(0, 'o');
while (1) {
  my ($r, $w) = ('', ''); vec($r, 0, 1) = 1;
  for my $id (keys %socket) { my $n = fileno $socket{$id};
    if ($opening{$id}) { vec($w, $n, 1) = 1 } else { vec($r, $n, 1) = 1; vec($w, $n, 1) = 1 if length $out{$id} } }
  vec($r, fileno $_, 1) = 1 for map { values %$_ } values %pipe;
  # One that has closed its output has yet to end. waitpid's 1 is WNOHANG.
  my $ending = grep { !%$_ } values %pipe;
  my $ready = select($r, $w, undef, $ending ? 0.005 : undef);
  reap() if %pid;
  next if $ready <= 0;
  for my $id (keys %socket) { my $n = fileno $socket{$id};
    if (vec($w, $n, 1)) { $opening{$id} ? opened($id) : flush_($id) }
    take($id) if $socket{$id} && !$opening{$id} && vec($r, $n, 1) }
  for my $id (keys %pipe) { for my $kind ('d', 'e') {
    hear_($id, $kind) if $pipe{$id}{$kind} && vec($r, fileno $pipe{$id}{$kind}, 1) } }
  if (vec($r, 0, 1)) {
    my $n = sysread(STDIN, $in, 65536, length $in); leave() unless $n;
    while (length $in >= 9 && length $in >= 9 + unpack('x5N', $in)) {
      my ($id, $kind, $body) = unpack('NaN/a*', $in); substr($in, 0, 9 + length $body) = ''; heard($id, $kind, $body) } }
}
`;

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
  private pings: { sentAt: Moment; answered(tookMs: number): void; failed(error: Error): void }[] = [];
  /** Called once when it ends, unless it was closed. */
  onLost: ((why: string) => void) | undefined;
  private onReady: (() => void) | undefined;
  private onFailed: ((error: Error) => void) | undefined;

  /**
   * Starts one. It can be used at once: what is asked of it waits until it is there. Whatever keeps it from coming to
   * life, or ends it, ends what was asked of it.
   * @param user whose rights it has in the container: root to run commands and to reach Postgres as its superuser
   */
  constructor(incus: Incus, instance: string, user: keyof typeof userIds) {
    const args = incus.argv('exec', instance, '-T', '--user', userIds[user], '--', 'perl', '-e', relayScript);
    const child = spawn('incus', args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child = child;
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-shownErrorCharacters);
    });
    const frames = new FrameReader((id, kind, body) => this.hear(id, kind, body));
    child.stdout.on('data', (bytes: Buffer) => {
      if (this.ended !== undefined || frames.push(bytes)) return;
      const shown = JSON.stringify(bytes.subarray(0, 40).toString('latin1'));
      this.end(`what answers is not what we started (it said ${shown}); is this the real incus client?`);
      child.kill('SIGKILL');
    });
    // A relay that is gone shows by its end; what was written to it last is lost with it.
    child.stdin.on('error', () => {});
    child.on('error', (error: NodeJS.ErrnoException) =>
      this.end(
        error.code === 'ENOENT'
          ? '`incus` is not on PATH; install it or add its folder to PATH'
          : messageOf(error),
      ),
    );
    child.on('close', () => this.end(lastLines(this.stderr, 2) || 'the connection ended'));
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
    if (this.ended !== undefined) throw new EnvironmentError(this.ended);
    const id = ++this.lastId;
    const running: Running = { output: [], outputBytes: 0, errors: '', maxBytes, ended() {}, failed() {} };
    this.commands.set(id, running);
    try {
      const code = await withDeadline(
        `\`${command[0]}\``,
        deadlineMs,
        () =>
          new Promise<number>((ended, failed) => {
            Object.assign(running, { ended, failed });
            this.send(id, 'r', command.join('\0'));
          }),
        signal,
      );
      if (code !== 0)
        throw new CommandError([command[0] ?? ''], `failed with exit code ${code}`, running.errors);
      return Buffer.concat(running.output).toString('utf8');
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

  private send(id: number, kind: string, body: string | Buffer = ''): void {
    if (this.ended === undefined) this.child.stdin?.write(frame(id, kind, body));
  }

  private hear(id: number, kind: string, body: Buffer): void {
    if (id === 0) {
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
